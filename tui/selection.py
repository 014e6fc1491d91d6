"""What a filter leaves of a tree: the nodes that fit, all below them, and the modules above; and what these add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from inspector.naming import has_no_parameters, likely_kind
from inspector.nodes import Module, Node, Tensor
from inspector.storage import Storage

if TYPE_CHECKING:
    import numpy as np

    from inspector.query.table import Chosen, States
    from tui.index import Index

    Numbers = np.ndarray[Any, Any]

ABOVE, FITS = 1, 2
"""What `Selection.kept` has at a node that stands above one that fits; at one that fits, or stands below one that does."""


class Selection:
    """What a filter leaves of an `index`: its test said `states` of the nodes.

    `count` is the number of nodes that fit, `first` the first of them; `kept` is not 0 at the numbers of those left, of
    which so many are `modules`; `totals` are the elements and bytes of each of these.
    """

    def __init__(self, index: Index, states: States) -> None:
        import numpy as np

        from inspector.query.table import YES

        self.index = index
        fits = states == YES
        fits[0] = False
        ends = np.frombuffer(index.ends, np.int32)
        # A node stands below one that fits if that, coming before it, reaches beyond it.
        inside = np.maximum.accumulate(np.where(fits, ends, 0)) > np.arange(len(ends))
        before = _sums_before(fits.astype(np.int32))
        above = before[ends] > before[:-1]
        self.count = int(before[-1])
        self.first = index.nodes[int(fits.argmax())] if self.count else None
        left = inside | above
        self.kept = np.where(inside, FITS, left * ABOVE).astype(np.uint8).tobytes()
        self.modules = int(np.count_nonzero(left & index.weights.modules))
        self.totals = Totals(index, self.kept, self.modules, left)
        self._known: dict[Node, list[Node]] = {}

    def keeps(self, node: Node) -> bool:
        """Whether a node is left."""
        return self.kept[self.index.number(node)] > 0

    def below(self, node: Node) -> Sequence[Node]:
        """The children of a node that are left."""
        found = self._known.get(node)
        if found is None:
            kept = self.kept
            found = self._known[node] = [child for number, child in self.index.below(node) if kept[number]]
        return found


class Totals(Mapping[Node, tuple[int, int]]):
    """Of each module that is left, and of the root, the elements of parameters and the bytes of tensors left below it.

    What lies under several names counts once in each.
    """

    def __init__(self, index: Index, kept: bytes, modules: int, left: Chosen) -> None:
        import numpy as np

        self._index = index
        self._kept = kept
        self._modules = modules
        weights = index.weights
        numels, sizes = np.where(left, weights.numels, 0), np.where(left, weights.sizes, 0)
        for group in weights.tied:
            last, meeting = -1, 0
            for number, met in group:
                meeting = met if last < 0 else min(meeting, met)
                if left[number]:
                    if last >= 0:
                        # Both come up to where their ways meet; from there on one is too many.
                        numels[meeting] -= weights.numels[number]
                        sizes[meeting] -= weights.sizes[number]
                    last, meeting = number, number
        # What is at or below a node stands together.
        self._numels, self._sizes = _sums_before(numels), _sums_before(sizes)

    def __getitem__(self, node: Node) -> tuple[int, int]:
        index = self._index
        number = index.number(node)
        if not isinstance(node, Module) or (number and not self._kept[number]):
            raise KeyError(node.name)
        end = index.ends[number]
        return int(self._numels[end] - self._numels[number]), int(self._sizes[end] - self._sizes[number])

    def __iter__(self) -> Iterator[Node]:
        for number, node in enumerate(self._index.nodes):
            if isinstance(node, Module) and (self._kept[number] or not number):
                yield node

    def __len__(self) -> int:
        return max(self._modules, 1)


class Weights:
    """What each node of an index adds to the modules above it, the same for every filter.

    `numels` are elements of parameters, `sizes` bytes of tensors, `modules` says what is a module. `tied` are the tensors
    that lie in one place: their numbers, each with that of the node where its way up meets that of the one before.
    """

    def __init__(self, index: Index) -> None:
        import numpy as np

        nodes, parents = index.nodes, index.parents
        numels, sizes = [0] * len(nodes), [0] * len(nodes)
        modules, layered, aside = bytearray(len(nodes)), bytearray(len(nodes)), bytearray(len(nodes))
        known: dict[tuple[str, tuple[int, ...]], tuple[int, int]] = {}
        tensors: list[int] = []
        shared: set[Storage] = set()
        for number, node in enumerate(nodes):
            parent = parents[number]
            if parent >= 0:
                layered[number], aside[number] = layered[parent], aside[parent]
            if isinstance(node, Module):
                modules[number] = True
                layered[number] |= node.role == "layer"
                aside[number] |= has_no_parameters(node)
            elif isinstance(node, Tensor) and not isinstance(node.parent, Tensor) and node.kind != "computed":
                storage = node.storage
                if storage is None:
                    numel, size = node.numel, node.nbytes
                else:
                    # A model has few different shapes.
                    made = node.dtype, node.shape
                    numel, size = known[made] if made in known else known.setdefault(made, (node.numel, node.nbytes))
                    tensors.append(number)
                    if storage.first is not node:
                        shared.add(storage)
                if not aside[number] and likely_kind(node, bool(layered[number])) == "parameter":
                    numels[number] = numel
                sizes[number] = size
        self.modules: Chosen = np.frombuffer(modules, np.bool_)
        self.numels, self.sizes = _exact(numels), _exact(sizes)
        places: dict[Any, list[int]] = {}
        for number in tensors if shared else ():
            tensor = nodes[number]
            if isinstance(tensor, Tensor) and tensor.storage in shared:
                places.setdefault(tensor.place, []).append(number)
        self.tied = [_meetings(index, numbers) for numbers in places.values() if len(numbers) > 1]


def _meetings(index: Index, numbers: list[int]) -> list[tuple[int, int]]:
    parents = index.parents
    found = [(numbers[0], numbers[0])]
    for one, other in pairwise(numbers):
        last = other
        # In the file's order a parent's number is below its children's.
        while one != other:
            if one > other:
                one = parents[one]
            else:
                other = parents[other]
        found.append((last, one))
    return found


def _sums_before(numbers: Numbers) -> Numbers:
    """The sum of what comes before each, and of all."""
    import numpy as np

    sums = np.zeros(len(numbers) + 1, numbers.dtype)
    np.cumsum(numbers, out=sums[1:])
    return sums


def _exact(numbers: list[int]) -> Numbers:
    """An array in which sums stay exact, however large they are."""
    import numpy as np

    return np.array(numbers, np.int64 if sum(map(abs, numbers)) < 1 << 63 else object)
