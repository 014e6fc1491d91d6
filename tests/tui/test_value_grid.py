"""What a person reads in the grid and in the line over it, on tensors of every kind and size, however the reads go."""

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from textual.app import App

from inspector.nodes import Tensor
from inspector.storage import PLAIN, Quantization, Traits
from tui import theme
from tui.widgets import value_grid
from tui.widgets.axis_bar import AxisBar
from tui.widgets.value_grid import PATIENCE, ValueGrid


class Answer:
    def __init__(self, generation, array=None, error=""):
        self.generation = generation
        self.array = array
        self.error = error


class Host(App):
    """A grid under its axis bar, and in place of a file an array or a function of the index that is read."""

    CSS = "Screen { layout: vertical; } ValueGrid { height: 1fr; }"

    def __init__(self, values, dtype=None, shape=None, key="weight", traits=PLAIN, stored=None):
        super().__init__()
        self.grid = ValueGrid()
        self.bar = AxisBar()
        self.values = values
        self.stored = stored
        self.asked = []
        self.held = None
        self.broken_rows = range(0)
        self.cell = ""
        self.first = self.tensor(values, dtype, shape, key, traits)

    @staticmethod
    def tensor(values, dtype=None, shape=None, key="weight", traits=PLAIN):
        shape = values.shape if shape is None else shape
        return Tensor(dtype or values.dtype.name, shape, (0,) * len(shape), None, traits=traits, key=key)

    def compose(self):
        yield self.bar
        yield self.grid

    def on_mount(self):
        for one in theme.THEMES:
            self.register_theme(one)
        self.theme = "torchtui-dark"
        self.grid.tensor = self.first
        self.grid.focus()

    def on_value_grid_wanted(self, event):
        self.asked.append(event)
        if self.held is None:
            self.answer(event)
        else:
            self.held.append(event)

    def answer(self, event):
        rows = event.window.rows
        if rows.start < self.broken_rows.stop and self.broken_rows.start < rows.stop:
            self.grid.show(Answer(event.generation, error="data/7 ends at byte 100, 400 are needed"))
            return
        values = self.values if event.dequantize or self.stored is None else self.stored
        array = values(event.selection) if callable(values) else values[event.selection]
        self.grid.show(Answer(event.generation, np.asarray(array)))

    def on_value_grid_cell_moved(self, event):
        self.cell = event.text

    def on_value_grid_page_changed(self, event):
        self.bar.show_page(event.page, event.axis)

    def on_value_grid_axes_wanted(self):
        self.bar.focus()

    def on_axis_bar_changed(self, event):
        self.grid.show_page(event.page, event.axis)

    def on_axis_bar_done(self):
        self.grid.focus()

    @property
    def lines(self):
        """The screen without the scrollbars."""
        strips = self.screen._compositor.render_strips()[:-1]
        return [strip.text[: self.size.width - 1].rstrip() for strip in strips]

    @property
    def rows(self):
        """The words in each line of the grid, without the column numbers."""
        return [line.split() for line in self.lines[2:] if line.strip()]

    def style(self, text):
        """The style of the first piece of the screen that holds this text."""
        for strip in self.screen._compositor.render_strips():
            for segment in strip:
                if text in segment.text:
                    return segment.style
        raise AssertionError(f"{text!r} is not on the screen")


def show(values, *, size=(100, 20), **more):
    app = Host(values, **more)
    return app, app.run_test(size=size)


def weights(*shape, scale=1.0, dtype="float32"):
    return np.random.default_rng(0).normal(0, scale, shape).astype(dtype)


async def press(pilot, *keys):
    await pilot.press(*keys)
    await pilot.pause()


async def test_a_matrix_stands_under_its_column_numbers_beside_its_row_numbers():
    app, run = show(np.array([[0.5, -0.25], [0.125, 1.5]], "float32"))
    async with run as pilot:
        await pilot.pause()
        assert app.lines[1].split() == ["0", "1"]
        assert app.rows[:2] == [["0", "0.5000", "-0.2500"], ["1", "0.1250", "1.5000"]]
        starts = [line.rindex(" ") + len("-0.2500") for line in app.lines[1:4]]
        assert len({len(line) for line in app.lines[1:4]}) == 1, starts


