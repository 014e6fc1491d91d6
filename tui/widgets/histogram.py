"""The bars of a histogram in block characters, over a line that says where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.blocks import EIGHTHS
from tui.lines import Line, Part, cells
from tui.summary import figure

if TYPE_CHECKING:
    from inspector.statistics import Statistics

APART = 6
"""Columns of a bar for what is not finite, with the gap before it."""

LEAST = 8
"""Columns below which there is no histogram."""


def histogram_lines(statistics: Statistics, width: int, height: int, log: bool) -> list[Line]:
    """A histogram in `width` x `height`, its last line the axis: blue below zero, red above, NaN and Inf apart.

    The bars reach as high as counts do, or, with `log`, as their logarithms. Whatever there is any of shows.
    """
    from inspector.statistics.histogram import bars

    if width < LEAST or height < 2 or statistics.histogram is None:
        return []
    apart = [
        (word, count)
        for word, count in (("-Inf", statistics.neginf), ("+Inf", statistics.posinf), ("NaN", statistics.nan))
        if count
    ]
    room = width - APART * len(apart)
    if room < LEAST:
        apart, room = [], width
    room -= 1 - room % 2
    found = bars(statistics, room)
    heights = _heights([*found.counts.tolist(), *(count for _, count in apart)], height - 1, log)
    middle = len(found.counts) // 2
    roles = ["below"] * middle + ["text"] + ["above"] * middle
    lines: list[Line] = []
    for level in range(height - 2, -1, -1):
        drawn = [EIGHTHS[max(0, min(8, eighths - 8 * level))] for eighths in heights]
        line = _runs(drawn[: len(roles)], roles)
        line += [(f"  {block * (APART - 2)}", "error") for block in drawn[len(roles) :]]
        lines.append(line)
    axis = _axis(float(found.edges[-1]), len(roles), statistics.finite > 0)
    lines.append([*axis, *((f"  {word:<{APART - 2}}", "error") for word, _ in apart)])
    return lines


def _heights(counts: Sequence[float], rows: int, log: bool) -> list[int]:
    """The heights of bars in eighths of a row: the highest fills all rows, and one that counts anything is seen."""
    from math import log1p

    sizes = [log1p(count) for count in counts] if log else counts
    highest = max(sizes, default=0) or 1
    # A bin's elements are spread evenly: less than half of one in a bar is none that stands there.
    return [max(round(8 * rows * size / highest), int(count >= 0.5)) for size, count in zip(sizes, counts, strict=True)]


def _runs(blocks: Sequence[str], roles: Sequence[str]) -> list[Part]:
    """Neighbours of one role as one part."""
    parts: list[Part] = []
    for block, role in zip(blocks, roles, strict=True):
        if parts and parts[-1][1] == role:
            parts[-1] = parts[-1][0] + block, role
        else:
            parts.append((block, role))
    return parts


def _axis(edge: float, width: int, known: bool) -> list[Part]:
    """What is at both ends and in the middle."""
    if not known:
        return [(" " * width, "dim")]
    left, right = figure(-edge), figure(edge)
    gap = width // 2 - cells(left)
    if gap < 1 or width // 2 - cells(right) < 1:
        return [(f"{'0':^{width}}", "dim")]
    return [(f"{left}{' ' * gap}0{right:>{width // 2}}", "dim")]
