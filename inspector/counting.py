"""Totals of a tree: tensors, elements and bytes below every module, what lies under several names counted once."""

from __future__ import annotations

from typing import Any

from inspector.naming import has_no_parameters, likely_kind
from inspector.nodes import Module, Node, Tensor


def count(root: Node) -> None:
    """Fills in `tensor_count`, `numel` and `nbytes` of every module, and `first` of every storage.

    A tensor that comes again (same storage, offset, shape) is taken off again where its two places meet: so each
    module counts it once. That is one pass up from each tensor, whatever the number of names.
    """
    again = _Again()
    sizes: dict[tuple[str, tuple[int, ...]], tuple[int, int]] = {}
    order: list[Module] = []
    # None stands behind everything that lies aside from the parameters, like an optimizer's state.
    stack: list[Node | None] = [root]
    aside = False
    while stack:
        node = stack.pop()
        if node is None:
            aside = False
        elif isinstance(node, Module):
            node.tensor_count = node.numel = node.nbytes = 0
            order.append(node)
            if not aside and has_no_parameters(node):
                aside = True
                stack.append(None)
            stack.extend(reversed(node.children))
        elif isinstance(node, Tensor):
            if node.storage is None:
                numel, nbytes = node.numel, node.nbytes
            else:
                # A model has few different shapes: each is multiplied out once.
                described = (node.dtype, node.shape)
                found = sizes.get(described)
                if found is None:
                    found = sizes[described] = (node.numel, node.nbytes)
                numel, nbytes = found
            if aside or likely_kind(node) != "parameter":
                numel = 0
            parent = node.parent
            if isinstance(parent, Module):
                parent.tensor_count += 1
                parent.numel += numel
                parent.nbytes += nbytes
            again.take_off(node, numel, nbytes)
    for module in reversed(order):
        parent = module.parent
        if isinstance(parent, Module):
            parent.tensor_count += module.tensor_count
            parent.numel += module.numel
            parent.nbytes += module.nbytes


class _Again:
    """The tensors that were met, by the place where their elements lie."""

    def __init__(self) -> None:
        self.last: dict[Any, Tensor] = {}
        self.parameters: dict[Any, Tensor] = {}
        self.uncounted: set[int] = set()

    def take_off(self, node: Tensor, numel: int, nbytes: int) -> None:
        """Takes a tensor that was met before off the modules that have counted it already."""
        storage = node.storage
        first: Tensor | None = None
        if storage is None:
            place: Any = id(node.twin or node)
        elif storage.first is None:
            storage.first = node
            if not numel:
                self.uncounted.add(id(storage))
            return
        else:
            place = (id(storage), node.offset, node.shape, node.stride)
            first = storage.first if _same_place(storage.first, node) else None
        before = self.last.get(place, first)
        if before is not None:
            _add(_meeting(before, node), 0, -nbytes)
        self.last[place] = node
        if numel:
            before = self.parameters.get(place, first if id(storage) not in self.uncounted else None)
            if before is not None:
                _add(_meeting(before, node), -numel, 0)
            self.parameters[place] = node


def _add(module: Node | None, numel: int, nbytes: int) -> None:
    if isinstance(module, Module):
        module.numel += numel
        module.nbytes += nbytes


def _same_place(one: Tensor, other: Tensor) -> bool:
    return one.offset == other.offset and one.shape == other.shape and one.stride == other.stride


def _meeting(one: Node, other: Node) -> Node | None:
    """The deepest node that holds both."""
    above: set[int] = set()
    node: Node | None = one
    while node is not None:
        above.add(id(node))
        node = node.parent
    node = other
    while node is not None and id(node) not in above:
        node = node.parent
    return node
