"""The beginning of what is still being read: a large file's first names and tensors, before its last one is there.

It is told of dicts in dicts, which is what a state_dict and a checkpoint are, and only of entries that are read and can't
turn out to be anything else: texts, numbers, tensors. The tree is made of copies, and by what makes the whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inspector.limits import Limits
from inspector.nodes import Module, Tensor
from inspector.pickles.objects import SCALARS, Dict
from inspector.pickles.tree import build

LARGE = 8 << 20
"""Bytes from which on a pickle takes long enough for anybody to want its beginning: some 30,000 tensors."""

MOST = 2000
"""Entries that are shown."""

BATCH = 1000
"""Entries that pickle puts into a dict by one opcode, but for the last ones."""

TRIES = 10
"""How often it is looked whether there is a beginning to show."""

Frames = Sequence[list[Any]]
"""The stack of the pickle machine: the objects before the first open MARK, those before the second, and so on."""


class Beginning:
    """Shows the beginning once; `show` gets the tree."""

    def __init__(self, show: Callable[[Module], None], limits: Limits) -> None:
        self._show = show
        self._limits = limits
        self._tries = TRIES

    def look(self, frames: Frames) -> None:
        """Shows what the stack holds so far, if there is anything yet."""
        if self._tries:
            self._tries -= 1
            made = entries(frames)
            root = build(made, self._limits) if made is not None and made.keys else None
            if isinstance(root, Module):
                self._tries = 0
                self._show(root)


def entries(frames: Frames) -> Dict | None:
    """A copy of the outermost dict, with the first entries of it and of the dicts in it; None where that is no dict.

    What is still being put together at the top of the stack is left out.
    """
    if not frames or not frames[0] or type(frames[0][0]) is not Dict:
        return None
    whole = made = Dict(frames[0][0].type)
    room = _copy(frames[0][0], made, MOST)
    # An entry that is put in alone stands behind its dict: below the first MARK that can't be anything else.
    alone = frames[0][1:]
    while len(alone) > 1 and type(alone[0]) is str and type(alone[1]) is Dict and room > 0:
        made = _below(made, alone[0], alone[1])
        room = _copy(alone[1], made, room - 1)
        alone = alone[2:]
    if alone:
        return whole
    for waiting, further in zip(frames[1:], [*frames[2:], []], strict=False):
        if len(waiting) > 4 * BATCH:
            break
        known = Dict()
        for key, value in zip(waiting[0::2], waiting[1::2], strict=False):
            known.keys.append(key)
            known.values.append(value)
            if type(value) is Dict and len(value.keys) % BATCH == 0:
                # It may wait for more: what follows in this frame would be an entry of its own.
                break
        if not known.keys:
            break
        key, inner = known.keys.pop(), known.values.pop()
        room = _copy(known, made, room)
        last = 2 * len(known.keys) + 2 == len(waiting)
        if not (further and last and type(inner) is Dict and type(key) is str and room > 0):
            break
        made = _below(made, key, inner)
        room = _copy(inner, made, room - 1)
    return whole


def _below(made: Dict, key: str, inner: Dict) -> Dict:
    """An empty copy of a dict, as the entry of another one."""
    below = Dict(inner.type)
    made.keys.append(key)
    made.values.append(below)
    return below


def _copy(source: Dict, target: Dict, room: int) -> int:
    """Copies so many entries at most, with those of dicts in them; gives for how many there is room then."""
    stack = [(source, target)]
    while stack:
        source, target = stack.pop()
        for key, value in zip(source.keys[: max(room, 0)], source.values, strict=False):
            kind = type(value)
            if type(key) is not str or room <= 0 or kind not in (Dict, Tensor, *SCALARS):
                continue
            room -= 1
            target.keys.append(key)
            if kind is Dict:
                target.values.append(Dict(value.type))
                stack.append((value, target.values[-1]))
            else:
                target.values.append(_copied(value) if kind is Tensor else value)
    return room


def _copied(tensor: Tensor) -> Tensor:
    """The same tensor, which belongs into no tree yet."""
    return Tensor(
        tensor.dtype,
        tensor.shape,
        tensor.stride,
        tensor.storage,
        tensor.offset,
        tensor.requires_grad,
        tensor.traits,
        tensor.kind,
    )
