"""The figures of a tensor, computed from how often its values come and from exact sums beside the counts.

A dtype of 8 or 16 bits has at most 65,536 different values: how often each of them comes is the whole distribution,
and every figure follows from it exactly. Of a wider dtype the same is known of the leading bits, which bounds each
quantile; its sums are kept beside. All sums are integers in fixed units, so that parts may be added in any order and
give the same figures to the last digit.

All figures but the counts of NaN and Inf are those of the finite elements.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from inspector.statistics.histogram import Histogram

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
"""The parts of the elements of which `Statistics.quantiles` tells the border."""

_PER_MILLE = [round(1000 * part) for part in QUANTILES]


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


def quantiles_of(values: Array, counts: Array, total: int) -> dict[float, float]:
    """For each of `QUANTILES` the smallest of the ascending `values` that so large a part of `total` does not exceed."""
    if not total:
        return {}
    wanted = [-(-part * total // 1000) for part in _PER_MILLE]
    places = counts.cumsum().searchsorted(wanted)
    return dict(zip(QUANTILES, values[places].tolist(), strict=True))
