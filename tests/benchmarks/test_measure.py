"""The measuring itself: that the figures are those of the program measured, and of nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks import measure, quick, report
from tests.benchmarks.case import Case, compare
from tests.benchmarks.measure import Figures
from tests.benchmarks.peers import SMALLEST, SMALLEST_SIGN


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
    assert seen["KB"] > 1
    answered = measure.keys(SMALLEST, SMALLEST_SIGN, ["down"], SMALLEST_SIGN, ("down", "up"), 2)
    assert 0 < answered["ms"] <= answered["p95"] < 1000
    assert answered["KB"] > 0


def test_a_key_that_nothing_answers_is_an_error() -> None:
    script = "stty -echo; echo here; while :; do read line; done"
    with pytest.raises(RuntimeError, match="nothing answers"):
        measure.keys(["sh", "-c", script], "here", [], "here", ("x",), 1)


def test_the_verdict_is_the_median_of_the_ratios_taken_in_pairs() -> None:
    ours, floor = iter([1.0, 9.0, 3.0]), iter([1.0, 3.0, 2.0])
    case = Case("a case", lambda: {"ms": next(ours)}, {"ms": 1.4}, "the floor", lambda: {"ms": next(floor)})
    (row,) = compare("name", case, 3)
    assert (row.ours, row.other, row.ratio, row.verdict) == (3, 2, 1.5, "missed")
    assert report.table([row]).endswith("| a case | 1.4 times | 3 ms | the floor: 2 ms | 1.5 | missed |")


def test_without_another_side_the_figure_itself_is_judged() -> None:
    (row,) = compare("name", Case("a case", lambda: {"MB": 120.0}, {"MB": 120}), 1)
    assert row.verdict == "holds"


def test_a_figure_may_be_judged_by_itself_beside_a_ratio() -> None:
    case = Case("a case", lambda: {"s": 3.0, "KB": 26.0}, {"s": 2}, "other", lambda: {"s": 2.0}, within={"KB": 25})
    assert [(row.figure, row.verdict) for row in compare("name", case, 1)] == [("s", "holds"), ("KB", "missed")]


def test_nothing_is_asked_of_a_figure_without_a_limit() -> None:
    (row,) = compare("name", Case("a case", lambda: {"s": 3.0}, {"s": None}, "other", lambda: {"s": 2.0}), 1)
    assert (row.ratio, row.verdict, report.limit(row)) == (1.5, "", "")


def test_95_of_100_stay_below_the_percentile() -> None:
    assert measure.percentile([*range(1, 101)], 95) == 95
    assert measure.percentile([3.0], 95) == 3.0


def short_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: list[float], stored: float) -> tuple[int, int]:
    """The exit status of the short form, and how often it measured ours."""
    values = iter(ours)
    taken = []

    def measured() -> Figures:
        taken.append(next(values))
        return {"cpu": taken[-1]}

    (tmp_path / "ratios.json").write_text(json.dumps({"a cpu": stored}))
    monkeypatch.setattr(quick, "RATIOS", tmp_path / "ratios.json")
    monkeypatch.setattr(quick, "RUNS", (1, 1, 1))
    monkeypatch.setattr(
        quick, "CASES", {"a": lambda: Case("a case", measured, {"cpu": None}, "floor", lambda: {"cpu": 1.0})}
    )
    return quick.main(["a"], store=False), len(taken)


def test_the_short_form_fails_on_what_is_worse_by_a_quarter_at_every_look(monkeypatch, tmp_path: Path) -> None:
    assert short_form(monkeypatch, tmp_path, [1.3, 1.26, 1.4], 1.0) == (1, 3)


def test_what_was_worse_by_chance_only_is_measured_again_and_holds(monkeypatch, tmp_path: Path) -> None:
    assert short_form(monkeypatch, tmp_path, [1.3, 1.1], 1.0) == (0, 2)
    assert short_form(monkeypatch, tmp_path, [1.2], 1.0) == (0, 1)


def test_the_ratios_that_are_stored_are_those_of_the_cases() -> None:
    stored = json.loads(quick.RATIOS.read_text())
    assert {name.split()[0] for name in stored} == set(quick.CASES)


def test_the_tables_of_the_pages_are_those_of_the_results() -> None:
    for page in report.PAGES:
        assert report.with_tables(page.read_text()) == page.read_text(), f"{page}: python -m tests.benchmarks.report"
        assert report.MARKED.search(page.read_text())
