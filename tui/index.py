"""Every node of a tree in the file's order with its dotted name: what search and filter run over."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Any

from inspector.errors import visible
from inspector.naming import has_no_parameters, likely_kind
from inspector.nodes import Module, Node, Tensor
from inspector.storage import Storage
from tui.troubles import Troubles, troubles

if TYPE_CHECKING:
    from inspector.query import Query

LONGEST = 400
"""Characters of a label, and of the names above it in a tree of very many levels, that can be searched."""

DEEP = 200
"""Levels below which only the end of the names above is kept: whole ones would take the square of the depth."""

EVERY = 4096
"""Nodes between two calls of `progress`."""

Progress = Callable[[float], None]

Weights = tuple[list[int], list[int], list[int], list[list[int]], list[int]]
"""Of each node its elements and bytes; of each module where what is below it ends; numbers of tied tensors; of modules."""

_KEPT = bytes([0, 1, 1, *range(3, 256)])


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


@dataclass(frozen=True, slots=True)
class Selection:
    """What a filter leaves of an `index`: the `totals` (elements, bytes) of each module that has any left.

    `count` is the number of nodes that fit, `first` the first of them; `kept` is not 0 at the numbers of those left.
    """

    index: Index
    totals: dict[Node, tuple[int, int]]
    count: int
    first: Node | None
    kept: bytearray
    _known: dict[Node, list[Node]] = field(default_factory=dict)

    def below(self, node: Node) -> Sequence[Node]:
        """The children of a node that are left."""
        found = self._known.get(node)
        if found is None:
            numbers, kept = self.index.numbers, self.kept
            found = self._known[node] = [child for child in self.index.below(node) if kept[numbers[child]]]
        return found


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
            places.setdefault(_place(tensor), []).append(tensor)
        tied += [tensor for place in places.values() if len(place) > 1 for tensor in place]
    stored = sum(storage.nbytes for storage in held)
    # What several tensors hold is counted for each: so nothing is said to be unused that is not.
    unused = sum(max(storage.nbytes - used, 0) for storage, used in held.items())
    return Survey(dtypes, frozenset(asides), together, frozenset(tied), troubles(root, problems), stored, unused)


class Index:
    """The nodes at and below a root in the file's order, with their dotted `names` and the numbers of their `parents`.

    Where it is `grouped`, tensors that are computed from others are among them, as parents of those.
    """

    def __init__(self, root: Node, progress: Progress, grouped: bool = True) -> None:
        self.nodes: list[Node] = []
        self.names: list[str] = []
        self.parents = array("q")
        self._weights: Weights | None = None
        self._numbers: dict[Node, int] | None = None
        self._grouped = grouped
        self._text = ""
        self._lower = ""
        self._starts = array("q")
        self._labels = array("q")
        stack: list[tuple[Node, int]] = [(root, -1)]
        deep: list[int] = []
        while stack:
            node, parent = stack.pop()
            number = len(self.nodes)
            if number % EVERY == 0:
                progress(0)
            # What a tensor is computed from is not called after it.
            holder = parent if node.whole is None or not grouped else self.parents[parent]
            above = self.names[holder] if holder > 0 else ""
            depth = deep[parent] + 1 if parent >= 0 else 0
            label = node.label[:LONGEST] if parent >= 0 else ""
            if depth > DEEP:
                above = above[-LONGEST:]
            self.nodes.append(node)
            self.names.append(f"{above}.{label}" if above else label)
            self.parents.append(parent)
            deep.append(depth)
            stack.extend([(child, number) for child in reversed(node.below if grouped else node.children)])

    def search(self, wanted: str, progress: Progress) -> list[int]:
        """The numbers of the nodes in whose name the text occurs, in such a way that it touches their own label.

        Without a capital letter in it, capitals do not count (smart case).
        """
        if not self._text:
            self._join()
        text = self._text if wanted != wanted.lower() else self._lower
        starts, labels, length = self._starts, self._labels, len(wanted)
        found: list[int] = []
        at = text.find(wanted)
        steps = 0
        while at >= 0:
            steps += 1
            if steps % EVERY == 0:
                progress(at / len(text))
            number = bisect_right(starts, at) - 1
            if at + length > labels[number]:
                found.append(number)
                at = text.find(wanted, starts[number + 1]) if number + 1 < len(starts) else -1
            else:
                at = text.find(wanted, max(at + 1, labels[number] - length + 1))
        return found

    def number(self, node: Node) -> int:
        """The number of a node."""
        return self.numbers[node]

    @property
    def numbers(self) -> dict[Node, int]:
        """The numbers of all nodes."""
        if self._numbers is None:
            self._numbers = {node: number for number, node in enumerate(self.nodes)}
        return self._numbers

    def below(self, node: Node) -> Sequence[Node]:
        """The nodes directly below one."""
        return node.below if self._grouped else node.children

    def starting_with(self, beginning: str) -> str:
        """The first name that starts with this text; empty if none does."""
        if not self._text:
            self._join()
        at = self._text.find("\n" + visible(beginning))
        return self._text[at + 1 : self._text.index("\n", at + 1)] if at >= 0 and beginning else ""

    def select(self, query: Query, progress: Progress) -> Selection:
        """What a filter leaves: the nodes that fit, all below them, and the modules above."""
        count = len(self.nodes)
        # 1: stands above one that fits; 2: fits, or stands below one that does.
        kept = bytearray(count)
        first = -1
        fitting = 0
        parents, nodes, names = self.parents, self.nodes, self.names
        matches = query.matches
        for number in range(count):
            if number % EVERY == 0:
                progress(number / count)
            parent = parents[number]
            fits = parent >= 0 and matches(nodes[number], names[number])
            if fits:
                fitting += 1
                first = number if first < 0 else first
            if fits or (parent >= 0 and kept[parent] == 2):
                kept[number] = 2
                while parent >= 0 and not kept[parent]:
                    kept[parent] = 1
                    parent = parents[parent]
        return Selection(self, self._totals(kept), fitting, nodes[first] if first >= 0 else None, kept)

    def _totals(self, kept: bytearray) -> dict[Node, tuple[int, int]]:
        """Elements of parameters and bytes of tensors, the kept ones below every kept module, tied ones once in each."""
        if self._weights is None:
            self._weights = self._weigh()
        numels, sizes, ends, places, modules = self._weights
        is_kept = kept.translate(_KEPT)
        own_numels, own_sizes = list(map(mul, numels, is_kept)), list(map(mul, sizes, is_kept))
        for tied in places:
            last = -1
            for number in tied:
                if kept[number]:
                    if last >= 0:
                        # Both come up to where their ways meet; from there on one is too many.
                        meeting = self._meeting(last, number)
                        own_numels[meeting] -= numels[number]
                        own_sizes[meeting] -= sizes[number]
                    last = number
        # What is at or below a node stands together.
        numels_before = list(accumulate(own_numels, initial=0))
        sizes_before = list(accumulate(own_sizes, initial=0))
        nodes = self.nodes
        return {
            nodes[number]: (numels_before[end] - numels_before[number], sizes_before[end] - sizes_before[number])
            for number, end in zip(modules, ends, strict=True)
            if kept[number] or number == 0
        }

    def _weigh(self) -> Weights:
        """What each node adds to the modules above it, the same for every filter."""
        nodes, parents = self.nodes, self.parents
        count = len(nodes)
        numels, sizes, ends = [0] * count, [0] * count, list(range(1, count + 1))
        places: dict[Any, list[int]] = {}
        aside = bytearray(count)
        for number, node in enumerate(nodes):
            aside[number] = aside[parents[number]] or has_no_parameters(node)
            if not isinstance(node, Tensor) or isinstance(node.parent, Tensor) or node.kind == "computed":
                continue
            numels[number] = 0 if aside[number] or likely_kind(node) != "parameter" else node.numel
            sizes[number] = node.nbytes
            if node.storage is not None:
                places.setdefault(_place(node), []).append(number)
        for number in range(count - 1, 0, -1):
            parent = parents[number]
            ends[parent] = max(ends[parent], ends[number])
        modules = [number for number, node in enumerate(nodes) if isinstance(node, Module)]
        tied = [numbers for numbers in places.values() if len(numbers) > 1]
        return numels, sizes, [ends[number] for number in modules], tied, modules

    def _meeting(self, one: int, other: int) -> int:
        parents = self.parents
        # In the file's order a parent's number is below its children's.
        while one != other:
            if one > other:
                one = parents[one]
            else:
                other = parents[other]
        return one

    def _join(self) -> None:
        """Put all names, as a person reads them, into one text, which is searched at the speed of memory."""
        names = [_shown(name) for name in self.names]
        labels = [len(_shown(node.label[:LONGEST])) for node in self.nodes]
        self._starts = array("q", accumulate((len(name) + 1 for name in names), initial=0))
        ends = self._starts[1:]
        self._labels = array("q", [end - 1 - label for end, label in zip(ends, labels, strict=True)])
        self._text = "\n".join(names) + "\n"
        lower = self._text.lower()
        # A few letters become two in small: there the capitals stay.
        if len(lower) != len(self._text):
            lower = "".join(small if len(small := letter.lower()) == 1 else letter for letter in self._text)
        # Mostly the same text, which then is kept once.
        self._lower = lower if lower != self._text else self._text


def _shown(name: str) -> str:
    return name if name.isprintable() else visible(name)


def _place(tensor: Tensor) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
    return id(tensor.storage), tensor.offset, tensor.shape, tensor.stride
