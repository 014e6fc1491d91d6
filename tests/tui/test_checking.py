"""The health of a whole file, as a person sees it while every tensor is looked at, and walks what is found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from inspector.statistics import cuts
from tests.tui.conftest import Person, exploring
from tests.tui.slow import BLOCK, SlowBlocks

NAN = "layers.2.up.weight"
LONG = 600


@pytest.fixture
def ill(tmp_path: Path) -> Path:
    """Six layers: one with a NaN far back in many blocks, one that explodes, one with dead rows, and an optimizer's Inf."""
    torch.manual_seed(0)
    tensors = {}
    for number in range(6):
        tensors[f"layers.{number}.norm.weight"] = torch.ones(8) + torch.rand(8)
        tensors[f"layers.{number}.up.weight"] = torch.randn(LONG, 16)
    tensors["layers.2.up.weight"][LONG - 3, 5] = torch.nan
    tensors["layers.4.up.weight"] *= 100
    tensors["layers.5.up.weight"][7] = 0
    state = {"exp_avg": torch.full((8,), torch.inf), "exp_avg_sq": torch.rand(8), "step": torch.tensor(3.0)}
    torch.save(
        {"model": tensors, "optimizer": {"state": {0: state}, "param_groups": [{"params": [0]}]}}, tmp_path / "run.pt"
    )
    return tmp_path / "run.pt"


def marks(person: Person) -> dict[str, str]:
    """The rows of the tree that have a mark of the look at the file, and the marks."""
    marks = r"(NaN|Inf|exploding|dead rows|✓)"
    found = (re.search(rf"[│▾▸ ]+([\w.]+)(?: tied| frozen)? {marks}", line.split("▏")[0]) for line in person.lines)
    return {match[1]: match[2] for match in found if match is not None}


async def looked(person: Person) -> None:
    await person.until(lambda: person.app.explorer.check is not None and not person.app.explorer.check.running)


async def test_everything_that_is_wrong_is_found_and_marked_up_to_the_root(ill: Path):
    async with exploring(ill, size=(120, 60)) as person:
        await person.press("S")
        await looked(person)
        assert "health: 4 findings in all 15 tensors, " in person.bottom
        found = marks(person)
        assert {row: found.get(row) for row in ("run.pt", "model", "optimizer", "1", "2", "4", "5")} == {
            "run.pt": "NaN", "model": "NaN", "optimizer": "Inf", "1": None, "2": "NaN", "4": "exploding", "5": "dead rows",
        }  # fmt: skip


async def test_n_walks_the_findings_and_enter_lands_on_the_first_nan(ill: Path, monkeypatch: pytest.MonkeyPatch):
    # Forty blocks, the NaN in the last.
    monkeypatch.setattr(cuts, "BLOCK", BLOCK)
    async with exploring(ill) as person:
        await person.press("colon", *"health", "enter")
        await looked(person)
        await person.press("n")
        assert person.row == f"model.{NAN}"
        assert person.bottom == f"1 of 4 · model.{NAN}: 1 NaN, the first at [{LONG - 3}, 5]"
        await person.until(lambda: any(line.endswith(" nan") or " nan " in line for line in person.lines), "the cell")
        assert "1 of 4" in person.bottom
        await person.press("enter")
        await person.until(lambda: f"weight[{LONG - 3}, 5] = nan" in person.bottom, "the cell under the cursor")
        await person.press("escape", "n")
        assert person.row == "model.layers.4.up.weight"
        assert "exploding" in marks(person).values()
        await person.press("N", "N")
        assert person.row == "optimizer.state.0.exp_avg"
        assert "4 of 4" in person.bottom


async def test_a_nan_among_a_billion_elements_is_found_and_landed_on(tmp_path: Path):
    rows, columns, place = 1 << 15, 1 << 15, (20_000, 12_345)
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [rows, columns], "data_offsets": [0, rows * columns]}}).encode()
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        start = file.tell()
        # All else is a hole: it takes no room on the disk.
        file.truncate(start + rows * columns)
        file.seek(start + place[0] * columns + place[1])
        file.write(b"\x7f")
    async with exploring(path) as person:
        await person.press("S")
        check = person.app.explorer.check
        assert check is not None
        await person.until(lambda: not check.running, "all of it", patience=90)
        assert [finding.index for finding in check.findings if finding.kind == "nan"] == [place]
        await person.press("n")
        assert "· w: 1 NaN, the first at [20000, 12345]" in person.bottom
        await person.press("enter")
        await person.until(lambda: "w[20000, 12345] = nan" in person.bottom, "the cell")


async def test_progress_is_told_and_survivors_are_marked_while_it_runs(ill: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tui.screens.checking.EVERY", 0.0)
    slow = SlowBlocks(monkeypatch)
    blocks = LONG * 16 * 4 // BLOCK + 1
    async with exploring(ill, size=(160, 40)) as person:
        await person.press("S")
        slow.allow(blocks + 3)
        await person.see("✓")
        await person.until(lambda: re.search(r"health: \d+% · .+/s · \d+:\d\d left · 0 findings", person.bottom))
        assert marks(person)["weight"] == "✓"
        slow.flow()
        await looked(person)


async def test_stopping_keeps_what_is_known(ill: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tui.screens.checking.EVERY", 0.0)
    slow = SlowBlocks(monkeypatch)
    blocks = LONG * 16 * 4 // BLOCK + 2
    async with exploring(ill) as person:
        await person.press("S")
        slow.allow(3 * blocks + 20)
        await person.see("1 finding ·")
        read = slow.read
        await person.press("escape")
        slow.allow(1)
        await looked(person)
        assert slow.read <= read + 21
        assert re.search(r"health: 1 finding, stopped at \d+ of 15 tensors", person.bottom)
        await person.press("n")
        assert person.row == f"model.{NAN}"
        await person.press("escape")
        assert "NaN" not in marks(person).values()


async def test_S_lists_what_was_found_and_picking_goes_there(ill: Path):
    async with exploring(ill) as person:
        await person.press("S")
        await looked(person)
        await person.press("S")
        await person.see("4 findings in")
        assert [line.split()[:2] for line in person.lines[1:5]] == [
            ["NaN", f"model.{NAN}"], ["exploding", "model.layers.4.up.weight"], ["dead", "rows"],
            ["Inf", "optimizer.state.0.exp_avg"],
        ]  # fmt: skip
        await person.press("j", "enter")
        await person.until(lambda: person.row == "model.layers.4.up.weight")
        assert "times the median of the 6" in person.bottom


async def test_a_search_has_n_for_itself(ill: Path):
    async with exploring(ill) as person:
        await person.press("S")
        await looked(person)
        await person.press("slash", *"norm", "enter", "n")
        assert person.row == "model.layers.1.norm"


async def test_what_was_looked_at_needs_not_be_counted_for_a_filter_again(ill: Path):
    async with exploring(ill) as person:
        await person.press("S")
        await looked(person)
        explorer = person.app.explorer
        assert explorer.root is not None
        assert all(explorer.known.figures(tensor) is not None for tensor in explorer.root.tensors())
