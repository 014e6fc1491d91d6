"""The command: `python -m tests.benchmarks [--quick] [--runs N] [CASE ...]`.

Ours and the other side run in turn, so that a machine whose speed drifts is unfair to neither. Exit status 1 when a
figure is missed or a case can't be measured.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import subprocess
import sys
from importlib.metadata import version
from operator import truediv
from pathlib import Path

from tests.benchmarks.cases import CASES, Action, Case
from tests.benchmarks.files import path_of, quick_path
from tests.benchmarks.measure import Figures

HEADINGS = ("case", "what", "figure", "ours", "against", "other", "ratio", "at most", "")


def main() -> int:
    """Measure the cases named on the command line, or all, and print their table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="CASE", help="which cases; all without")
    parser.add_argument("--quick", action="store_true", help="smaller files, fewer runs")
    parser.add_argument("--runs", type=int, help="how often each side runs")
    wanted = parser.parse_args()
    if unknown := set(wanted.names) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    rows: list[tuple[str, ...]] = []
    for name in wanted.names or CASES:
        try:
            case = CASES[name](quick_path if wanted.quick else path_of)
            found = compare(name, case, wanted.runs or case.runs or (3 if wanted.quick else 7))
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            found = [(name, *[""] * (len(HEADINGS) - 2), "not measured")]
        rows += found
        print(*("  ".join(filter(None, row)) for row in found), sep="\n", file=sys.stderr)
    print(f"{machine()}\n\n{markdown(rows)}")
    missed = sorted({row[0] for row in rows if row[-1] != "holds"})
    print("\n" + (f"Missed: {', '.join(missed)}" if missed else "Every figure holds."))
    return 1 if missed else 0


def compare(name: str, case: Case, runs: int) -> list[tuple[str, ...]]:
    """The rows of one case: medians of `runs` measurements of each side, taken in turn, and of their ratios, in pairs."""
    sides: list[Action] = [case.ours, *([case.other] if case.other else [])]
    taken: list[list[Figures]] = [[] for _ in sides]
    for _ in range(runs):
        for side, figures in zip(sides, taken, strict=True):
            figures.append(side())
    rows = []
    for figure, most in case.most.items():
        sides_taken = [[one[figure] for one in figures] for figures in taken]
        medians = [statistics.median(values) for values in sides_taken]
        judged = statistics.median(map(truediv, *sides_taken)) if case.other else medians[0]
        other, ratio = (f"{medians[1]:.4g}", f"{judged:.3g}") if case.other else ("", "")
        verdict = "holds" if judged <= most else "missed"
        rows.append((name, case.what, figure, f"{medians[0]:.4g}", case.against, other, ratio, f"{most:.4g}", verdict))
    return rows


def markdown(rows: list[tuple[str, ...]]) -> str:
    """The rows as a table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine() -> str:
    """The day, this machine and the versions that matter, in a line."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("textual", "torch"))
    python = sys.version.split()[0]
    day = datetime.datetime.now(datetime.UTC).date()
    return f"{day}, {os.cpu_count()} cores of {model}, {memory:.0f} GiB, Python {python}, {versions}; medians"


if __name__ == "__main__":
    sys.exit(main())
