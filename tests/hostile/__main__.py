"""`python -m tests.hostile [SUITE ...] [--quick]`: runs the suites, prints a line of figures for each, fails if a case does."""

from __future__ import annotations

import argparse
import sys

from tests.hostile import runner
from tests.hostile.suites import SLACK, SUITES


def main() -> int:
    """Runs what was asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; without one, all")
    parser.add_argument("--quick", action="store_true", help="a part of each, as in the normal run of the tests")
    options = parser.parse_args()
    failed = 0
    print(f"{'suite':10}  {'right':>13}  {'longest':>8}  {'memory':>7}  what is asked")
    for name in options.suites or SUITES:
        suite = SUITES[name]
        allowed = suite.seconds * (SLACK if options.quick else 1)
        ended = runner.run_all(suite.cases(not options.quick), allowed, suite.memory, suite.at_once)
        wrong = [case for case in ended if case.error]
        right = f"{len(ended) - len(wrong)} of {len(ended)}"
        seconds, memory = max(case.seconds for case in ended), max(case.memory for case in ended)
        print(f"{name:10}  {right:>13}  {seconds:6.2f} s  {memory >> 20:4} MB  {suite.figure}", flush=True)
        for case in wrong[:20]:
            print(f"    {case.name[:60]}: {case.error.strip().splitlines()[-1][:300]}")
        failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
