"""The elements of a tensor as torch prints them: which are shown, how wide, in which notation, between which brackets.

The rules are those of `torch/_tensor_str.py` (torch 2.13) under its default print options: 4 digits, the first and
last 3 along each axis of a tensor of more than 1000 elements, lines of 80 columns. Only what is shown is read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.errors import TooLarge

if TYPE_CHECKING:
    import numpy as np

Fetch = Callable[[tuple[slice, ...]], "np.ndarray[Any, Any]"]
"""Reads the elements at an index of one slice for each axis."""

THRESHOLD = 1000
"""A tensor of more elements is printed in part."""

EDGE = 3
"""How many slices of an axis are shown at each of its ends, in a tensor printed in part."""

LINE = 80
"""Columns of a line."""

MOST_SHOWN = 300_000
"""Elements that are read and printed at most: each long axis multiplies what is shown by six."""

MOST_AXES = 32
"""Axes at most; more is what numpy before 2.0 does not know."""


def elements(shape: Sequence[int], dtype: str, fetch: Fetch, indent: int = 0) -> str:
    """The elements of a tensor in brackets, as they stand in `print(tensor)` behind a prefix of `indent` columns.

    `dtype` is torch's name of what `fetch` gives: of a dequantised tensor `float32`. Raises `TooLarge` beyond
    `MOST_SHOWN` and `MOST_AXES`, and what `fetch` raises.
    """
    numel = math.prod(shape)
    if numel == 0:
        return "[]"
    if len(shape) > MOST_AXES:
        raise TooLarge(f"it has {len(shape)} axes, more than the {MOST_AXES} that can be printed")
    cut = [numel > THRESHOLD and size > 2 * EDGE for size in shape]
    shown = [2 * EDGE if is_cut else size for is_cut, size in zip(cut, shape, strict=True)]
    if math.prod(shown) > MOST_SHOWN:
        raise TooLarge(f"printing it would show {math.prod(shown)} elements, more than {MOST_SHOWN}")
    cells, width = _cells(_corners(shape, cut, fetch), dtype)
    if not shape:
        return cells[0]
    return _brackets(cells, width, shown, cut, indent)


def with_suffixes(text: str, suffixes: Sequence[str], indent: int, new_line: bool = False) -> str:
    """`text`, the suffixes (`dtype=torch.float16`) broken into lines as torch does it, and the closing parenthesis.

    Lines that the suffixes start are indented by `indent`; with `new_line` the first suffix starts one in any case.
    """
    pieces = [text]
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if new_line or column + len(suffix) + 2 > LINE:
            pieces.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
            new_line = False
        else:
            pieces.append(", " + suffix)
            column += len(suffix) + 2
    return "".join(pieces) + ")"


def _corners(shape: Sequence[int], cut: Sequence[bool], fetch: Fetch) -> np.ndarray[Any, Any]:
    """The shown elements in one dimension, in the order of the shape, from one read for each corner."""
    import numpy as np

    ends = [
        [slice(0, EDGE), slice(size - EDGE, size)] if is_cut else [slice(0, size)]
        for size, is_cut in zip(shape, cut, strict=True)
    ]
    if not any(cut):
        return np.asarray(fetch(tuple(end for (end,) in ends))).reshape(-1)
    made: np.ndarray[Any, Any] | None = None
    for corner in itertools.product(*ends):
        block = fetch(corner)
        if made is None:
            shown = [2 * EDGE if is_cut else size for is_cut, size in zip(cut, shape, strict=True)]
            made = np.empty(shown, block.dtype)
        target = (
            slice(EDGE, None) if is_cut and end.start else slice(0, EDGE) if is_cut else end
            for end, is_cut in zip(corner, cut, strict=True)
        )
        made[tuple(target)] = block
    assert made is not None
    return made.reshape(-1)


def _cells(values: np.ndarray[Any, Any], dtype: str) -> tuple[list[str], int]:
    """The text of each element, padded, and the width that torch takes for all of them when it breaks lines."""
    if values.dtype.kind == "c":
        real, real_width = _float_cells(_doubles(values.real))
        imaginary, imaginary_width = _float_cells(_doubles(values.imag))
        cells = [left + _signed(right.lstrip()) + "j" for left, right in zip(real, imaginary, strict=True)]
        return cells, real_width + imaginary_width + 1
    if dtypes.DTYPES[dtype].family == "float":
        return _float_cells(_doubles(values), _TELLING.get(dtype, _telling))
    texts = [str(value) for value in values.tolist()]
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts], width


def _doubles(values: np.ndarray[Any, Any]) -> list[float]:
    import numpy as np

    # Signalling NaNs make numpy warn.
    with np.errstate(invalid="ignore"):
        return list(values.astype(np.float64).tolist())


def _signed(text: str) -> str:
    return text if text[0] in "+-" else "+" + text


def _telling(value: float) -> bool:
    return value != 0 and math.isfinite(value)


_TELLING: dict[str, Callable[[float], bool]] = {"float8_e8m0fnu": lambda value: value != 2.0**-127}
"""Which floats decide the notation, where torch does not take the finite, non-zero ones: of a dtype that has no zero
the least value is taken for one, and NaN for a number."""


def _float_cells(values: list[float], tells: Callable[[float], bool] = _telling) -> tuple[list[str], int]:
    """Floats in the one notation that suits those that tell it (torch's `_Formatter`)."""
    telling = [value for value in values if tells(value)]
    if not telling:
        return [_whole(value) for value in values], 1
    low, high = min(map(abs, telling)), max(map(abs, telling))
    if any(map(math.isnan, telling)):
        low = high = math.nan
    notation: Callable[[float], str] = "{:.4f}".format
    if high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4:
        notation = "{:.4e}".format
    elif all(value.is_integer() for value in telling):
        notation = _whole
    width = max(len(notation(value)) for value in telling)
    return [notation(value).rjust(width) for value in values], width


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _brackets(cells: list[str], width: int, shown: Sequence[int], cut: Sequence[bool], indent: int) -> str:
    """The cells as rows of the last axis, then axis by axis outwards between brackets."""
    axes = len(shown)
    indent += axes
    a_line = max(1, (LINE - indent + 1) // (width + 2))
    texts = []
    for start in range(0, len(cells), shown[-1]):
        row = cells[start : start + shown[-1]]
        if cut[-1]:
            row.insert(EDGE, " ...")
        lines = [", ".join(row[first : first + a_line]) for first in range(0, len(row), a_line)]
        texts.append("[" + (",\n" + " " * indent).join(lines) + "]")
    for axis in range(axes - 2, -1, -1):
        between = "," + "\n" * (axes - axis - 1) + " " * (indent - axes + axis + 1)
        grouped = []
        for start in range(0, len(texts), shown[axis]):
            slices = texts[start : start + shown[axis]]
            if cut[axis]:
                slices.insert(EDGE, "...")
            grouped.append("[" + between.join(slices) + "]")
        texts = grouped
    return texts[0]
