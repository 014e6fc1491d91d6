"""Sums of numbers and of their squares, exact wherever they come from: mean, deviation and norm follow from them.

They are integers in fixed units, so that parts may be added in any order and give the same figures to the last digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspector.statistics.table import starts_of_runs

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

UNIT = 1200
"""Sums are integers in units of 2^-1200, sums of squares in units of 2^-2400: no float64 is finer than 2^-1074."""

ROW = 1 << 13
"""Elements whose squares BLAS sums at a time: of more it would take threads, which cost more than they bring."""

FAR = 2.0**400
"""Beyond this or below its inverse float64 does not hold a square with all its digits."""


@dataclass(slots=True)
class Sums:
    """How many finite numbers there are, the sum of them and that of their squares, exact: see `UNIT`."""

    count: int = 0
    first: int = 0
    second: int = 0

    def add(self, other: Sums, times: int = 1) -> None:
        """Adds the sums of more numbers, each of which stands there so often."""
        self.count += other.count * times
        self.first += other.first * times
        self.second += other.second * times

    @property
    def mean(self) -> float:
        """The mean, rounded once."""
        return _float(self.first, self.count << UNIT) if self.count else math.nan

    @property
    def std(self) -> float:
        """The standard deviation that divides by one less than there are."""
        if self.count < 2:
            return math.nan
        # Rounding within a block of an almost constant tensor may leave a little less than nothing.
        spread = max(self.count * self.second - self.first * self.first, 0)
        return _root(spread, (self.count * (self.count - 1)) << (2 * UNIT))

    @property
    def norm(self) -> float:
        """The L2 norm."""
        return _root(self.second, 1 << (2 * UNIT))


def sums_about(count: int, shift: float, first: float, second: float, scale: int = 0) -> Sums:
    """The sums of `count` numbers, given that of their differences from `shift` and that of those squared.

    The differences were taken of numbers divided by 2^`scale`.
    """
    step = in_units(shift, scale)
    off = in_units(first, scale)
    squares, ones = second.as_integer_ratio()
    squares = _shifted(squares, 2 * (UNIT + scale) + 1 - ones.bit_length())
    return Sums(count, off + count * step, squares + 2 * step * off + count * step * step)


def in_units(number: float, scale: int = 0) -> int:
    """A number times 2^`scale` in units of 2^-`UNIT`."""
    whole, ones = number.as_integer_ratio()
    return _shifted(whole, UNIT + scale + 1 - ones.bit_length())


def sums_of(values: Array, counts: Array) -> Sums:
    """The sums of float64 `values` of at most 24 significant bits, each of which comes as often as `counts` says.

    Values of one size should stand together, as they do in ascending ones.
    """
    import numpy as np

    sums = Sums(int(counts.sum()))
    if not sums.count:
        return sums
    mantissas, exponents = np.frexp(values)
    whole = (mantissas * (1 << 24)).astype(np.int64)
    # Mostly there are far fewer bits than 24, and the more of a count fit into one go.
    bits = int(np.bitwise_or.reduce(whole))
    spare = (bits & -bits).bit_length() - 1 if bits else 24
    whole >>= spare
    starts = starts_of_runs(exponents)
    # Counted from the lowest of them, so that little ones make no long integers.
    places = exponents[starts].tolist()
    base = min(places)
    places = [place - base for place in places]
    unit = UNIT + base - 24 + spare
    # No sum leaves 63 bits: so many of a count, twice 24 - spare of a square, and those of how many values there are.
    width = 63 - 2 * (24 - spare) - len(values).bit_length()
    for low in range(0, int(counts.max()).bit_length(), width):
        part = ((counts >> low) & ((1 << width) - 1)) * whole
        first = np.add.reduceat(part, starts).tolist()
        second = np.add.reduceat(part * whole, starts).tolist()
        sums.first += sum(number << place for number, place in zip(first, places, strict=True)) << low
        sums.second += sum(number << (2 * place) for number, place in zip(second, places, strict=True)) << low
    sums.first, sums.second = _shifted(sums.first, unit), _shifted(sums.second, 2 * unit)
    return sums


def sums_between(numbers: Array, low: float, high: float) -> Sums:
    """The sums of finite float64 numbers between `low` and `high`; the array is used up."""
    import numpy as np

    count = numbers.size
    if low == high:
        return sums_about(count, low, 0.0, 0.0)
    peak = max(abs(low), abs(high))
    scale = 0 if 1 / FAR < peak < FAR else math.frexp(peak)[1]
    if scale:
        np.ldexp(numbers, -scale, out=numbers)
    shift, first, second = 0.0, float(np.add.reduce(numbers)), _squares(numbers)
    if 2 * first * first > count * second:
        # A mean farther from 0 than the elements are from it takes digits off the sum of squares.
        shift = first / count
        numbers -= shift
        first, second = float(np.add.reduce(numbers)), _squares(numbers)
    return sums_about(count, shift, first, second, scale)


def _squares(numbers: Array) -> float:
    """The sum of the squares."""
    rest = numbers[numbers.size // ROW * ROW :]
    squares = float(rest @ rest)
    if rest.size < numbers.size:
        rows = numbers[: numbers.size - rest.size].reshape(-1, ROW)
        squares += float((rows[:, None, :] @ rows[:, :, None]).sum())
    return squares


def _shifted(number: int, places: int) -> int:
    return number << places if places >= 0 else number >> -places


def _float(above: int, below: int) -> float:
    """The quotient, rounded once."""
    try:
        return above / below
    except OverflowError:
        return math.inf if above > 0 else -math.inf


def _root(above: int, below: int) -> float:
    """The square root of a quotient, rounded once (as `statistics.stdev` of Python does it)."""
    # Twice the digits of a float64 and some more, so that what is cut off can't be half of the last one.
    places = (above.bit_length() - below.bit_length() - 109) // 2
    if places >= 0:
        below <<= 2 * places
    else:
        above <<= -2 * places
    root = math.isqrt(above // below)
    # The last bit tells whether there is more behind it.
    root |= root * root * below != above
    return _float(root << places, 1) if places >= 0 else _float(root, 1 << -places)
