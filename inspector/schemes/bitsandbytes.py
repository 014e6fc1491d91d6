"""bitsandbytes: weights of 4 bits that name entries of a table, with a maximum for each block; weights of 8 bits.

Of 4 bits, `weight` holds two in a byte, the first in the high bits, in the order of the elements. Element i is
`quant_map[q] * absmax[i // blocksize]`. The maxima may be quantised themselves, in 8 bits: then maximum j is
`nested_quant_map[absmax[j]] * nested_absmax[j // nested_blocksize] + nested_offset`. The blocks' sizes, dtype and shape
are JSON in a tensor, `quant_state.bitsandbytes__nf4` or `..._fp4`. Of 8 bits, a row of `weight` is
`q * SCB / 127`. Source: `functional.py` of bitsandbytes 0.50 (`QuantState`, `dequantize_4bit`, `int8_vectorwise_dequant`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector import dtypes, window
from inspector.errors import DamagedFile
from inspector.nodes import Module, Tensor
from inspector.schemes.site import FLOATS, Site, facts, small_bytes
from inspector.schemes.unpack import Box, by_runs, numbers
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

STATES = {"bitsandbytes__nf4": "NF4", "bitsandbytes__fp4": "FP4"}

EIGHTH = 7.874015718698502e-3
"""1 / 127, as bitsandbytes writes it."""


def find(site: Site) -> None:
    """Groups a weight of 8 bits with what is beside it, or one of 4 bits with what is below its name."""
    if "SCB" in site.nodes:
        _eight(site)
    elif isinstance(site.module.parent, Module) and type(site.module.key) is str:
        _four(site, site.sites.at(site.module.parent), site.module.key)


def _eight(site: Site) -> None:
    weight, maxima = site.tensor("weight", (2,), ("int8",)), site.tensor("SCB", (1,), ("float32",))
    # Another layout than by rows was only ever in memory.
    if weight is None or maxima is None or maxima.shape[0] != weight.shape[0] or site.integer("weight_format"):
        return

    def read(box: Box) -> Array:
        rows = numbers(maxima, box[:1])
        values: Array = window.read_box(weight, list(box)) * rows[:, None] * EIGHTH
        return values

    computed = Computed("bitsandbytes LLM.int8()", "q * SCB / 127, from weight, SCB", facts(bits=8, group_size="row"), read)
    parts = [site.nodes.get(label) for label in ("weight", "SCB", "weight_format")]
    site.group("weight", "float32", weight.shape, parts, computed)


@dataclass(frozen=True, slots=True)
class Packed:
    """A weight of 4 bits: what is read for its values."""

    weight: Tensor
    table: Tensor
    maxima: Tensor
    block: int
    nested: tuple[Tensor, Tensor, int, float] | None


def _four(site: Site, above: Site, key: str) -> None:
    weight, maxima = above.tensor(key), site.tensor("absmax", (1,), (*FLOATS, "uint8"))
    table = site.tensor("quant_map", (1,), ("float32",))
    states = site.nodes.get("quant_state")
    named = {child.key: child for child in states.children if type(child.key) is str} if states is not None else {}
    state = next((named[key] for key in STATES if key in named), None)
    if weight is None or weight.storage is None or not weight.contiguous or maxima is None or table is None:
        return
    if not isinstance(state, Tensor):
        return
    about = _state(state)
    shape: Any = about.get("shape")
    dtype, block = about.get("dtype"), about.get("blocksize")
    if not _is_shape(shape) or dtype not in FLOATS or type(block) is not int or block < 1:
        raise DamagedFile("its quant_state does not say shape, dtype and block size")
    nested = None
    if maxima.dtype == "uint8":
        outer, map_ = site.tensor("nested_absmax", (1,), FLOATS), site.tensor("nested_quant_map", (1,), FLOATS)
        size, offset = about.get("nested_blocksize"), about.get("nested_offset")
        if outer is None or map_ is None or map_.numel != 256 or type(size) is not int or type(offset) is not float:
            raise DamagedFile("its maxima are quantised, and what they are to be multiplied with is missing")
        if size < 1 or outer.numel != -(-maxima.numel // size):
            raise DamagedFile(
                "its maxima are quantised, and there are not as many to multiply them with as there should be"
            )
        nested = outer, map_, size, offset
    numel = math.prod(shape)
    if weight.nbytes != -(-numel // 2) or maxima.numel != -(-numel // block) or table.numel != 16:
        raise DamagedFile(f"a weight of {numel} elements does not fit to its packed bytes")
    known = facts(
        bits=4,
        group_size=block,
        maxima=f"in 8 bits, with one more for {nested[2]} of them" if nested is not None else None,
    )
    packed = Packed(weight, table, maxima, block, nested)
    read = partial(_read, packed, tuple(shape))
    origin = "quant_map[q] * absmax, from " + ", ".join(child.label for child in (weight, *site.module.children))
    parts = [weight, site.module]
    above.group(key, dtype, tuple(shape), parts, Computed(f"bitsandbytes {STATES[state.key]}", origin, known, read))


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list) and 0 < len(shape) < 9 and all(type(size) is int and 0 < size < 1 << 40 for size in shape)
    )


def _state(tensor: Tensor) -> dict[str, Any]:
    """The JSON in a tensor of bytes."""
    try:
        about = json.loads(small_bytes(tensor))
    except (ValueError, RecursionError):
        about = None
    if tensor.dtype != "uint8" or not isinstance(about, dict):
        raise DamagedFile("its quant_state is no JSON")
    return about


def _read(packed: Packed, shape: tuple[int, ...], box: Box) -> Array:
    table = numbers(packed.table, [(0, 16)])
    return by_runs(box, shape, partial(_run, packed, table))


def _run(packed: Packed, table: Array, first: int, count: int) -> Array:
    import numpy as np

    low, high = first // 2, -(-(first + count) // 2)
    pairs = _bytes(packed.weight, low, high - low)
    q = np.empty((len(pairs), 2), np.uint8)
    q[:, 0], q[:, 1] = pairs >> 4, pairs & 15
    q = q.reshape(-1)[first - 2 * low : first - 2 * low + count]
    block = np.arange(first, first + count) // packed.block
    maxima = _maxima(packed, int(block[0]), int(block[-1] - block[0]) + 1)
    values: Array = table[q] * maxima[block - block[0]]
    return values


def _maxima(packed: Packed, first: int, count: int) -> Array:
    """The maxima of some blocks, as float32."""
    import numpy as np

    if packed.nested is None:
        return numbers(packed.maxima, [(first, count)])
    outer, table, size, offset = packed.nested
    q = window.read_box(packed.maxima, [(first, count)])
    place = np.arange(first, first + count) // size
    scale = numbers(outer, [(int(place[0]), int(place[-1] - place[0]) + 1)])
    maxima: Array = numbers(table, [(0, table.shape[0])])[q] * scale[place - place[0]] + np.float32(offset)
    return maxima


def _bytes(tensor: Tensor, first: int, count: int) -> Array:
    """Some bytes of a tensor without gaps, whatever its dtype: FSDP has packed weights called bfloat16."""
    import numpy as np

    assert tensor.storage is not None
    start = tensor.offset * dtypes.DTYPES[tensor.dtype].bytes
    return np.frombuffer(tensor.storage.read(start + first, count), np.uint8)
