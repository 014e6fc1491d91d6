"""Counting the elements of a tensor, block by block: tallies that add up in any order, and become `Statistics`.

`Patterns` counts the bit patterns of dtypes of 8 and 16 bits; `Wide` the leading bits of wider ones, with exact
minimum, maximum, counts and sums beside them. Either takes a fixed amount of memory, whatever is counted.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from inspector.statistics import Statistics, quantiles_of
from inspector.statistics.histogram import Histogram
from inspector.statistics.sums import Sums, sums_between, sums_of
from inspector.statistics.table import Table, starts_of_runs

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

STEP = 1 << 19
"""Elements of 16 bits that are counted at a time: few enough that all their forms stay in the processor's caches."""

WIDE_STEP = 1 << 18
"""The same for wider elements, which have more forms."""

KEPT = 1 << 23
"""Bytes that are more than anything that comes and goes with each block."""

MANTISSA = 7
"""Bits of the mantissa that are among the leading bits."""

Meaning = Callable[["Array"], "Array"]
"""The numbers that elements stand for, as float64: one for each, or a row of several."""


State = dict[str, Any]
"""A tally as it goes from one process to another."""


class _Scratch(threading.local):
    """What the forms of a block are written to, one after the other: memory that was used before is the faster one."""

    def __init__(self) -> None:
        self._rooms: dict[str, Array] = {}
        # Once glibc has freed so large a piece, it keeps what else is freed, and need not ask the kernel for each block.
        bytes(KEPT)

    def room(self, kind: str, size: int) -> Array:
        """Room for so many elements of a type."""
        import numpy as np

        room = self._rooms.get(kind)
        if room is None or room.size < size:
            room = self._rooms[kind] = np.empty(max(size, STEP, WIDE_STEP), kind)
        return room[:size]


_scratch = _Scratch()


def _as_they_are(stored: Array) -> Array:
    return stored.astype("float64")


class Patterns:
    """A tally of elements of 8 or 16 bits: how often each bit pattern comes. Its figures are all exact.

    `kind` is the type of the numbers that elements of `stored` stand for by `meaning`; without it they are themselves.
    """

    def __init__(self, kind: np.dtype[Any], stored: np.dtype[Any] | None = None, meaning: Meaning = _as_they_are) -> None:
        import numpy as np

        self.kind = kind
        self.stored = stored or kind
        self.meaning = meaning
        # Elements of 8 bits are counted two at a time, which takes half as long.
        self.counts = Table(1 << 16)
        self.odd = np.zeros(1 << 8, np.int64)

    def add(self, block: Array, times: int = 1) -> None:
        """Counts a contiguous block of elements, each as often as `times`."""
        import numpy as np

        raw = block.reshape(-1).view(np.uint8)
        if raw.size % 2:
            self.odd[raw[-1]] += times
            raw = raw[:-1]
        bits = raw.view(np.uint16)
        for start in range(0, bits.size, STEP):
            piece = bits[start : start + STEP]
            # Indices have a width of their own: widened here, in the cache, and not for the whole block at once.
            places = _scratch.room("intp", piece.size)
            places[:] = piece
            self.counts.add(places, times)

    def merge(self, other: Patterns) -> None:
        """Adds what another tally of the same kind has counted."""
        self.counts.add_counts(*other.counts.found())
        self.odd += other.odd

    def state(self) -> State:
        """What was counted, as JSON can hold it."""
        return {"counts": self.counts.state(), "odd": self.odd.tolist()}

    def add_state(self, state: State) -> None:
        """Adds what another tally of the same kind had counted when it told its `state`."""
        self.counts.add_state(state["counts"])
        self.odd += state["odd"]

    def result(self, whole: bool = True) -> Statistics:
        """The figures of everything counted so far; with the histogram if they are to be `whole`."""
        import numpy as np

        present, counts = self.counts.found()
        if self.stored.itemsize == 1:
            single = self.odd.copy()
            for half in (present & 255, present >> 8):
                np.add.at(single, half, counts)
            present = np.flatnonzero(single)
            counts = single[present]
        with np.errstate(invalid="ignore"):
            values = self.meaning(present.astype(f"u{self.stored.itemsize}").view(self.stored))
        if values.ndim > 1:
            counts = counts.repeat(values.shape[1])
            values = values.reshape(-1)
        order = values.argsort()
        values, counts = values[order], counts[order]
        finite = np.isfinite(values)
        nan = posinf = neginf = 0
        if not finite.all():
            nan, posinf, neginf = (
                int(counts[which].sum()) for which in (np.isnan(values), values == np.inf, values == -np.inf)
            )
            values, counts = values[finite], counts[finite]
        known, often = _merged(values, counts)
        sums = sums_of(known, often)
        number = int if self.kind.kind in "iub" else float
        tiny = 0.0 if self.kind.kind in "iub" else _tiny(self.kind)
        quantiles = quantiles_of(known, often, sums.count)
        return Statistics(
            count=sums.count + nan + posinf + neginf,
            finite=sums.count,
            nan=nan,
            posinf=posinf,
            neginf=neginf,
            zero=int(often[known == 0].sum()),
            denormal=int(often[(known != 0) & (np.abs(known) < tiny)].sum()),
            distinct=len(known) + bool(nan) + bool(posinf) + bool(neginf),
            min=number(known[0]) if sums.count else math.nan,
            max=number(known[-1]) if sums.count else math.nan,
            mean=sums.mean,
            std=sums.std,
            norm=sums.norm,
            quantiles={part: number(value) for part, value in quantiles.items()},
            exact=True,
            bound=0.0,
            histogram=Histogram(known, often, self.kind) if whole else None,
        )


