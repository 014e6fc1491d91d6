"""Values of a tensor, read now: all of it or just a block, whatever its strides, storage and layout."""

from __future__ import annotations

import math
import operator
import os
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.errors import DamagedFile, NoValues, TooLarge, visible
from inspector.nodes import Tensor
from inspector.soundness import unsound
from inspector.storage import contiguous
from inspector.window import pieces

if TYPE_CHECKING:
    import numpy as np

    from inspector.storage import Computed

    Array = np.ndarray[Any, Any]

OVERREAD = 2
"""How many times the wanted bytes one read may take, rather than several reads."""

SMALL = 1 << 16
"""Bytes that are read at once even if few of them are wanted: a read costs as much as these."""

PIECE = 1 << 24
"""Bytes of a long run that are read at a time, so that an array is never in memory twice."""

MOST_AXES = 64
"""Axes of an array of numpy's."""

Span = tuple[int, int]
"""The first index along an axis and how many."""


def read(tensor: Tensor, index: Any = ..., *, dequantize: bool = True) -> Array:
    """The elements at `index` (ints, slices, an ellipsis, as in numpy), in the order of the shape; only these are read.

    conj and neg bits are resolved; quantised integers come as float32 unless `dequantize` is false. The dtype is
    `dtypes.array_type`'s. Raises IndexError as numpy does, `DamagedFile` if bytes are missing, `NoValues` if the file
    holds none, `TooLarge` if the block would not fit into memory.
    """
    _check(tensor)
    box, rest = _box(index, tensor.shape)
    if (
        rest
        and tensor.storage is not None
        and tensor.traits.quantization is None
        and dtypes.DTYPES[tensor.dtype].block == 1
    ):
        tensor, box, rest = _stepped(tensor, box, rest)
    block = read_box(tensor, box)
    if tensor.traits.quantization is not None and dequantize:
        from inspector.window import quantized

        block = quantized.dequantize(tensor, block, box)
    return block[rest] if rest else block


def read_box(tensor: Tensor, box: list[Span]) -> Array:
    """The stored elements of a box, one span for each axis of the tensor."""
    import numpy as np

    _check(tensor)
    kind = dtypes.array_type(tensor.dtype)
    sizes = tuple(length for _, length in box)
    if len(sizes) > MOST_AXES:
        raise TooLarge(f"it has {len(sizes)} axes, and numpy takes at most {MOST_AXES}")
    # numpy refuses an empty array too if its other axes are longer than anything.
    _fits(math.prod(max(size, 1) for size in sizes) * kind.itemsize)
    layout = tensor.traits.layout
    if layout.startswith("sparse"):
        from inspector.window import sparse

        return sparse.read_box(tensor, box)
    if tensor.storage is None:
        return _without_storage(tensor, box)
    if 0 in sizes:
        return np.empty(sizes, kind)
    if dtypes.DTYPES[tensor.dtype].packed > 1 and tensor.traits.quantization is not None:
        from inspector.window import quantized

        return quantized.unpack_box(tensor, box)
    if dtypes.DTYPES[tensor.dtype].block > 1:
        from inspector.window import packing

        return packing.read_box(tensor, box)
    block = strided(tensor, box, stored_type(tensor), tensor.stride, tensor.offset)
    return _resolved(tensor, block, kind)


def _check(tensor: Tensor) -> None:
    """Raises `DamagedFile` for a tensor that can't be what the file says, `NoValues` for one without values."""
    wrong = unsound(tensor)
    if wrong:
        raise DamagedFile(wrong)
    if tensor.storage is None and not (tensor.traits.parts or tensor.traits.pieces or tensor.traits.computed):
        unset = (
            "it was never initialised" if tensor.traits.layout == "uninitialized" else "it was saved from the meta device"
        )
        raise NoValues(f"the file holds no values for this tensor: {next(iter(tensor.traits.problems), unset)}")


