"""What a file says that is neither tensor nor module, whatever its format: as text, and as JSON can hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inspector.pickles.arrays import Scalar
from inspector.pickles.objects import LONGEST_INT, Dict, text

__all__ = ["LONGEST", "json_value", "text"]

LONGEST = 10_000
"""Characters of the text that stands for what JSON can't hold."""

MOST = 1_000_000
"""Parts of nested lists and dicts that become JSON; a few bytes of a file can mean more than there are atoms."""

DEEPEST = 50
"""Levels of them."""


def json_value(value: Any) -> Any:
    """A `Value.value` as JSON can hold it: scalars, and lists and dicts of them; of anything else the text.

    A number that JSON has no word for is the text `NaN`, `Infinity` or `-Infinity`.
    """
    if _is_plain(value):
        return _scalar(value)
    if type(value) in (list, tuple) and all(map(_is_plain, value)):
        return [_scalar(item) for item in value]
    return _nested(value) if _is_bounded(value) else text(value, LONGEST)


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is Scalar:
        return type(value.value) in (int, float, bool)
    # Python refuses to write an int of many thousand digits.
    return kind in (str, float, bool, type(None)) or (kind is int and value.bit_length() <= LONGEST_INT)


def _scalar(value: Any) -> Any:
    if type(value) is Scalar:
        value = value.value
    if type(value) is not float or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


def _is_bounded(value: Any) -> bool:
    """Whether a value is nothing but plain scalars in lists and dicts, and not too many of them."""
    count = 0
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if _is_plain(item):
            continue
        parts = _parts(item)
        if parts is None or depth == DEEPEST:
            return False
        count += len(parts)
        if count > MOST:
            return False
        stack.extend([(part, depth + 1) for part in parts])
    return True


def _parts(value: Any) -> Sequence[Any] | None:
    """What a list, or a dict whose keys are different texts, holds; None for anything else."""
    if type(value) is list or type(value) is tuple:
        return value
    if type(value) is dict and all(type(key) is str for key in value):
        return list(value.values())
    if type(value) is Dict and all(type(key) is str for key in value.keys) and len(set(value.keys)) == len(value.keys):
        return value.values
    return None


def _nested(value: Any) -> Any:
    """A bounded value; so the depth of this recursion is, too."""
    if _is_plain(value):
        return _scalar(value)
    parts = [_nested(part) for part in _parts(value) or ()]
    return (
        parts
        if type(value) in (list, tuple)
        else dict(zip(value.keys if type(value) is Dict else value, parts, strict=True))
    )
