"""Weights of float8 or int8 with scales: one, one for each row, or one for each block of rows and columns.

`weight_scale` or, as DeepSeek calls the same, `weight_scale_inv` is what a weight is to be multiplied with; with an int8
there may be a `weight_zero_point` to be taken off before. Source: `weight_dequant` in `inference/kernel.py` of DeepSeek-V3,
`compressors/naive_quantized` of compressed-tensors 0.20, and ModelOpt's checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector.nodes import Tensor
from inspector.schemes.site import FLOATS, Site, facts
from inspector.schemes.unpack import Box, numbers, spread
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

EIGHT = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "int8")

BLOCK = 128
"""The side of DeepSeek's blocks."""


def find(site: Site) -> None:
    """Groups `weight` with its scales."""
    weight = site.tensor("weight", dtypes=EIGHT)
    label = "weight_scale" if "weight_scale" in site.nodes else "weight_scale_inv"
    scale = site.tensor(label, dtypes=FLOATS)
    if weight is None or scale is None or not weight.ndim or 0 in weight.shape:
        return
    shape = _aligned(scale.shape, weight.shape)
    settings = site.settings.quantization()
    blocks = _blocks(weight.shape, shape, settings) if shape is not None else None
    if shape is None or blocks is None:
        return
    zeros = site.tensor("weight_zero_point", dtypes=("int8", "int32")) if weight.dtype == "int8" else None
    if zeros is not None and zeros.shape != scale.shape:
        return
    parts = [site.nodes.get(key) for key in ("weight", label, "weight_zero_point")]
    names = ", ".join(part.label for part in parts if part is not None)
    name = "INT8" if weight.dtype == "int8" else f"FP8 {weight.dtype.removeprefix('float8_').upper()}"
    said = settings.get("quant_method")
    known = facts(
        bits=8,
        group_size=_words(shape, weight.shape, blocks),
        quantised_by=said if type(said) is str else None,
    )
    read = partial(read_scaled, weight, _viewed(scale, shape), _viewed(zeros, shape) if zeros is not None else None, blocks)
    origin = f"{'(q - zero)' if zeros is not None else 'q'} * scale, from {names}"
    site.group("weight", scale.dtype, weight.shape, parts, Computed(name, origin, known, read))


def read_scaled(weight: Tensor, scale: Tensor, zeros: Tensor | None, blocks: Sequence[int], box: Box) -> Array:
    """A box of a tensor each of whose `blocks` has a scale, and a zero point if there are any."""
    values = numbers(weight, box)
    if zeros is not None:
        values = values - spread(zeros, blocks, box)
    product: Array = values * spread(scale, blocks, box)
    return product


def _aligned(scale: tuple[int, ...], weight: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of the scales with as many axes as the weight has; a single axis is that of the rows."""
    if len(scale) == len(weight):
        return scale
    if scale in ((), (1,)):
        return (1,) * len(weight)
    return (*scale, *(1,) * (len(weight) - 1)) if scale == weight[:1] else None


def _blocks(weight: tuple[int, ...], scale: tuple[int, ...], settings: dict[str, Any]) -> tuple[int, ...] | None:
    """The sides of the blocks that have a scale each; None if no block fits."""
    said = settings.get("weight_block_size")
    given = said if isinstance(said, list) and len(said) == len(weight) else [BLOCK] * len(weight)
    sides: list[int] = []
    for size, count, usual in zip(weight, scale, given, strict=True):
        if count == 1:
            sides.append(size)
        elif count == size:
            sides.append(1)
        elif type(usual) is int and usual > 0 and -(-size // usual) == count:
            sides.append(usual)
        elif 0 < count < size and size % count == 0:
            sides.append(size // count)
        else:
            return None
    return tuple(sides)


def _words(scale: tuple[int, ...], weight: tuple[int, ...], blocks: tuple[int, ...]) -> str:
    if all(size == 1 for size in scale):
        return "tensor"
    if scale[0] == weight[0] and all(size == 1 for size in scale[1:]):
        return "row"
    return "x".join(map(str, blocks))


def _viewed(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same elements with axes of one element more."""
    stride = tensor.stride + (1,) * (len(shape) - tensor.ndim) if tensor.ndim != len(shape) else tensor.stride
    return Tensor(tensor.dtype, shape, stride, tensor.storage, tensor.offset, traits=tensor.traits)
