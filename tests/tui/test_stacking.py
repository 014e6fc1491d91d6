"""Repeated layers as one row of the tree, and what a person reads of their parameters over depth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tui.conftest import Person, exploring
from tests.tui.slow import SlowBlocks

LAYERS = 12


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """Twelve layers, of which the eighth diverged, the third is in another dtype, and the sixth in another shape."""
    torch.manual_seed(0)
    tensors = {"embed.weight": torch.randn(10, 8)}
    for number in range(LAYERS):
        tensors[f"layers.{number}.up.weight"] = torch.randn(32, 8) * (50 if number == 7 else 1)
        tensors[f"layers.{number}.norm.weight"] = torch.ones(8 if number != 5 else 9)
    tensors["layers.2.up.weight"] = tensors["layers.2.up.weight"].half()
    torch.save(tensors, tmp_path / "deep.pt")
    return tmp_path / "deep.pt"


def table(person: Person) -> list[str]:
    return [line.rstrip() for line in person.app.explorer.depth_view.text.splitlines()]


async def folded(person: Person) -> None:
    await person.press("D")
    await person.see("0…11 ×12")


async def to_the_weight(person: Person) -> None:
    await folded(person)
    await person.press("E", *"jjjjjj")
    while person.row != "layers.0.up.weight":
        await person.press("j" if "up" not in person.row else "l")
    await person.until(lambda: len(table(person)) > LAYERS and "counting" not in person.screen)


async def test_D_folds_repeated_layers_into_one_row_with_the_totals_of_all(deep: Path):
    async with exploring(deep) as person:
        before = person.rows
        await folded(person)
        assert [row for row in person.rows if row.startswith("layers.") and row.count(".") == 1] == ["layers.0"]
        (line,) = [line for line in person.lines if "×12" in line]
        assert " 3.2K" in line
        await person.press("D")
        await person.until(lambda: person.rows == before)


async def test_a_parameter_of_all_layers_is_a_line_of_blocks_and_a_table(deep: Path):
    async with exploring(deep) as person:
        await to_the_weight(person)
        norm, std, peak, zero, _, heads, *rows = table(person)
        assert norm.split()[0] == "norm" and norm.split()[1].index("█") == 7 and len(norm.split()[1]) == LAYERS
        assert std.split()[1].index("█") == 7 and peak.startswith(" abs max") and zero.startswith(" zero")
        assert heads.split()[:5] == ["layer", "norm", "std", "abs", "max"]
        assert [row.split()[0] for row in rows] == [str(number) for number in range(LAYERS)]
        assert "above the others: norm, std, abs max" in rows[7]
        assert rows[2].endswith("dtype float16, the others float32")
        assert not any("above" in row for number, row in enumerate(rows) if number != 7)
        assert "and its like in all layers" in person.screen


async def test_the_layer_whose_shape_differs_is_named_beside_the_parameters(deep: Path):
    async with exploring(deep) as person:
        await folded(person)
        while person.row != "layers.0":
            await person.press("j")
        await person.until(lambda: table(person))
        assert " up.weight  layer 2: dtype float16, the others float32" in table(person)
        assert " norm.weight  layer 5: shape [9], the others [8]" in table(person)


async def test_enter_in_the_table_goes_to_the_layers_own_tensor(deep: Path):
    async with exploring(deep) as person:
        await to_the_weight(person)
        await person.press("enter")
        assert person.focused == "DepthView"
        await person.press(*"jjjjjj", *"jjjjjjj", "enter")
        await person.until(lambda: person.row == "layers.7.up.weight")
        assert "×12" not in person.screen
        await person.see("[32, 8]  256 elements")


async def test_the_table_fills_as_layers_are_counted(deep: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tui.screens.stacking.EVERY", 0.0)
    slow = SlowBlocks(monkeypatch)
    async with exploring(deep) as person:
        await folded(person)
        while person.row != "layers.0.up.weight":
            await person.press("j" if "layers.0" not in person.row else "l")
            if person.row == "layers.0.norm":
                break
        slow.allow(3)
        await person.until(lambda: len(table(person)) > LAYERS and "counting" in person.screen)
        await person.until(lambda: sum("·" not in row for row in table(person)[6:]) == 3)
        slow.flow()
        await person.until(lambda: "counting" not in person.screen)
        assert not any("·" in row for row in table(person)[6:])


async def test_going_to_a_hidden_layer_and_filtering_show_every_layer_again(deep: Path):
    async with exploring(deep) as person:
        await folded(person)
        await person.press("colon", *"layers.9.up", "enter")
        assert person.row == "layers.9.up"
        await folded(person)
        assert person.row == "layers.0"
        await person.press("f", *"layers.4", "enter")
        assert "layers.4.up.weight" in person.rows


async def test_without_repeated_layers_D_says_so(tutorial: Path):
    async with exploring(tutorial / "state_dict.pt") as person:
        await person.press("D")
        await person.until(lambda: "no repeated layers" in person.bottom)


async def test_a_file_that_is_read_again_comes_back_folded(deep: Path):
    async with exploring(deep) as person:
        await to_the_weight(person)
        name = person.row
        await person.press("r")
        await person.see("read again")
        await person.see("0…11 ×12")
        assert person.row == name
