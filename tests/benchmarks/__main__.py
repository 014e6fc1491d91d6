"""The command: `python -m tests.benchmarks [--quick [--store]] [--runs N] [CASE ...]`.

Ours and the other side run in turn, so that a machine whose speed drifts is unfair to neither. Exit status 1 when a
figure is missed or a case can't be measured. What was measured is kept in results.json, and from there the tables of
the README and of this folder's page are written. The short form (`--quick`) compares with the ratios in ratios.json
instead, and fails on what has become slower or larger by a quarter; `--store` keeps what it finds as the new ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from tests.benchmarks import quick, report
from tests.benchmarks.case import Row, compare
from tests.benchmarks.cases import CASES
from tests.benchmarks.files import path_of

FAILURES = (AssertionError, RuntimeError, OSError, subprocess.SubprocessError)
"""What a measurement raises that can't be made."""


def main() -> int:
    """Measure the cases named on the command line, or all, and print their table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="CASE", help="which cases; all without")
    parser.add_argument("--quick", action="store_true", help="the short form: small files, against the stored ratios")
    parser.add_argument("--store", action="store_true", help="with --quick: keep the ratios that are found")
    parser.add_argument("--runs", type=int, help="how often each side runs")
    wanted = parser.parse_args()
    cases = quick.CASES if wanted.quick else CASES
    if unknown := set(wanted.names) - set(cases):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(cases)}")
    if wanted.store and not wanted.quick:
        parser.error("--store goes with --quick")
    names = wanted.names or list(cases)
    return quick.main(names, wanted.store) if wanted.quick else measure(names, wanted.runs)


def measure(names: list[str], runs: int | None) -> int:
    """Measure these cases in full, keep the figures, and print them."""
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        try:
            case = CASES[name](path_of)
            found = compare(name, case, runs or case.runs or 7)
        except FAILURES as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
            continue
        rows += found
        report.keep(name, found)
        print(*(report.line(row) for row in found), sep="\n", file=sys.stderr)
    print(f"{report.machine()}\n\n{report.table(rows)}")
    missed = sorted({row.case for row in rows if row.verdict == "missed"})
    print("\n" + (f"Missed: {', '.join(missed)}" if missed else "Every figure holds."))
    if failed:
        print(f"Not measured: {', '.join(failed)}")
    report.write_pages()
    return 1 if missed or failed else 0


if __name__ == "__main__":
    sys.exit(main())
