"""Search, filter and going to a name, as a person sees them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.tui.conftest import exploring
from tui.index import Index


async def test_a_search_goes_to_the_first_match_as_one_types_and_reveals_it(checkpoint: Path):
    async with exploring(checkpoint, size=(120, 12)) as person:
        await person.press("slash")
        await person.type("out_proj.w")
        await person.see("1 of ")
        assert person.row == "model.body.layers.0.self_attn.out_proj.weight"
        await person.press("enter")
        assert person.focused == "ModuleTree"


async def test_n_and_N_go_round_the_matches(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("slash")
        await person.type("linear1")
        await person.see("1 of 3")
        await person.press("enter", "n")
        assert person.row == "model.body.layers.1.linear1"
        assert "2 of 3" in person.bottom
        await person.press("n", "n")
        assert person.row == "model.body.layers.0.linear1"
        await person.press("N")
        assert person.row == "model.body.layers.2.linear1"


async def test_what_is_searched_for_is_marked(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("slash")
        await person.type("emb")
        await person.see("1 of ")
        assert person.colours("emb")[1] != person.colours("epoch")[1]


async def test_escape_takes_a_search_back_to_where_it_began(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("j", "slash")
        await person.type("head")
        await person.until(lambda: person.row == "model.head")
        await person.press("escape")
        assert person.row == "epoch"
        assert person.focused == "ModuleTree"


async def test_a_search_for_nothing_that_is_there_says_so(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("slash")
        await person.type("xyz")
        await person.see("no name holds xyz")
        await person.press("enter", "n")
        assert "no name holds xyz" in person.bottom


async def test_a_filter_leaves_what_fits_and_what_stands_above_it_with_their_totals(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("f")
        await person.type("norm1.bias")
        await person.see("3 matches")
        assert person.rows == [
            "model", "model.body", "model.body.layers",
            "model.body.layers.0", "model.body.layers.0.norm1", "model.body.layers.0.norm1.bias",
            "model.body.layers.1", "model.body.layers.1.norm1", "model.body.layers.1.norm1.bias",
            "model.body.layers.2", "model.body.layers.2.norm1", "model.body.layers.2.norm1.bias",
        ]  # fmt: skip
        assert person.lines[2].split("▏")[0].split() == ["▾", "run.pt", "dict", "24", "96", "B"]
        await person.press("enter")
        assert "only norm1.bias" in person.lines[1]


async def test_escape_drops_the_filter_and_stays_at_the_node(checkpoint: Path):
    async with exploring(checkpoint) as person:
        before = person.rows
        await person.press("f")
        await person.type("*.norm2.weight")
        await person.see("3 matches")
        await person.press("enter", "j", "j", "j")
        here = person.row
        await person.press("escape")
        assert person.row == here
        assert set(before) <= set(person.rows)
        assert "only" not in person.lines[1]


async def test_a_search_stays_within_the_filter(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("f")
        await person.type("layers.1")
        await person.see("matches")
        await person.press("enter", "slash")
        await person.type("weight")
        await person.see("1 of 6")


async def test_a_filter_that_makes_no_sense_says_where(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("f", "quotation_mark")
        await person.see("closing")
        await person.press("escape")
        assert person.focused == "ModuleTree"


async def test_a_name_is_gone_to_with_completion(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("colon")
        await person.type("model.he")
        await person.see("model.head")
        await person.press("tab")
        await person.until(lambda: person.app.explorer.prompt.text == "model.head")
        await person.press("enter")
        assert person.row == "model.head"


async def test_a_name_that_is_not_there_can_be_corrected(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("colon")
        await person.type("epo")
        await person.press("enter")
        await person.see("no such name")
        await person.type("ch")
        await person.press("enter")
        assert person.row == "epoch"


async def test_going_to_a_name_that_a_filter_hides_drops_the_filter(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("f")
        await person.type("head")
        await person.see("matches")
        await person.press("enter", "colon")
        await person.type("epoch")
        await person.press("enter")
        assert person.row == "epoch"
        assert "only" not in person.lines[1]


async def test_among_values_an_index_is_gone_to(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("colon")
        await person.type("big")
        await person.press("enter", "enter", "colon")
        await person.type("123, 45")
        await person.press("enter")
        await person.see("big[123, 45] = 36945")
        await person.press("colon")
        await person.type("999, 0")
        await person.press("enter")
        await person.see("999")
        assert person.app.explorer.prompt is not None


async def test_a_filter_from_the_command_line_is_set_from_the_start_and_escape_drops_it(checkpoint: Path):
    async with exploring(checkpoint, query="*.bias") as person:
        await person.see("only *.bias")
        await person.until(lambda: "weight" not in person.screen, "a tree without weights")
        await person.press("escape")
        await person.see("weight")


async def test_a_filter_that_leaves_nothing_says_so_as_long_as_it_stands(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("f", *"nowhere", "enter")
        await person.see("only nowhere: nothing matches")
        await person.press("escape")
        await person.until(lambda: "nothing matches" not in person.screen)
    async with exploring(checkpoint, query="nowhere") as person:
        await person.see("only nowhere: nothing matches")


async def test_what_a_person_folds_stays_folded_while_the_filter_is_refined(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("f")
        await person.type("weight")
        await person.see(" matches")
        await person.press("enter", "colon")
        await person.type("model.body.layers.0")
        await person.press("enter", "space")
        below = [row for row in person.rows if row.startswith("model.body.layers.0.")]
        assert below == []
        await person.press("f")
        await person.type(" linear")
        await person.until(lambda: "model.body.layers.1.self_attn" not in person.rows)
        assert "model.body.layers.1.linear1.weight" in person.rows
        assert [row for row in person.rows if row.startswith("model.body.layers.0.")] == below
        await person.press("escape", "escape")


async def test_letters_that_are_typed_while_the_names_are_gathered_are_searched_and_filtered_for(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    gathered = threading.Event()

    class Slow(Index):
        def __init__(self, *given: Any) -> None:
            while not gathered.wait(0.01):
                given[1](0)
            super().__init__(*given)

    monkeypatch.setattr("tui.screens.finding.Index", Slow)
    async with exploring(checkpoint) as person:
        await person.press("f")
        await person.type("linear1 (")
        await person.see("missing here")
        await person.press("backspace", "backspace")
        gathered.set()
        await person.see("9 matches")
        assert person.row == "model.body.layers.0.linear1"
        await person.press("escape")