def strided(tensor: Tensor, box: list[Span], kind: np.dtype[Any], stride: tuple[int, ...], offset: int) -> Array:
    """The elements of a box as the storage has them, of the type `kind`, in as few reads as are worth it."""
    import numpy as np

    storage = tensor.storage
    assert storage is not None
    width = kind.itemsize
    start = offset + sum(first * step for (first, _), step in zip(box, stride, strict=True))
    # An axis of stride 0 repeats the same elements: read once, spread at the end.
    sizes = [1 if step == 0 else length for (_, length), step in zip(box, stride, strict=True)]
    inner, span = _inner_axes(sizes, stride, width)
    outer = [axis for axis in range(len(sizes)) if axis not in inner and sizes[axis] > 1]
    in_order = tuple(stride[axis] for axis in sorted(inner)) == contiguous([sizes[axis] for axis in sorted(inner)])
    made = np.empty(sizes, kind)
    # The stride of an axis along which a part has one element can be anything, also more than numpy takes.
    steps = tuple(stride[axis] * width if axis in inner and sizes[axis] > 1 else 0 for axis in range(len(sizes)))
    for place in product(*(range(sizes[axis]) for axis in outer)):
        at = start + sum(position * stride[axis] for position, axis in zip(place, outer, strict=True))
        target: list[Any] = [slice(None)] * len(sizes)
        for position, axis in zip(place, outer, strict=True):
            target[axis] = slice(position, position + 1)
        part = made[(*target, ...)]
        if in_order and part.flags.c_contiguous:
            flat = part.reshape(-1).view(np.uint8)
            for first in range(0, flat.size, PIECE):
                length = min(PIECE, flat.size - first)
                flat[first : first + length] = np.frombuffer(storage.read(at * width + first, length), np.uint8)
        else:
            part[...] = np.ndarray(part.shape, kind, storage.read(at * width, span * width), 0, steps)
    full = tuple(length for _, length in box)
    return made if made.shape == full else np.broadcast_to(made, full).copy()


def stored_type(tensor: Tensor) -> np.dtype[Any]:
    """The numpy type of an element of the storage: bool as a byte, complex32 as the four bytes of two float16."""
    import numpy as np

    if tensor.dtype == "bool":
        return np.dtype(np.uint8)
    if tensor.dtype == "complex32":
        return np.dtype(np.uint32)
    return dtypes.array_type(tensor.dtype)


def _resolved(tensor: Tensor, block: Array, kind: np.dtype[Any]) -> Array:
    """Stored elements turned into values: byte order, bool, complex32, the conj and neg bits."""
    import numpy as np

    assert tensor.storage is not None
    if tensor.storage.big and block.dtype.itemsize > 1:
        block = swapped(tensor, block)
    if tensor.dtype == "bool":
        # torch takes any byte but 0 for True, numpy reads such a byte as it pleases.
        return np.not_equal(block, 0)
    if tensor.dtype == "complex32":
        pairs = block.reshape(-1).view(np.float16).reshape(*block.shape, 2).astype(np.float32)
        block = pairs.view(np.complex64).reshape(block.shape)
    if tensor.traits.conj and np.iscomplexobj(block):
        block = np.conj(block)
    if tensor.traits.neg:
        block = -block
    return block.astype(kind, copy=False)


def swapped(tensor: Tensor, block: Array) -> Array:
    """Elements of big-endian bytes as this machine has them; a complex one is two numbers."""
    import numpy as np

    item = block.dtype
    complex_width = {"complex128": 8, "complex64": 4, "complex32": 2}.get(tensor.dtype, item.itemsize)
    unsigned = np.dtype(f"u{complex_width}")
    parts = np.ascontiguousarray(block).reshape(-1).view(unsigned).byteswap()
    return parts.view(item).reshape(block.shape)


def _inner_axes(sizes: list[int], stride: tuple[int, ...], width: int) -> tuple[set[int], int]:
    """The axes that one read covers, and the elements from its first to its last: what lies close enough together."""
    inner: set[int] = set()
    span = wanted = 1
    for axis in sorted((axis for axis in range(len(sizes)) if sizes[axis] > 1), key=lambda axis: stride[axis]):
        longer = (sizes[axis] - 1) * stride[axis] + span
        wanted *= sizes[axis]
        if longer > wanted * OVERREAD and longer * width > SMALL:
            break
        inner.add(axis)
        span = longer
    return inner, span


