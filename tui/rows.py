"""The visible rows of a tree of nodes, flat: folding is splicing lists, moving is arithmetic on an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from inspector.nodes import Module, Node

Children = Callable[[Node], Sequence[Node]]
"""What a node's rows below it are; a filter leaves some out."""


def all_children(node: Node) -> Sequence[Node]:
    """Everything that is shown below a node, in the file's order."""
    return node.below


MOST_FOLDED = 1_000_000
"""Hidden rows that are kept for when they are shown again."""

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
    """The rows of a tree whose expanded nodes are known: `nodes` and their `depths`, from the top.

    Rows are known by their index. Nothing is made for what lies below a collapsed node, and the searches over `nodes`
    are `list.index`, so that a tree of a million rows still answers a key at once.
    """

    def __init__(self, root: Node, children: Children = all_children) -> None:
        self.root = root
        self.children = children
        self.expanded: set[Node] = set()
        # The rows below nodes that were collapsed, as they were; good until anything else is expanded or collapsed.
        self._folded: dict[Node, tuple[list[Node], list[int]]] = {}
        self.nodes: list[Node] = [root]
        self.depths: list[int] = [0]

    def __len__(self) -> int:
        return len(self.nodes)

    def expandable(self, index: int) -> bool:
        """Whether there is something below this row."""
        return len(self.children(self.nodes[index])) > 0

    def end(self, index: int) -> int:
        """The first row after this one and all below it."""
        node = self.nodes[index]
        while node is not self.root and node.above is not None:
            siblings = self.children(node.above)
            after = siblings.index(node) + 1
            if after < len(siblings):
                return self.nodes.index(siblings[after], index + 1)
            node = node.above
        return len(self.nodes)

    def parent(self, index: int) -> int:
        """The row of the parent; the root is its own."""
        parent = self.nodes[index].above
        return index if index == 0 or parent is None else self.nodes.index(parent, 0, index)

    def sibling(self, index: int, step: int) -> int:
        """The next sibling's row (`step` 1) or the previous one's (-1); the row itself where there is none."""
        node = self.nodes[index]
        if index == 0 or node.above is None:
            return index
        siblings = self.children(node.above)
        wanted = siblings.index(node) + step
        if not 0 <= wanted < len(siblings):
            return index
        return self.nodes.index(siblings[wanted])

    def expand(self, index: int) -> None:
        """Show what lies directly below this row, and below that what was expanded before."""
        node = self.nodes[index]
        if node not in self.expanded and self.children(node):
            self.expanded.add(node)
            folded = self._folded.pop(node, None)
            if folded is None:
                self._splice(index, index + 1)
            else:
                self.nodes[index + 1 : index + 1], self.depths[index + 1 : index + 1] = folded

    def collapse(self, index: int) -> None:
        """Hide what lies below this row."""
        node = self.nodes[index]
        if node in self.expanded:
            end = self.end(index)
            self.expanded.remove(node)
            if sum(len(nodes) for nodes, _ in self._folded.values()) > MOST_FOLDED:
                self._folded.clear()
            self._folded[node] = self.nodes[index + 1 : end], self.depths[index + 1 : end]
            del self.nodes[index + 1 : end], self.depths[index + 1 : end]

    def expand_siblings(self, index: int) -> int:
        """Expand this row and its siblings; where this row is afterwards."""
        return self._fold_siblings(index, self.expanded.update)

    def collapse_siblings(self, index: int) -> int:
        """Collapse this row and its siblings; where this row is afterwards."""
        return self._fold_siblings(index, self.expanded.difference_update)

    def expand_all(self, index: int) -> None:
        """Show everything at or below this row."""
        end = self.end(index)
        self.expanded.update(self._parents(self.nodes[index]))
        self._splice(index, end)

    def collapse_all(self, index: int) -> None:
        """Collapse everything below this row; where all of that is collapsed already, the row itself."""
        end = self.end(index)
        node = self.nodes[index]
        before = len(self.expanded)
        was_expanded = node in self.expanded
        self.expanded.difference_update(self._parents(node))
        if was_expanded and before - len(self.expanded) > 1:
            self.expanded.add(node)
        self._splice(index, end)

    def reveal(self, node: Node) -> int:
        """Expand what hides this node; its row."""
        hidden_by = node.above
        outermost: Node | None = None
        while hidden_by is not None and node is not self.root:
            if hidden_by not in self.expanded:
                outermost = hidden_by
                self.expanded.add(hidden_by)
            if hidden_by is self.root:
                break
            hidden_by = hidden_by.above
        if outermost is not None:
            index = self.nodes.index(outermost)
            self._splice(index, index + 1)
        return self.nodes.index(node)

    def expand_to(self, height: int) -> None:
        """Expand level by level as far as all rows fit into `height`: of siblings all or none, and the root in any case."""
        families = [[self.root]]
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
        self._splice(0, len(self.nodes))

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
        rows._splice(0, 1)
        while (found := place.of(node)) is None:
            assert node.above is not None
            node = node.above
        return rows, found

    def with_children(self, children: Children) -> Rows:
        """The rows of the same tree, expanded as this one, with other children below its nodes."""
        rows = Rows(self.root, children)
        rows.expanded = {node for node in self.expanded if children(node)}
        rows._splice(0, 1)
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
        node = self.nodes[index]
        top = self.parent(index)
        end = self.end(top)
        siblings = self.children(node.above) if index and node.above is not None else [node]
        fold([sibling for sibling in siblings if self.children(sibling)])
        self._splice(top, end)
        return self.nodes.index(node, top)

    def _splice(self, index: int, end: int) -> None:
        """Replace the rows between `index` and `end` by what is visible below the row at `index` now."""
        self._folded.clear()
        nodes: list[Node] = []
        depths: list[int] = []
        expanded, children = self.expanded, self.children
        stack: list[Node] = []
        levels: list[int] = []

        def go_below(node: Node, depth: int) -> None:
            below = children(node)
            if expanded.isdisjoint(below):
                # Most rows are: parameters by the thousand.
                nodes.extend(below)
                depths.extend([depth] * len(below))
            else:
                stack.extend(reversed(below))
                levels.extend([depth] * len(below))

        if self.nodes[index] in expanded:
            go_below(self.nodes[index], self.depths[index] + 1)
        while stack:
            node = stack.pop()
            depth = levels.pop()
            nodes.append(node)
            depths.append(depth)
            if node in expanded:
                go_below(node, depth + 1)
        self.nodes[index + 1 : end] = nodes
        self.depths[index + 1 : end] = depths
