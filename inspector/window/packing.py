"""Elements that lie packed in blocks: ggml's quantised types, and elements of 2, 4 and 6 bits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.errors import MissingExtra, NoValues
from inspector.nodes import Tensor

if TYPE_CHECKING:
    import numpy as np

    from inspector.window import Span

    Array = np.ndarray[Any, Any]

PIECE = 1 << 15
"""Blocks that are unpacked at a time."""


def read_box(tensor: Tensor, box: list[Span]) -> Array:
    """The unpacked elements of a box of a contiguous tensor; only the blocks that hold some of them are read.

    Raises `MissingExtra` for a type of ggml's if the package `gguf` is not installed, `NoValues` for one that it can't
    unpack.
    """
    from inspector import window

    dtype = dtypes.DTYPES[tensor.dtype]
    if not tensor.shape or tensor.shape[-1] % dtype.block:
        return _read_run(tensor, box)
    # Rows are whole blocks: the tensor is read as one of blocks, with a last axis so many times shorter.
    first, length = box[-1]
    low = first // dtype.block
    rows = [*box[:-1], (low, -(-(first + length) // dtype.block) - low)]
    stride = tuple(step // dtype.block for step in tensor.stride[:-1])
    packed = window.strided(tensor, rows, _block_type(dtype), (*stride, 1), tensor.offset // dtype.block)
    values = _unpacked(tensor, packed).reshape(*packed.shape[:-1], packed.shape[-1] * dtype.block)
    start = first - low * dtype.block
    return values[..., start : start + length]


def _read_run(tensor: Tensor, box: list[Span]) -> Array:
    """A box of a tensor whose rows begin anywhere in a block: the run from its first element to its last is read."""
    import numpy as np

    storage = tensor.storage
    assert storage is not None
    dtype = dtypes.DTYPES[tensor.dtype]
    first = tensor.offset + sum(start * step for (start, _), step in zip(box, tensor.stride, strict=True))
    last = first + sum((length - 1) * step for (_, length), step in zip(box, tensor.stride, strict=True))
    low, high = first // dtype.block, last // dtype.block + 1
    # The last block ends with the last byte that has something of an element.
    end = min(high * dtype.bytes, storage.nbytes)
    data = storage.read(low * dtype.bytes, end - low * dtype.bytes).ljust((high - low) * dtype.bytes, b"\0")
    packed = np.frombuffer(data, _block_type(dtype))
    run = _unpacked(tensor, packed).reshape(-1)[first - low * dtype.block :]
    steps = [step * run.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(run, [length for _, length in box], steps).copy()


def _block_type(dtype: dtypes.DType) -> np.dtype[Any]:
    import numpy as np

    return np.dtype((np.void, dtype.bytes))


def _unpacked(tensor: Tensor, packed: Array) -> Array:
    """The elements of blocks, one row for each."""
    import numpy as np

    dtype = dtypes.DTYPES[tensor.dtype]
    assert tensor.storage is not None
    count = math.prod(packed.shape)
    blocks = np.ascontiguousarray(packed).reshape(-1).view(np.uint8).reshape(count, dtype.bytes)
    made = np.empty((count, dtype.block), dtypes.array_type(dtype.name))
    unpack = _ggml if dtype.name in dtypes.GGML else _bits
    if unpack is _ggml and tensor.storage.big:
        raise NoValues(f"{dtype.name} in big-endian byte order can't be unpacked")
    for start in range(0, count, PIECE):
        made[start : start + PIECE] = unpack(dtype, blocks[start : start + PIECE])
    return made


def _ggml(dtype: dtypes.DType, blocks: Array) -> Array:
    import numpy as np

    try:
        from gguf import GGMLQuantizationType, quants
    except ImportError:
        message = f"to turn {dtype.name} into numbers: pip install 'torchtui[gguf]'; without it the packed bytes are shown"
        raise MissingExtra(message) from None
    try:
        # Scales of a damaged file may be anything, and numpy would say so on stderr.
        with np.errstate(all="ignore"):
            values: Array = quants.dequantize(blocks, GGMLQuantizationType[dtype.name])
    except (NotImplementedError, KeyError):
        raise NoValues(f"the installed package gguf can't turn {dtype.name} into numbers") from None
    return values


def _bits(dtype: dtypes.DType, blocks: Array) -> Array:
    """Elements of fewer bits than a byte; the first takes the lowest bits of the first byte, and so on upwards.

    So torch packs `float4_e2m1fn_x2` and ONNX all of them; safetensors says nothing of the order in `F6`.
    """
    import numpy as np

    width = 8 * dtype.bytes // dtype.block
    word = np.zeros(len(blocks), np.uint32)
    for place in range(dtype.bytes):
        word |= blocks[:, place].astype(np.uint32) << np.uint32(8 * place)
    shifts = np.arange(dtype.block, dtype=np.uint32) * np.uint32(width)
    elements = ((word[:, None] >> shifts) & np.uint32((1 << width) - 1)).astype(np.uint8)
    kind = dtypes.array_type(dtype.name)
    if kind == np.int8:
        sign = np.uint8(1 << (width - 1))
        return (elements ^ sign).view(np.int8) - sign.view(np.int8)
    return elements.view(kind)
