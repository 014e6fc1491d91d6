"""Search, filter and survey over all names of a tree."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.counting import count
from inspector.inventory import take
from inspector.nodes import Module
from inspector.query import Query
from tests.tui.trees import memory, tensor, tree
from tui.index import Index, survey


def nobody(part: float) -> None:
    """Nobody waits."""


MODEL = {
    "model": {"fc1": {"weight": (4, 1), "bias": (4,)}, "Fc2": {"weight": (8, 2)}},
    "weights": {"note": "text"},
}


@pytest.fixture
def index() -> Index:
    return Index(tree(MODEL), nobody)


def found(index: Index, wanted: str) -> list[str]:
    return [index.names[number] for number in index.search(wanted, nobody)]


def test_a_search_finds_the_name_where_it_is_not_all_that_lies_below(index: Index):
    assert found(index, "fc1") == ["model.fc1"]
    assert found(index, "weight") == ["model.fc1.weight", "model.Fc2.weight", "weights"]


def test_a_search_may_span_several_labels(index: Index):
    assert found(index, "fc1.w") == ["model.fc1.weight"]
    assert found(index, "l.fc") == ["model.fc1", "model.Fc2"]


def test_capitals_count_only_where_the_person_types_one(index: Index):
    assert found(index, "fc2") == ["model.Fc2"]
    assert found(index, "FC2") == []


@given(
    st.recursive(
        st.just((1,)),
        lambda below: st.dictionaries(st.text("abAB.İß\n", max_size=3), below, max_size=4),
        max_leaves=12,
    ).filter(lambda entry: isinstance(entry, dict)),
    st.text("abA.i", min_size=1, max_size=3),
)
def test_a_search_finds_what_a_loop_over_the_names_finds(entries: dict[str, Any], wanted: str):
    index = Index(tree(entries), nobody)
    expected = []
    for number, node in enumerate(index.nodes):
        name, label = index.names[number].replace("\n", "\\n"), node.label.replace("\n", "\\n")
        if wanted == wanted.lower():
            name, label = name.lower(), label.lower()
        before = len(name) - len(label)
        if number and wanted in name[max(0, before - len(wanted) + 1) :]:
            expected.append(number)
    assert index.search(wanted, nobody) == expected


def test_a_name_is_completed_from_its_beginning(index: Index):
    assert index.starting_with("model.f") == "model.fc1"
    assert index.starting_with("model.fc1.b") == "model.fc1.bias"
    assert index.starting_with("nothing") == ""


def left(index: Index, query: str) -> list[str]:
    selection = index.select(Query(query), nobody)
    return [index.names[number] for number, kept in enumerate(selection.kept) if kept and number]


def test_a_filter_leaves_what_fits_with_all_below_it_and_the_modules_above(index: Index):
    assert left(index, "bias") == ["model", "model.fc1", "model.fc1.bias"]
    assert left(index, "*.fc?") == [
        "model", "model.fc1", "model.fc1.weight", "model.fc1.bias", "model.Fc2", "model.Fc2.weight",
    ]  # fmt: skip


def test_the_totals_of_a_filter_are_those_of_what_is_left(index: Index):
    selection = index.select(Query("*.weight"), nobody)
    root, model = index.nodes[:2]
    assert selection.totals[root] == selection.totals[model] == (20, 80)
    assert selection.count == 2
    assert selection.first is index.nodes[3]


def test_a_filter_that_fits_nothing_leaves_only_the_root(index: Index):
    selection = index.select(Query("nothing"), nobody)
    assert (selection.count, selection.first, list(selection.below(index.nodes[0]))) == (0, None, [])
    assert selection.totals == {index.nodes[0]: (0, 0)}


def test_with_a_filter_that_fits_everything_the_totals_are_the_modules_own():
    shared = memory(64)
    root = tree(
        {
            "a": {"x": tensor((4, 4), shared), "y": tensor((4, 4), shared), "z": (3,)},
            "b": {"running_mean": (5,), "x": tensor((4, 4), shared)},
            "optimizer": {"state": {"0": {"exp_avg": (7,)}}, "param_groups": {}},
        }
    )
    selection = Index(root, nobody).select(Query("*"), nobody)
    for node in root.walk():
        if isinstance(node, Module) and node in selection.totals:
            assert selection.totals[node] == (node.numel, node.nbytes), node.name


def test_a_survey_knows_tied_tensors_from_those_that_only_share_a_storage():
    shared = memory(64)
    root = tree(
        {
            "one": tensor((4, 4), shared),
            "other": tensor((4, 4), shared),
            "part": tensor((2, 4), shared, offset=8),
            "alone": (4, 4),
        }
    )
    one, other, part, alone = root.tensors()
    found = survey(root, nobody)
    assert found.tied == {one, other}
    assert found.together[part] == [one, other, part]
    assert alone not in found.together
    assert found.dtypes == {"float32": 4}


def test_a_deep_tree_takes_no_recursion_and_no_square_of_memory():
    root = Module("dict")
    node = root
    for _ in range(20_000):
        child = Module("dict", key="a", parent=node)
        node.children.append(child)
        node = child
    node.children.append(tensor((2,), key="end", parent=node))
    count(take(root))
    index = Index(root, nobody)
    assert sum(map(len, index.names)) < 20_000_000
    assert index.search("end", nobody) == [20_001]
    assert index.select(Query("end"), nobody).totals[root] == (2, 8)


def test_globs_match_as_python_matches_them(index: Index):
    expected = [name for name in index.names[1:] if fnmatch.fnmatchcase(name, "model.*.weight")]
    kept = index.select(Query("model.*.weight"), nobody).kept
    assert [name for name, how in zip(index.names, kept, strict=True) if how == 2] == expected
