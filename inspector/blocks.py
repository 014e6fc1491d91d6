"""An array cut into blocks that fit into memory, in the order of its elements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BLOCK = 1 << 24
"""Bytes of a block."""

Index = tuple[int | slice, ...]


class Values(Protocol):
    """What can be cut: a `Tensor`, whose blocks are read one by one, or an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """The elements at an index."""
        ...


def blocks(values: Values, width: int) -> Iterator[tuple[Index, Array]]:
    """Each block with its index, one after the other as the elements stand: ints for leading axes, then one slice.

    `width` is the bytes of an element. An array of 0 axes is one block with the index `()`; an empty one has none.
    """
    shape = values.shape
    if not shape:
        yield (), values[()]
        return
    if 0 in shape:
        return
    axis = len(shape) - 1
    below = width
    while axis > 0 and below * shape[axis] <= BLOCK:
        below *= shape[axis]
        axis -= 1
    step = max(1, BLOCK // below)
    for number in range(math.prod(shape[:axis])):
        place = _place(number, shape[:axis])
        for start in range(0, shape[axis], step):
            index: Index = (*place, slice(start, min(start + step, shape[axis])))
            yield index, values[index]


def _place(number: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The index of the element that comes `number`th in an array of these sizes."""
    place: list[int] = []
    for size in reversed(sizes):
        number, at = divmod(number, size)
        place.append(at)
    return tuple(reversed(place))
