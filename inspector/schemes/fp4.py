"""NVFP4 and MXFP4: two float4 in a byte, the first in the low bits, with a scale for 16 or 32 of them.

An NVFP4 scale is a float8, and all are to be multiplied with ModelOpt's `weight_scale_2`, or divided by the
`weight_global_scale` of compressed-tensors. An MXFP4 scale is a power of two, `2^(scale - 127)`. gpt-oss keeps MXFP4 as
`..._blocks` (experts, rows, groups, 16) beside `..._scales`. Source: `compressors/nvfp4`, `compressors/mxfp4` of
compressed-tensors 0.20, `convert_moe_packed_tensors` of transformers, and the OCP Microscaling specification 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector import window
from inspector.nodes import Node, Tensor
from inspector.schemes.site import FLOATS, Site, facts
from inspector.schemes.unpack import Box, numbers, unpacked
from inspector.storage import Computed, contiguous

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DTYPE = "bfloat16"
"""What these libraries dequantise to where the file does not say."""


def find(site: Site) -> None:
    """Groups packed float4 with their scales."""
    for key in ("gate_up_proj", "down_proj"):
        blocks, scales = site.tensor(f"{key}_blocks", (3, 4), ("uint8",)), site.tensor(f"{key}_scales", dtypes=("uint8",))
        if blocks is not None and scales is not None and blocks.shape == (*scales.shape, 16):
            flat = (*scales.shape[:-1], 16 * scales.shape[-1])
            if blocks.contiguous:
                packed = Tensor("uint8", flat, contiguous(flat), blocks.storage, blocks.offset, traits=blocks.traits)
                _group(site, key, packed, scales, None, False, [blocks, scales])
    packed_ = site.tensor("weight_packed", (2, 3), ("uint8",)) or site.tensor("weight", (2, 3), ("uint8",))
    scale = site.tensor("weight_scale", dtypes=("float8_e4m3fn", "uint8", "float8_e8m0fnu"))
    if packed_ is None or scale is None:
        return
    modelopt, other = (site.tensor(label, (0, 1), FLOATS) for label in ("weight_scale_2", "weight_global_scale"))
    whole = (modelopt or other) if scale.dtype == "float8_e4m3fn" else None
    if scale.dtype == "float8_e4m3fn" and (whole is None or whole.numel != 1):
        return
    _group(site, "weight", packed_, scale, whole, whole is other, [packed_, scale, whole])


def _group(
    site: Site, key: str, packed: Tensor, scale: Tensor, whole: Tensor | None, divide: bool, parts: Sequence[Node | None]
) -> None:
    columns = 2 * packed.shape[-1]
    if scale.ndim != packed.ndim or scale.shape[:-1] != packed.shape[:-1] or not scale.shape[-1]:
        return
    size, rest = divmod(columns, scale.shape[-1])
    if rest or not size:
        return
    names = ", ".join(part.label for part in parts if part is not None)
    name = "NVFP4" if scale.dtype == "float8_e4m3fn" else "MXFP4"
    read = partial(read_fp4, packed, scale, whole, divide, size)
    computed = Computed(name, f"q * scale, from {names}", facts(bits=4, group_size=size), read)
    site.group(key, DTYPE, (*packed.shape[:-1], columns), parts, computed)


def read_fp4(packed: Tensor, scale: Tensor, whole: Tensor | None, divide: bool, size: int, box: Box) -> Array:
    """A box of float4 elements with their scales, as float32; `whole` is the one scale of all."""
    import ml_dtypes
    import numpy as np

    first, count = box[-1]
    group = np.arange(first, first + count) // size
    by_group = powers(scale, [*box[:-1], (int(group[0]), int(group[-1] - group[0]) + 1)])
    if whole is not None:
        one = numbers(whole, [(0, 1)] * whole.ndim).reshape(())
        by_group = by_group / one if divide else by_group * one
    q = unpacked(packed, 4, packed.ndim - 1, box).astype(np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    values: Array = q * by_group[..., group - group[0]]
    return values


def powers(scale: Tensor, box: Box) -> Array:
    """Some scales as float32; bytes are exponents of two."""
    import ml_dtypes
    import numpy as np

    if scale.dtype != "uint8":
        return numbers(scale, box)
    exponents = window.read_box(scale, list(box)).view(ml_dtypes.float8_e8m0fnu)
    made: Array = exponents.astype(np.float32)
    return made
