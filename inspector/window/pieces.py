"""A tensor that is stored in pieces: which piece lies where, and a block put together from those that it touches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from inspector import dtypes
from inspector.errors import NoValues

if TYPE_CHECKING:
    import numpy as np

    from inspector.nodes import Tensor


MOST_CUTS = 1 << 18
"""How many times what is left of a tensor is cut by a piece, before it counts as too many."""

Region = tuple[tuple[int, int], ...]
"""The first index and the one behind the last along each axis."""


class Piece(NamedTuple):
    """A box of a larger tensor: its first index and size along each axis, and how to open the tensor that holds it.

    `open` may read the structure of a file; it raises `InspectorError` where the piece is missing. A tensor of
    another shape but as many elements (a flattened shard) is taken in the order of its elements. `file` names the file
    that it lies in.
    """

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    open: Callable[[], Tensor]
    file: str = ""


def uncovered(shape: Sequence[int], pieces: Sequence[Piece]) -> int | None:
    """How many elements of a tensor lie in no piece, however these overlap; None if they do in too many ways to see.

    The pieces come in the order of the first axis that they cut, so that what is left below one can be counted for good:
    the shards of a real checkpoint leave a few regions at a time.
    """
    total = math.prod(shape)
    # An axis that every piece spans has no part in it.
    axes = [
        axis
        for axis, size in enumerate(shape)
        if any(piece.offsets[axis] > 0 or piece.offsets[axis] + piece.sizes[axis] < size for piece in pieces)
    ]
    if not axes or not total:
        return 0 if pieces else total
    boxes = sorted(
        tuple((piece.offsets[axis], min(piece.offsets[axis] + piece.sizes[axis], shape[axis])) for axis in axes)
        for piece in pieces
        if 0 not in piece.sizes
    )
    left: list[Region] = [tuple((0, shape[axis]) for axis in axes)]
    missing = cuts = 0
    for box in boxes:
        cuts += len(left)
        if cuts > MOST_CUTS:
            return None
        still: list[Region] = []
        for region in left:
            if region[0][1] <= box[0][0]:
                missing += _volume(region)
            else:
                still += _without(region, box)
        left = still
    missing += sum(map(_volume, left))
    return missing * (total // math.prod(shape[axis] for axis in axes))


def lacking(shape: Sequence[int], pieces: Sequence[Piece]) -> tuple[str, ...]:
    """What is to be told of a tensor whose pieces may not cover it."""
    missing = uncovered(shape, pieces)
    if missing is None:
        return (f"its {len(pieces)} pieces overlap in too many ways to see whether they cover it",)
    total = math.prod(shape)
    return (f"only {total - missing} of {total} elements are there",) if missing else ()


def _volume(region: Region) -> int:
    return math.prod(high - low for low, high in region)


def _without(region: Region, box: Region) -> list[Region]:
    """What a box leaves of a region: at most two parts for each axis."""
    if any(low >= end or start >= high for (low, high), (start, end) in zip(region, box, strict=True)):
        return [region]
    parts: list[Region] = []
    for axis, (start, end) in enumerate(box):
        low, high = region[axis]
        before, behind = region[:axis], region[axis + 1 :]
        if low < start:
            parts.append((*before, (low, start), *behind))
        if end < high:
            parts.append((*before, (end, high), *behind))
        region = (*before, (max(low, start), min(high, end)), *behind)
    return parts


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
