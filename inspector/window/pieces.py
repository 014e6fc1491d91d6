"""A tensor that is stored in pieces: which piece lies where, and a block put together from those that it touches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.errors import NoValues

if TYPE_CHECKING:
    import numpy as np

    from inspector.nodes import Tensor


@dataclass(frozen=True, slots=True)
class Piece:
    """A box of a larger tensor: its first index and size along each axis, and how to open the tensor that holds it.

    `open` may read the structure of a file; it raises `InspectorError` where the piece is missing. A tensor of
    another shape but as many elements (a flattened shard) is taken in the order of its elements.
    """

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    open: Callable[[], Tensor]


def read_box(tensor: Tensor, box: list[tuple[int, int]]) -> np.ndarray[Any, Any]:
    """The elements of a box, one span (first, length) for each axis; only the pieces that it touches are opened.

    Raises `NoValues` where no piece covers an element, and what the pieces raise.
    """
    import numpy as np

    from inspector import window

    made = np.empty([length for _, length in box], dtypes.array_type(tensor.dtype))
    missing = np.ones(made.shape, bool)
    for piece in tensor.traits.pieces:
        common = [
            (max(first, offset), min(first + length, offset + size))
            for (first, length), offset, size in zip(box, piece.offsets, piece.sizes, strict=True)
        ]
        if any(low >= high for low, high in common):
            continue
        inner = piece.open()
        spans = [(low - offset, high - low) for (low, high), offset in zip(common, piece.offsets, strict=True)]
        if inner.shape != piece.sizes:
            if inner.numel != math.prod(piece.sizes):
                raise NoValues(f"a piece holds {inner.numel} elements where {math.prod(piece.sizes)} belong")
            cut = tuple(slice(first, first + length) for first, length in spans)
            part = window.read(inner).reshape(piece.sizes)[cut]
        else:
            part = window.read_box(inner, spans)
        place = tuple(slice(low - first, high - first) for (low, high), (first, _) in zip(common, box, strict=True))
        made[place] = part
        missing[place] = False
    # Not by adding up sizes: pieces that overlap would hide a gap, and what was never written would show as values.
    if missing.any():
        raise NoValues(f"{np.count_nonzero(missing)} of these {made.size} elements are in no piece of the checkpoint")
    return made
