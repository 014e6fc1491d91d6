"""Lines of the screen: exactly as wide as they should be, and without anything a terminal would act on."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from inspector.nodes import Module
from tests.tui.trees import tensor, tree
from tui.figures import plural, shape_text, short_count, short_size
from tui.lines import cells, cut, cut_middle, safe, spread, width_of, wrap
from tui.widgets.tree_line import Look, header_line, tree_line

TEXTS = st.text(st.sampled_from("abc .é漢字🎉\u0301\x1b\u202e\u200b"), max_size=60)
HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202e]")


@given(TEXTS, st.integers(0, 40))
def test_a_text_is_cut_to_at_most_its_width(text: str, width: int):
    for shortened in (cut(safe(text), width), cut_middle(safe(text), width)):
        assert cells(shortened) <= width
        assert cells(safe(text)) > width or shortened == safe(text)


def test_a_name_that_is_cut_keeps_both_ends():
    assert cut_middle("encoder.layers.0.weight", 15) == "encoder….weight"
    assert cut("a long value", 6) == "a lon…"


@given(TEXTS)
def test_nothing_that_a_terminal_acts_on_is_left(text: str):
    assert not HARMFUL.search(safe(text))


def test_a_text_of_any_length_is_bounded():
    assert len(safe("\x1b" * 1_000_000)) < 2000
    assert len(safe("a" * 1_000_000)) < 500


@given(TEXTS, st.integers(14, 40), st.integers(0, 4))
def test_wrapping_loses_nothing_but_blanks_and_keeps_to_the_width(text: str, width: int, indent: int):
    text = safe(text)
    pieces = wrap([("key ", "dim"), (text, "text")], width, indent)
    assert all(width_of(piece) <= width for piece in pieces)
    said = "".join("".join(part for part, _ in piece)[indent if number else 0 :] for number, piece in enumerate(pieces))
    assert said.replace(" ", "") == f"key {text}".replace(" ", "")


@given(st.text(max_size=80), st.text(max_size=40), st.integers(30, 120), st.integers(0, 60))
def test_every_row_of_the_tree_is_as_wide_as_the_tree(key: str, type: str, width: int, depth: int):
    root = tree({"module": {key: (3, 4)}})
    module = root.children[0]
    assert isinstance(module, Module)
    module.type = f"package.{type}"
    for node in (root, module, module.children[0]):
        line = tree_line(node, depth, width, node is not root, True, Look(root_label="model.pt"))
        assert width_of(line) == width
        assert not HARMFUL.search("".join(text for text, _ in line))


def test_a_row_of_the_tree_without_room_is_still_one():
    root = tree({"module": {"weight": (3, 4)}})
    for node in root.walk():
        for width in range(-1, 30):
            assert tree_line(node, 2, width, True, True, Look(root_label="model.pt"))


def test_a_long_name_leaves_its_kind_half_of_the_room():
    node = tensor((4096, 4096), key="weight_of_a_name_that_does_not_end_where_one_would_expect_it_to", parent=Module())
    line = "".join(text for text, _ in tree_line(node, 3, 80, False, False, Look()))
    assert "float32 [4096, 4096]" in line
    assert "…" in line


def test_a_very_deep_row_says_how_deep_it_is():
    line = "".join(text for text, _ in tree_line(tensor((2,), key="w", parent=Module()), 400, 60, False, False, Look()))
    assert re.search(r"⋯39\d ", line)
    assert " w " in line


def test_the_head_stands_over_the_columns():
    head = "".join(text for text, _ in header_line(60, "1/9", "*.weight", focused=True))
    row = "".join(text for text, _ in tree_line(tensor((10, 10), key="w", parent=Module()), 1, 59, False, False, Look()))
    assert "only *.weight" in head
    for column, figure in (("params", "100"), ("bytes", "400 B")):
        assert head.index(column) + len(column) == row.index(figure) + len(figure)


def test_two_texts_share_a_line_as_long_as_both_fit():
    left, right = [("left", "text")], [("right", "dim")]
    assert "".join(text for text, _ in spread(left, right, 12)) == "left   right"
    assert spread(left, right, 9) == left


def test_counts_and_sizes_are_short():
    assert [short_count(number) for number in (0, 999, 1000, 1234, 99_950, 999_499, 999_500, 66_400_000, 10**13)] == [
        "0", "999", "1.0K", "1.2K", "100K", "999K", "1.0M", "66.4M", "10.0T",
    ]  # fmt: skip
    assert [short_size(number) for number in (0, 28, 4_800_000, 1_000_000_000_000, 2**70)] == [
        "0 B", "28 B", "4.8 MB", "1.0 TB", "1181 EB",
    ]  # fmt: skip
    assert plural(1, "tensor") == "1 tensor"
    assert plural(1234, "tensor") == "1,234 tensors"


def test_a_shape_of_very_many_axes_is_cut():
    assert shape_text(()) == "[]"
    assert shape_text((4, 2, 2, 2)) == "[4, 2, 2, 2]"
    assert shape_text((1,) * 1000) == "[" + "1, " * 20 + "… 1000 axes]"
