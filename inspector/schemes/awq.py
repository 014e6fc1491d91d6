"""AWQ: rows of a weight packed into int32 of eight 4-bit elements, which come in the order 0 2 4 6 1 3 5 7.

`qweight` is (inputs, outputs / 8), `scales` (groups, outputs), `qzeros` (groups, outputs / 8), packed alike; a weight is
`(q - zero) * scale`. Source: AutoAWQ's `modules/linear/gemm.py` and `utils/packing_utils.py` (its format `gemm`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from inspector import window
from inspector.nodes import Tensor
from inspector.schemes.site import FLOATS, Site, facts
from inspector.schemes.unpack import Box, Span, bits, numbers, taken
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PLACES = (0, 4, 1, 5, 2, 6, 3, 7)
"""Which four bits of a word each of its elements has."""


def find(site: Site) -> None:
    """Groups `qweight` with the tensors beside it."""
    qweight, qzeros = site.tensor("qweight", (2,), ("int32",)), site.tensor("qzeros", (2,), ("int32",))
    scales = site.tensor("scales", (2,), FLOATS)
    if qweight is None or qzeros is None or scales is None or 0 in (*scales.shape, *qweight.shape):
        return
    (groups, outputs), inputs = scales.shape, qweight.shape[0]
    if 8 * qweight.shape[1] != outputs or qzeros.shape != (groups, outputs // 8) or inputs % groups:
        return
    origin = "(q - zero) * scale, from qweight, qzeros, scales"
    size = inputs // groups
    read = partial(_read, qweight, qzeros, scales, size)
    computed = Computed("AWQ", origin, facts(bits=4, group_size=size), read)
    parts = [site.nodes.get(label) for label in ("qweight", "qzeros", "scales")]
    site.group("weight", scales.dtype, (outputs, inputs), parts, computed)


def _read(qweight: Tensor, qzeros: Tensor, scales: Tensor, size: int, box: Box) -> Array:
    """A box of the weight (outputs, inputs)."""
    import numpy as np

    outputs, inputs = box
    first, count = inputs
    span, group = taken(np.arange(first, first + count) // size, scales.shape[0])
    zeros = _unpacked(qzeros, span, outputs)
    scale = numbers(scales, [span, outputs])
    values: Array = ((_unpacked(qweight, inputs, outputs) - zeros[group]) * scale[group]).T
    return values


def _unpacked(tensor: Tensor, rows: Span, columns: Span) -> Array:
    first, count = columns
    low, high = first // 8, -(-(first + count) // 8)
    words = window.read_box(tensor, [rows, (low, high - low)])
    found = bits(words, 4, 0, 8 * (high - low)).reshape(len(words), -1, 8)[..., PLACES].reshape(len(words), -1)
    return found[:, first - 8 * low : first - 8 * low + count]