async def test_the_line_about_the_cell_tells_its_index_and_exact_value():
    app, run = show(np.array([[0.1, 1e-30], [np.nan, 123456789]], "float32"))
    async with run as pilot:
        await pilot.pause()
        assert app.cell == "weight[0, 0] = 0.1"
        await press(pilot, "l")
        assert app.cell == "weight[0, 1] = 1e-30"
        await press(pilot, "j")
        assert app.cell == "weight[1, 1] = 1.2345679e+08"
        await press(pilot, "left")
        assert app.cell == "weight[1, 0] = nan"


async def test_keys_lead_to_the_ends_and_by_pages():
    values = np.arange(1000 * 300).reshape(1000, 300)
    app, run = show(values)
    async with run as pilot:
        await pilot.pause()
        for keys, place in [
            (["G"], (999, 0)),
            (["$"], (999, 299)),
            (["g"], (0, 299)),
            (["0"], (0, 0)),
            (["end"], (0, 299)),
            (["home"], (0, 0)),
            (["pagedown"], (17, 0)),
            (["pagedown", "pageup", "j"], (18, 0)),
            (["ctrl+d"], (26, 0)),
            (["ctrl+u"], (18, 0)),
            (["L"], (18, 10)),
            (["H"], (18, 0)),
            (["k", "up", "down", "right"], (17, 1)),
        ]:
            await press(pilot, *keys)
            assert app.cell == f"weight[{place[0]}, {place[1]}] = {values[place]}"
            assert str(values[place]) in " ".join(map(" ".join, app.rows))


async def test_indices_stay_in_sight_wherever_one_is():
    app, run = show(np.arange(1000 * 300).reshape(1000, 300))
    async with run as pilot:
        await press(pilot, "G", "$")
        assert app.lines[1].split()[-1] == "299"
        assert app.rows[-1][0] == "999"
        assert app.rows[-1][-1] == "299999"


async def test_a_bias_is_wrapped_into_rows_of_ten_labelled_by_their_first():
    values = np.arange(4096, dtype="float32") / 4096
    app, run = show(values)
    async with run as pilot:
        await pilot.pause()
        assert app.lines[1].split() == [str(column) for column in range(10)]
        assert [row[0] for row in app.rows[:3]] == ["0", "10", "20"]
        assert app.rows[1][2] == "0.00269"
        await press(pilot, "$", "l")
        assert app.cell.startswith("weight[10] = ")
        await press(pilot, "G")
        assert app.rows[-1] == ["4090", "0.99854", "0.99878", "0.99902", "0.99927", "0.99951", "0.99976"]
        assert "axis 0 of size 4096, wrapped" in app.lines[0]


async def test_in_a_narrow_pane_rows_are_shorter():
    app, run = show(np.arange(100), size=(80, 20))
    async with run as pilot:
        await pilot.pause()
        assert [row[0] for row in app.rows[:3]] == ["0", "8", "16"]
        await press(pilot, "j", "l")
        await pilot.resize_terminal(120, 20)
        await pilot.pause()
        assert [row[0] for row in app.rows[:3]] == ["0", "10", "20"]
        assert app.cell == "weight[9] = 9"


async def test_a_scalar_is_one_cell():
    app, run = show(np.array(7))
    async with run as pilot:
        await pilot.pause()
        assert app.rows == [["0", "7"]]
        assert app.cell == "weight = 7"
        app.bar.focus()
        await press(pilot, "w", "r", "c", "l", "k", "enter", "j", "l", "t", "greater_than_sign", "pagedown")
        assert app.rows == [["0", "7"]]
        assert "0-D, one element" in app.lines[0]


