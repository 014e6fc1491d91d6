"""The spectrum of a matrix in the place of its statistics."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from inspector.statistics import spectrum
from tests.tui.conftest import Person, exploring


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A matrix with the singular values 4, 2 and 1, one of rank 2 that is larger, and what has no spectrum."""
    torch.manual_seed(0)
    rank_two = torch.randn(200, 2) @ torch.randn(2, 150)
    ill = torch.ones(4, 4)
    ill[1, 1] = torch.nan
    torch.save(
        {"d": torch.diag(torch.tensor([4.0, 1.0, 2.0])), "two": rank_two, "nan": ill, "v": torch.ones(3)}, tmp_path / "m.pt"
    )
    return tmp_path / "m.pt"


def panel(person: Person) -> str:
    return " ".join(person.app.explorer.statistics.text.split())


async def test_u_shows_singular_values_effective_rank_and_condition(saved: Path):
    async with exploring(saved) as person:
        await person.press("j", "u")
        await person.until(lambda: "condition" in panel(person))
        assert "spectrum all singular values" in panel(person)
        assert "condition 4.000" in panel(person) and "largest 4.000" in panel(person) and "smallest 1.000" in panel(person)
        # e to the power of the entropy of 4/7, 2/7 and 1/7.
        assert "effective rank 2.6 of 3" in panel(person)
        await person.press("u")
        await person.until(lambda: panel(person).startswith("statistics"))


async def test_it_is_gone_when_the_cursor_moves_on(saved: Path):
    async with exploring(saved) as person:
        await person.press("j", "u")
        await person.until(lambda: "condition" in panel(person))
        await person.press("j")
        assert "spectrum" not in panel(person)
        await person.until(lambda: panel(person).startswith("statistics"))


async def test_a_large_matrix_is_done_by_a_randomised_method_that_says_so(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spectrum, "EXACT", 10)
    monkeypatch.setattr(spectrum, "RANK", 5)
    async with exploring(saved, size=(160, 40)) as person:
        await person.press("j", "j", "u")
        await person.until(lambda: "condition" in panel(person))
        assert "the 5 largest singular values, by a randomised method" in panel(person)
        assert "effective rank ≤ 2." in panel(person) or "effective rank ≤ 1." in panel(person)
        assert "condition ≥" in panel(person) and "energy 100.0% in 5 values" in panel(person)


async def test_what_has_no_spectrum_says_why(saved: Path):
    async with exploring(saved) as person:
        await person.press("j", "j", "j", "u")
        await person.until(lambda: "it holds NaN or Inf" in panel(person))
        await person.press("j", "u")
        assert person.bottom == "only a matrix has a spectrum"


async def test_it_stops_when_it_is_not_wanted_any_more(saved: Path, monkeypatch: pytest.MonkeyPatch):
    steps: list[float] = []

    def endless(tensor: object, progress: spectrum.Progress) -> None:
        while True:
            steps.append(0.5)
            progress(0.5)

    monkeypatch.setattr(spectrum, "spectrum", endless)
    async with exploring(saved) as person:
        await person.press("j", "u")
        await person.until(lambda: "singular values of [3, 3] … 50%" in panel(person))
        await person.press("u")
        # The reader is free again for what comes next.
        await person.press("G")
        await person.until(lambda: panel(person).startswith("statistics"))
        done = len(steps)
        await person.pilot.pause(0.05)
        assert len(steps) == done
