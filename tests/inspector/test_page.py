"""A tensor as a page: whatever is shown and wherever it stands, a cell is the element that its index says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.window.page import Page

SIZES = st.one_of(st.integers(1, 5), st.sampled_from([10, 11, 4096, 2**31, 2**62]))
SHAPES = st.lists(SIZES, max_size=5).map(tuple)
SMALL_SHAPES = st.lists(st.integers(1, 23), max_size=4).map(tuple)


@st.composite
def pages(draw, shapes=SHAPES):
    """Any page of any tensor: two of its axes, or one that is wrapped, and the others anywhere."""
    shape = draw(shapes)
    page = Page.of(shape)
    if len(shape) > 1 and draw(st.booleans()):
        rows, columns = draw(st.permutations(range(len(shape))))[:2]
        page = page.showing(rows, columns)
    elif shape and draw(st.booleans()):
        page = page.showing(None, draw(st.sampled_from(range(len(shape)))))
    return page.at(tuple(draw(st.integers(0, size - 1)) for size in shape))


@st.composite
def cells(draw, shapes=SHAPES):
    page = draw(pages(shapes))
    row = draw(st.integers(0, page.height - 1))
    return page, row, draw(st.integers(0, page.row_width(row) - 1))


@given(cells())
def test_a_cell_is_found_again_by_its_index(cell):
    page, row, column = cell
    index = page.index(row, column)
    assert all(0 <= place < size for place, size in zip(index, page.shape, strict=True))
    assert page.cell(index) == (row, column)
    assert page.at(index) == page


@given(pages())
def test_a_page_has_as_many_cells_as_its_axes_have_elements(page):
    last = page.height - 1
    assert last * page.width + page.row_width(last) == math.prod(page.shape[axis] for axis in page.shown)


@given(pages(SMALL_SHAPES), st.data())
def test_the_values_of_a_window_stand_where_the_page_says(page, data):
    tensor = np.arange(math.prod(page.shape)).reshape(page.shape)
    top, left = data.draw(st.integers(0, page.height - 1)), data.draw(st.integers(0, page.width - 1))
    window = page.window(range(top, top + 7), range(left, left + 4))
    block = tensor[window.selection]
    for row in window.rows:
        line = page.window(range(row, row + 1), window.columns)
        values = block[window.part(line)].reshape(-1).tolist()
        columns = line.columns[: page.row_width(row)]
        assert values == [tensor[page.index(row, column)] for column in columns]


@given(pages(SMALL_SHAPES), st.data())
def test_the_expression_of_a_window_gives_what_is_seen(page, data):
    tensor = np.arange(math.prod(page.shape)).reshape(page.shape)
    top, left = data.draw(st.integers(0, page.height - 1)), data.draw(st.integers(0, page.width - 1))
    window = page.window(range(top, top + 3), range(left, left + 3))
    seen = eval(f"tensor{page.expression(window)}")
    first = seen.reshape(-1)[0]
    assert first == tensor[page.index(window.rows.start, window.columns.start)]
    if not page.wrapped and page.columns is not None:
        assert seen.shape == (len(window.rows), len(window.columns))


@given(cells())
def test_going_to_the_index_of_a_cell_goes_to_the_cell(cell):
    page, row, column = cell
    assert page.find(str(list(page.index(row, column))), 0, 0) == (page, row, column)


@given(cells())
def test_counting_from_the_end_goes_to_the_same_cell(cell):
    page, row, column = cell
    backwards = [place - size for place, size in zip(page.index(row, column), page.shape, strict=True)]
    assert page.find(f" [ {', '.join(map(str, backwards))} ] ", 0, 0) == (page, row, column)


@given(cells(), st.data())
def test_making_an_axis_the_rows_or_columns_shows_it_there(cell, data):
    page, _, _ = cell
    if len(page.shape) < 2:
        return
    axis = data.draw(st.sampled_from(range(len(page.shape))))
    rows, columns = page.with_rows(axis), page.with_columns(axis)
    assert rows.rows == axis
    assert columns.columns == axis
    for other in (rows, columns):
        assert len(set(other.shown)) == 2
        assert set(page.shown) & set(other.shown)


@given(pages(), st.text(alphabet="0123456789-+:,.[] ax", max_size=12))
def test_what_a_person_types_leads_to_a_cell_or_to_one_line(page, text):
    try:
        found, row, column = page.find(text, 0, 0)
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert 0 <= row < found.height
        assert 0 <= column < found.row_width(row)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((), ()),
        ((4096,), (0,)),
        ((50_000, 4096), (0, 1)),
        ((64, 3, 7, 7), (2, 3)),
        ((256, 64, 1, 1), (0, 1)),
        ((1, 512), (1,)),
        ((4096, 1, 1), (0,)),
        ((1, 4), (0, 1)),
        ((4, 1), (0, 1)),
        ((1, 1, 1), (1, 2)),
        ((0, 4), (0, 1)),
    ],
)
def test_the_first_page_shows_the_last_axes_that_have_something_to_show(shape, shown):
    assert Page.of(shape).shown == shown


def test_an_index_says_where_the_other_axes_stand():
    page = Page.of((8, 3, 7, 5)).showing(1, 3).at((3, 0, 0, 0))
    assert page.expression() == "[3, :, 0, :]"
    assert page.expression(page.window(range(2), range(1, 5))) == "[3, 0:2, 0, 1:5]"
    turned = page.transposed()
    assert turned.expression(turned.window(range(1, 5), range(2))) == "[3, 0:2, 0, 1:5].T"


def test_a_wrapped_axis_is_labelled_by_its_first_elements():
    page = Page.of((25,))
    assert [page.row_label(row) for row in range(page.height)] == [0, 10, 20]
    assert page.row_width(2) == 5
    assert page.window(range(1, 9), range(3, 4)).selection == (slice(10, 25),)


@pytest.mark.parametrize(
    ("text", "expression", "cell"),
    [
        ("3,17", "[0, 0, :, :]", (3, 17)),
        ("3", "[0, 0, :, :]", (3, 2)),
        ("-1, -1", "[0, 0, :, :]", (29, 19)),
        ("[0, 3, :, 2]", "[0, 3, :, :]", (1, 2)),
        ("1, 2, 3, 4", "[1, 2, :, :]", (3, 4)),
        ("[1, ...]", "[1, 0, :, :]", (1, 2)),
        ("[1]", "[1, 0, :, :]", (1, 2)),
        ("[..., 5]", "[0, 0, :, :]", (1, 5)),
        ("[:, :, 4, 5]", "[:, :, 4, 5]", (0, 0)),
        ("[:, 1, 4, 5]", "[0, 1, :, 5]", None),
    ],
)
def test_an_index_is_understood_as_in_python(text, expression, cell):
    page = Page.of((6, 8, 30, 20))
    found, row, column = page.find(text, 1, 2)
    if cell is None:
        assert found.rows == 2
        assert found.columns == 0
    else:
        assert (found.expression(), (row, column)) == (expression, cell)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("30,0", "30 is outside the rows: 0 to 29"),
        ("[0, 8, 0, 0]", "8 is outside axis 1: 0 to 7"),
        ("1,2,3", "3 numbers for a tensor of 4 axes"),
        ("", "0 numbers for a tensor of 4 axes"),
        ("a,b", "'a' is no index: write row,column or one number or : for each axis"),
        ("1:3,0", "'1:3' is no index: write row,column or one number or : for each axis"),
        ("..., ...", "... can stand only once"),
        ("9" * 5000, None),
    ],
)
def test_what_is_no_index_is_said_in_one_line(text, wrong):
    with pytest.raises(ValueError) as error:
        Page.of((6, 8, 30, 20)).find(text, 0, 0)
    assert wrong is None or str(error.value) == wrong
    assert len(str(error.value)) < 100


def test_an_empty_tensor_has_no_cells_to_go_to():
    page = Page.of((0, 4))
    assert (page.height, page.width) == (0, 0)
    with pytest.raises(ValueError, match="no elements"):
        page.find("0,0", 0, 0)