async def test_an_empty_tensor_says_so():
    app, run = show(np.zeros((0, 4)))
    async with run as pilot:
        await pilot.pause()
        assert app.lines[1] == " empty: shape [0, 4]"
        await press(pilot, "j", "G", "t", "greater_than_sign", "a", "c", "plus", "L")
        assert app.lines[1] == " empty: shape [0, 4]"
        assert app.asked == []


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (np.array([[True, False]]), ["True", "False"]),
        (np.array([[0, 255]], "uint8"), ["0", "255"]),
        (np.array([[-128, 127]], "int8"), ["-128", "127"]),
        (np.array([[12345678, -2]]), ["12345678", "-2"]),
        (np.array([[2**62, -2]]), ["4.6e+18", "-2"]),
        (np.array([[1 + 2j, -0.5j]], "complex64"), ["1.000+2.000j", "-0-0.500j"]),
        (np.array([[1.0, 0.3333]], ml_dtypes.bfloat16), ["1.0000", "0.3340"]),
        (np.array([[0.0625, 448]], ml_dtypes.float8_e4m3fn), ["6.2e-02", "448.0"]),
        (np.array([[0.0625, 0.5]], ml_dtypes.float8_e5m2), ["0.062", "0.500"]),
        (np.array([[0.02, 1e-9]]), ["0.02000", "1.0e-09"]),
        (np.array([[3e-7, 1e-9]]), ["3.000e-07", "1.000e-09"]),
        (np.array([[1e30, 2e30]]), ["1.000e+30", "2.000e+30"]),
        (np.array([[np.nan, -np.inf, 0.0, -0.0]]), ["nan", "-inf", "0", "-0"]),
    ],
)
async def test_values_show_as_what_they_are(values, texts):
    app, run = show(values)
    async with run as pilot:
        await pilot.pause()
        assert app.rows[0][1:] == texts


async def test_quantised_values_show_as_numbers_or_as_what_is_stored():
    traits = Traits(quantization=Quantization("per_tensor_affine", 0.1, 0.0))
    stored = np.array([[5, -7]], "int8")
    app, run = show((stored * 0.1).astype("float32"), dtype="qint8", traits=traits, stored=stored)
    async with run as pilot:
        await pilot.pause()
        assert app.rows[0][1:] == ["0.5000", "-0.7000"]
        await press(pilot, "d")
        assert app.rows[0][1:] == ["5", "-7"]
        assert app.cell == "weight[0, 0] = 5"
        await press(pilot, "d")
        assert app.rows[0][1:] == ["0.5000", "-0.7000"]


async def test_what_is_not_finite_stands_out_and_zeros_stand_back():
    app, run = show(np.array([[0.5, np.nan, np.inf, 0.0]]))
    async with run as pilot:
        await press(pilot, "j")
        plain = app.style("0.5000")
        assert app.style("nan").color not in (plain.color, app.style("     0").color)
        assert app.style("nan") == app.style("inf")
        assert app.style("       0").color != plain.color


async def test_digits_are_a_persons_choice():
    app, run = show(np.array([[1 / 3, 2 / 3]]))
    async with run as pilot:
        await press(pilot, "plus", "plus")
        assert app.rows[0][1:] == ["0.333333", "0.666667"]
        await press(pilot, *["minus"] * 4)
        assert app.rows[0][1:] == ["0.33", "0.67"]
        await press(pilot, *["plus"] * 40)
        assert app.rows[0][1:] == ["0.33333333333333331", "0.66666666666666663"]


@pytest.mark.parametrize("name", ["torchtui-dark", "torchtui-light", "torchtui-16"])
async def test_colours_tell_sign_and_size_and_leave_zero_alone(name):
    app, run = show(np.array([[0.0, 0.01, 0.9, -0.9, 1.0]]))
    async with run as pilot:
        app.theme = name
        await press(pilot, "c")
        small, large, negative = (app.style(text) for text in ("0.0100", " 0.9000", "-0.9000"))
        assert len({small, large, negative}) == 3
        if name != "torchtui-16":
            assert large.bgcolor.triplet.red > large.bgcolor.triplet.blue
            assert negative.bgcolor.triplet.blue > negative.bgcolor.triplet.red
        await press(pilot, "c")
        assert app.style("0.0100").bgcolor == app.style("-0.9000").bgcolor


async def test_an_outlier_leaves_the_others_their_colours():
    values = weights(40, 8)
    values[3, 3] = 1e6
    app, run = show(values)
    async with run as pilot:
        await press(pilot, "c")
        shades = {segment.style.bgcolor for strip in app.screen._compositor.render_strips() for segment in strip}
        assert len(shades) > 8


