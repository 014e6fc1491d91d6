"""The choice of a file: what lies below the folder, newest first, and why the last one failed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.tui.conftest import exploring


@pytest.fixture
def folder(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three models of different ages among other files."""
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(["new.pt", "runs/middle.bin", "runs/deep/Old.ckpt"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tutorial / "model.pt", path)
        os.utime(path, (path.stat().st_mtime - 4000 * age,) * 2)
    (tmp_path / "notes.pt").write_text("a text")
    (tmp_path / ".hidden").mkdir()
    shutil.copy(tutorial / "model.pt", tmp_path / ".hidden" / "hidden.pt")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.pt")
    return tmp_path


async def test_the_model_files_below_the_folder_are_listed_newest_first(folder: Path):
    async with exploring(None) as person:
        await person.see("3 files")
        assert [line.split()[0] for line in person.lines[1:4]] == ["new.pt", "runs/middle.bin", "runs/deep/Old.ckpt"]
        assert "torch.save" in person.lines[1]
        assert "4.4 kB" in person.lines[1] or " kB" in person.lines[1]
        assert "1 h ago" in person.lines[2]
        assert not any(name in person.screen for name in ("notes", "hidden", "loop", "pipe"))


async def test_enter_opens_the_file_under_the_cursor(folder: Path):
    async with exploring(None) as person:
        await person.see("3 files")
        await person.press("j", "enter")
        await person.see("PolynomialRegression")
        assert "middle.bin" in person.lines[0]


async def test_what_is_typed_filters_the_list(folder: Path):
    async with exploring(None) as person:
        await person.see("3 files")
        await person.press("slash")
        await person.type("old")
        await person.see("1 of 3 files")
        await person.press("enter")
        await person.see("PolynomialRegression")
        assert "Old.ckpt" in person.lines[0]


async def test_a_file_that_can_not_be_opened_is_explained_and_another_one_can_be(folder: Path):
    async with exploring(folder / "notes.pt") as person:
        await person.see("new.pt")
        assert "is a text file, not a PyTorch model file" in " ".join(person.screen.split())
        await person.see("new.pt")
        await person.press("enter")
        await person.see("PolynomialRegression")
        await person.press("q")
        assert person.app.return_code == 0


async def test_quitting_where_nothing_could_be_opened_has_status_2(folder: Path):
    async with exploring(folder / "missing.pt") as person:
        await person.see("missing.pt")
        await person.press("q")
        assert person.app.return_code == 2


async def test_a_path_can_be_typed(folder: Path):
    async with exploring(None) as person:
        await person.press("o")
        await person.type("runs/deep/Old.ckpt")
        await person.press("enter")
        await person.see("PolynomialRegression")


async def test_another_file_can_be_opened_from_the_explorer_or_not(folder: Path):
    async with exploring(folder / "new.pt") as person:
        await person.press("o")
        await person.see("3 files")
        await person.press("escape")
        assert person.focused == "ModuleTree"
        await person.press("o")
        await person.see("3 files")
        await person.press("G", "enter")
        await person.until(lambda: "Old.ckpt" in person.lines[0] and "PolynomialRegression" in person.screen)


async def test_a_folder_without_models_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    async with exploring(None) as person:
        await person.see("no model files here: o opens a path")


async def test_of_several_paths_one_is_chosen_and_one_that_leads_nowhere_says_why(folder: Path):
    async with exploring("runs/middle.bin", others=["new.pt", "gone.pt"]) as person:
        await person.see("3 files")
        assert "the files that were named" in person.lines[0]
        assert "Old.ckpt" not in person.screen
        await person.press("G", "enter")
        await person.see("there is no file")
        await person.press("g", "enter")
        await person.see("PolynomialRegression")
