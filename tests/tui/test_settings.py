"""What a person has set once for all: limits and keys, in files of the configuration folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import InspectorError
from tests.hostile.canaries import text, zip_of
from tests.tui.conftest import exploring
from tui import settings
from tui.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "torchtui").mkdir()
    return tmp_path / "torchtui"


def test_a_limit_comes_from_the_file_unless_the_command_line_has_it(folder: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(folder.parent)}
    assert settings.limits([], environ).memo == 10_000_000
    (folder / "limits.toml").write_text('memo = "2K"\ndepth = 7\n')
    made = settings.limits(["depth=9"], environ)
    assert (made.memo, made.depth, made.stack) == (2048, 9, 1_000_000)


@pytest.mark.parametrize("said", ["memo = ", "memory = 3", "memo = -1", 'memo = "much"', "memo = 1.5", "\x00"])
def test_a_file_that_can_t_be_used_is_told_in_one_line(said: str, folder: Path) -> None:
    (folder / "limits.toml").write_text(said)
    with pytest.raises(InspectorError, match=r"limits\.toml") as error:
        settings.limits([], {"XDG_CONFIG_HOME": str(folder.parent)})
    assert "\n" not in str(error.value)


def test_the_command_line_goes_by_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "model.pt"
    path.write_bytes(zip_of(b"\x80\x04]" + b"K\x01\x94a" * 300 + b"."))
    assert main([str(path), "--print"]) == 0
    (folder / "limits.toml").write_text("memo = 100")
    capsys.readouterr()
    assert main([str(path), "--print"]) == 0
    said = capsys.readouterr().out
    assert "remembers more objects (limit 'memo': 100; --limit memo=N sets it); what stands before that is shown" in said


async def test_a_limit_that_is_hit_is_a_problem_on_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(zip_of(b"\x80\x04}(" + text("a") + b"]" * 600 + b"a" * 599 + b"u."))
    async with exploring(path) as person:
        await person.press("!")
        await person.see("what is nested deeper is not shown (limit 'levels': 500; --limit levels=N sets it)")