async def test_columns_stay_where_they_are_while_one_scrolls_to_other_sizes():
    values = weights(3000, 8)
    values[1000:] *= 1e-3
    values[2000:] *= 1e12
    app, run = show(values)
    async with run as pilot:
        await pilot.pause()
        numbers = app.lines[1]
        for place in ("1500", "2500", "0"):
            assert app.grid.go_to(place) is None
            await pilot.pause()
            assert app.lines[1].split() == numbers.split()
            assert len(app.lines[1]) == len(numbers)
            assert max(len(text) for row in app.rows for text in row) <= 8


async def test_the_leading_axis_steps_and_the_bar_says_where_it_stands():
    values = np.arange(4 * 3 * 2 * 2).reshape(4, 3, 2, 2)
    app, run = show(values)
    async with run as pilot:
        await pilot.pause()
        assert app.lines[0].split("  ")[0] == " [0, 0, :, :]"
        assert "↓ axis 2 of size 2   → axis 3 of size 2" in app.lines[0]
        await press(pilot, "j", "l", "greater_than_sign", "greater_than_sign", "greater_than_sign")
        assert app.lines[0].startswith(" [0, 2, :, :]")
        assert app.cell == f"weight[0, 2, 1, 1] = {values[0, 2, 1, 1]}"
        await press(pilot, "less_than_sign")
        assert app.rows[0][1:] == [str(value) for value in values[0, 1, 0]]


async def test_transposing_turns_the_page_and_keeps_the_element():
    values = np.arange(12).reshape(3, 4)
    app, run = show(values)
    async with run as pilot:
        await press(pilot, "l", "l", "j", "t")
        assert app.cell == "weight[1, 2] = 6"
        assert [row[1:] for row in app.rows] == values.T.astype(str).tolist()
        assert "↓ axis 1 of size 4   → axis 0 of size 3" in app.lines[0]


async def test_axes_are_chosen_in_the_bar():
    values = np.arange(4 * 3 * 2 * 5).reshape(4, 3, 2, 5)
    app, run = show(values)
    async with run as pilot:
        await press(pilot, "l", "l", "j", "a")
        assert "axis 1 of size 3: stands at 0" in app.lines[0]
        await press(pilot, "h", "r")
        assert app.lines[0].startswith(" [:, 0, 1, :]")
        assert "axis 0 of size 4: the rows" in app.lines[0]
        assert [row[1:] for row in app.rows] == values[:, 0, 1, :].astype(str).tolist()
        await press(pilot, "l", "k", "k", "c")
        assert app.lines[0].startswith(" [:, :, 1, 2]")
        assert [row[1:] for row in app.rows] == values[:, :, 1, 2].astype(str).tolist()
        await press(pilot, "w")
        assert app.lines[0].startswith(" [0, :, 1, 2]")
        assert app.rows == [["0", *values[0, :, 1, 2].astype(str)]]
        await press(pilot, "h", "enter", "greater_than_sign")
        assert app.lines[0].startswith(" [1, :, 1, 2]")
        assert app.cell.startswith("weight[1, ")


async def test_a_page_that_was_chosen_for_a_tensor_that_was_left_is_dropped():
    app, run = show(np.arange(24).reshape(2, 3, 4))
    async with run as pilot:
        await pilot.pause()
        left = app.grid.page.transposed()
        app.values = np.zeros((5, 6))
        app.grid.tensor = Host.tensor(app.values, key="second")
        app.grid.show_page(left, 0)
        await pilot.pause()
        assert app.lines[0].startswith(" [:, :] ")
        assert app.cell.startswith("second[0, 0] = ")


async def test_many_axes_are_cut_around_the_one_that_counts():
    app, run = show(np.zeros((1,) * 30 + (3, 4)).astype("int8"))
    async with run as pilot:
        await press(pilot, "a")
        assert app.lines[0].startswith(" […, 0, ")
        assert app.cell == "weight[0, 0, 0, 0, 0, 0, 0, 0, …, 0, 0, 0, 0, 0, 0, 0, 0] = 0"
        await press(pilot, "l", "l", "l", "l", "l", "l")
        assert app.lines[0].startswith(" [0, 0, ")
        assert len(app.lines[0]) <= 100


