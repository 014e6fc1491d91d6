"""Which elements of a tensor that is stored in pieces lie in none of them, against a mask of numpy's."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inspector.nodes import Tensor
from inspector.window.pieces import Piece, lacking, uncovered


def piece(offsets: tuple[int, ...], sizes: tuple[int, ...]) -> Piece:
    return Piece(offsets, sizes, lambda: Tensor("float32", sizes, sizes, None))


@st.composite
def layouts(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Piece]]:
    shape = tuple(draw(st.lists(st.integers(0, 6), max_size=4)))
    box = st.tuples(*(st.tuples(st.integers(0, size), st.integers(0, size + 2)) for size in shape))
    boxes = draw(st.lists(box, max_size=8))
    return shape, [piece(tuple(low for low, _ in box), tuple(size for _, size in box)) for box in boxes]


@given(layouts())
def test_exactly_the_elements_that_no_piece_holds_are_counted(layout: tuple[tuple[int, ...], list[Piece]]) -> None:
    shape, pieces = layout
    mask = np.ones(shape, bool)
    for part in pieces:
        mask[tuple(slice(low, low + size) for low, size in zip(part.offsets, part.sizes, strict=True))] = False
    assert uncovered(shape, pieces) == np.count_nonzero(mask)


def test_overlapping_pieces_whose_sizes_add_up_do_not_hide_a_gap() -> None:
    upper = piece((0, 0), (2, 3))
    assert lacking((4, 3), [upper, upper]) == ("only 6 of 12 elements are there",)
    assert lacking((4, 3), [upper, piece((2, 0), (2, 3))]) == ()


def test_a_grid_of_many_shards_is_told_in_a_few_cuts_of_each() -> None:
    grid = [piece((row, column), (1, 1)) for row, column in product(range(100), range(60))]
    assert uncovered((100, 60), grid[::-1]) == 0
    # Every second one is missing, and what is left stays small.
    assert uncovered((100, 60), grid[::2]) == 3000


def test_sizes_of_terabytes_are_counted_exactly() -> None:
    shards = [piece((number << 30, 0), (1 << 30, 1 << 20)) for number in range(1024) if number != 7]
    assert uncovered((1 << 40, 1 << 20), shards) == 1 << 50


def test_of_pieces_that_overlap_in_too_many_ways_that_is_said() -> None:
    chance = random.Random(0)
    heap = [piece(tuple(chance.choices(range(50), k=6)), tuple(chance.choices(range(1, 60), k=6))) for _ in range(2000)]
    assert lacking((100,) * 6, heap) == ("its 2000 pieces overlap in too many ways to see whether they cover it",)
