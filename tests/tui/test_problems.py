"""What is wrong with a file: in the title, at its tensors, on a page whose entries lead to them; and what is only odd."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
import torch.package

from tests.tui.conftest import exploring
from tui.app import Palette
from tui.screens.problems import ProblemsScreen


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """An archive in which one storage is too short and one is missing."""
    torch.save({f"layers.{i}.weight": torch.full((3, 3), float(i)) for i in range(8)}, tmp_path / "whole.pt")
    with zipfile.ZipFile(tmp_path / "whole.pt") as whole, zipfile.ZipFile(tmp_path / "damaged.pt", "w") as made:
        for name in whole.namelist():
            if not name.endswith("/data/5"):
                made.writestr(name, whole.read(name)[: 20 if name.endswith("/data/3") else None])
    return tmp_path / "damaged.pt"


async def test_what_only_this_file_has_is_among_the_first_hints(damaged: Path):
    async with exploring(damaged, size=(80, 24)) as person:
        await person.see("! problems")
        assert person.bottom.startswith("⏎ open  ! problems")


async def test_problems_have_a_badge_in_the_title_and_at_their_tensors(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        assert "! 2 problems" in person.lines[0]
        assert sum("weight problem" in line for line in person.lines) == 2
        assert "! problems" in person.bottom


async def test_a_collapsed_layer_tells_that_there_are_problems_below(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        assert "layers !" in person.screen
        await person.press("j", "h")
        await person.see("layers problems below")


async def test_details_say_what_is_wrong_with_a_tensor(damaged: Path):
    async with exploring(damaged, size=(160, 36)) as person:
        await person.press(":", *"layers.3.weight", "enter")
        await person.see("problem     the storage should hold 36 bytes and holds 20")


async def test_the_list_of_problems_leads_to_their_tensors(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        await person.press("!")
        await person.see("the storage is missing from the archive")
        assert [line.strip() for line in person.lines[:5]] == [
            "2 problems",
            "the storage should hold 36 bytes and holds 20  1 tensor",
            "layers.3.weight",
            "the storage is missing from the archive  1 tensor",
            "layers.5.weight",
        ]
        await person.press("G", "enter")
        await person.see("expression  ['layers.5.weight']")
        assert person.row == "layers.5.weight"


async def test_bytes_with_a_wrong_checksum_are_a_problem_of_their_tensor(damaged: Path, tmp_path: Path):
    data = bytearray((tmp_path / "whole.pt").read_bytes())
    data[data.index(torch.full((3, 3), 6.0).numpy().tobytes()) + 3] ^= 0xFF
    (tmp_path / "wrong.pt").write_bytes(data)
    async with exploring(tmp_path / "wrong.pt") as person:
        await person.see("weight problem")
        await person.press("!")
        await person.see("the checksum is wrong")
        await person.press("j", "enter")
        assert person.row == "layers.6.weight"
        await person.see("problem     the checksum is wrong")


async def test_a_problem_of_the_file_itself_leads_nowhere_and_says_so(damaged: Path, tmp_path: Path):
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:-200])
    async with exploring(tmp_path / "cut.pt") as person:
        assert "! 1 problem" in person.lines[0]
        await person.press("!")
        await person.see("the archive is cut off")
        await person.press("enter")
        await person.see("that is about the file as a whole")


async def test_a_name_that_lies_is_mentioned(tmp_path: Path):
    torch.save({"a": torch.ones(2)}, tmp_path / "lies.safetensors")
    async with exploring(tmp_path / "lies.safetensors") as person:
        assert person.lines[0].startswith(" lies.safetensors  PyTorch zip, not .safetensors · 1 tensor")
        await person.press("i")
        await person.see("the name ends in .safetensors, but the file is of another kind: PyTorch zip")
        await person.press("i", "!")
        await person.see("no problems, 1 remark")
        await person.press("enter")
        await person.see("that is about the file as a whole")


@pytest.mark.parametrize(
    "name", ["model.pt", "model.pth", "model.bin", "model.ckpt", "model.pth.tar", "model.pkl", "model", "x.y"]
)
async def test_names_that_files_of_torch_have_are_no_lies(tmp_path: Path, name: str):
    torch.save({"a": torch.ones(2)}, tmp_path / name)
    async with exploring(tmp_path / name) as person:
        assert "PyTorch zip · 1 tensor" in person.lines[0]


async def test_a_file_without_problems_says_so(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        assert "problem" not in person.screen
        await person.press("!")
        assert person.bottom == "no problems are known"


async def test_a_page_goes_once_however_fast_keys_come(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        await person.press("!", "j")
        page = person.app.screen
        assert isinstance(page, ProblemsScreen)
        page.body.action_open()
        page.action_close()
        page.action_close()
        await person.pilot.pause()
        await person.see("layers")


async def test_so_does_the_palette_and_one_that_is_gone_before_it_was_there_is_no_matter(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        app = person.app
        app.action_command_palette()
        palette = app.screen
        app.pop_screen()
        assert isinstance(palette, Palette)
        await person.pilot.pause()
        app.action_command_palette()
        await person.pilot.pause()
        palette = app.screen
        assert isinstance(palette, Palette)
        palette.dismiss()
        palette.dismiss()
        await person.pilot.pause()
        await person.see("layers")


async def test_the_palette_comes_again_while_the_one_before_it_goes(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        app = person.app
        app.action_command_palette()
        await person.pilot.pause()
        app.screen.dismiss()
        app.action_command_palette()
        await person.pilot.pause()
        assert isinstance(app.screen, Palette)


async def test_a_pane_that_is_gone_gives_the_keys_to_the_tree(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        person.app.explorer.go_to_pane("grid")
        await person.press("j")
        assert person.app.explorer.pane == "tree"
        assert person.row == "layers"
