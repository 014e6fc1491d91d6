"""Repeated layers as one row of the tree: the first of them stands for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspector.nodes import Module, Node, Tensor
from tui.rows import all_children

if TYPE_CHECKING:
    from inspector.statistics.depth import Family


@dataclass(frozen=True, slots=True)
class Stacks:
    """The families of repeated layers by the member that stands for all: the first. `others` are below each parent.

    `labels` say what the rows that stand for several are called, and for how many; `totals` are the elements and bytes
    of all of these.
    """

    families: dict[Node, Family] = field(default_factory=dict)
    others: dict[Node, frozenset[Node]] = field(default_factory=dict)
    labels: dict[Node, tuple[str, int]] = field(default_factory=dict)
    totals: dict[Node, tuple[int, int]] = field(default_factory=dict)

    def below(self, node: Node) -> Sequence[Node]:
        """The rows below a node: of a family only the first."""
        others = self.others.get(node)
        return all_children(node) if others is None else [child for child in all_children(node) if child not in others]

    def hides(self, node: Node) -> bool:
        """Whether a node is, or is below, one that another stands for."""
        return self.stand_in(node) is not node

    def stand_in(self, node: Node) -> Node:
        """The node, or what stands for the outermost hidden one that it is in."""
        for above in (*node.path, node):
            if above.parent is not None and above in self.others.get(above.parent, ()):
                return next(
                    first for first, family in self.families.items() if any(member is above for _, member in family.members)
                )
        return node

    def family(self, node: Node) -> tuple[Family, str] | None:
        """The innermost family that a node stands in for, or is below what does; and its name relative to that."""
        labels: list[str] = []
        here: Node | None = node
        while here is not None:
            family = self.families.get(here)
            if family is not None:
                return family, ".".join(reversed(labels))
            labels.append(here.label)
            here = here.parent
        return None


def stacks(found: Sequence[Family]) -> Stacks:
    """The stacks that families make; where a node is in several, the first counts."""
    made = Stacks()
    others: dict[Node, set[Node]] = {}
    taken: set[Node] = set()
    for family in found:
        members = [member for _, member in family.members]
        if taken.isdisjoint(members):
            taken.update(members)
            first, numbers = members[0], [number for number, _ in family.members]
            made.families[first] = family
            prefix = first.label.rstrip("0123456789")
            made.labels[first] = f"{prefix}{numbers[0]}…{numbers[-1]}", len(numbers)
            made.totals[first] = sum(map(_numel, members)), sum(map(_nbytes, members))
            others.setdefault(family.parent, set()).update(members[1:])
    made.others.update({parent: frozenset(hidden) for parent, hidden in others.items()})
    return made


def _numel(node: Node) -> int:
    return node.numel if isinstance(node, Tensor | Module) else 0


def _nbytes(node: Node) -> int:
    return node.nbytes if isinstance(node, Tensor | Module) else 0
