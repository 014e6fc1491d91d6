"""Counting the elements of a tensor, block by block: tallies that add up in any order, and become `Statistics`.

`Patterns` counts the bit patterns of dtypes of 8 and 16 bits; `Wide` the leading bits of wider ones, with exact
minimum, maximum, counts and sums beside them. Either takes a fixed amount of memory, whatever is counted.
"""

from __future__ import annotations

import math
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from inspector.statistics import Statistics, quantiles_of
from inspector.statistics.histogram import Histogram
from inspector.statistics.sums import Sums, sums_between, sums_of

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
        self.counts = np.zeros(1 << 16, np.int64)
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
            _count(self.counts, places, times)

    def merge(self, other: Patterns) -> None:
        """Adds what another tally of the same kind has counted."""
        self.counts += other.counts
        self.odd += other.odd

    def state(self) -> State:
        """What was counted, as JSON can hold it."""
        return {"counts": _packed(self.counts), "odd": _packed(self.odd)}

    def add_state(self, state: State) -> None:
        """Adds what another tally of the same kind had counted when it told its `state`."""
        _add_packed(self.counts, state["counts"])
        _add_packed(self.odd, state["odd"])

    def result(self) -> Statistics:
        """The figures of everything counted so far."""
        import numpy as np

        counts = self.counts
        if self.stored.itemsize == 1:
            pairs = counts.reshape(256, 256)
            counts = pairs.sum(axis=0) + pairs.sum(axis=1) + self.odd
        present = np.flatnonzero(counts)
        counts = counts[present]
        with np.errstate(invalid="ignore"):
            values = self.meaning(present.astype(f"u{self.stored.itemsize}").view(self.stored))
        counts = np.repeat(counts, values.size // max(len(counts), 1))
        order = np.argsort(values, axis=None)
        values, counts = values.reshape(-1)[order], counts[order]
        finite = np.isfinite(values)
        known, often = _merged(values[finite], counts[finite])
        nan, posinf, neginf = (
            int(counts[which].sum()) for which in (np.isnan(values), values == np.inf, values == -np.inf)
        )
        sums = sums_of(known, often)
        number = int if self.kind.kind in "iub" else float
        tiny = 0.0 if self.kind.kind in "iub" else _tiny(self.kind)
        quantiles = quantiles_of(known, often, sums.count)
        return Statistics(
            count=int(counts.sum()),
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
            histogram=Histogram(known, often, _widths(self.kind, known)),
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
        self.counts = np.zeros(1 << (16 if narrow else 19), np.int64)
        # Zeros and denormals, all bits of whose exponent are 0: of either sign the first bins.
        self._near = self.counts.reshape(2, -1)[:, : 1 << MANTISSA]
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
        _count(self.counts, places, times)
        near = int(self._near.sum()) - self.exact.zero - self.exact.denormal
        if near:
            zeros = (numbers.size - int(np.count_nonzero(numbers))) * times
            self.exact.zero += zeros
            self.exact.denormal += near - zeros

    def merge(self, other: Wide) -> None:
        """Adds what another tally of the same kind has counted."""
        self.counts += other.counts
        self.exact.add(other.exact)

    def state(self) -> State:
        """What was counted, as JSON can hold it."""
        return {"counts": _packed(self.counts), "exact": asdict(self.exact)}

    def add_state(self, state: State) -> None:
        """Adds what another tally of the same kind had counted when it told its `state`."""
        _add_packed(self.counts, state["counts"])
        exact = dict(state["exact"])
        self.exact.add(Exact(sums=Sums(**exact.pop("sums")), **exact))

    def result(self) -> Statistics:
        """The figures of everything counted so far."""
        import numpy as np

        present = np.flatnonzero(self.counts)
        often = self.counts[present]
        edges = present.astype(self.bits) << self.bits.type(self.shift)
        middles = edges | self.bits.type(1 << (self.shift - 1))
        # What has no exponent is mostly zero.
        middles[edges << self.bits.type(1) == 0] = 0
        values = middles.view(self.float).astype(np.float64)
        number = int if self.kind.kind in "iu" else float
        if number is int:
            values = np.trunc(values)
        order = np.argsort(values)
        exact, total = self.exact, self.exact.sums.count
        # No bin reaches beyond what was really seen.
        values, often = np.clip(values[order], exact.min, exact.max), often[order]
        quantiles = quantiles_of(values, often, total)
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
            # float64 can't hold every integer of 64 bits.
            quantiles={part: min(max(number(value), exact.min), exact.max) for part, value in quantiles.items()},
            exact=False,
            bound=self.BOUND,
            histogram=Histogram(values, often, _widths(self.kind, values, MANTISSA)),
        )


def _count(counts: Array, places: Array, times: int) -> None:
    import numpy as np

    if len(places) < 2 * len(counts):
        np.add.at(counts, places, times)
    else:
        # A tenth faster where the table is small beside the block, since it makes a table of its own.
        counted = np.bincount(places, minlength=len(counts))
        counts += counted if times == 1 else counted * times


def _merged(values: Array, counts: Array) -> tuple[Array, Array]:
    """Ascending values, each once: several patterns may stand for the same, as those of 0 and -0 do."""
    import numpy as np

    first = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    if first.all():
        return values, counts
    starts = np.flatnonzero(first)
    return values[starts], np.add.reduceat(counts, starts)


def _widths(kind: np.dtype[Any], values: Array, digits: int | None = None) -> Array:
    """How far the next number of a type is from each value, if it is told by so many binary digits behind the first."""
    import ml_dtypes
    import numpy as np

    if kind.kind in "iub":
        lowest = 0
        digits = 64 if digits is None else digits
    else:
        limits = ml_dtypes.finfo(kind)  # type: ignore[no-untyped-call]
        digits = limits.nmant if digits is None else digits
        lowest = limits.minexp - digits
    return np.asarray(np.ldexp(1.0, np.maximum(np.frexp(values)[1] - 1 - digits, lowest)))


def _packed(counts: Array) -> list[str]:
    """The places of a table that are not 0 and what stands there, as text."""
    import numpy as np

    present = np.flatnonzero(counts)
    return [b64encode(part.tobytes()).decode() for part in (present.astype(np.uint32), counts[present])]


def _add_packed(counts: Array, packed: list[str]) -> None:
    import numpy as np

    places, often = map(b64decode, packed)
    counts[np.frombuffer(places, np.uint32)] += np.frombuffer(often, np.int64)


def _tiny(kind: np.dtype[Any]) -> float:
    """The smallest number of a float type that is not denormal."""
    import ml_dtypes

    limits = ml_dtypes.finfo(kind)  # type: ignore[no-untyped-call]
    return float(limits.smallest_normal)
