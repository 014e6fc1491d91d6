"""compressed-tensors, `pack-quantized`: rows of a weight packed into int32 without gaps, with a scale for each group.

`weight_packed` holds `q + 2^(bits - 1)`, `weight_shape` the shape, `weight_scale` is (outputs, groups) or (outputs, 1), and
`weight_zero_point`, if there is one, is packed alike along the outputs; a weight is `(q - zero) * scale`. Source:
`compressors/pack_quantized` of compressed-tensors 0.20. Its other formats are in `scaled` and `fp4`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from inspector import window
from inspector.errors import DamagedFile
from inspector.nodes import Tensor
from inspector.schemes.site import FLOATS, Site, facts
from inspector.schemes.unpack import Box, numbers, taken, unpacked
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PARTS = ("weight_packed", "weight_scale", "weight_zero_point", "weight_g_idx", "weight_shape")


def find(site: Site) -> None:
    """Groups `weight_packed` with the tensors beside it."""
    packed, scale = site.tensor("weight_packed", (2, 3), ("int32",)), site.tensor("weight_scale", (2, 3), FLOATS)
    shape = site.integers("weight_shape")
    if packed is None or scale is None or shape is None:
        return
    if len(shape) != packed.ndim or shape[:-1] != packed.shape[:-1] or min(shape) < 1:
        raise DamagedFile("weight_shape does not fit weight_packed")
    bits = _bits(packed, shape, site.settings.quantization())
    groups = scale.shape[-1]
    if bits is None or scale.shape[:-1] != shape[:-1] or not 0 < groups <= shape[-1]:
        return
    order = site.tensor("weight_g_idx", (1,), ("int32", "int64"))
    zeros = site.tensor("weight_zero_point", (packed.ndim,), ("int32", "int8"))
    if (order is not None and order.shape != shape[-1:]) or (zeros is not None and not _fit(zeros, scale, bits)):
        return
    size = -(-shape[-1] // groups)
    names = ", ".join(label for label in PARTS[:4] if label in site.nodes)
    known = facts(bits=bits, group_size=size if groups > 1 else "row", symmetric="yes" if zeros is None else None)
    read = partial(_read, packed, scale, zeros, order, bits, size)
    origin = f"{'(q - zero)' if zeros is not None else 'q'} * scale, from {names}"
    parts = [site.nodes.get(label) for label in PARTS]
    site.group("weight", scale.dtype, shape, parts, Computed("compressed-tensors", origin, known, read))


def _bits(packed: Tensor, shape: tuple[int, ...], settings: dict[str, Any]) -> int | None:
    """How many bits an element has: as the settings say, else as the sizes do, if only one number fits."""
    fitting = [bits for bits in range(1, 9) if -(-shape[-1] * bits // 32) == packed.shape[-1]]
    groups = settings.get("config_groups")
    weights = (
        [group.get("weights") for group in groups.values() if isinstance(group, dict)] if isinstance(groups, dict) else []
    )
    said = {about.get("num_bits") for about in weights if isinstance(about, dict) and type(about.get("num_bits")) is int}
    fitting = [bits for bits in fitting if bits in said] or fitting
    usual = [bits for bits in fitting if bits in (4, 8)] if len(fitting) > 1 else fitting
    return usual[0] if len(usual) == 1 else None


def _fit(zeros: Tensor, scale: Tensor, bits: int) -> bool:
    """Whether there is a zero point for each scale: one by one, or packed along the outputs."""
    outputs = scale.shape[-2] if zeros.dtype == "int8" else -(-scale.shape[-2] * bits // 32)
    return zeros.shape == (*scale.shape[:-2], outputs, scale.shape[-1])


def _read(
    packed: Tensor, scale: Tensor, zeros: Tensor | None, order: Tensor | None, bits: int, size: int, box: Box
) -> Array:
    """A box of the weight (..., outputs, inputs)."""
    import numpy as np

    *outer, inputs = box
    half = 1 << (bits - 1)
    first, count = inputs
    q = unpacked(packed, bits, packed.ndim - 1, box) - half
    if order is None:
        group = np.minimum(np.arange(first, first + count) // size, scale.shape[-1] - 1)
    else:
        group = window.read_box(order, [inputs])
    span, group = taken(group, scale.shape[-1])
    if zeros is not None:
        where = [*outer, span]
        by_group = (
            window.read_box(zeros, where) if zeros.dtype == "int8" else unpacked(zeros, bits, zeros.ndim - 2, where) - half
        )
        q = q - by_group[..., group]
    values: Array = q * numbers(scale, [*outer, span])[..., group]
    return values
