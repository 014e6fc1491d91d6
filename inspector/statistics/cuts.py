"""A tensor cut into blocks for work that asks only which elements there are, not where: in the order of the storage.

An element that a stride of 0 repeats is read once, a sparse tensor's zeros are one block, and a tensor that lies in the
storage without gaps is read as one run, however its axes are permuted.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from inspector import dtypes, window
from inspector.errors import TooLarge
from inspector.nodes import Tensor
from inspector.soundness import unsound
from inspector.window import sparse
from inspector.window.pieces import uncovered

if TYPE_CHECKING:
    import numpy as np

    from inspector.window.pieces import Piece

    Array = np.ndarray[Any, Any]

BLOCK = 1 << 20
"""Bytes of a block: large enough that reading is cheap, small enough to stop at once and to stay in the caches."""

Block = tuple["Array", int]
"""Some elements, contiguous, and how often they stand in the tensor."""


class Cut(Protocol):
    """The blocks of a tensor."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def read(self, number: int) -> Block:
        """One of them. Raises what `window.read` raises."""
        ...


def cut(tensor: Tensor, *, dequantize: bool = True) -> Cut:
    """The blocks of a tensor: together they hold each element as often as the tensor does.

    Elements are as `window.read` gives them, but bool as bytes where they lie in one run. Raises what `window.read`
    does, and `TooLarge` beyond 2^63 elements.
    """
    dtypes.array_type(tensor.dtype)
    if tensor.numel >= 1 << 63:
        raise TooLarge("more than 2^63 elements can't be counted")
    if tensor.traits.layout.startswith("sparse"):
        return Sparse(tensor)
    if _partitioned(tensor):
        inner = [piece.open() for piece in tensor.traits.pieces]
        # A piece is read as it lies in its file, whatever its shape there.
        if all(map(partial(_fits, tensor), tensor.traits.pieces, inner)):
            return Joined([cut(part) for part in inner])
    if tensor.storage is None or unsound(tensor) or (tensor.traits.quantization is not None and dequantize):
        return Windows(tensor, dequantize)
    if tensor.contiguous and _plain(tensor):
        return Run(tensor, 1)
    view, times = _in_storage_order(tensor)
    if view.contiguous and _plain(view):
        return Run(view, times)
    return Windows(view, dequantize, times)


class Run:
    """A tensor without gaps, read byte by byte: nothing is copied."""

    def __init__(self, tensor: Tensor, times: int) -> None:
        self.tensor = tensor
        self.times = times
        self.kind = window.stored_type(tensor)
        self.step = BLOCK // self.kind.itemsize
        self.numel = tensor.numel
        self.count = -(-self.numel // self.step)

    def read(self, number: int) -> Block:
        """The elements from `number * step`."""
        import numpy as np

        tensor, width = self.tensor, self.kind.itemsize
        assert tensor.storage is not None
        first = number * self.step
        length = min(self.step, self.numel - first)
        block = np.frombuffer(tensor.storage.read((tensor.offset + first) * width, length * width), self.kind)
        return (window.swapped(tensor, block) if tensor.storage.big and width > 1 else block), self.times


class Windows:
    """Any tensor, by its index: whole trailing axes, and several steps of the one before."""

    def __init__(self, tensor: Tensor, dequantize: bool, times: int = 1) -> None:
        self.tensor = tensor
        self.dequantize = dequantize
        self.times = times
        shape = tensor.shape
        width = max(dtypes.array_type(tensor.dtype).itemsize, 4)
        inner, self.axis = 1, len(shape)
        while self.axis > 0 and inner * shape[self.axis - 1] * width <= BLOCK:
            self.axis -= 1
            inner *= shape[self.axis]
        self.axis = max(self.axis - 1, 0)
        self.length = shape[self.axis] if shape else 1
        inner = math.prod(shape[self.axis + 1 :])
        self.step = max(1, BLOCK // max(inner * width, 1))
        self.along = -(-self.length // self.step)
        self.count = math.prod(shape[: self.axis]) * self.along if 0 not in shape else 0

    def read(self, number: int) -> Block:
        """The block that comes `number`th in the order of the shape."""
        import numpy as np

        place, part = divmod(number, self.along)
        index: list[int | slice] = []
        for size in reversed(self.tensor.shape[: self.axis]):
            place, at = divmod(place, size)
            index.insert(0, at)
        if self.tensor.shape:
            index.append(slice(part * self.step, min((part + 1) * self.step, self.length)))
        block = window.read(self.tensor, (*index, ...), dequantize=self.dequantize)
        return np.ascontiguousarray(block), self.times


class Sparse:
    """A sparse tensor: the elements that it stores, and the zeros between them."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.count = 2 if tensor.numel else 0
        self._values: Array | None = None

    def read(self, number: int) -> Block:
        """The stored elements, or one zero as often as there are zeros."""
        import numpy as np

        if self._values is None:
            self._values = sparse.stored(self.tensor).astype(dtypes.array_type(self.tensor.dtype), copy=False)
        if number == 0:
            return self._values, 1
        return np.zeros(1, self._values.dtype), self.tensor.numel - self._values.size


class Joined:
    """A tensor whose pieces are each cut for themselves."""

    def __init__(self, parts: Sequence[Cut]) -> None:
        self.parts = parts
        self.starts = list(accumulate((part.count for part in parts), initial=0))
        self.count = self.starts[-1]

    def read(self, number: int) -> Block:
        """A block of the piece that it falls into."""
        place = bisect_right(self.starts, number) - 1
        return self.parts[place].read(number - self.starts[place])


def _in_storage_order(tensor: Tensor) -> tuple[Tensor, int]:
    """The tensor with its axes from the widest step to the smallest, those of step 0 left out, and how often it stands."""
    axes = [(step, size) for step, size in zip(tensor.stride, tensor.shape, strict=True) if size != 1]
    times = math.prod(size for step, size in axes if step == 0 and size > 0)
    axes = sorted(((step, size) for step, size in axes if step > 0 or size == 0), reverse=True)
    if dtypes.DTYPES[tensor.dtype].block > 1:
        return tensor, 1
    shape, stride = tuple(size for _, size in axes), tuple(step for step, _ in axes)
    made = Tensor(tensor.dtype, shape, stride, tensor.storage, tensor.offset, traits=tensor.traits)
    return made, times


def _plain(tensor: Tensor) -> bool:
    """Whether the bytes of a tensor's elements are what it is read as."""
    dtype, traits = dtypes.DTYPES[tensor.dtype], tensor.traits
    packed = dtype.block > 1 or (dtype.packed > 1 and dtype.family == "quantized")
    return not (packed or traits.conj or traits.neg or dtype.name == "complex32")


def _partitioned(tensor: Tensor) -> bool:
    """Whether the pieces of a tensor cover each of its elements exactly once."""
    pieces = tensor.traits.pieces
    if tensor.storage is not None or not pieces:
        return False
    return sum(math.prod(piece.sizes) for piece in pieces) == tensor.numel and uncovered(tensor.shape, pieces) == 0


def _fits(tensor: Tensor, piece: Piece, part: Tensor) -> bool:
    return part.dtype == tensor.dtype and part.traits.quantization is None and part.numel == math.prod(piece.sizes)
