"""What a pickle that breaks off had made: the objects on its stack put where they were meant to go."""

from __future__ import annotations

from typing import Any

from inspector.pickles.objects import SCALARS, Dict, Global, Instance, Persistent, Set

KEYS = (*SCALARS, bytes, tuple, Global, Instance, Persistent)
"""The types that a dict key may have in Python; what is none of these in a key's place belongs to something unfinished."""

NOTHING = object()


def salvage(frames: list[list[Any]]) -> Any:
    """The object that was begun, or None. `frames` are the stack between its MARKs, the lowest first.

    A call whose arguments were still being made is left out, with the key that waited for it. Where the stack can be
    read in two ways (an entry waiting for SETITEM or already complete), the entry counts as complete.
    """
    above: list[Any] | None = None
    for depth in range(len(frames) - 1, 0, -1):
        frame, target = frames[depth], frames[depth - 1][-1] if frames[depth - 1] else None
        if above is not None:
            _place(frame, above)
        _finish(frame, type(target) is Dict)
        above = frame
    lowest = frames[0]
    if above is not None:
        _place(lowest, above)
    found = _fold(lowest)
    return None if found is NOTHING else found


def _place(frame: list[Any], items: list[Any]) -> None:
    """Puts what stands above a MARK into the object below it."""
    target = frame[-1] if frame else None
    kind = type(target)
    if kind is Dict:
        target.keys.extend(items[0 : len(items) & ~1 : 2])  # type: ignore[union-attr]
        target.values.extend(items[1::2])  # type: ignore[union-attr]
    elif kind is list:
        target.extend(items)  # type: ignore[union-attr]
    elif kind is Set:
        target.items.extend(items)  # type: ignore[union-attr]
    elif kind is Instance:
        target.elements.extend(items)  # type: ignore[union-attr]
    elif kind is Global:
        frame.pop()
    else:
        frame.append(tuple(items))


def _finish(frame: list[Any], entries: bool) -> None:
    """Makes one object of the unfinished ones at the end of a frame; with `entries` its objects are keys and values."""
    start = len(frame)
    for index in range(1, len(frame)):
        odd = entries and index % 2 == 0 and type(frame[index]) not in KEYS
        if odd or (type(frame[index]) is Dict and _awaits_state(frame[index - 1])):
            start = index - 1
            break
    if start < len(frame):
        found = _fold(frame[start:])
        frame[start:] = [] if found is NOTHING else [found]


def _fold(chain: list[Any]) -> Any:
    """The first object of a chain in which each waits to be put into the one before it."""
    while len(chain) > 1:
        top = chain.pop()
        below = chain[-1]
        kind = type(below)
        if kind is list:
            below.append(top)
        elif _awaits_state(below) and type(top) is Dict:
            below.state = top
        elif kind is Global:
            chain.pop()
        elif len(chain) > 1 and type(chain[-2]) is Dict and type(top) is not Global:
            chain[-2].keys.append(chain.pop())
            chain[-1].values.append(top)
    return chain[0] if chain else NOTHING


def _awaits_state(item: Any) -> bool:
    """Whether the object was made empty, as those are whose state follows."""
    if type(item) is not Instance or item.state is not None:
        return False
    return item.opcode != "REDUCE" or (type(item.callable) is Global and item.callable.name == "_reconstructor")
