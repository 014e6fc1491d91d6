"""How often values come, and that as the bars of a panel: symmetric around zero, what is not finite apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from inspector.statistics import Statistics

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values come: ascending `values` (the middle of each bin) and their `counts`, empty bins left out.

    `kind` is the type of the numbers, which tells how wide bins are: those of a wider one hold all numbers that begin
    with the same `digits` behind the first.
    """

    values: Array
    counts: Array
    kind: np.dtype[Any]
    digits: int | None = None

    @property
    def widths(self) -> Array:
        """How far the middle of the next bin is from each, had that one not been left out."""
        import ml_dtypes
        import numpy as np

        digits = self.digits
        if self.kind.kind in "iub":
            lowest = 0
            digits = 64 if digits is None else digits
        else:
            limits = ml_dtypes.finfo(self.kind)  # type: ignore[no-untyped-call]
            digits = limits.nmant if digits is None else digits
            lowest = limits.minexp - digits
        return np.asarray(np.ldexp(1.0, np.maximum(np.frexp(self.values)[1] - 1 - digits, lowest)))


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of a panel: `counts` (float64) between neighbouring `edges`, one more of these.

    `below` and `above` are the finite elements beyond the edges; `nan`, `posinf` and `neginf` have bars of their own.
    """

    edges: Array
    counts: Array
    below: float
    above: float
    nan: int
    posinf: int
    neginf: int

    def heights(self, log: bool = False) -> Array:
        """The bars as parts of the highest one, from 0 to 1; with `log`, by the logarithm of one more than their counts."""
        import numpy as np

        counts = np.log1p(self.counts) if log else self.counts
        highest = counts.max(initial=0.0)
        return np.asarray(counts / highest if highest else counts)


def bars(statistics: Statistics, columns: int, span: tuple[float, float] | None = None) -> Bars:
    """The histogram of a tensor in at most so many columns.

    Without a `span` they reach as far on either side of zero as there are elements on one, and are an odd number, so
    that zero lies in the middle of one. A bin counts as spread evenly over the numbers that would fall into it, so that
    bars narrower than bins are no comb. The statistics must not be `brief`.
    """
    import numpy as np

    assert statistics.histogram is not None
    if span is None:
        count = max(1, columns - 1 + columns % 2)
        half = np.arange(1, count + 1, 2) / count * ((statistics.abs_max if statistics.finite else 0) or 1.0)
        edges = np.concatenate([-half[::-1], half])
    else:
        edges = np.linspace(*span, max(1, columns) + 1)
    below = _below(statistics.histogram, edges)
    # What lies at the outermost edge belongs to the last bar.
    if edges[-1] >= statistics.max:
        below[-1] = statistics.finite
    if edges[0] <= statistics.min:
        below[0] = 0
    outside = float(below[0]), float(statistics.finite - below[-1])
    return Bars(edges, np.diff(below), *outside, statistics.nan, statistics.posinf, statistics.neginf)


def _below(histogram: Histogram, edges: Array) -> Array:
    """How many elements lie below each edge."""
    import numpy as np

    values, counts = histogram.values, histogram.counts
    half = histogram.widths / 2
    starts, ends = values - half, values + half
    before = np.concatenate([[0], np.cumsum(counts)])
    found = np.empty(len(edges))
    firsts, lasts = np.searchsorted(ends, edges, "right"), np.searchsorted(starts, edges, "left")
    for place, (edge, first, last) in enumerate(zip(edges, firsts, lasts, strict=True)):
        # Few bins are cut by an edge: the neighbours of a power of two overlap a little.
        cut = slice(first, last)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.nan_to_num((edge - starts[cut]) / (2 * half[cut]))
        found[place] = before[first] + (counts[cut] * part).sum()
    return found
