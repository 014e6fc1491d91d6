"""The measuring itself: that the figures are those of the program measured, and of nothing else."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks import measure
from tests.benchmarks.__main__ import compare, markdown
from tests.benchmarks.cases import SMALLEST, SMALLEST_SIGN, Case


def test_peak_memory_is_the_programs_own_however_large_the_measuring_process_is() -> None:
    ballast = bytearray(200_000_000)
    small = measure.run([sys.executable, "-c", "pass"])
    large = measure.run([sys.executable, "-c", "b'x' * 100_000_000"])
    assert len(ballast) > 1e6 * small["MB"]
    assert 90 < large["MB"] - small["MB"] < 120


def test_seconds_are_those_of_the_whole_process() -> None:
    assert 0.5 < measure.run([sys.executable, "-c", "import time; time.sleep(0.5)"])["seconds"] < 1.5


def test_a_program_that_fails_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="no such wonder"):
        measure.run([sys.executable, "-c", "raise SystemExit('no such wonder')"])


def test_a_screen_is_measured_when_it_shows_and_a_key_when_it_is_answered() -> None:
    seen = measure.opened(SMALLEST, SMALLEST_SIGN)
    assert 0.05 < seen["seconds"] < 5
    assert 20 < seen["MB"] < 80
    answered = measure.keys(SMALLEST, SMALLEST_SIGN, ["down"], SMALLEST_SIGN, "down", 3)
    assert 0 < answered["ms"] < 1000


def test_a_key_that_nothing_answers_is_an_error() -> None:
    script = "stty -echo; echo here; while :; do read line; done"
    with pytest.raises(RuntimeError, match="nothing answers"):
        measure.keys(["sh", "-c", script], "here", [], "here", "x", 1)


def test_the_verdict_is_the_median_of_the_ratios_taken_in_pairs() -> None:
    ours, floor = iter([1.0, 9.0, 3.0]), iter([1.0, 3.0, 2.0])
    case = Case("a case", lambda: {"ms": next(ours)}, {"ms": 1.4}, "the floor", lambda: {"ms": next(floor)})
    (row,) = compare("name", case, 3)
    assert row == ("name", "a case", "ms", "3", "the floor", "2", "1.5", "1.4", "missed")
    assert "| name | a case | ms | 3 | the floor | 2 | 1.5 | 1.4 | missed |" in markdown([row])


def test_without_another_side_the_figure_itself_is_judged() -> None:
    (row,) = compare("name", Case("a case", lambda: {"MB": 120.0}, {"MB": 120}), 1)
    assert row[-1] == "holds"
