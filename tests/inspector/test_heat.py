"""Maps of a page: each cell against numpy over its elements, however the page is cut for reading."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.statistics import heat as module
from inspector.statistics.heat import Heat, Heating, heat
from inspector.window.page import Page
from tests.inspector.arrays import tensor_of

Array = np.ndarray[Any, Any]


def assert_cells(found: Heat, values: Array) -> None:
    """Every cell tells the truth about the elements of its rows and columns; `values` is the page, None where it ends."""
    assert found.rows[-1] == values.shape[0]
    assert found.columns[-1] == values.shape[1]
    for row in range(len(found.rows) - 1):
        for column in range(len(found.columns) - 1):
            part = values[found.rows[row] : found.rows[row + 1], found.columns[column] : found.columns[column + 1]]
            numbers = np.array([number for number in part.reshape(-1).tolist() if number is not None], np.float64)
            finite = numbers[np.isfinite(numbers)]
            assert found.nan[row, column] == np.isnan(numbers).sum()
            assert found.inf[row, column] == np.isinf(numbers).sum()
            if finite.size:
                assert abs(found.peak[row, column]) == np.abs(finite).max()
                assert found.peak[row, column] in finite
                assert found.mean[row, column] == pytest.approx(finite.mean(), abs=1e-12)
            else:
                assert math.isnan(found.peak[row, column])
                assert math.isnan(found.mean[row, column])


@st.composite
def pages(draw: st.DrawFn) -> tuple[Array, Page]:
    """Small arrays of up to 4 axes with all kinds of values, and any two axes of them."""
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=0, max_size=4)))
    kind = draw(st.sampled_from([np.float32, np.float16, np.int8]))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    array = np.asarray(random.standard_normal(shape) * 50).astype(kind)
    if np.dtype(kind).kind == "f":
        for value in (math.nan, math.inf, -math.inf):
            array[random.random(shape) < 0.1] = value
    page = Page.of(shape)
    if len(shape) > 1 and draw(st.booleans()):
        rows, columns = draw(st.permutations(range(len(shape))))[:2]
        page = page.showing(rows, columns)
    stand = tuple(draw(st.integers(0, size - 1)) for size in shape)
    page = page.at(stand)
    return array, replace(page, wrap=draw(st.integers(1, 5))) if page.wrapped else page


def page_of(array: Array, page: Page) -> Array:
    """The elements of a page as objects, None where a wrapped axis has ended."""
    found = np.full((page.height, page.width), None, object)
    for row in range(page.height):
        for column in range(page.row_width(row)):
            found[row, column] = array[page.index(row, column)].item()
    return found


@given(pages(), st.integers(1, 9), st.integers(1, 9), st.integers(1, 40))
def test_each_cell_is_that_of_its_elements(case: tuple[Array, Page], height: int, width: int, block: int) -> None:
    array, page = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = heat(tensor_of(array), page, height, width)
    assert found.peak.shape == (min(height, page.height), min(width, page.width))
    assert_cells(found, page_of(array, page))


def test_cells_have_almost_one_size() -> None:
    found = heat(tensor_of(np.zeros((100, 1000), np.float32)), Page.of((100, 1000)), 7, 30)
    assert set(np.diff(found.rows)) <= {14, 15}
    assert set(np.diff(found.columns)) <= {33, 34}


def test_complex_numbers_are_seen_by_their_magnitudes() -> None:
    found = heat(tensor_of(np.array([[3 + 4j, 0]], np.complex64)), Page.of((1, 2)), 1, 1)
    assert (found.peak[0, 0], found.mean[0, 0]) == (5, 2.5)


def test_a_page_without_elements_has_a_cell_of_nothing() -> None:
    found = heat(tensor_of(np.zeros((0, 5), np.float32)), Page.of((0, 5)), 4, 4)
    assert np.isnan(found.peak).all()


def test_what_is_known_so_far_can_be_seen_and_it_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 100)
    parts: list[float] = []

    class Enough(BaseException):
        pass

    def watch(part: float, heating: Heating) -> None:
        parts.append(part)
        if part == 0.5:
            so_far = heating.result()
            assert (so_far.peak[:2] == 1).all()
            assert np.isnan(so_far.peak[2:]).all()
            raise Enough

    with pytest.raises(Enough):
        heat(tensor_of(np.ones((40, 10), np.float32)), Page.of((40, 10)), 4, 2, watch)
    assert parts == [0.25, 0.5]
