"""Figures drawn in block characters: what a line of them shows is the same on the screen and in a report."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from tui.summary import figure

if TYPE_CHECKING:
    from inspector.statistics.depth import Row

EIGHTHS = " ▁▂▃▄▅▆▇█"

OVER_DEPTH = (("norm", "norm"), ("std", "std"), ("abs_max", "abs max"), ("zero", "zero"))
"""What is drawn of layers against depth, and the words for it."""

UNKNOWN = "·"
"""What is not counted, or not there."""

NOT_FINITE = "!"


def over_depth(rows: Sequence[Row], name: str) -> list[str]:
    """A block for each layer, as high as its figure is large."""
    values = _values(rows, name)
    highest = max((value for value in values if value is not None and isfinite(value)), default=0.0) or 1.0
    return [
        UNKNOWN
        if value is None
        else EIGHTHS[max(int(value > 0), round(8 * value / highest))]
        if isfinite(value)
        else NOT_FINITE
        for value in values
    ]


def range_over_depth(rows: Sequence[Row], name: str) -> str:
    """From where to where a figure goes, `0.98 to 1.02`; empty if nothing is known."""
    known = [value for value in _values(rows, name) if value is not None and isfinite(value)]
    return f"{figure(min(known))} to {figure(max(known))}" if known else ""


def _values(rows: Sequence[Row], name: str) -> list[float | None]:
    return [None if row.statistics is None else float(getattr(row.statistics, name)) for row in rows]