async def test_going_to_an_index_brings_it_into_sight_with_what_is_around_it():
    app, run = show(np.arange(5000 * 300).reshape(5000, 300))
    async with run as pilot:
        await pilot.pause()
        assert app.grid.go_to("4000,17") is None
        await pilot.pause()
        assert app.cell == f"weight[4000, 17] = {4000 * 300 + 17}"
        assert int(app.rows[0][0]) < 4000 < int(app.rows[-1][0])
        assert app.grid.go_to("5000,0") == "5000 is outside axis 0: 0 to 4999"
        assert app.cell == f"weight[4000, 17] = {4000 * 300 + 17}"


async def test_what_is_shown_is_what_its_expression_gives():
    values = np.arange(5 * 300 * 40).reshape(5, 300, 40)
    app, run = show(values)
    async with run as pilot:
        await press(pilot, "greater_than_sign", "t", "G", "L")
        expression, array = app.grid.shown()
        assert expression == "[1, 10:20, 23:40].T"
        assert np.array_equal(array, values[1, 10:20, 23:40].T)
        assert [row[1:] for row in app.rows] == array.astype(str).tolist()


async def test_values_that_are_not_there_yet_are_dots_and_keys_work_meanwhile():
    app, run = show(weights(50, 8))
    async with run as pilot:
        await pilot.pause()
        app.held = []
        app.grid.tensor = second = Host.tensor(weights(60, 4), key="second")
        await pilot.pause(PATIENCE * 2)
        assert app.rows[0] == ["0", "·", "·", "·", "·"]
        assert app.cell == "second[0, 0] = ·"
        assert app.grid.shown() is None
        await press(pilot, "j", "l")
        assert app.cell == "second[1, 1] = ·"
        app.values = np.arange(240).reshape(60, 4)
        app.answer(app.held[-1])
        await pilot.pause()
        assert app.rows[1] == ["1", "4", "5", "6", "7"]
        assert app.cell == "second[1, 1] = 5"
        assert app.grid.tensor is second


async def test_answers_for_a_tensor_that_was_left_never_show():
    app, run = show(np.full((50, 8), 111))
    async with run as pilot:
        await pilot.pause()
        app.held = []
        app.grid.tensor = Host.tensor(app.values, key="second")
        await pilot.pause()
        app.grid.tensor = Host.tensor(app.values, key="third")
        await pilot.pause()
        late, newest = app.held
        app.values = np.full((50, 8), 222)
        app.answer(late)
        await pilot.pause(PATIENCE * 2)
        assert "222" not in "\n".join(app.lines)
        app.values = np.full((50, 8), 333)
        app.answer(newest)
        await pilot.pause()
        assert app.rows[0][1] == "333"


async def test_a_new_page_is_painted_once_with_its_values(monkeypatch):
    monkeypatch.setattr(value_grid, "PATIENCE", 60)
    app, run = show(weights(5, 50, 8))
    async with run as pilot:
        await pilot.pause()
        app.held = []
        before = app.lines
        await press(pilot, "greater_than_sign")
        assert app.lines[1:] == before[1:]
        app.answer(app.held[-1])
        await pilot.pause()
        assert app.lines[2] != before[2]


async def test_damage_is_told_in_one_line_and_the_rest_is_shown():
    app, run = show(np.arange(1000 * 4).reshape(1000, 4))
    app.broken_rows = range(500, 510)
    async with run as pilot:
        await pilot.pause()
        assert app.grid.go_to("505") is None
        await pilot.pause(PATIENCE * 2)
        text = "\n".join(app.lines)
        assert text.count("data/7 ends at byte 100, 400 are needed") == 1
        assert app.cell == "weight[505, 0] = ·"
        await press(pilot, "pageup")
        assert app.rows[0][1] == str(int(app.rows[0][0]) * 4)
        assert "data/7" not in "\n".join(app.lines)
        await press(pilot, "pagedown")
        assert "data/7" in "\n".join(app.lines)
        for _ in range(3):
            await press(pilot, "pagedown")
        assert app.cell == f"weight[{505 + 3 * 17}, 0] = {(505 + 3 * 17) * 4}"
        asked = len(app.asked)
        await pilot.pause(0.1)
        assert len(app.asked) == asked


