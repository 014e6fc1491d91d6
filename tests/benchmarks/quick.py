"""The short form: small files, against ratios that were stored, on machines that are busy with other things.

It must not fail by chance. So it goes by processor time and bytes, which a busy machine changes little, and not by the
clock; by ratios of runs that follow each other; by medians; and what seems to have become worse is measured again, and
counts only if it is worse each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial

from tests.benchmarks import measure
from tests.benchmarks.case import ALL_READ, HERE, TORCHTUI, Case, Row, compare
from tests.benchmarks.files import path_of
from tests.benchmarks.peers import SMALLEST, SMALLEST_SIGN

RATIOS = HERE / "ratios.json"

WORSE = 1.25
"""How many times the stored ratio is too much."""

RUNS = (5, 7, 9)
"""How often each side runs at the first look, and where that finds something worse, at those that follow."""

MODULE = "model.layers.6.mlp.experts.128.up_proj"

yardstick = partial(measure.run, [sys.executable, str(HERE / "yardstick.py")])
smallest = partial(measure.opened, SMALLEST, SMALLEST_SIGN)


def reported(file: str, option: str) -> Case:
    ours = partial(measure.run, [*TORCHTUI, path_of(file), option])
    return Case(f"{option} of {file}", ours, {"cpu": None, "MB": None}, "the yardstick", yardstick)


def shown() -> Case:
    ours = partial(measure.opened, [*TORCHTUI, path_of("10k.pt")], "layers")
    return Case("10k.pt on the screen", ours, {"cpu": None, "MB": None, "KB": None}, "the smallest Textual app", smallest)


def pressed() -> Case:
    way = ["E", ":", MODULE, "enter"]
    keys = ("down", "up", "pagedown", "pageup", "K", "J")
    ours = partial(measure.keys, [*TORCHTUI, path_of("10k.pt")], ALL_READ, way, MODULE, keys, 2)
    other = partial(measure.keys, SMALLEST, SMALLEST_SIGN, ["down"], SMALLEST_SIGN, ("down", "up"), 6)
    return Case("keys in the tree of 10k.pt", ours, {"cpu": None, "KB": None}, "the smallest Textual app", other)


CASES: dict[str, Callable[[], Case]] = {
    "print": partial(reported, "10k.pt", "--print"),
    "json": partial(reported, "10k.pt", "--json"),
    "print-shards": partial(reported, "quick-shards", "--print"),
    "rows": shown,
    "keys": pressed,
}


def main(names: Sequence[str], store: bool) -> int:
    """Measure these cases and compare, or keep what is found; the exit status."""
    stored: dict[str, float] = json.loads(RATIOS.read_text()) if RATIOS.exists() else {}
    worse: list[str] = []
    for name in names:
        rows = judged(name, CASES[name](), {} if store else stored)
        for row in rows:
            before = stored.get(key(row))
            known = "" if before is None else f"  stored {before:.3g}"
            print(f"{key(row):24} {row.ratio:8.3g}{known}", file=sys.stderr)
        if store:
            stored |= {key(row): float(f"{row.ratio:.3g}") for row in rows}
        else:
            worse += [key(row) for row in rows if is_worse(row, stored)]
    if store:
        RATIOS.write_text(json.dumps(stored, indent=1) + "\n")
    print(f"Worse by a quarter or more: {', '.join(worse)}" if worse else "Nothing has become worse by a quarter.")
    return 1 if worse else 0


def judged(name: str, case: Case, stored: dict[str, float]) -> list[Row]:
    """The rows of a case: the best of up to as many looks as `RUNS` has, as long as something seems worse."""
    best: list[Row] = []
    for runs in RUNS:
        found = compare(name, case, runs)
        best = [min(pair, key=lambda row: row.judged) for pair in zip(best or found, found, strict=True)]
        if not any(is_worse(row, stored) for row in best):
            break
    return best


def is_worse(row: Row, stored: dict[str, float]) -> bool:
    """Whether a row's ratio is too large for what is stored of it; what nothing is stored of is not."""
    return row.judged > WORSE * stored.get(key(row), float("inf"))


def key(row: Row) -> str:
    """What a row's ratio is stored under."""
    return f"{row.case} {row.figure}"
