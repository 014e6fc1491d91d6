"""A filter that asks for statistics: what is needed is counted, and the selection follows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from inspector.statistics import cuts
from tests.tui.conftest import exploring
from tests.tui.slow import BLOCK, SlowBlocks


@pytest.fixture
def ill(tmp_path: Path) -> Path:
    """Eight tensors of several blocks: two with NaN, and all with other means."""
    tensors = {f"layers.{number}.weight": torch.full((BLOCK // 4, 4), float(number)) for number in range(8)}
    tensors["layers.2.weight"][5, 3] = tensors["layers.6.weight"][0, 0] = torch.nan
    tensors["count"] = torch.arange(5)
    torch.save(tensors, tmp_path / "model.pt")
    return tmp_path / "model.pt"


async def test_what_has_a_nan_is_left_with_what_is_above_it_and_its_totals(ill: Path):
    async with exploring(ill) as person:
        await person.press("f", *"nan>0")
        await person.see("2 matches")
        await person.until(lambda: "counting" not in person.screen)
        assert person.rows == [
            "layers", "layers.2", "layers.2.weight", "layers.6", "layers.6.weight"
        ]  # fmt: skip
        assert any(line.split()[:3] == ["▾", "model.pt", "dict"] and "2.0K" in line for line in person.lines)
        await person.press("enter", "escape")
        assert len(person.rows) > 8


async def test_the_selection_grows_as_results_come(ill: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tui.selecting.EVERY", 0.0)
    monkeypatch.setattr("tui.selecting.SHARE", 0)
    slow = SlowBlocks(monkeypatch)
    async with exploring(ill) as person:
        # Without the statistics of the row under the cursor, which would take some of what is allowed.
        await person.press("s", "s", "f", *"mean>=0")
        slow.allow(4 * 2 + 1)
        await person.see("layers.1.weight"[:6])
        await person.until(lambda: len([row for row in person.rows if row.endswith("weight")]) == 2)
        await person.see("2 matches, counting")
        slow.allow(4)
        await person.until(lambda: len([row for row in person.rows if row.endswith("weight")]) == 3)
        slow.flow()
        await person.see("9 matches")
        await person.until(lambda: "counting" not in person.screen)


async def test_another_filter_stops_the_count_and_what_was_counted_is_not_counted_again(
    ill: Path, monkeypatch: pytest.MonkeyPatch
):
    slow = SlowBlocks(monkeypatch)
    async with exploring(ill) as person:
        await person.press("f", *"nan>0")
        slow.allow(10)
        await person.until(lambda: slow.read == 10)
        await person.press(*" layers.0")
        slow.flow()
        await person.see("0 matches")
        await person.until(lambda: "counting" not in person.screen)
        # The block that was under way, and nothing for the rest of the name that was typed.
        assert slow.read <= 10 + 1
        await person.press("escape")


async def test_names_decide_first_what_is_counted(ill: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cuts, "BLOCK", BLOCK)
    slow = SlowBlocks(monkeypatch)
    slow.flow()
    async with exploring(ill, query="layers.3 and std=0") as person:
        await person.until(lambda: person.rows == ["layers", "layers.3", "layers.3.weight"])
        assert slow.read == 4


@pytest.mark.parametrize(
    ("typed", "caret", "said"),
    [
        ("nan>", 4, "a value is missing here"),
        ("bias nan>x", 9, "a number is wanted here"),
        ("foo=3", 0, "no field is called foo"),
    ],
)
async def test_a_mistake_is_pointed_at_with_a_caret(ill: Path, typed: str, caret: int, said: str):
    async with exploring(ill) as person:
        await person.press("f", *typed)
        await person.see(said)
        above, below = person.lines[-2:]
        assert above.startswith(f" filter {typed}")
        assert below.index("^") == len(" filter ") + caret
        await person.press("enter")
        assert person.focused == "TextField"
        await person.press("escape")
        assert "^" not in person.screen
