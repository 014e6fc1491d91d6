"""The bars of a panel: nothing gets lost, zero is in the middle, and smooth data make no comb."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.statistics import Statistics
from inspector.statistics.histogram import bars
from tests.inspector.test_scan import counted
from tests.inspector.test_statistics import NARROW, WIDE, elements

KINDS = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


def normal(kind: Any) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(0).standard_normal(200_000) * 0.02).astype(kind)


@given(elements(NARROW + WIDE), st.integers(0, 90))
def test_every_element_is_in_a_bar_or_told_apart(array: np.ndarray[Any, Any], columns: int) -> None:
    result = counted(array)
    made = bars(result, columns)
    assert len(made.edges) == len(made.counts) + 1 <= max(columns, 1) + 1
    assert made.counts.sum() == pytest.approx(result.finite)
    assert made.below == made.above == 0
    assert (made.counts > -1e-6).all()
    assert (made.nan, made.posinf, made.neginf) == (result.nan, result.posinf, result.neginf)
    assert made.edges == pytest.approx(-made.edges[::-1])
    heights = made.heights()
    assert heights.max(initial=0) == (1 if result.finite else 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", [21, 80, 201])
def test_bars_are_those_that_numpy_counts_to_within_the_width_of_a_bin(kind: Any, columns: int) -> None:
    array = normal(kind)
    made = bars(counted(array), columns)
    wanted = np.histogram(array.astype(np.float64), made.edges)[0]
    assert np.abs(made.counts - wanted).sum() < 0.1 * len(array)
    # Neighbouring bars of a bell differ little: no comb where bins and bars drift against each other.
    between = (made.counts[2:] + made.counts[:-2]) / 2
    assert (np.abs(made.counts[1:-1] - between) < 0.12 * made.counts.max()).all()


def test_zeros_stand_in_the_middle() -> None:
    made = bars(counted(np.array([0.0, -0.0, 1e-45, 3.0, -1.0], np.float32)), 30)
    assert len(made.counts) == 29
    assert made.counts[14] == 3
    assert (made.counts[0], made.counts[-1]) == (0, 1)


def test_integers_and_truth_values_are_as_broad_as_one() -> None:
    made = bars(counted(np.array([0, 1, 1, 2], np.int8)), 5)
    assert made.edges == pytest.approx([-2, -1.2, -0.4, 0.4, 1.2, 2])
    assert made.counts[2:] == pytest.approx([0.8, 1.5, 1.6])


def test_a_span_shows_a_part_and_tells_how_much_is_beyond() -> None:
    made = bars(counted(np.arange(100, dtype=np.float32)), 10, (19.5, 39.5))
    assert made.counts.sum() == pytest.approx(20, abs=0.3)
    assert made.below == pytest.approx(20, abs=0.2)
    assert made.above == pytest.approx(60, abs=0.3)


def test_logarithms_show_bars_that_are_next_to_nothing() -> None:
    made = bars(counted(np.concatenate([np.zeros(10**6), [5.0]]).astype(np.float32)), 11)
    assert made.heights()[-1] < 0.001
    assert made.heights(log=True)[-1] == pytest.approx(np.log(2) / np.log(10**6 + 1))


def test_brief_figures_have_no_bars() -> None:
    result: Statistics = counted(np.ones(3, np.float32)).brief()
    with pytest.raises(AssertionError):
        bars(result, 10)
