"""Takes apart the tree of a file that nobody looks at any more, so that its memory is free again, piece by piece.

Nodes know their parents, and those know them: such a tree waits for Python's garbage collector, which holds up every
thread while it looks at millions of objects, or was told never to look at them (`gc.freeze`). And what holds objects in
each other by the thousand would be freed in one step, for which all threads wait too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inspector.nodes import Module, Tensor, Value
from inspector.pickles.objects import Dict, Instance, Set
from inspector.storage import Nowhere

if TYPE_CHECKING:
    from inspector.checkpoint import Checkpoint

CLOSED = Nowhere("the file is closed")

EVERY = 1000
"""Objects between two looks at whether something else is wanted."""


def leavings(checkpoint: Checkpoint) -> list[Any]:
    """What a file that was closed leaves to be taken apart."""
    return [checkpoint.root, [call.instance for call in checkpoint.calls]]


def take_apart(left: list[Any], tick: Callable[[], None] = lambda: None) -> None:
    """Empties the nodes and inert objects in `left`, and those in them; whoever holds one last frees it alone.

    `tick` is called every so often, and may raise to stop: what is left then stands in `left`.
    """
    known: set[int] = set()
    count = 0
    while left:
        count += 1
        if count % EVERY == 0:
            tick()
        held = left.pop()
        kind = type(held)
        if kind is Tensor:
            _empty_tensor(held, left)
        elif kind is Module:
            _empty_module(held, left)
        elif kind is Value:
            left.append(held.value)
            held.parent = held.twin = held.whole = held.value = None
        elif kind is tuple:
            # Tuples can't be emptied, and one may hold another twice. What comes in the place of one that is gone may be
            # left out: it is freed with what it holds.
            if id(held) not in known:
                known.add(id(held))
                left += held
        elif kind is list:
            left += held
            held.clear()
        elif kind in (Instance, Dict, Set):
            _empty_object(held, left)


def _empty_tensor(tensor: Tensor, left: list[Any]) -> None:
    left += tensor.children
    tensor.parent = tensor.twin = tensor.whole = None
    if tensor.storage is not None:
        # Those who know where the bytes of all storages lie know the storages.
        tensor.storage.first, tensor.storage.home = None, CLOSED


def _empty_module(module: Module, left: list[Any]) -> None:
    left += module.children
    left += module.grouped or ()
    left += module.attributes.values()
    module.children.clear()
    module.attributes.clear()
    module.parent = module.twin = module.whole = module.grouped = module.belongs = None


def _empty_object(held: Instance | Dict | Set, left: list[Any]) -> None:
    if type(held) is Instance:
        left += (held.callable, held.arguments, held.keywords, held.state, held.elements, held.entries)
        held.callable = held.arguments = held.keywords = held.state = held.entries = None
        held.elements = []
    elif type(held) is Dict:
        left += (held.keys, held.values, held.state)
        held.keys, held.values, held.state = [], [], None
    elif type(held) is Set:
        left.append(held.items)
        held.items = []
