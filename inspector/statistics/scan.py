"""One pass over a tensor for its statistics, block by block, that can be watched, stopped and cut into parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.nodes import Tensor
from inspector.statistics import Statistics
from inspector.statistics.cuts import cut
from inspector.statistics.tally import Patterns, State, Wide
from inspector.window import quantized

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LOOK = 16
"""Blocks from all over the tensor that are counted before the others, so that the first figures are of all of it."""

Progress = Callable[[int, "Tally"], None]
"""Hears how many elements are done, and the tally so far; may raise to stop."""


class Tally:
    """The tallies of one tensor: one, or of complex numbers three (magnitude, real, imaginary)."""

    def __init__(self, tensor: Tensor) -> None:
        import numpy as np

        kind = dtypes.array_type(tensor.dtype)
        self.integers = _counted_as_integers(tensor)
        self.tallies: list[Any]
        if kind.kind == "c":
            part = np.dtype(np.float32 if kind.itemsize == 8 else np.float64)
            self.tallies = [Wide(part), Wide(part), Wide(part)]
        elif tensor.traits.quantization is not None and not self.integers:
            self.tallies = [Wide(np.dtype(np.float32))]
        elif kind.itemsize <= 2:
            self.tallies = [_patterns(tensor)]
        else:
            self.tallies = [Wide(kind)]

    def add(self, block: Array, times: int = 1) -> None:
        """Counts a contiguous block of elements, each as often as `times`."""
        import numpy as np

        if len(self.tallies) == 1:
            self.tallies[0].add(block, times)
            return
        with np.errstate(over="ignore", invalid="ignore"):
            parts = (np.abs(block), np.ascontiguousarray(block.real), np.ascontiguousarray(block.imag))
        for tally, numbers in zip(self.tallies, parts, strict=True):
            tally.add(numbers, times)

    def merge(self, other: Tally) -> None:
        """Adds another tally of the same tensor."""
        for mine, theirs in zip(self.tallies, other.tallies, strict=True):
            mine.merge(theirs)

    def state(self) -> list[State]:
        """What was counted, as JSON can hold it."""
        return [tally.state() for tally in self.tallies]

    def add_state(self, states: list[State]) -> None:
        """Adds what another tally of the same tensor had counted when it told its `state`."""
        for tally, state in zip(self.tallies, states, strict=True):
            tally.add_state(state)

    def result(self, whole: bool = True) -> Statistics:
        """The figures so far; brief unless they are to be `whole`, with the histogram."""
        results: list[Statistics] = [tally.result(whole) for tally in self.tallies]
        first, *rest = results
        first.parts.update(zip(("real", "imag"), rest, strict=False))
        return first


def scan(tensor: Tensor, progress: Progress | None = None) -> Statistics:
    """The statistics of all elements of a tensor: of quantised ones those of the numbers they stand for.

    An element that a stride of 0 repeats is read once and counted as often as it stands there; what a sparse tensor
    does not store counts as zeros, and a byte of `float4_e2m1fn_x2` as the two numbers that it holds. Raises what
    `window.read` raises, `TooLarge` beyond 2^63 elements, and what `progress` does.
    """
    tally = Tally(tensor)
    blocks = cut(tensor, dequantize=not tally.integers)
    done = 0
    for number in spread(blocks.count):
        block, times = blocks.read(number)
        tally.add(block, times)
        done += block.size * times
        if progress is not None:
            progress(done, tally)
    return tally.result()


def spread(count: int) -> Iterable[int]:
    """The numbers below `count`: some from all over first, then the others in order."""
    first = sorted({place * count // LOOK for place in range(min(LOOK, count))})
    yield from first
    known = set(first)
    yield from (number for number in range(count) if number not in known)


def _counted_as_integers(tensor: Tensor) -> bool:
    """Whether a quantised tensor's elements stand for one number each, wherever they are."""
    quantization = tensor.traits.quantization
    return quantization is not None and quantization.axis is None and dtypes.array_type(tensor.dtype).itemsize == 1


def _patterns(tensor: Tensor) -> Patterns:
    import numpy as np

    stored = dtypes.array_type(tensor.dtype)
    if tensor.traits.quantization is not None:
        return Patterns(
            np.dtype(np.float32), stored, lambda bits: quantized.dequantize(tensor, bits, []).astype(np.float64)
        )
    if tensor.dtype == "bool":
        # torch takes any byte but 0 for True.
        return Patterns(stored, stored, lambda bits: (bits.view(np.uint8) != 0).astype(np.float64))
    if tensor.dtype == "float4_e2m1fn_x2":
        kind = dtypes.array_type("float4_e2m1fn")
        return Patterns(kind, stored, lambda bits: np.stack([bits & 15, bits >> 4], axis=1).view(kind).astype(np.float64))
    return Patterns(stored)
