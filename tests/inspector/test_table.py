"""Counting whole numbers: the same whether they are few or many, and however they are added up."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.statistics.table import Table

SIZE = 64
"""A table that few numbers fill."""

runs = st.lists(st.tuples(st.lists(st.integers(0, SIZE - 1), max_size=3 * SIZE), st.integers(1, 1 << 40)), max_size=4)


def counted(parts: list[tuple[list[int], int]]) -> tuple[Table, np.ndarray]:
    table, wanted = Table(SIZE), np.zeros(SIZE, np.int64)
    for places, times in parts:
        table.add(np.array(places, np.intp), times)
        wanted += np.bincount(np.array(places, np.intp), minlength=SIZE) * times
    return table, wanted


def told(table: Table) -> np.ndarray:
    places, counts = table.found()
    assert (np.diff(places) > 0).all()
    assert (counts > 0).all()
    made = np.zeros(SIZE, np.int64)
    made[places] = counts
    return made


@settings(max_examples=150, deadline=None)
@given(runs, st.integers(0, SIZE // 2))
def test_it_counts_what_bincount_counts(parts: list[tuple[list[int], int]], limit: int) -> None:
    table, wanted = counted(parts)
    assert (told(table) == wanted).all()
    assert table.below(limit) == wanted[:limit].sum() + wanted[SIZE // 2 : SIZE // 2 + limit].sum()


@settings(max_examples=100, deadline=None)
@given(runs, runs)
def test_two_add_up_to_one_directly_and_by_what_they_tell(
    one: list[tuple[list[int], int]], other: list[tuple[list[int], int]]
) -> None:
    wanted = told(counted(one + other)[0])
    directly, told_of = counted(one)[0], counted(one)[0]
    second, _ = counted(other)
    directly.add_counts(*second.found())
    told_of.add_state(json.loads(json.dumps(second.state())))
    assert (told(directly) == wanted).all()
    assert (told(told_of) == wanted).all()


def test_few_numbers_take_no_table() -> None:
    table = Table(1 << 30)
    table.add(np.array([5, 1 << 29, 5]))
    assert [part.tolist() for part in table.found()] == [[5, 1 << 29], [2, 1]]
