"""A file is there whole or not at all, whoever else has the name, and however the program ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inspector import replacing
from inspector.errors import InspectorError


@pytest.fixture(params=["without a name", "with another name"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the file waits for its name: as the system has it, and as those have it that lack files without names."""
    if request.param == "with another name":
        monkeypatch.setattr(replacing, "NAMELESS", 0)
    return request.param


def write(path: Path, text: str = "new", replace: bool = False) -> None:
    with replacing.replacing(str(path), replace) as file:
        file.write(text.encode())


def test_it_is_there_at_the_end_and_nothing_else_is(way: str, tmp_path: Path) -> None:
    with replacing.replacing(str(tmp_path / "x.npy"), False) as file:
        file.write(b"new")
        file.flush()
        assert not (tmp_path / "x.npy").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    assert (tmp_path / "x.npy").read_bytes() == b"new"


def test_what_others_may_read_is_as_with_any_new_file_and_as_it_was_with_one_that_is_replaced(
    way: str, tmp_path: Path
) -> None:
    plain, path = tmp_path / "plain", tmp_path / "x"
    plain.touch()
    write(path)
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o600)
    write(path, "newer", replace=True)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("newer", 0o600)


def test_a_file_that_comes_in_the_meantime_is_not_replaced(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    fsync = os.fsync

    def somebody_else_first(descriptor: int) -> None:
        path.write_text("theirs")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", somebody_else_first)
    with pytest.raises(replacing.AlreadyThere):
        write(path)
    assert path.read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_raised_leaves_nothing(way: str, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing.replacing(str(tmp_path / "x"), False):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not replacing.NAMELESS, reason="this system has no files without names")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_program_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    script = """\
import sys, time
from inspector.replacing import replacing
with replacing("x", False) as file:
    file.write(bytes(1 << 20))
    file.flush()
    print("written", flush=True)
    time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"written\n"
        program.send_signal(number)
        assert program.wait() == -number
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_place_for_a_file_is_said_at_once(way: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for destination, said in {
        tmp_path / "fifo": "no ordinary file",
        "/dev/null": "no ordinary file",
        tmp_path: "is a folder",
        tmp_path / "none" / "x": "No such file",
        tmp_path / ("x" * 300): "too long",
        tmp_path / "fifo" / "x": "Not a directory",
        "/sys/kernel/x": "ermi",
        "a\0b": r"a\\x00b is no name",
    }.items():
        with pytest.raises(InspectorError, match=said):
            write(Path(destination), replace=True)
