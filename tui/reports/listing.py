"""What a report is about: the nodes that a filter leaves, with their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeGuard

from inspector.nodes import Module, Node, Tensor
from inspector.query import Query
from tui.index import Index
from tui.selection import FITS, Selection


class Listing:
    """The nodes at and below `root` that fit `query` or stand below one that does; without a query, all of them.

    Where it is `grouped`, tensors that are computed from others are listed too, above those.
    """

    def __init__(self, root: Node, query: Query, grouped: bool = False) -> None:
        self.root = root
        self.grouped = grouped
        self._index = Index(root, nobody_waits, grouped) if query else None
        self._selection: Selection | None = self._index.select(query, nobody_waits) if self._index else None

    def named(self) -> Iterator[tuple[str, Node]]:
        """The nodes in the file's order with their dotted names; those that only stand above one that fits left out."""
        if self._index is None or self._selection is None:
            return _named(self.root)
        # The index cuts names that are very long.
        fitting = zip(self._index.nodes, self._selection.kept, strict=True)
        return ((node.name, node) for node, kept in fitting if kept == FITS)

    def tensors(self) -> Iterator[Tensor]:
        """The tensors among them. The parts of a tensor are not tensors of their own."""
        if self._selection is None:
            return self.root.tensors()
        return (node for _, node in self.named() if is_tensor(node))

    def below(self, node: Node) -> Sequence[Node]:
        """The children of a node that are left, with those that only stand above one that fits."""
        if self._selection is not None:
            return self._selection.below(node)
        return node.below if self.grouped else node.children

    def totals(self, node: Module) -> tuple[int, int]:
        """Parameters and bytes of the tensors left below a module, as `Module.numel` and `nbytes` count them."""
        if self._selection is None:
            return node.numel, node.nbytes
        return self._selection.totals.get(node, (0, 0))


def is_tensor(node: Node) -> TypeGuard[Tensor]:
    """Whether a node is a tensor of the file, and not a part of one."""
    return isinstance(node, Tensor) and not isinstance(node.parent, Tensor) and node.kind != "computed"


def _named(root: Node) -> Iterator[tuple[str, Node]]:
    stack: list[tuple[str, Node]] = [("", root)]
    while stack:
        name, node = stack.pop()
        yield name, node
        dot = f"{name}." if name else ""
        stack.extend([(dot + child.label, child) for child in reversed(node.children)])


def nobody_waits(part: float) -> None:
    """A report shows no progress."""
