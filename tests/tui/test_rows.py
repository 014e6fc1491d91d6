"""The visible rows of a tree, against a walk that is obviously right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.nodes import Node, Tensor
from tests.tui.trees import tree
from tui.rows import Rows

ENTRIES = st.recursive(
    st.just((2,)),
    lambda below: st.dictionaries(st.sampled_from("abcdef"), below, max_size=5),
    max_leaves=25,
)


def visible(root: Node, expanded: set[Node]) -> list[tuple[Node, int]]:
    """What is to be seen, by the definition: a node, and if it is expanded what is below."""
    rows: list[tuple[Node, int]] = []

    def walk(node: Node, depth: int) -> None:
        rows.append((node, depth))
        if node in expanded:
            for child in node.children:
                walk(child, depth + 1)

    walk(root, 0)
    return rows


def rows_of(rows: Rows) -> list[tuple[Node, int]]:
    return [rows[index] for index in range(len(rows))]


FOLDS = ("expand", "collapse", "expand_siblings", "collapse_siblings", "expand_all", "collapse_all")


@given(
    st.dictionaries(st.sampled_from("abcdef"), ENTRIES, max_size=5),
    st.lists(st.tuples(st.sampled_from(FOLDS), st.integers(0, 99)), max_size=12),
)
def test_after_any_folding_the_rows_are_those_of_a_walk(entries: dict[str, Any], folds: list[tuple[str, int]]):
    root = tree(entries)
    rows = Rows(root)
    for fold, number in folds:
        getattr(rows, fold)(number % len(rows))
        assert list(rows) == rows_of(rows) == visible(root, rows.expanded)


@given(st.dictionaries(st.sampled_from("abcdef"), ENTRIES, max_size=5), st.integers(0, 99))
def test_moving_finds_the_rows_that_a_scan_finds(entries: dict[str, Any], number: int):
    rows = Rows(tree(entries))
    rows.expand_all(0)
    index = number % len(rows)
    nodes, depths = zip(*rows, strict=True)
    deeper = [row for row in range(index + 1, len(rows)) if depths[row] <= depths[index]]
    assert rows.end(index) == (deeper[0] if deeper else len(rows))
    above = [row for row in range(index) if depths[row] == depths[index] - 1]
    assert rows.parent(index) == (above[-1] if above else 0)
    sibling = rows.sibling(index, 1)
    if sibling != index:
        assert rows.sibling(sibling, -1) == index
        assert nodes[sibling].parent is nodes[index].parent


@given(st.dictionaries(st.sampled_from("abcdef"), ENTRIES, max_size=5))
def test_stepping_visits_every_tensor_in_the_files_order_and_back(entries: dict[str, Any]):
    root = tree(entries)
    rows = Rows(root)
    tensors = list(root.tensors())
    there, node = [], rows.after(root, 1, Tensor)
    while node is not None:
        there.append(node)
        node = rows.after(node, 1, Tensor)
    assert there == tensors
    back, node = [], there[-1] if there else None
    while node is not None:
        back.append(node)
        node = rows.after(node, -1, Tensor)
    assert back == tensors[::-1]


@pytest.fixture
def rows() -> Rows:
    layer = {"weight": (4, 4), "bias": (4,)}
    return Rows(tree({"embed": {"weight": (9, 4)}, "layers": {"0": layer, "1": layer, "2": layer}, "step": 3}))


def labels(rows: Rows) -> list[str]:
    return [node.label for node, _ in rows][1:]


def test_at_first_as_much_is_expanded_as_fits_and_siblings_alike(rows: Rows):
    rows.expand_to(9)
    assert labels(rows) == ["embed", "weight", "layers", "0", "1", "2", "step"]


def test_everything_is_expanded_where_everything_fits(rows: Rows):
    rows.expand_to(14)
    assert len(rows) == 14


def test_what_stands_alone_is_expanded_however_long_it_is():
    rows = Rows(tree({"state_dict": {str(number): (2,) for number in range(50)}}))
    rows.expand_to(20)
    assert len(rows) == 52


def test_what_was_expanded_below_is_still_so_after_collapsing_and_expanding(rows: Rows):
    rows.expand_all(0)
    everything = labels(rows)
    rows.collapse(0)
    assert labels(rows) == []
    rows.expand(0)
    assert labels(rows) == everything


def test_collapsing_all_below_leaves_the_row_open_and_then_closes_it(rows: Rows):
    rows.expand_all(0)
    rows.collapse_all(0)
    assert labels(rows) == ["embed", "layers", "step"]
    rows.collapse_all(0)
    assert labels(rows) == []


def test_revealing_expands_only_what_hides_the_node(rows: Rows):
    node = rows.root.children[1].children[1].children[0]
    index = rows.reveal(node)
    assert rows[index][0] is node
    assert labels(rows) == ["embed", "layers", "0", "1", "weight", "bias", "2", "step"]


def test_a_filter_leaves_children_out_of_everything(rows: Rows):
    kept = Rows(rows.root, lambda node: [child for child in node.children if child.label not in ("bias", "embed")])
    kept.expand_all(0)
    assert labels(kept) == ["layers", "0", "weight", "1", "weight", "2", "weight", "step"]
    assert kept[kept.sibling(1, 1)][0].label == "step"


def test_revealing_what_is_left_out_goes_to_what_is_nearest_above_it(rows: Rows):
    kept = Rows(rows.root, lambda node: [child for child in node.children if child.label not in ("bias", "1")])
    hidden = rows.root.children[1].children[1].children[0]
    assert kept[kept.reveal(hidden)][0].label == "layers"
    assert labels(kept) == ["embed", "layers", "step"]
