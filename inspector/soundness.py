"""Whether tensors can be what the file says they are: sizes, strides and offset against the storage, and its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inspector import dtypes
from inspector.errors import brief
from inspector.nodes import Tensor

LISTED = 50
"""Kinds of trouble that are told one by one."""

NAMED = 4
"""Tensors that are named for each."""


def troubles(tensor: Tensor) -> list[str]:
    """Everything that is known to be wrong with one tensor, as texts."""
    found = [unsound(tensor), tensor.storage.problem if tensor.storage is not None else "", *tensor.traits.problems]
    return [text for text in found if text]


def survey(tensors: Iterable[Tensor]) -> list[str]:
    """What is wrong with these tensors: a line for each kind of trouble, with the names of whom it hits."""
    return told(troubled(tensors))


def troubled(tensors: Iterable[Tensor]) -> dict[str, list[Tensor]]:
    """The tensors with which something is wrong, by what it is, in their order."""
    sound: set[Any] = set()
    found: dict[str, list[Tensor]] = {}
    for node in tensors:
        storage, problems = node.storage, node.traits.problems
        # A model has few different descriptions: each is looked at once.
        described = (node.dtype, node.shape, node.stride, node.offset, storage.nbytes if storage is not None else -1)
        if described in sound and not problems and (storage is None or not storage.problem):
            continue
        for text in troubles(node):
            found.setdefault(text, []).append(node)
        if not unsound(node):
            sound.add(described)
    return found


def told(troubled: Mapping[str, Sequence[Tensor]]) -> list[str]:
    """A line for each trouble, the names of its tensors in front; what goes beyond `LISTED` lines is counted."""
    lines = [f"{_names(tensors)}: {text}" for text, tensors in list(troubled.items())[:LISTED]]
    if len(troubled) > LISTED:
        rest = sum(len(tensors) for tensors in list(troubled.values())[LISTED:])
        lines.append(f"{rest} more tensors are damaged in other ways")
    return lines


def _names(tensors: Sequence[Tensor]) -> str:
    named = ", ".join(brief(tensor.name) or "the tensor" for tensor in tensors[:NAMED])
    return named if len(tensors) <= NAMED else f"{named} and {len(tensors) - NAMED} more"


def unsound(tensor: Tensor) -> str:
    """What is wrong with a tensor's description, or the empty text.

    A tensor is sound if its sizes, strides and offset are not negative, there is a stride for each size, and the last
    element lies within the storage as the file declares it (torch's `checkInBoundsForStorage`).
    """
    if tensor.dtype not in dtypes.DTYPES:
        return ""
    if any(size < 0 for size in tensor.shape):
        return f"a size is negative: {_list(tensor.shape)}"
    storage = tensor.storage
    if storage is None:
        return ""
    if len(tensor.stride) != len(tensor.shape):
        return f"there are {len(tensor.stride)} strides for {len(tensor.shape)} sizes"
    if tensor.offset < 0 or any(step < 0 for step in tensor.stride):
        return f"the offset or a stride is negative: {tensor.offset}, {_list(tensor.stride)}"
    if 0 in tensor.shape:
        return ""
    if dtypes.DTYPES[tensor.dtype].block > 1 and not tensor.contiguous:
        return f"a {tensor.dtype} tensor is packed in blocks, and these strides cut them: {_list(tensor.stride)}"
    needed = extent(tensor)
    if needed > storage.nbytes:
        return f"it needs bytes up to {needed} of a storage that has {storage.nbytes}"
    return ""


def extent(tensor: Tensor) -> int:
    """The byte of the storage behind the last element of a tensor that has elements."""
    dtype = dtypes.DTYPES[tensor.dtype]
    if dtype.block > 1:
        return tensor.offset // dtype.block * dtype.bytes + dtypes.nbytes(tensor.dtype, tensor.shape)
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))
    if dtype.family == "quantized" and dtype.packed > 1:
        return last // dtype.packed + 1
    return (last + 1) * dtype.bytes


def _list(values: tuple[int, ...]) -> str:
    shown = ", ".join(str(value) for value in values[:8])
    return f"[{shown}{', …' if len(values) > 8 else ''}]"