@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (2**62,), (3, 2**31, 2**33)])
async def test_size_is_no_matter(shape):
    def ones(selection):
        return np.ones([part.stop - part.start for part in selection if isinstance(part, slice)])

    app, run = show(ones, dtype="float32", shape=shape)
    async with run as pilot:
        await press(pilot, "G", "$", "pagedown", "c", "plus")
        assert app.cell.endswith(f"{shape[-1] - 1}] = 1.0")
        assert app.rows[-1][-1] == "1.0000"
        await press(pilot, "pageup", "k", "h", "H")
        assert app.rows[-1][-1] == "1.0000"
        for event in app.asked:
            assert np.prod(ones(event.selection).shape) < 20_000
        app.grid.scroll_to(0, 0, animate=False)
        await pilot.pause()
        assert app.rows[0][:2] == ["0", "1.0000"]


async def test_a_block_serves_many_moves_and_the_next_one_is_there_before_it_is_needed():
    app, run = show(np.arange(5000 * 40).reshape(5000, 40))
    async with run as pilot:
        await press(pilot, *["j"] * 16, *["l"] * 6)
        assert len(app.asked) == 1
        app.held = []
        await press(pilot, "pagedown")
        assert len(app.held) == 1
        assert "·" not in "".join(app.lines[2:])


async def test_moving_the_cell_draws_two_rows_and_the_column_numbers():
    app, run = show(np.arange(100).reshape(50, 2))
    async with run as pilot:
        await press(pilot, "j")
        drawn = set()
        render_line = app.grid.render_line
        app.grid.render_line = lambda y: drawn.add(y) or render_line(y)
        await press(pilot, "j")
        assert drawn == {0, 2, 3}
        drawn.clear()
        await press(pilot, "l")
        assert drawn == {0, 3}


async def test_the_mouse_puts_the_cell_and_the_wheel_scrolls():
    app, run = show(np.arange(1000 * 40).reshape(1000, 40))
    async with run as pilot:
        await pilot.pause()
        at = app.lines[4].index("81")
        await pilot.click(ValueGrid, offset=(at, 3))
        assert app.cell == "weight[2, 1] = 81"
        app.grid.scroll_to(y=700, animate=False)
        await pilot.pause()
        assert app.rows[0][:2] == ["700", "28000"]
        await press(pilot, "j")
        assert app.cell == "weight[3, 1] = 121"
        assert "121" in app.rows[0]


async def test_the_cell_stays_in_sight_when_the_window_shrinks():
    app, run = show(np.arange(1000 * 40).reshape(1000, 40))
    async with run as pilot:
        await press(pilot, *["j"] * 15, *["l"] * 8)
        await pilot.resize_terminal(50, 8)
        await pilot.pause()
        assert "608" in " ".join(map(" ".join, app.rows))
        await pilot.resize_terminal(3, 2)
        await pilot.pause()
        await pilot.resize_terminal(100, 20)
        await pilot.pause()
        assert app.cell == "weight[15, 8] = 608"
        assert "608" in " ".join(map(" ".join, app.rows))


async def test_a_hostile_name_shows_as_escapes():
    app, run = show(np.ones((2, 2)), key="\x1b]52;c;YQ==\x07[bold]\u202e" + "x" * 1_000_000)
    async with run as pilot:
        await pilot.pause()
        assert app.cell.startswith("\\x1b]52;c;YQ==\\x07")
        assert app.cell.endswith("[0, 0] = 1.0")
        assert len(app.cell) < 80


async def test_no_tensor_shows_nothing():
    app, run = show(np.ones((2, 2)))
    async with run as pilot:
        await pilot.pause()
        app.grid.tensor = None
        await press(pilot, "j", "G", "a", "t", "c", "plus", "greater_than_sign")
        assert "".join(app.lines).strip() == ""
        assert app.cell == ""
        assert app.grid.go_to("0") == "no tensor is shown"


def test_the_grid_brings_no_numpy_in():
    code = "import sys, tui.widgets.value_grid, tui.widgets.axis_bar; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
