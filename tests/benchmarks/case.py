"""What a comparison is: two sides, the figures that each run of them gives, and how large these may be."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import truediv
from pathlib import Path

from tests.benchmarks.measure import Figures

REPOSITORY = Path(__file__).parents[2]
HERE = Path(__file__).parent
TORCHTUI = [sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())"]

ALL_READ = "parameters"
"""Stands in the title once all of a file is read: the first rows of a large one are there before."""

Action = Callable[[], Figures]

Files = Callable[[str], str]
"""Gives the path of a file by its name in `files.FILES`; it is made when it is first asked for."""


@dataclass(frozen=True)
class Case:
    """One comparison, `ours` against the `other` side, which `against` names.

    `most` gives for each figure (`seconds`, `ms`, `MB`) the largest ratio of ours to `other`'s that is good enough; where
    there is no other, the largest figure itself. `within` gives figures that are judged by themselves although there is
    another side. `runs` is how often each side runs, where the usual number would take too long.
    """

    what: str
    ours: Action
    most: Mapping[str, float | None]
    against: str = ""
    other: Action | None = None
    runs: int | None = None
    within: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What came of one figure of a case: medians of both sides, and of their ratios in pairs, against `most`."""

    case: str
    what: str
    figure: str
    ours: float
    against: str = ""
    other: float | None = None
    ratio: float | None = None
    most: float | None = None
    runs: int = 0

    @property
    def judged(self) -> float:
        """What `most` is about."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """Whether the figure holds; the empty text where nothing is asked of it."""
        return "" if self.most is None else "holds" if self.judged <= self.most else "missed"


def compare(name: str, case: Case, runs: int) -> list[Row]:
    """The rows of one case after `runs` measurements of each side.

    The sides run in turn, so that a machine whose speed drifts is unfair to neither.
    """
    sides: list[Action] = [case.ours, *([case.other] if case.other else [])]
    taken: list[list[Figures]] = [[] for _ in sides]
    for _ in range(runs):
        for side, figures in zip(sides, taken, strict=True):
            figures.append(side())
    rows = []
    for figure, most in case.most.items():
        ours, *others = [[one[figure] for one in figures] for figures in taken]
        other = statistics.median(others[0]) if others else None
        ratio = statistics.median(map(truediv, ours, others[0])) if others else None
        rows.append(Row(name, case.what, figure, statistics.median(ours), case.against, other, ratio, most, runs))
    for figure, most in case.within.items():
        rows.append(Row(name, case.what, figure, statistics.median(one[figure] for one in taken[0]), most=most, runs=runs))
    return rows
