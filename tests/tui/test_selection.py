"""What a filter leaves is what asking one node after the other would leave, whatever the tree and the filter."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.counting import count
from inspector.inventory import take
from inspector.nodes import Module, Node, Tensor, Value
from inspector.query import Query
from inspector.storage import Storage
from tests.tui.trees import fill, memory, tensor
from tui.index import Index

Asked = tuple[str, Callable[[Node, str], bool | None]]
"""A filter, and what it says of one node and its name; None where that can't be said."""

LABELS = st.sampled_from(["fc", "Fc", "a.b", "weight", "running_mean", "x[0]", "7", "", "İ", "no\nline", "\x1b", "ς"])


def nobody(part: float) -> None:
    """Nobody waits."""


def words() -> st.SearchStrategy[Asked]:
    def asked(wanted: str) -> Asked:
        def fits(node: Node, name: str) -> bool:
            text = name if wanted != wanted.lower() else name.lower()
            return wanted in text or (any(mark in wanted for mark in "*?[") and fnmatch.fnmatchcase(text, wanted))

        return wanted, fits

    pieces = st.sampled_from(["fc", "F", ".", "w", "*", "?", "[0]", "7", "e", "."])
    return st.lists(pieces, min_size=1, max_size=4).map("".join).map(asked)


def expressions() -> st.SearchStrategy[Asked]:
    def asked(pattern: str) -> Asked:
        # Long names are searched from their end.
        return f"/{pattern}/", lambda node, name: re.search(pattern, name[-150:], flags(pattern)) is not None

    def flags(pattern: str) -> int:
        return 0 if any(map(str.isupper, re.sub(r"\\.", "", pattern))) else re.IGNORECASE

    return st.sampled_from(
        ["^fc", "F.", "[.]w", r"\.b|7$", "[^a-z.]", r"\W$", "i", "[@-_]", "^$", "a.*h", r"x\[", "ſ", "(f)c"]
    ).map(asked)


def fields() -> st.SearchStrategy[Asked]:
    def of_tensors(get: Callable[[Tensor], bool]) -> Callable[[Node, str], bool | None]:
        return lambda node, name: get(node) if isinstance(node, Tensor) else None

    def kind(node: Node, name: str) -> bool:
        return isinstance(node, Value)

    def holder(node: Node, name: str) -> bool | None:
        module = node.parent if isinstance(node, Tensor) else node
        return module.isinstance("Linear") if isinstance(module, Module) else None

    numbers = st.tuples(st.sampled_from([("<", operator.lt), (">=", operator.ge), ("=", operator.eq)]), st.integers(0, 8))
    return st.one_of(
        numbers.map(lambda one: (f"numel{one[0][0]}{one[1]}", of_tensors(lambda node: one[0][1](node.numel, one[1])))),
        numbers.map(lambda one: (f"bytes{one[0][0]}{one[1]}", of_tensors(lambda node: one[0][1](node.nbytes, one[1])))),
        st.integers(0, 3).map(lambda size: (f"shape~{size}", of_tensors(lambda node: size in node.shape))),
        st.just(("shape=[*, 2]", of_tensors(lambda node: len(node.shape) == 2 and node.shape[1] == 2))),
        st.just(("dtype:f32", of_tensors(lambda node: True))),
        st.just(("dtype!=f32", of_tensors(lambda node: False))),
        st.just(("kind:value", kind)),
        st.just(("type:Linear", holder)),
        st.just(("nan>0", of_tensors(lambda node: node.shape[0] == 1 if node.shape else None))),  # type: ignore[arg-type, return-value]
    )


def negated(one: Asked) -> Asked:
    def fits(node: Node, name: str) -> bool | None:
        found = None if isinstance(node, Module) else one[1](node, name)
        return None if found is None else not found

    return f"not ({one[0]})", fits