@dataclass(slots=True)
class Exact:
    """What is known exactly of wide elements: counts, the least and greatest finite one, sums."""

    nan: int = 0
    posinf: int = 0
    neginf: int = 0
    zero: int = 0
    denormal: int = 0
    min: float = math.inf
    max: float = -math.inf
    sums: Sums = field(default_factory=Sums)

    def add(self, other: Exact) -> None:
        """Adds what is known of more elements."""
        self.nan += other.nan
        self.posinf += other.posinf
        self.neginf += other.neginf
        self.zero += other.zero
        self.denormal += other.denormal
        self.min, self.max = min(self.min, other.min), max(self.max, other.max)
        self.sums.add(other.sums)


class Wide:
    """A tally of elements of more than 16 bits. Its figures are exact but for the quantiles, which lie within `BOUND`.

    Elements of float32 are counted by their 16 leading bits (7 of the mantissa), of all other types by the 19 leading
    bits that they have as float64 (7 likewise).
    """

    BOUND = 0.5 ** (MANTISSA + 1)

    def __init__(self, kind: np.dtype[Any]) -> None:
        import numpy as np

        self.kind = kind
        narrow = kind == np.float32
        self.float = np.dtype(np.float32 if narrow else np.float64)
        self.bits = np.dtype(np.uint32 if narrow else np.uint64)
        self.shift = 16 if narrow else 45
        self.counts = Table(1 << (16 if narrow else 19))
        self.exact = Exact()

    def add(self, block: Array, times: int = 1) -> None:
        """Counts a contiguous block of elements, each as often as `times`."""
        import numpy as np

        exact = self.exact
        flat = block.reshape(-1)
        for start in range(0, flat.size, WIDE_STEP):
            piece = flat[start : start + WIDE_STEP]
            low, high = np.minimum.reduce(piece).item(), np.maximum.reduce(piece).item()
            # A NaN makes both of them NaN, so every block that has something not finite comes by here.
            if not (math.isfinite(low) and math.isfinite(high)):
                exact.nan += int(np.count_nonzero(np.isnan(piece))) * times
                exact.posinf += int(np.count_nonzero(piece == np.inf)) * times
                exact.neginf += int(np.count_nonzero(piece == -np.inf)) * times
                piece = piece[np.isfinite(piece)]
                if not piece.size:
                    continue
                low, high = piece.min().item(), piece.max().item()
            exact.min, exact.max = min(exact.min, low), max(exact.max, high)
            numbers = _scratch.room("float64", piece.size)
            numbers[:] = piece
            self._count(piece if piece.dtype == self.float else numbers, times)
            exact.sums.add(sums_between(numbers, float(low), float(high)), times)

    def _count(self, numbers: Array, times: int) -> None:
        import numpy as np

        places = _scratch.room("intp", numbers.size)
        np.right_shift(numbers.view(self.bits), self.bits.type(self.shift), out=places, casting="unsafe")
        self.counts.add(places, times)
        # Zeros and denormals, all bits of whose exponent are 0: of either sign the first bins.
        near = self.counts.below(1 << MANTISSA) - self.exact.zero - self.exact.denormal
        if near:
            zeros = (numbers.size - int(np.count_nonzero(numbers))) * times
            self.exact.zero += zeros
            self.exact.denormal += near - zeros

    def merge(self, other: Wide) -> None:
        """Adds what another tally of the same kind has counted."""
        self.counts.add_counts(*other.counts.found())
        self.exact.add(other.exact)

    def state(self) -> State:
        """What was counted, as JSON can hold it."""
        return {"counts": self.counts.state(), "exact": asdict(self.exact)}

    def add_state(self, state: State) -> None:
        """Adds what another tally of the same kind had counted when it told its `state`."""
        self.counts.add_state(state["counts"])
        exact = dict(state["exact"])
        self.exact.add(Exact(sums=Sums(**exact.pop("sums")), **exact))

    def result(self, whole: bool = True) -> Statistics:
        """The figures of everything counted so far; with the histogram if they are to be `whole`."""
        import numpy as np

        present, often = self.counts.found()
        edges = present.astype(self.bits) << self.bits.type(self.shift)
        middles = edges | self.bits.type(1 << (self.shift - 1))
        # What has no exponent is mostly zero.
        middles[edges << self.bits.type(1) == 0] = 0
        values = middles.view(self.float).astype(np.float64)
        whole_numbers = self.kind.kind in "iu"
        if whole_numbers:
            values = np.trunc(values)
        order = values.argsort()
        exact, total = self.exact, self.exact.sums.count
        # No bin reaches beyond what was really seen.
        values, often = values[order].clip(exact.min, exact.max), often[order]
        quantiles = quantiles_of(values, often, total)
        if whole_numbers:
            # float64 can't hold every integer of 64 bits.
            quantiles = {part: min(max(int(value), exact.min), exact.max) for part, value in quantiles.items()}
        return Statistics(
            count=total + exact.nan + exact.posinf + exact.neginf,
            finite=total,
            nan=exact.nan,
            posinf=exact.posinf,
            neginf=exact.neginf,
            zero=exact.zero,
            denormal=exact.denormal,
            distinct=None,
            min=exact.min if total else math.nan,
            max=exact.max if total else math.nan,
            mean=exact.sums.mean,
            std=exact.sums.std,
            norm=exact.sums.norm,
            quantiles=quantiles,
            exact=False,
            bound=self.BOUND,
            histogram=Histogram(values, often, self.kind, MANTISSA) if whole else None,
        )


def _merged(values: Array, counts: Array) -> tuple[Array, Array]:
    """Ascending values, each once: several patterns may stand for the same, as those of 0 and -0 do."""
    import numpy as np

    starts = starts_of_runs(values)
    if len(starts) == len(values):
        return values, counts
    return values[starts], np.add.reduceat(counts, starts)


def _tiny(kind: np.dtype[Any]) -> float:
    """The smallest number of a float type that is not denormal."""
    import ml_dtypes

    limits = ml_dtypes.finfo(kind)  # type: ignore[no-untyped-call]
    return float(limits.smallest_normal)
