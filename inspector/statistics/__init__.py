"""The figures of a tensor, computed from how often its values come and from exact sums beside the counts.

A dtype of 8 or 16 bits has at most 65,536 different values: how often each of them comes is the whole distribution,
and every figure follows from it exactly. Of a wider dtype the same is known of the leading bits, which bounds each
quantile; its sums are kept beside. All sums are integers in fixed units, so that parts may be added in any order and
give the same figures to the last digit.

All figures but the counts of NaN and Inf are those of the finite elements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from inspector.statistics.histogram import Histogram

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
"""The parts of the elements of which `Statistics.quantiles` tells the border."""

UNIT = 1200
"""Sums are integers in units of 2^-1200, sums of squares in units of 2^-2400: no float64 is finer than 2^-1074."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of one tensor (or of the magnitudes, real or imaginary parts of a complex one).

    `count` is the number of elements, `finite` that of those which are neither NaN nor Inf; all other figures are
    theirs. `std` divides by `finite - 1`, as torch's default; `norm` is the L2 norm. What nothing was counted for is
    NaN. `quantiles` gives for each of `QUANTILES` the smallest element that so large a part does not exceed; where not
    `exact`, it lies within `bound` of it, as a part of its size (denormals: within the smallest number that is none).
    `min`, `max` and the quantiles of integers are ints. `distinct`, the number of different values, is None for dtypes
    wider than 16 bits. `parts` are the `real` and `imag` of complex numbers.
    """

    count: int
    finite: int
    nan: int
    posinf: int
    neginf: int
    zero: int
    denormal: int
    distinct: int | None
    min: float
    max: float
    mean: float
    std: float
    norm: float
    quantiles: dict[float, float]
    exact: bool
    bound: float
    histogram: Histogram | None
    parts: dict[str, Statistics] = field(default_factory=dict)

    @property
    def inf(self) -> int:
        """How many elements are infinite, of either sign."""
        return self.posinf + self.neginf

    @property
    def abs_max(self) -> float:
        """The largest magnitude."""
        return max(abs(self.min), abs(self.max))

    @property
    def constant(self) -> bool:
        """Whether all elements are one finite number, and there are at least two."""
        return self.count > 1 and self.finite == self.count and self.min == self.max

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""
        own = 2000 + sum(part.nbytes for part in self.parts.values())
        return own if self.histogram is None else own + 24 * len(self.histogram.values)

    def brief(self) -> Statistics:
        """The same without the histograms, which are a thousand times as large as the figures."""
        parts = {name: part.brief() for name, part in self.parts.items()}
        return replace(self, histogram=None, parts=parts)


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
        return _float(Fraction(self.first, self.count << UNIT)) if self.count else math.nan

    @property
    def std(self) -> float:
        """The standard deviation that divides by one less than there are."""
        if self.count < 2:
            return math.nan
        # Rounding within a block of an almost constant tensor may leave a little less than nothing.
        spread = max(self.count * self.second - self.first * self.first, 0)
        return _root(Fraction(spread, (self.count * (self.count - 1)) << (2 * UNIT)))

    @property
    def norm(self) -> float:
        """The L2 norm."""
        return _root(Fraction(self.second, 1 << (2 * UNIT)))


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
    starts = np.concatenate([[0], np.flatnonzero(exponents[1:] != exponents[:-1]) + 1])
    places = [UNIT + int(exponent) - 24 + spare for exponent in exponents[starts]]
    # No sum leaves 63 bits: so many of a count, twice 24 - spare of a square, and those of how many values there are.
    width = 63 - 2 * (24 - spare) - len(values).bit_length()
    for low in range(0, int(counts.max()).bit_length(), width):
        part = (counts >> low) & ((1 << width) - 1)
        first = np.add.reduceat(part * whole, starts).tolist()
        second = np.add.reduceat(part * whole * whole, starts).tolist()
        sums.first += sum(_shifted(number, place + low) for number, place in zip(first, places, strict=True))
        sums.second += sum(_shifted(number, 2 * place + low) for number, place in zip(second, places, strict=True))
    return sums


def quantiles_of(values: Array, counts: Array, total: int) -> dict[float, float]:
    """For each of `QUANTILES` the smallest of the ascending `values` that so large a part of `total` does not exceed."""
    import numpy as np

    if not total:
        return {}
    reached = np.cumsum(counts)
    wanted = [-(-round(part * 1000) * total // 1000) for part in QUANTILES]
    places = np.searchsorted(reached, wanted, "left")
    return dict(zip(QUANTILES, values[places].tolist(), strict=True))


def _shifted(number: int, places: int) -> int:
    return number << places if places >= 0 else number >> -places


def _float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _root(square: Fraction) -> float:
    """The square root of an exact number, rounded once (as `statistics.stdev` of Python does it)."""
    above, below = square.numerator, square.denominator
    # Twice the digits of a float64 and some more, so that what is cut off can't be half of the last one.
    places = (above.bit_length() - below.bit_length() - 109) // 2
    if places >= 0:
        below <<= 2 * places
    else:
        above <<= -2 * places
    root = math.isqrt(above // below)
    # The last bit tells whether there is more behind it.
    root |= root * root * below != above
    return _float(Fraction(root << places) if places >= 0 else Fraction(root, 1 << -places))
