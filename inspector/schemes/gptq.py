"""GPTQ: columns of a weight packed into int32, with a scale and a zero point for each group of inputs.

`qweight` is (inputs * bits / 32, outputs), `scales` (groups, outputs), `qzeros` (groups, outputs * bits / 32), `g_idx`
says for each input its group. A weight is `(q - zero) * scale`, a zero point what `qzeros` holds plus one, modulo
2^bits, but for the formats that call themselves `gptq_v2` and `gptq_p`, which store it as it is. Source: AutoGPTQ's
`nn_modules/qlinear/qlinear_cuda_old.py`, GPTQModel's `convert_gptq_v1_to_v2_format` and `planar_packing.py` (7.7).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from inspector import window
from inspector.errors import NoValues
from inspector.nodes import Tensor
from inspector.schemes.site import FLOATS, Site, facts
from inspector.schemes.unpack import Box, numbers, taken, unpacked
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WIDTHS = (2, 3, 4, 8)

PLANAR = "gptq_p"
"""A format that packs 3 bits otherwise, as a plane of 2 and one of 1; those of 2, 4 and 8 are packed alike."""


def find(site: Site) -> None:
    """Groups `qweight` with the tensors beside it."""
    qweight, qzeros = site.tensor("qweight", (2,), ("int32",)), site.tensor("qzeros", (2,), ("int32",))
    scales = site.tensor("scales", (2,), FLOATS)
    if qweight is None or qzeros is None or scales is None or 0 in (*scales.shape, *qweight.shape):
        return
    groups, outputs = scales.shape
    bits, rest = divmod(32 * qzeros.shape[1], outputs)
    if rest or bits not in WIDTHS or qweight.shape[1] != outputs or qzeros.shape[0] != groups:
        return
    inputs, rest = divmod(32 * qweight.shape[0], bits)
    order = site.tensor("g_idx", (1,), ("int32", "int64"))
    if rest or (order is not None and order.shape != (inputs,)):
        return
    settings = site.settings.quantization()
    size = settings.get("group_size")
    if type(size) is not int or size < 1 or -(-inputs // size) != groups:
        size = -(-inputs // groups)
    called = settings.get("checkpoint_format", settings.get("format"))
    if called == PLANAR and bits == 3:
        raise NoValues("3 bits in planes (gptq_p) are not unpacked here")
    second = called in ("gptq_v2", PLANAR)
    if second:
        zeros = f"stored as they are ({called})"
    else:
        zeros = "stored less one (GPTQ v1)" if settings else "stored less one (GPTQ v1, taken for granted: no settings say)"
    origin = "(q - zero) * scale, from qweight, qzeros, scales" + (", g_idx" if order is not None else "")
    known = facts(
        bits=bits, group_size=size, zero_points=zeros, order="by activation" if settings.get("desc_act") is True else None
    )
    read = partial(_read, qweight, qzeros, scales, order, bits, size, 0 if second else 1)
    parts = [site.nodes.get(label) for label in ("qweight", "qzeros", "scales", "g_idx")]
    site.group("weight", scales.dtype, (outputs, inputs), parts, Computed("GPTQ", origin, known, read))


def _read(
    qweight: Tensor, qzeros: Tensor, scales: Tensor, order: Tensor | None, bits: int, size: int, more: int, box: Box
) -> Array:
    """A box of the weight (outputs, inputs)."""
    import numpy as np

    outputs, inputs = box
    first, count = inputs
    group = np.arange(first, first + count) // size if order is None else window.read_box(order, [inputs])
    span, group = taken(group, scales.shape[0])
    zeros = (unpacked(qzeros, bits, 1, [span, outputs]) + more) & ((1 << bits) - 1)
    scale = numbers(scales, [span, outputs])
    q = unpacked(qweight, bits, 0, [inputs, outputs])
    values: Array = ((q - zeros[group]) * scale[group]).T
    return values