def joined(word: str, decides: bool) -> Callable[[list[Asked]], Asked]:
    """Several with `and` or `or` between them: one that says `decides` decides, else any that is unknown."""

    def join(several: list[Asked]) -> Asked:
        def fits(node: Node, name: str) -> bool | None:
            found = [one(node, name) for _, one in several]
            return decides if decides in found else None if None in found else not decides

        return word.join(f"({text})" for text, _ in several), fits

    return join


QUERIES = st.recursive(
    words() | expressions() | fields(),
    lambda below: st.one_of(
        below.map(negated),
        st.lists(below, min_size=2, max_size=3).map(joined(" and ", False)),
        st.lists(below, min_size=2, max_size=3).map(joined(" or ", True)),
    ),
    max_leaves=5,
)

SHAPES = st.lists(st.integers(0, 3), max_size=2).map(tuple)

TREES = st.recursive(
    st.one_of(SHAPES, st.just("value"), st.just("shared")),
    lambda below: st.tuples(st.sampled_from(["dict", "torch.nn.Linear"]), st.dictionaries(LABELS, below, max_size=4)),
    max_leaves=15,
)


def planted(made: Any) -> Module:
    """A tree of what was drawn; what is shared is one tensor in several places."""
    shared = memory(24)

    def entries(drawn: dict[str, Any], parent: Module) -> None:
        for key, entry in drawn.items():
            if isinstance(entry, tuple) and entry and isinstance(entry[0], str):
                module = Module(entry[0], "layer" if "nn" in entry[0] else "container", key, parent)
                parent.children.append(module)
                entries(entry[1], module)
            else:
                fill(parent, {key: tensor((2, 3), shared) if entry == "shared" else entry})

    root = Module("dict")
    entries({"root": made, "again": made}, root)
    count(take(root))
    return root


@given(TREES, QUERIES)
@settings(max_examples=250, deadline=None)
def test_a_selection_is_what_asking_each_node_gives(made: Any, asked: Asked):
    text, fits = asked
    root = planted(made)
    index = Index(root, nobody)

    class Figures:
        def __init__(self, of: Tensor) -> None:
            self.nan = int(of.shape[0] == 1)

    selection = index.select(Query(text, lambda of: Figures(of) if of.shape else None), nobody)  # type: ignore[arg-type, return-value]

    fitting = [number for number, node in enumerate(index.nodes) if number and fits(node, index.names[number])]
    kept = [0] * len(index.nodes)
    for number, parent in enumerate(index.parents):
        if number in fitting or (parent >= 0 and kept[parent] == 2):
            kept[number] = 2
            while parent >= 0 and not kept[parent]:
                kept[parent] = 1
                parent = index.parents[parent]
    assert list(selection.kept) == kept
    assert (selection.count, selection.first) == (len(fitting), index.nodes[fitting[0]] if fitting else None)
    for number, node in enumerate(index.nodes):
        if not isinstance(node, Module):
            continue
        assert [child for child in node.children if selection.keeps(child)] == list(selection.below(node))
        if kept[number] or number == 0:
            left = {place(one): one for one in node.tensors() if kept[index.number(one)]}
            parameters = [one for one in left.values() if one.kind == "tensor"]
            assert selection.totals[node][1] == sum(one.nbytes for one in left.values())
            assert selection.totals[node][0] <= sum(one.numel for one in parameters)
        else:
            assert node not in selection.totals


def place(one: Tensor) -> tuple[Storage | None, int]:
    return one.storage, one.offset


def test_the_totals_are_exact_beyond_sixty_four_bits():
    root = Module("dict")
    fill(root, {"a": {"x": tensor((1 << 40, 1 << 40), memory(8)), "y": tensor((3,))}, "b": tensor((1 << 62,), memory(8))})
    count(take(root))
    selection = Index(root, nobody).select(Query("x or b"), nobody)
    assert selection.totals[root] == ((1 << 80) + (1 << 62), 4 * ((1 << 80) + (1 << 62)))
