"""Elements out of packed words, and scales spread over the blocks that they stand for; only what a box needs is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from inspector import window
from inspector.errors import DamagedFile
from inspector.nodes import Tensor

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Span = tuple[int, int]
"""The first index along an axis and how many."""

Box = Sequence[Span]
"""A span for each axis."""

RUN = 1 << 18
"""Elements of a long run that are computed at a time."""


def bits(words: Array, width: int, first: int, count: int) -> Array:
    """Unsigned elements of `width` bits out of the words along the last axis, which are one number, lowest bits first.

    The first word is the one in which the element `first` begins, if elements are counted from the start of a word.
    """
    import numpy as np

    size = 8 * words.dtype.itemsize
    whole = words.astype(np.dtype(f"u{words.dtype.itemsize}"), copy=False).astype(np.uint64)
    start = (first + np.arange(count, dtype=np.int64)) * width - first * width // size * size
    place, shift = start // size, (start % size).astype(np.uint64)
    values = whole[..., place] >> shift
    over = np.flatnonzero(shift > size - width)
    if over.size:
        values[..., over] |= whole[..., place[over] + 1] << (np.uint64(size) - shift[over])
    found: Array = (values & np.uint64((1 << width) - 1)).astype(np.int32)
    return found


def unpacked(tensor: Tensor, width: int, axis: int, box: Box) -> Array:
    """The unsigned elements of a box of what lies packed along `axis`, where the box counts elements."""
    import numpy as np

    from inspector.dtypes import array_type

    size = 8 * array_type(tensor.dtype).itemsize
    first, count = box[axis]
    low, high = first * width // size, -(-(first + count) * width // size)
    words = window.read_box(tensor, [*box[:axis], (low, high - low), *box[axis + 1 :]])
    values = bits(np.moveaxis(words, axis, -1), width, first, count)
    return np.moveaxis(values, -1, axis)


def spread(tensor: Tensor, blocks: Sequence[int], box: Box) -> Array:
    """For each element of a box the one of `tensor` that stands for its block; `blocks` are their sizes."""
    import numpy as np

    spans: list[Span] = []
    places: list[Array] = []
    for (first, count), block, size in zip(box, blocks, tensor.shape, strict=True):
        number = np.minimum(np.arange(first, first + count) // block, size - 1)
        spans.append((int(number[0]), int(number[-1] - number[0]) + 1))
        places.append(number - number[0])
    found: Array = numbers(tensor, spans)[np.ix_(*places)]
    return found


def numbers(tensor: Tensor, box: Box) -> Array:
    """A box of scales or zero points as float32 (float64 of float64), in which small integers and products are exact."""
    import numpy as np

    values = window.read_box(tensor, list(box))
    return values if values.dtype == np.float64 else values.astype(np.float32)


def taken(groups: Array, count: int) -> tuple[Span, Array]:
    """The span of the groups that some indices name, and the indices within it. Raises `DamagedFile` beyond `count`."""
    low, high = int(groups.min()), int(groups.max())
    if low < 0 or high >= count:
        raise DamagedFile(f"a group index is outside of the {count} groups that there are")
    return (low, high - low + 1), groups - low


def by_runs(box: Box, shape: Sequence[int], run: Callable[[int, int], Array]) -> Array:
    """A box of a tensor whose elements are known by their number: `run(first, count)` gives some of them in order."""
    import numpy as np

    sizes = [count for _, count in box]
    # Whole trailing axes lie in one run with the axis before them.
    axis = len(shape) - 1
    while axis > 0 and sizes[axis] == shape[axis]:
        axis -= 1
    inner = int(np.prod(shape[axis + 1 :], dtype=np.int64))
    length = sizes[axis] * inner
    made: Array | None = None
    for place in np.ndindex(*sizes[:axis]):
        number = 0
        for (first, _), at, size in zip(box, (*place, 0), shape, strict=False):
            number = number * size + first + at
        for start in range(0, length, RUN):
            part = run(number * inner + start, min(RUN, length - start))
            if made is None:
                made = np.empty((*sizes[:axis], length), part.dtype)
            made[(*place, slice(start, start + part.size))] = part
    assert made is not None
    return made.reshape(sizes)
