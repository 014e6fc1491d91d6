"""How elements are written in cells of one width: enough digits to compare them by eye, decimal points in one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

DIGITS = 4
"""Significant digits to begin with."""

ROUND_TRIP = {
    "float64": 17, "float32": 9, "float16": 5, "bfloat16": 4, "float8_e4m3fn": 3, "float8_e4m3fnuz": 3,
    "float8_e5m2": 3, "float8_e5m2fnuz": 3, "float8_e8m0fnu": 3, "complex128": 17, "complex64": 9,
}  # fmt: skip
"""Digits that tell any two elements of a dtype apart, 1 + ceil(bits of the significand * log10 2); at least 3."""

MOST_DIGITS = 17

_REGISTERED = 2
"""What `dtype.isbuiltin` says of a type that another package (ml_dtypes) registered with numpy."""

_LARGEST_FIXED = 6
_SHORTEST_SCIENTIFIC = len("-1.2e-05")

Number = bool | int | float | complex


class CellFormat(NamedTuple):
    """How one element is written: at most `width` characters, to be aligned at the right.

    `digits` are significant ones; `decimals` stand after the point of what is of the usual size here, and `exponent` is
    the decimal exponent that is usual. What the width or the decimals can't show to two digits is written
    scientifically (`-1.2e-05`), so that nothing but zero looks like zero. An integer beyond the width is, too.
    """

    family: Literal["bool", "integer", "float", "complex"]
    width: int
    digits: int = DIGITS
    decimals: int | None = None
    exponent: int = 0

    def text(self, value: Number) -> str:
        """One element, as a Python number."""
        if isinstance(value, bool):
            return str(value)
        if isinstance(value, int):
            text = str(value)
            return text if len(text) <= self.width else self._scientific(value, self.width)
        if isinstance(value, complex):
            real, imaginary = self._float(value.real), self._float(value.imag)
            return f"{real}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
        return self._float(value)

    def _float(self, value: float) -> str:
        if value == 0 or not math.isfinite(value):
            return f"{value:g}"
        width = self.width if self.family == "float" else (self.width - 1) // 2
        decimals = self.decimals
        if decimals is not None:
            size = abs(value)
            room = width - 2 - len(str(int(size))) if size < 10**_LARGEST_FIXED else 0
            if room > 0 and size >= 10.0 ** (min(2, self.digits) - 1 - decimals):
                text = f"{value:.{min(decimals, room)}f}"
                if len(text) <= width:
                    return text
        return self._scientific(value, width)

    def _scientific(self, value: float, width: int) -> str:
        # One place is kept for a sign, so that numbers with and without one have as many digits.
        exponent = len(f"{value:.0e}".lstrip("-")) - 1
        return f"{value:.{max(0, min(self.digits - 1, width - exponent - 3))}e}"


def cell_format(array: np.ndarray[Any, Any], digits: int = DIGITS) -> CellFormat:
    """The format in which the elements of `array` are best read; its own `exponent` is that of their median.

    The width rests on the dtype, `digits` and that exponent alone: other elements of the same tensor fit in as well.
    """
    kind, bits = array.dtype.kind, array.dtype.itemsize * 8
    if kind == "b":
        return CellFormat("bool", len("False"))
    if kind in "iu":
        widest = len(str(2 ** (bits - 1))) + 1 if kind == "i" else len(str(2**bits - 1))
        return CellFormat("integer", widest if bits < 64 else min(widest, digits + 4), digits)
    digits = min(digits, ROUND_TRIP.get(array.dtype.name, MOST_DIGITS))
    exponent = _usual_exponent(array)
    decimals: int | None = max(1, digits - 1 - exponent)
    width = len("-.") + max(0, exponent) + 1 + max(1, digits - 1 - exponent)
    if exponent >= _LARGEST_FIXED or width > digits + 6:
        decimals, width = None, digits + 6
    width = max(width, _SHORTEST_SCIENTIFIC)
    if kind == "c":
        return CellFormat("complex", 2 * width + 1, digits, decimals, exponent)
    return CellFormat("float", width, digits, decimals, exponent)


def plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers in a dtype whose `tolist` gives Python's own: floats that numpy has no type for as float64."""
    return array.astype("float64") if array.dtype.isbuiltin == _REGISTERED else array


def usual_peak(array: np.ndarray[Any, Any]) -> float:
    """The largest magnitude, but at most six times the median, which is about where a normal distribution ends.

    So a few outliers don't make all others look alike. 0 where nothing is finite and not zero.
    """
    import numpy as np

    sizes = _magnitudes(array)
    return float(min(sizes.max(), 6 * np.median(sizes))) if sizes.size else 0.0


def exact(value: Any) -> str:
    """One element (a numpy scalar) to the digits that read back as the same: torch's and Python's spelling."""
    if value.dtype.isbuiltin == _REGISTERED:
        return repr(float(value))
    return str(value).strip("()")


def _usual_exponent(array: np.ndarray[Any, Any]) -> int:
    import numpy as np

    sizes = _magnitudes(array)
    return math.floor(math.log10(np.median(sizes))) if sizes.size else 0


def _magnitudes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The absolute values of what is finite and not zero, in one dimension."""
    import numpy as np

    with np.errstate(all="ignore"):
        sizes = np.abs(array.astype("complex128" if array.dtype.kind == "c" else "float64")).reshape(-1)
        usable: np.ndarray[Any, Any] = sizes[np.isfinite(sizes) & (sizes != 0)]
        return usable
