"""What a finished tree holds, taken once: the passes over it that follow need not walk, and see whom they may leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from inspector.nodes import Module, Node, Tensor
from inspector.storage import PLAIN


@dataclass(slots=True)
class Inventory:
    """The modules and tensors of a tree, each in the file's order, under all their names.

    `keys` are the texts that stand for keys anywhere in it; `has_layers` is whether any module is an `nn.Module`.
    """

    root: Node
    modules: list[Module] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    has_layers: bool = False

    def tensors_and_parts(self) -> Iterator[Tensor]:
        """The tensors, and behind each those that it is made of."""
        for tensor in self.tensors:
            if tensor.traits is PLAIN or not tensor.traits.parts:
                yield tensor
            else:
                yield from (node for node in tensor.walk() if isinstance(node, Tensor))


def take(root: Node) -> Inventory:
    """The inventory of the tree from `root` down."""
    found = Inventory(root)
    modules, tensors, keys = found.modules, found.tensors, found.keys
    stack: list[Node] = [root]
    while stack:
        node = stack.pop()
        if type(node.key) is str:
            keys.add(node.key)
        if type(node) is Module:
            modules.append(node)
            stack.extend(reversed(node.children))
            # CPython 3.11 makes a loop quick where it goes back by this, and not where only its condition is tested again.
            continue
        if type(node) is Tensor:
            tensors.append(node)
    found.has_layers = any(module.role == "layer" for module in modules)
    return found
