"""A second look at a tensor in which counting found something: where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.blocks import Index, blocks
from inspector.nodes import Tensor
from inspector.window import sparse

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WIDTH = 16
"""Bytes for which an element counts in a block: a block is a sixteenth of what it could be, and so is the wait to stop."""

Tick = Callable[[], None]
"""Called after each block; may raise to stop."""

Place = tuple[int, ...]

Test = Callable[["Array"], "Array"]


def first_nan(tensor: Tensor, tick: Tick) -> Place | None:
    """The index of the first NaN in the order of the shape; of complex numbers, the first whose magnitude is one."""
    import numpy as np

    return _first(tensor, np.isnan, tick)


def first_inf(tensor: Tensor, tick: Tick) -> Place | None:
    """The index of the first infinite element in the order of the shape."""
    import numpy as np

    return _first(tensor, np.isinf, tick)


def _first(tensor: Tensor, test: Test, tick: Tick) -> Place | None:
    import numpy as np

    if tensor.traits.layout.startswith("sparse"):
        return _first_stored(tensor, test)
    for index, block in _blocks(tensor, tick):
        hits = _tested(np.asarray(block), test)
        if hits.any():
            inner = np.unravel_index(int(hits.argmax()), hits.shape) if hits.ndim else ()
            outer = [part if isinstance(part, int) else part.start for part in index]
            # The slice at the end of the index is the first axis of the block.
            start = outer.pop() if outer else 0
            inside = [int(place) for place in inner]
            return (*outer, *([start + inside[0], *inside[1:]] if inside else []))
    return None


def _tested(block: Array, test: Test) -> Array:
    """What a test says of each element; of complex numbers, of their magnitudes."""
    import numpy as np

    with np.errstate(all="ignore"):
        if block.dtype.kind == "c":
            return test(np.abs(block))
        if block.dtype.itemsize > 2:
            return test(block)
        # ml_dtypes takes its time for each element, so each bit pattern is tested once.
        bits = np.dtype(f"u{block.dtype.itemsize}")
        table = test(np.arange(1 << (8 * bits.itemsize), dtype=bits).view(block.dtype))
        return np.asarray(table[block.view(bits)])


def _first_stored(tensor: Tensor, test: Test) -> Place | None:
    import numpy as np

    indices, values = sparse.entries(tensor)
    hits = np.argwhere(_tested(values, test))
    places = [(*indices[:, hit[0]].tolist(), *hit[1:].tolist()) for hit in hits]
    return min(places, default=None)


def dead(tensor: Tensor, tick: Tick) -> tuple[list[int], list[int]]:
    """The rows (along the first axis) and columns (along the second) of a tensor of 2 axes or more that are all zero."""
    import numpy as np

    rows, columns = (np.zeros(size, bool) for size in tensor.shape[:2])
    for index, block in _blocks(tensor, tick):
        alive = _tested(np.asarray(block), lambda values: values != 0)
        row, column = index[0], index[1] if len(index) > 1 else slice(None)
        if len(index) > 1:
            rows[row] |= alive.any()
            columns[column] |= alive.any() if isinstance(column, int) else alive.reshape(len(alive), -1).any(axis=1)
        else:
            every = np.asarray(alive.reshape(*alive.shape[:2], -1).any(axis=2))
            rows[row] |= every.any(axis=1)
            columns |= every.any(axis=0)
        if rows.all() and columns.all():
            break
    return np.flatnonzero(~rows).tolist(), np.flatnonzero(~columns).tolist()


def _blocks(tensor: Tensor, tick: Tick) -> Iterator[tuple[Index, Array]]:
    """The blocks of a tensor; of an axis that repeats the same elements only the first place."""
    if tensor.storage is not None and tensor.traits.quantization is None and len(tensor.stride) == len(tensor.shape):
        shape = tuple(min(size, 1) if step == 0 else size for size, step in zip(tensor.shape, tensor.stride, strict=True))
        tensor = Tensor(tensor.dtype, shape, tensor.stride, tensor.storage, tensor.offset, traits=tensor.traits)
    for index, block in blocks(tensor, WIDTH * max(dtypes.DTYPES[tensor.dtype].bytes, 4)):
        yield index, block
        tick()
