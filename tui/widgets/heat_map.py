"""The heat map: a page of a tensor reduced to the pane, blue below zero, red above; of a convolution its kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip

from tui import keys
from tui.colour_scale import ColourScale
from tui.lines import Line, Part, spread, strip, width_of
from tui.messages import Record
from tui.picture import QUANTITIES, Picture, Quantity, is_convolution
from tui.summary import figure
from tui.widgets.whole_lines import WholeLines

if TYPE_CHECKING:
    from inspector.nodes import Tensor
    from inspector.window.page import Index, Page

SHADES = {1: "░▒▓█", -1: ".-=≡"}
"""How strong a number is without colours: above zero, and below; in sixteen colours the first ones, red and blue."""

FINE = 24
"""Shades on each side of zero where no text stands before them."""

BAD = Style(color="#14161b", bgcolor="#e5b567")
"""What is not finite."""


class HeatMap(WholeLines, can_focus=True):
    """Draws a `Picture` of the page it was given, two points in a character where there are colours, with a cursor.

    It never reads: it posts `Wanted`, and `show` takes the answer.
    """

    ALLOW_SELECT = False
    BINDINGS = keys.bindings(keys.HEAT)
    TABLES = (keys.HEAT,)

    class Wanted(Record):
        """A picture of this page is needed, at most so many points high and wide.

        Of kernels it is from `first` on; with a `centre` it is of the elements around that cell of the page.
        """

        tensor: Tensor
        page: Page
        height: int
        width: int
        first: tuple[int, int] | None
        centre: tuple[int, int] | None

    class CellMoved(Record):
        """The cursor is at a cell; `text` says which and what is there."""

        text: str

    class Picked(Record):
        """The values at an index are to be shown."""

        index: Index

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.quantity: Quantity = "peak"
        self.plain = False
        self.picture: Picture | None = None
        self.error = ""
        self._tensor: Tensor | None = None
        self._page: Page | None = None
        self._first = (0, 0)
        self._centre: tuple[int, int] | None = None
        self._part = 0.0
        self._cursor = (0, 0)
        self._scale: ColourScale | None = None

    def turn(self, tensor: Tensor | None, page: Page | None) -> None:
        """Show a page of a tensor."""
        if tensor is not self._tensor or page is None or self._page is None or tensor is None:
            self._first = self._cursor = (0, 0)
            self._centre = self.picture = None
            self.refresh()
        self._tensor, self._page = tensor, page
        self._ask()

    def show(self, picture: Picture | None, part: float, error: str = "") -> None:
        """Take the answer to `Wanted`, or a part of it, or why there is none."""
        self.picture, self._part, self.error = picture, part, error
        if self._centre is not None and picture is not None and self._page is not None:
            first = self._page.cell(picture.index(0, 0))
            self._cursor = self._centre[0] - first[0], self._centre[1] - first[1]
        self._move_to(*self._cursor)
        self.refresh()

    @property
    def text(self) -> str:
        """The line over the map."""
        return "".join(text for text, _ in self._head(self.size.width))

    @property
    def halves(self) -> int:
        """Points below each other in a character: two where both can have a colour."""
        return 1 if self.plain or self.colours.sixteen else 2

    def action_move(self, rows: int, columns: int) -> None:
        """The cursor so many cells on; at the edge of what is shown of kernels, to the next ones."""
        if self.picture is None or self._tensor is None:
            return
        row, column = self._cursor[0] + rows, self._cursor[1] + columns
        height, width = self.picture.shape
        if is_convolution(self._tensor) and not (0 <= row < height - 1 and 0 <= column < width - 1):
            high, wide = self._tensor.shape[2] + 1, self._tensor.shape[3] + 1
            step = (row >= height - 1) - (row < 0), (column >= width - 1) - (column < 0)
            first = tuple(
                max(0, min(start + step, total - shown // size))
                for start, step, total, shown, size in zip(
                    self._first, step, self._tensor.shape[:2], (height, width), (high, wide), strict=True
                )
            )
            if first != self._first:
                self._first = first[0], first[1]
                self._ask()
                return
        if self._centre is not None and self._page is not None and not (0 <= row < height and 0 <= column < width):
            self._centre = self._on_page(*self._cursor)
            self._centre = (
                max(0, min(self._centre[0] + rows, self._page.height - 1)),
                max(0, min(self._centre[1] + columns, self._page.width - 1)),
            )
            self._ask()
            return
        while 0 <= row < height and 0 <= column < width and not self.picture.is_cell(row, column) and (rows or columns):
            row, column = row + (rows > 0) - (rows < 0), column + (columns > 0) - (columns < 0)
        self._move_to(row, column)

    def action_quantity(self) -> None:
        """Draw the next quantity."""
        names = list(QUANTITIES)
        self.quantity = names[(names.index(self.quantity) + 1) % len(names)]
        self.refresh()

    def action_close(self) -> None:
        """A point for each element around the cursor, or the whole page again."""
        if self.picture is None or self._tensor is None or is_convolution(self._tensor):
            return
        self._centre = self._on_page(*self._cursor) if self._centre is None else None
        self._ask()

    def _on_page(self, row: int, column: int) -> tuple[int, int]:
        """The place on the page of a cell's first element."""
        assert self.picture is not None and self._page is not None
        return self._page.cell(self.picture.index(row, column))

    def action_pick(self) -> None:
        """To the values of the cell."""
        if self.picture is not None:
            self.post_message(self.Picked(self.picture.index(*self._cursor)))

    def on_resize(self) -> None:
        """Another picture for the new size."""
        self._ask()

    def on_click(self, event: events.Click) -> None:
        """The cursor goes to the cell that was clicked; a double click goes to its values."""
        if self.picture is not None and event.y > 0:
            self._move_to((event.y - 1) * self.halves // self.picture.magnified, event.x // self.picture.magnified)
            if event.chain == 2:
                self.action_pick()

    def notify_style_update(self) -> None:
        """Take over the colours of a new theme."""
        self._scale = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """The line over the map, or one of the map."""
        base = self.base
        width = self.size.width
        if y == 0:
            return strip(self._head(width), width, self.colours, base)
        if self.picture is None:
            return Strip.blank(width, base)
        self._scale = self._scale or self._make_scale()
        peak = self.picture.peak(self.quantity)
        draw = self._pair if self.halves == 2 else self._shade
        segments = [draw(y - 1, x, peak, base) for x in range(min(width, self.picture.shape[1] * self.picture.magnified))]
        return Strip(segments).adjust_cell_length(width, base).simplify()

    def _make_scale(self) -> ColourScale:
        return ColourScale(self.background_colors[1], FINE, coarse=self.app.console.color_system == "256")

    def _ask(self) -> None:
        height, width = (self.size.height - 1) * self.halves, self.size.width
        if self._tensor is not None and self._page is not None and self.display and height > 0 and width > 0:
            first = self._first if is_convolution(self._tensor) else None
            self._part, self.error = 0.0, ""
            self.post_message(self.Wanted(self._tensor, self._page, height, width, first, self._centre))

    def _move_to(self, row: int, column: int) -> None:
        if self.picture is None or 0 in self.picture.shape:
            return
        height, width = self.picture.shape
        self._cursor = max(0, min(row, height - 1)), max(0, min(column, width - 1))
        if self._centre is not None:
            self._centre = self._on_page(*self._cursor)
        self.post_message(self.CellMoved(self.picture.describe(*self._cursor)))
        self.refresh()

    def _head(self, width: int) -> Line:
        if self.error:
            return [(f" heat map  {self.error}", "error")]
        left: list[Part] = [(" heat map", "accent"), (f"  {QUANTITIES[self.quantity]}", "text")]
        right: list[Part] = [(f" {self._part:.0%} ", "badge")] if self._part < 1 else []
        if self.picture is not None:
            peak = figure(self.picture.peak(self.quantity))
            scale = f"-{peak} to {peak} " if self.quantity != "bad" else f"0 to {peak} "
            legend = f"-{peak} {SHADES[-1][::-1]} {SHADES[1]} {peak} " if self.plain and self.quantity != "bad" else ""
            for side, facts in ((left, [f"  {self.picture.what}"]), (right, [legend, scale])):
                room = width - width_of(left) - width_of(right)
                side += [(fact, "dim") for fact in facts if fact and len(fact) < room][:1]
        return spread(left, right, width)

    # A point of the map: of the picture's cells those that are magnified take several.

    def _at(self, row: int, column: int) -> tuple[int, int] | None:
        assert self.picture is not None
        cell = row // self.picture.magnified, column // self.picture.magnified
        return cell if cell[0] < self.picture.shape[0] else None

    def _colour(self, cell: tuple[int, int] | None, peak: float, base: Style) -> Style:
        """The style whose background is the colour of a cell."""
        assert self.picture is not None and self._scale is not None
        if cell is None:
            return base
        if cell == self._cursor and self.has_focus:
            return Style(bgcolor="#ffffff" if self.colours.dark else "#000000")
        if self.quantity != "bad" and self.picture.bad[cell]:
            return BAD
        return self._scale.style(float(self.picture.layers[self.quantity][cell]), peak)

    def _pair(self, y: int, x: int, peak: float, base: Style) -> Segment:
        """Two points, one above the other, in one character."""
        above, below = (self._colour(self._at(2 * y + half, x), peak, base) for half in (0, 1))
        return Segment("▀", Style(color=(above.bgcolor or base.bgcolor), bgcolor=(below.bgcolor or base.bgcolor)))

    def _shade(self, y: int, x: int, peak: float, base: Style) -> Segment:
        """One point as a shade of text, coloured where there are sixteen colours."""
        assert self.picture is not None
        cell = self._at(y, x)
        if cell is None:
            return Segment(" ", base)
        style = base + Style(reverse=True) if cell == self._cursor and self.has_focus else base
        value = float(self.picture.layers[self.quantity][cell])
        if self.quantity != "bad" and self.picture.bad[cell]:
            return Segment("N", style + (Style(bold=True) if self.plain else Style(color="yellow", bold=True)))
        if not value or value != value or not peak:
            return Segment(" ", style)
        sign = 1 if value > 0 else -1
        shade = SHADES[sign if self.plain else 1][min(3, int(4 * abs(value) / peak))]
        colour = Style() if self.plain else Style(color="red" if sign > 0 else "blue")
        return Segment(shade, style + colour)