def _without_storage(tensor: Tensor, box: list[Span]) -> Array:
    """The values of a tensor that is made of others, where one of them has its shape and dtype."""
    if tensor.traits.pieces:
        return pieces.read_box(tensor, box)
    if tensor.traits.computed is not None:
        return _computed(tensor, tensor.traits.computed, box)
    for part in tensor.traits.parts:
        if isinstance(part, Tensor) and part.shape == tensor.shape and part.dtype == tensor.dtype:
            return read_box(part, box)
    parts = ", ".join(visible(part.label) for part in tensor.traits.parts if isinstance(part, Tensor))
    raise NoValues(f"{visible(tensor.traits.type) or tensor.traits.layout} keeps its values in its parts: {parts}")


def _computed(tensor: Tensor, computed: Computed, box: list[Span]) -> Array:
    """The values that follow from other tensors, as the dtype that the tensor has."""
    import numpy as np

    kind = dtypes.array_type(tensor.dtype)
    sizes = tuple(length for _, length in box)
    if 0 in sizes:
        return np.empty(sizes, kind)
    # What a narrow dtype can't hold becomes infinite there, as it does in torch.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(computed.read(box), kind).reshape(sizes)


def _box(index: Any, shape: tuple[int, ...]) -> tuple[list[Span], tuple[Any, ...]]:
    """An index as the box that covers it, and what is still to be done to the box: steps, axes to drop."""
    given = index if isinstance(index, tuple) else (index,)
    if sum(item is ... for item in given) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    at = next((position for position, item in enumerate(given) if item is ...), len(given))
    if at == len(given):
        given = (*given, ...)
    missing = len(shape) - (len(given) - 1)
    if missing < 0:
        raise IndexError(f"too many indices: the tensor has {len(shape)} axes, and {len(given) - 1} are given")
    whole = (*given[:at], *[slice(None)] * missing, *given[at + 1 :])
    box: list[Span] = []
    rest: list[Any] = []
    for axis, (item, size) in enumerate(zip(whole, shape, strict=True)):
        if isinstance(item, slice):
            steps = range(*item.indices(size))
            low = min(steps[0], steps[-1]) if steps else 0
            high = max(steps[0], steps[-1]) + 1 if steps else 0
            box.append((low, high - low))
            rest.append(slice(None, None, steps.step if steps else 1))
        else:
            position = _position(item)
            if not -size <= position < size:
                raise IndexError(f"index {position} is out of bounds for axis {axis} with size {size}")
            box.append((position % size, 1))
            rest.append(0)
    plain = all(isinstance(item, slice) and item.step == 1 for item in rest)
    return box, () if plain else tuple(rest)


def _position(item: Any) -> int:
    if not isinstance(item, bool):
        with suppress(TypeError):
            return operator.index(item)
    raise IndexError("an index is made of ints, slices and an ellipsis")


def _stepped(tensor: Tensor, box: list[Span], rest: tuple[Any, ...]) -> tuple[Tensor, list[Span], tuple[Any, ...]]:
    """The same block with steps taken by strides, so that what lies between is not read."""
    shape, stride, offset = list(tensor.shape), list(tensor.stride), tensor.offset
    spans, left = list(box), list(rest)
    for axis, item in enumerate(rest):
        first, length = box[axis]
        if isinstance(item, slice) and abs(item.step) > 1 and length:
            offset += first * stride[axis]
            stride[axis] *= abs(item.step)
            shape[axis] = (length - 1) // abs(item.step) + 1
            spans[axis] = (0, shape[axis])
            left[axis] = slice(None, None, 1 if item.step > 0 else -1)
    view = Tensor(tensor.dtype, tuple(shape), tuple(stride), tensor.storage, offset, traits=tensor.traits)
    return view, spans, tuple(left)


def _fits(nbytes: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if nbytes > memory:
        raise TooLarge(f"that would be {nbytes} bytes in memory, and this machine has {memory}; ask for a part of it")
