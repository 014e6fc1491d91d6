"""Quantised tensors: packed integers unpacked, integers turned into the numbers they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.errors import DamagedFile
from inspector.nodes import Tensor

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def dequantize(tensor: Tensor, block: Array, box: list[tuple[int, int]]) -> Array:
    """The float32 numbers of a block of integers, computed as torch does (`Tensor.dequantize`): `(q - zero_point) * scale`.

    Per tensor the difference is one of integers and the scale a float32; per channel the difference is one of float32
    and the scale of its own dtype, mostly float64; with float zero points (`..._float_qparams`) all is float32
    (`aten/src/ATen/native/quantized/AffineQuantizerBase.cpp` and fbgemm's `QuantUtils.h`). Raises `DamagedFile` for
    scales and zero points that do not fit the tensor.
    """
    import numpy as np

    quantization = tensor.traits.quantization
    assert quantization is not None
    scale, zero_point, axis = quantization.scale, quantization.zero_point, quantization.axis
    if axis is None:
        assert isinstance(scale, float) and isinstance(zero_point, int)
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = (block.astype(np.int64) - zero_point).astype(np.float32) * np.float32(scale)
        return np.asarray(numbers, np.float32)
    if not 0 <= axis < len(tensor.shape):
        raise DamagedFile(f"the tensor is quantised along axis {axis}, and it has {len(tensor.shape)}")
    shape = [1] * block.ndim
    shape[axis] = box[axis][1]
    scales, zeros = (_along(part, tensor.shape[axis], box[axis]).reshape(shape) for part in (scale, zero_point))
    # What float32 can't hold becomes infinite, as it does in torch.
    with np.errstate(over="ignore", invalid="ignore"):
        difference = block.astype(np.float32) - zeros.astype(np.float32)
        return (difference * scales).astype(np.float32)


def unpack_box(tensor: Tensor, box: list[tuple[int, int]]) -> Array:
    """The integers of a box of `quint4x2` or `quint2x4`: 2 or 4 in a byte, low bits first, in the order of the storage.

    Rows do not begin at bytes of their own, although torch's storages have room for that
    (`dequantize_tensor_per_channel_float_qparams` in `aten/src/ATen/native/quantized/cpu/kernels`).
    """
    import numpy as np

    count = dtypes.DTYPES[tensor.dtype].packed
    bits = 8 // count
    assert tensor.storage is not None
    first = tensor.offset + sum(start * step for (start, _), step in zip(box, tensor.stride, strict=True))
    last = first + sum((length - 1) * step for (_, length), step in zip(box, tensor.stride, strict=True))
    low = first // count
    packed = np.frombuffer(tensor.storage.read(low, last // count + 1 - low), np.uint8)
    values = (packed[:, None] >> (np.arange(count, dtype=np.uint8) * bits)) & ((1 << bits) - 1)
    sizes = tuple(length for _, length in box)
    # The stride of an axis of one element can be anything, also more than numpy takes.
    steps = tuple(step if size > 1 else 0 for size, step in zip(sizes, tensor.stride, strict=True))
    return np.ndarray(sizes, np.uint8, np.ascontiguousarray(values), first - low * count, steps).copy()


def _along(value: Any, size: int, span: tuple[int, int]) -> Array:
    """The scales or zero points of some channels out of `size`."""
    import numpy as np

    first, length = span
    if (value.shape if isinstance(value, Tensor) else (len(value),)) != (size,):
        raise DamagedFile(f"the tensor has {size} channels, and another number of scales or zero points")
    return value[first : first + length] if isinstance(value, Tensor) else np.asarray(value[first : first + length])
