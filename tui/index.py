"""Every node of a tree in the file's order with its dotted name: what search and filter run over."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Any

from inspector.errors import visible
from inspector.naming import has_no_parameters
from inspector.nodes import Node, Tensor
from inspector.storage import Storage
from tui.troubles import Troubles, troubles

if TYPE_CHECKING:
    from inspector.query import Query
    from inspector.query.table import Table
    from tui.selection import Selection, Weights

LONGEST = 400
"""Characters of a label, and of the names above it in a tree of very many levels, that can be searched."""

DEEP = 200
"""Levels below which only the end of the names above is kept: whole ones would take the square of the depth."""

EVERY = 4096
"""Nodes between two calls of `progress`."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a walk over the tree tells.

    `dtypes` is how many tensors there are of each; `asides` are modules whose tensors are no parameters, like the state
    of an optimizer; `together` has, for each tensor that is not alone in its storage, all that lie there; `tied` are
    those that another one covers exactly: one tensor under several names. `troubles` are what is wrong, None
    while nobody has looked. The storages hold `stored` bytes, of which `unused` belong to no tensor.
    """

    dtypes: dict[str, int] = field(default_factory=dict)
    asides: frozenset[Node] = frozenset()
    together: dict[Tensor, list[Tensor]] = field(default_factory=dict)
    tied: frozenset[Tensor] = frozenset()
    troubles: Troubles | None = None
    stored: int = 0
    unused: int = 0


def survey(root: Node, progress: Progress, problems: Iterable[str] = ()) -> Survey:
    """Walk over the tree once; `problems` are those of its checkpoint."""
    dtypes: dict[str, int] = {}
    asides: list[Node] = []
    groups: dict[Tensor, list[Tensor]] = {}
    held: dict[Storage, int] = {}
    for number, node in enumerate(root.walk()):
        if number % EVERY == 0:
            progress(0)
        if isinstance(node, Tensor):
            if node.storage is not None:
                held[node.storage] = held.get(node.storage, 0) + node.nbytes
            if isinstance(node.parent, Tensor):
                continue
            dtypes[node.dtype] = dtypes.get(node.dtype, 0) + 1
            first = node.shares
            if first is not None:
                groups.setdefault(first, [first]).append(node)
        elif has_no_parameters(node):
            asides.append(node)
    together = {tensor: group for group in groups.values() for tensor in group}
    tied: list[Tensor] = []
    for group in groups.values():
        places: dict[Any, list[Tensor]] = {}
        for tensor in group:
            places.setdefault(tensor.place, []).append(tensor)
        tied += [tensor for one in places.values() if len(one) > 1 for tensor in one]
    stored = sum(storage.nbytes for storage in held)
    # What several tensors hold is counted for each: so nothing is said to be unused that is not.
    unused = sum(max(storage.nbytes - used, 0) for storage, used in held.items())
    return Survey(dtypes, frozenset(asides), together, frozenset(tied), troubles(root, problems), stored, unused)


class Index:
    """The nodes at and below a root in the file's order, with their dotted `names` and the numbers of their `parents`.

    What is at or below a node ends before `ends`. Where it is `grouped`, tensors that are computed from others are among
    the nodes, as parents of those.
    """

    def __init__(self, root: Node, progress: Progress, grouped: bool = True) -> None:
        self.nodes = nodes = [root]
        self.names = names = [""]
        self.parents = parents = array("i", [-1])
        self.ends = ends = array("i", [1])
        self._numbers: dict[Node, int] = {}
        # For each level that is open: the nodes to come, the number of the node above them, and how their names begin.
        levels: list[tuple[Iterator[Node], int, str]] = [(iter(root.below if grouped else root.children), 0, "")]
        while levels:
            coming, parent, beginning = levels[-1]
            for node in coming:
                number = len(nodes)
                if number % EVERY == 0:
                    progress(0)
                name = beginning + node.label[:LONGEST]
                nodes.append(node)
                names.append(name)
                parents.append(parent)
                ends.append(number + 1)
                below = node.below if grouped else node.children
                if below:
                    # What a tensor is computed from is not called after it.
                    if below[0].whole is not node:
                        above = name if len(levels) < DEEP else name[-LONGEST:]
                        beginning = f"{above}." if above else ""
                    levels.append((iter(below), number, beginning))
                    break
            else:
                ends[parent] = len(nodes)
                levels.pop()

    @cached_property
    def table(self) -> Table:
        """What a filter runs over."""
        from inspector.query.table import Table

        return Table(self.nodes, self.names, _small(self.names))

    def weigh(self) -> None:
        """Make ready what the first filter would have to wait for."""
        assert self.table and self.weights

    @cached_property
    def weights(self) -> Weights:
        """What each node adds to the modules above it."""
        from tui.selection import Weights

        return Weights(self)

    def search(self, wanted: str, progress: Progress) -> list[int]:
        """The numbers of the nodes in whose name the text occurs, in such a way that it touches their own label.

        Without a capital letter in it, capitals do not count (smart case).
        """
        small = wanted == wanted.lower()
        names, length = self._read_small if small else self._read, len(wanted)
        found: list[int] = []
        for start in range(0, len(names), EVERY):
            progress(start / len(names))
            part = [(number, name) for number, name in enumerate(names[start : start + EVERY], start) if wanted in name]
            for number, name in part:
                label = self.nodes[number].label[:LONGEST] if number else ""
                if not (label.isascii() and label.isprintable()):
                    label = _shown(label).lower() if small else _shown(label)
                if name.rfind(wanted) + length > len(name) - len(label):
                    found.append(number)
        return found

    def number(self, node: Node) -> int:
        """The number of a node."""
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = self.nodes.index(node)
        return number

    def below(self, node: Node) -> Iterator[tuple[int, Node]]:
        """The nodes directly below one, with their numbers."""
        number = self.number(node)
        nodes, ends, numbers = self.nodes, self.ends, self._numbers
        end = ends[number]
        number += 1
        while number < end:
            child, after = nodes[number], ends[number]
            if after > number + 1:
                # It may be asked for what is below it.
                numbers[child] = number
            yield number, child
            number = after

    def starting_with(self, beginning: str) -> str:
        """The first name that starts with this text; empty if none does."""
        beginning = visible(beginning)
        names, nodes, ends = self._read, self.nodes, self.ends
        number = 1
        while beginning and number < len(names):
            name = names[number]
            if name.startswith(beginning):
                return name
            # What a tensor is computed from is not called after it.
            within = beginning.startswith(f"{name}.") or isinstance(nodes[number], Tensor)
            number = number + 1 if within else ends[number]
        return ""

    def select(self, query: Query, progress: Progress) -> Selection:
        """What a filter leaves: the nodes that fit, all below them, and the modules above."""
        from tui.selection import Selection

        self.table.progress = progress
        return Selection(self, query.states(self.table))

    @cached_property
    def _read(self) -> Sequence[str]:
        """The names as a person reads them."""
        return self.names if all(map(str.isprintable, self.names)) else list(map(_shown, self.names))

    @cached_property
    def _read_small(self) -> Sequence[str]:
        return self.table.small if self._read is self.names else _small(self._read)


def _small(names: Sequence[str]) -> Sequence[str]:
    """Names in small letters; where they are that already, the very same ones."""
    small = [name if (lower := name.lower()) == name else lower for name in names]
    return names if all(map(is_, names, small)) else small


def _shown(name: str) -> str:
    return name if name.isprintable() else visible(name)
