"""The visible rows of a tree of nodes, by their numbers: of each expanded node it is known how many there are below it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence, Set
from itertools import accumulate, islice

from inspector.nodes import Module, Node

Children = Callable[[Node], Sequence[Node]]
"""What a node's rows below it are; a filter leaves some out."""


def all_children(node: Node) -> Sequence[Node]:
    """Everything that is shown below a node, in the file's order."""
    return node.below


Row = tuple[Node, int]
"""A node and its depth."""

Level = tuple[Sequence[Node], int]
"""Siblings, and the place of one of them."""

WINDOW = 96
"""Rows around one that was asked for which are found together: those on the screen."""

LONELY = 2
"""Rows up to which the next level is shown however long it is."""


class Counterparts:
    """Where the nodes of the `old` tree are in the `new` one: under the same labels. Where there are several, the first."""

    def __init__(self, old: Node, new: Node) -> None:
        self.old = old
        self.new = new
        self._known: dict[Node, Node | None] = {old: new}
        self._labels: dict[Node, dict[str, Node]] = {}

    def of(self, node: Node) -> Node | None:
        """What stands there for this node, if anything does."""
        way: list[Node] = []
        while node not in self._known and node.above is not None:
            way.append(node)
            node = node.above
        there = self._known.get(node)
        for step in reversed(way):
            there = self._known[step] = None if there is None else self._below(there).get(step.label)
        return there

    def prepare(self, node: Node) -> None:
        """Make ready what the nodes below this one are looked for in."""
        there = self.of(node)
        if there is not None:
            self._below(there)

    def _below(self, node: Node) -> dict[str, Node]:
        if node not in self._labels:
            self._labels[node] = {child.label: child for child in reversed(node.below)}
        return self._labels[node]


