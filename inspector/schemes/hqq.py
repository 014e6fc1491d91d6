"""HQQ: groups of a weight's elements, packed into bytes by parts of the rows that the groups make.

The elements in their order are the rows (axis 1) or the columns (axis 0) of a matrix of groups. `W_q` packs it: of 4 bits,
its first half has the high bits and its second half the low ones; 2 bits and 1 bit alike in 4 and 8 parts; 3 bits in ten
parts of an int32 from bit 27 down. A weight is `(q - zero) * scale`. What belongs to it is beside it, mostly as tensors of
one number or of characters, or in a dict `meta`. Source: `core/quantize.py`, `core/bitpack.py` of hqq 0.2.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector import window
from inspector.dtypes import array_type
from inspector.nodes import Module, Tensor
from inspector.schemes.site import FLOATS, Site, facts
from inspector.schemes.unpack import Box, by_runs, numbers
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PACKINGS = {"8bit_u8": (1, 8), "4bit_u8": (2, 4), "2bit_u8": (4, 2), "1bit_u8": (8, 1), "3bit_32": (10, 3)}
"""Of each packing, into how many parts it divides the rows, and the bits of an element."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed weight: its `parts` and `bits`, the length of a row of the matrix of groups, the dtype to compute in."""

    data: Tensor
    scale: Tensor
    zero: Tensor
    parts: int
    bits: int
    axis: int
    width: int
    dtype: str


def find(site: Site) -> None:
    """Groups `W_q` with what is beside it."""
    meta = site.nodes.get("meta")
    about = site.sites.at(meta) if isinstance(meta, Module) else site
    data, shape = site.tensor("W_q", (2,), ("uint8", "int8", "int32")), about.integers("shape")
    scale, zero = about.tensor("scale", dtypes=FLOATS), about.tensor("zero", dtypes=FLOATS)
    packing, axis, size = about.word("packing") or "", about.integer("axis"), about.integer("group_size")
    if data is None or scale is None or zero is None or not shape or axis not in (0, 1) or packing not in PACKINGS:
        return
    parts, bits = PACKINGS[packing]
    numel, width = math.prod(shape), data.shape[1]
    if min(shape) < 1 or not width or numel % width or (data.dtype == "int32") != (bits == 3):
        return
    rows = numel // width
    if data.shape[0] != -(-rows // parts) or (rows % parts and bits != 3):
        return
    along = (rows, 1) if axis == 1 else (1, width)
    if scale.shape != along or zero.shape not in (along, (1, 1)):
        return
    # Less than eight bits may lie in a byte each.
    bits = about.integer("nbits") or bits
    word = (about.word("compute_dtype") or "").removeprefix("torch.")
    dtype = word if word in FLOATS else scale.dtype
    known = facts(bits=bits, group_size=size or (width if axis == 1 else rows), axis=axis, packing=packing)
    packed = Packed(data, scale, zero, parts, PACKINGS[packing][1], axis, width, dtype)
    read = partial(_read, packed, shape)
    names = [label for label in ("W_q", "scale", "zero") if label in site.nodes] + (["meta"] if about is not site else [])
    keys = [*names, *(label for label in SETTINGS if label in site.nodes)]
    origin = f"(q - zero) * scale, from {', '.join(names)}"
    site.group("weight", dtype, shape, [site.nodes[key] for key in keys], Computed("HQQ", origin, known, read))


SETTINGS = (
    "nbits", "group_size", "shape", "axis", "packing", "unpack_view_dtype", "view_as_float", "quant_scale", "quant_zero",
    "compute_dtype", "offload_meta", "encoded_state_dict", "stores_quant_config", "channel_wise", "optimize", "round_zero",
)  # fmt: skip
"""What hqq writes beside a weight as tensors of one number or of characters."""


def _read(packed: Packed, shape: tuple[int, ...], box: Box) -> Array:
    return by_runs(box, shape, partial(_run, packed))


def _run(packed: Packed, first: int, count: int) -> Array:
    """Some elements in their order: whole rows of the matrix of groups are read for them."""
    import numpy as np

    width = packed.width
    low, high = first // width, (first + count - 1) // width + 1
    # Of a long row only what is wanted is read, where that is all in one.
    columns = (first - low * width, count) if high - low == 1 else (0, width)
    q = np.concatenate([_rows(packed, part, low, high, columns) for part in range(packed.parts)])
    kept = (0, 1) if packed.axis == 0 else (low, high - low)
    across = columns if packed.axis == 0 else (0, 1)
    kind = array_type(packed.dtype)
    scale = numbers(packed.scale, [kept, across]).astype(kind)
    zero = numbers(packed.zero, [kept, across] if packed.zero.shape == packed.scale.shape else [(0, 1), (0, 1)]).astype(
        kind
    )
    # Each step is rounded to the dtype, as in hqq: a zero point is no integer.
    values: Array = ((q.astype(kind) - zero) * scale).reshape(-1)
    return values if high - low == 1 else values[first - low * width : first - low * width + count]


def _rows(packed: Packed, part: int, low: int, high: int, columns: tuple[int, int]) -> Array:
    """Those of the rows from `low` to `high` that lie in one part of the packing."""
    import numpy as np

    step = packed.data.shape[0]
    start, end = max(low, part * step), min(high, (part + 1) * step)
    if start >= end:
        return np.empty((0, columns[1]), np.int32)
    words = window.read_box(packed.data, [(start - part * step, end - start), columns])
    top = packed.parts - 1 if packed.bits != 3 else 9
    shift = packed.bits * (top - part)
    return (words.astype(np.int64) >> shift & ((1 << packed.bits) - 1)).astype(np.int32)
