"""Totals of a tree: tensors, elements and bytes below every module, what lies under several names counted once."""

from __future__ import annotations

from typing import Any

from inspector.inventory import Inventory
from inspector.naming import BUFFER_NAMES, LIGHTNING, PARAM_GROUPS, RNG_STATES, has_no_parameters, likely_kind
from inspector.nodes import Module, Node, Tensor

NO_PARAMETERS = BUFFER_NAMES | RNG_STATES
"""Names by which a tensor of a dict is known not to be a parameter."""

ASIDE = RNG_STATES | {PARAM_GROUPS, LIGHTNING}
"""Keys without which no module has only what is no parameter."""


def count(inventory: Inventory) -> None:
    """Fills in `tensor_count`, `numel` and `nbytes` of every module, and `first` of every storage.

    A tensor that comes again (same storage, offset, shape) is taken off again where its two places meet: so each
    module counts it once. That is one pass up from each tensor, whatever the number of names.
    """
    again = _Again()
    sizes: dict[tuple[str, tuple[int, ...]], tuple[int, int]] = {}
    for module in inventory.modules:
        module.tensor_count = module.numel = module.nbytes = 0
    aside = _aside(inventory)
    has_layers = inventory.has_layers
    for tensor in inventory.tensors:
        storage, parent = tensor.storage, tensor.parent
        if storage is None:
            numel, nbytes = tensor.numel, tensor.nbytes
        else:
            # A model has few different shapes: each is multiplied out once.
            described = (tensor.dtype, tensor.shape)
            found = sizes.get(described)
            if found is None:
                found = sizes[described] = (tensor.numel, tensor.nbytes)
            numel, nbytes = found
        if has_layers or tensor.kind != "tensor" or type(tensor.key) is not str:
            is_parameter = likely_kind(tensor, has_layers) == "parameter"
        else:
            # The same, not by a call: there may be a million.
            is_parameter = tensor.key not in NO_PARAMETERS
        if not is_parameter or (aside and id(parent) in aside):
            numel = 0
        if type(parent) is Module:
            parent.tensor_count += 1
            parent.numel += numel
            parent.nbytes += nbytes
        if storage is not None and storage.first is None:
            storage.first = tensor
            if not numel:
                again.uncounted.add(id(storage))
        else:
            again.take_off(tensor, numel, nbytes)
    for module in reversed(inventory.modules):
        parent = module.parent
        if isinstance(parent, Module):
            parent.tensor_count += module.tensor_count
            parent.numel += module.numel
            parent.nbytes += module.nbytes


def _aside(inventory: Inventory) -> set[int]:
    """The modules below which no tensor is a parameter, by their identity."""
    aside: set[int] = set()
    if not inventory.keys.isdisjoint(ASIDE):
        for module in inventory.modules:
            if id(module.parent) in aside or has_no_parameters(module):
                aside.add(id(module))
    return aside


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
        if storage is None or storage.first is None:
            place: Any = id(node.twin or node)
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
