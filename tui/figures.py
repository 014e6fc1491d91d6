"""Counts, sizes and shapes as short texts."""

from __future__ import annotations

from collections.abc import Sequence


def short_count(number: int) -> str:
    """A count in at most five characters as long as it is below 10^18: `999`, `1.2K`, `66.4M`, `1.1T`."""
    return _short(number, ("", "K", "M", "B", "T", "Q"), "")


def short_size(nbytes: int) -> str:
    """Bytes in units of 1000: `28 B`, `4.8 MB`, `1.1 TB`."""
    return _short(nbytes, ("B", "kB", "MB", "GB", "TB", "PB", "EB"), " ")


def plural(number: int, noun: str) -> str:
    """A count, exact, with its noun: `1 tensor`, `1,234 tensors`, `2 entries`, `3 matches`."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number:,} {noun[:-1]}ies"
    return f"{number:,} {noun}{'es' if noun.endswith('ch') else 's'}"


def shape_text(shape: Sequence[int]) -> str:
    """A shape as torch shows it: `[4, 2, 2, 2]`; one of very many axes is cut."""
    if len(shape) > 24:
        return f"[{', '.join(map(str, shape[:20]))}, … {len(shape)} axes]"
    return f"[{', '.join(map(str, shape))}]"


def _short(number: int, units: Sequence[str], gap: str) -> str:
    if number < 1000:
        return f"{number}{gap}{units[0]}"
    power = min((len(str(number)) - 1) // 3, len(units) - 1)
    tenths = (number * 10 + 1000**power // 2) // 1000**power
    if tenths < 1000:
        return f"{tenths // 10}.{tenths % 10}{gap}{units[power]}"
    whole = (number + 1000**power // 2) // 1000**power
    if whole >= 1000 and power + 1 < len(units):
        return f"1.0{gap}{units[power + 1]}"
    return f"{whole}{gap}{units[power]}"