class Rows:
    """The rows of a tree whose expanded nodes are known: a node and its depth for each, from the top.

    Rows are known by their index. Nothing is kept for rows, only for expanded nodes, and of these a fold changes nothing
    but the counts of those above: a key costs the same in a tree of a million rows.
    """

    def __init__(self, root: Node, children: Children = all_children) -> None:
        self.root = root
        self.children = children
        self.expanded: set[Node] = set()
        # Of a node, for each child, how many rows there are up to the last one below that; while nothing there is folded.
        self._counted: dict[Node, Sequence[int]] = {}
        self._window: list[Row] = []
        self._first = 0

    def __len__(self) -> int:
        return self._size(self.root)

    def __iter__(self) -> Iterator[Row]:
        return self._from(0)

    def __getitem__(self, index: int) -> Row:
        if not 0 <= index - self._first < len(self._window):
            if not 0 <= index < len(self):
                raise IndexError(f"there is no row {index}")
            self._first = max(0, index - WINDOW // 6)
            self._window = list(islice(self._from(self._first), WINDOW))
        return self._window[index - self._first]

    def expandable(self, index: int) -> bool:
        """Whether there is something below this row."""
        return len(self.children(self[index][0])) > 0

    def end(self, index: int) -> int:
        """The first row after this one and all below it."""
        return index + self._size(self[index][0])

    def parent(self, index: int) -> int:
        """The row of the parent; the root is its own."""
        return index - 1 - self._before(*self._way(index)[-1]) if index else index

    def sibling(self, index: int, step: int) -> int:
        """The next sibling's row (`step` 1) or the previous one's (-1); the row itself where there is none."""
        if index == 0:
            return index
        siblings, place = self._way(index)[-1]
        if not 0 <= place + step < len(siblings):
            return index
        return index + (self._size(siblings[place]) if step > 0 else -self._size(siblings[place - 1]))

    def expand(self, index: int) -> None:
        """Show what lies directly below this row, and below that what was expanded before."""
        node, _ = self[index]
        if self.children(node):
            self.expanded.add(node)
            self._recount(node)

    def collapse(self, index: int) -> None:
        """Hide what lies below this row."""
        node, _ = self[index]
        self.expanded.discard(node)
        self._recount(node)

    def expand_siblings(self, index: int) -> int:
        """Expand this row and its siblings; where this row is afterwards."""
        return self._fold_siblings(index, self.expanded.update)

    def collapse_siblings(self, index: int) -> int:
        """Collapse this row and its siblings; where this row is afterwards."""
        return self._fold_siblings(index, self.expanded.difference_update)

    def expand_all(self, index: int) -> None:
        """Show everything at or below this row."""
        parents = self._parents(self[index][0])
        self.expanded.update(parents)
        self._recount(self[index][0], parents)

    def collapse_all(self, index: int) -> None:
        """Collapse everything below this row; where all of that is collapsed already, the row itself."""
        node, _ = self[index]
        before = len(self.expanded)
        was_expanded = node in self.expanded
        parents = self._parents(node)
        self.expanded.difference_update(parents)
        if was_expanded and before - len(self.expanded) > 1:
            self.expanded.add(node)
        self._recount(node, parents)

    def refold(self, folded: Set[Node], unfolded: Set[Node]) -> None:
        """Collapse some nodes and expand others."""
        self.expanded -= folded
        self.expanded |= {node for node in unfolded if self.children(node)}
        self._counted.clear()
        self._window = []

    def shown(self, node: Node) -> Node:
        """The node, or the outermost collapsed one that it is below."""
        found = above = node
        while above is not self.root and above.above is not None:
            above = above.above
            if above not in self.expanded:
                found = above
        return found

    def reveal(self, node: Node) -> int:
        """Expand what hides this node; its row. Of one that is not among these, of the nearest above it that is."""
        way = [node]
        while way[-1] is not self.root and (above := way[-1].above) is not None:
            way.append(above)
        node = way.pop()
        while way and way[-1] in self.children(node):
            above, node = node, way.pop()
            if above not in self.expanded:
                self.expanded.add(above)
                self._recount(above)
        return self._index(node)

    def expand_to(self, height: int) -> None:
        """Expand level by level as far as all rows fit into `height`: of siblings all or none, and the root in any case."""
        families = [[self.root]] if self.children(self.root) else []
        rows = 1
        while families:
            below: list[list[Node]] = []
            for family in families:
                more = sum(len(self.children(node)) for node in family)
                if rows + more > height and rows > LONELY:
                    continue
                rows += more
                self.expanded.update(family)
                below += [
                    [child for child in self.children(node) if type(child) is Module and self.children(child)]
                    for node in family
                ]
            families = below
        self._counted.clear()
        self._window = []

    def counterparts(self, root: Node) -> Counterparts:
        """Where everything in these rows is in a newer tree. May run in another thread: it takes a while for long lists."""
        place = Counterparts(self.root, root)
        for node in tuple(self.expanded):
            place.prepare(node)
        return place

    def renewed(self, place: Counterparts, node: Node) -> tuple[Rows, Node]:
        """The rows of a newer tree, expanded at the same labels; and what stands there where `node` does here, or near."""
        rows = Rows(place.new)
        rows.expanded = {found for found in map(place.of, self.expanded) if found is not None and found.below}
        while (found := place.of(node)) is None:
            assert node.above is not None
            node = node.above
        return rows, found

    def with_children(self, children: Children) -> Rows:
        """The rows of the same tree, expanded as this one, with other children below its nodes."""
        rows = Rows(self.root, children)
        rows.expanded = {node for node in self.expanded if children(node)}
        return rows

    def after(self, node: Node, step: int, wanted: type[Node]) -> Node | None:
        """The next node of a type in the file's order (`step` 1), or the previous one (-1), whether visible or not."""
        walk = self._forward(node) if step > 0 else self._backward(node)
        return next((found for found in walk if isinstance(found, wanted)), None)

    def _forward(self, node: Node) -> Iterator[Node]:
        stack = list(reversed(self.children(node)))
        while True:
            while stack:
                found = stack.pop()
                yield found
                below = self.children(found)
                if below:
                    stack.extend(reversed(below))
            if node is self.root or node.above is None:
                return
            siblings = self.children(node.above)
            stack = list(reversed(siblings[siblings.index(node) + 1 :]))
            node = node.above

    def _backward(self, node: Node) -> Iterator[Node]:
        while node is not self.root and node.above is not None:
            siblings = self.children(node.above)
            # The mirror image of a walk: of each sibling before, what is below it comes first, from the end.
            stack = [(sibling, False) for sibling in siblings[: siblings.index(node)]]
            while stack:
                found, seen = stack.pop()
                below = self.children(found)
                if seen or not below:
                    yield found
                else:
                    stack.append((found, True))
                    stack.extend((child, False) for child in below)
            node = node.above
            yield node

    def _parents(self, node: Node) -> list[Node]:
        """The nodes at or below `node` that have something below them."""
        parents: list[Node] = []
        stack = [node]
        while stack:
            parent = stack.pop()
            children = self.children(parent)
            if children:
                parents.append(parent)
                stack.extend([child for child in children if type(child) is Module or child.children])
        return parents

    def _fold_siblings(self, index: int, fold: Callable[[Sequence[Node]], None]) -> int:
        node, _ = self[index]
        siblings = self.children(node.above) if index and node.above is not None else [node]
        fold([sibling for sibling in siblings if self.children(sibling)])
        self._recount(node)
        return self._index(node)

    def _size(self, node: Node) -> int:
        """How many rows a node takes, with those below it."""
        if node not in self.expanded:
            return 1
        counts = self._counts(node)
        return 1 + (counts[-1] if counts else 0)

    def _counts(self, node: Node) -> Sequence[int]:
        """For each child of a node, how many rows there are below the node up to the last one below that child."""
        counted, expanded = self._counted, self.expanded
        stack = [] if node in counted else [node]
        while stack:
            top = stack[-1]
            below = self.children(top)
            if expanded.isdisjoint(below):
                # Most rows are: parameters by the thousand.
                counted[top] = range(1, len(below) + 1)
                stack.pop()
            elif missing := [child for child in below if child in expanded and child not in counted]:
                stack += missing
            else:
                # Not by `_size`: there may be thousands.
                sizes = [1 + (counted[child] or (0,))[-1] if child in expanded else 1 for child in below]
                counted[top] = list(accumulate(sizes))
                stack.pop()
        return counted[node]

    def _recount(self, node: Node, nodes: Sequence[Node] = ()) -> None:
        """Forget what was counted of these nodes, and of those above one that was folded."""
        self._window = []
        for changed in nodes:
            self._counted.pop(changed, None)
        while node is not self.root and node.above is not None:
            node = node.above
            self._counted.pop(node, None)

    def _before(self, siblings: Sequence[Node], place: int) -> int:
        """How many rows there are of the siblings before one."""
        above = siblings[place].above
        return self._counts(above)[place - 1] if place and above is not None else 0

    def _index(self, node: Node) -> int:
        """The row of a node that can be seen."""
        index = 0
        while node is not self.root and node.above is not None:
            siblings = self.children(node.above)
            index += 1 + self._before(siblings, siblings.index(node))
            node = node.above
        return index

    def _way(self, index: int) -> list[Level]:
        """The way from the root down to a row."""
        way: list[Level] = []
        node = self.root
        while index:
            counts = self._counts(node)
            place = bisect_right(counts, index - 1)
            siblings = self.children(node)
            index -= 1 + (counts[place - 1] if place else 0)
            way.append((siblings, place))
            node = siblings[place]
        return way

    def _from(self, index: int) -> Iterator[Row]:
        """A row, and all that follow it."""
        way = self._way(index)
        while True:
            node = way[-1][0][way[-1][1]] if way else self.root
            yield node, len(way)
            below = self.children(node) if node in self.expanded else ()
            if below:
                way.append((below, 0))
                continue
            while way and way[-1][1] + 1 == len(way[-1][0]):
                way.pop()
            if not way:
                return
            siblings, place = way[-1]
            way[-1] = siblings, place + 1
