"""Where a window stands on a page and the cursor in it: arithmetic in rows and columns, exact at any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inspector.window.page import WRAP, Index, Page, Window

WRAPS = (WRAP, 8, 5)
"""How many elements a row of a wrapped axis may have: the most that have room."""


@dataclass(slots=True)
class Viewport:
    """`height` x `width` cells of a page from `top` and `left` on, and the cursor at `row` and `column` of the page."""

    page: Page
    height: int = 0
    width: int = 0
    row: int = 0
    column: int = 0
    top: int = 0
    left: int = 0

    @property
    def visible(self) -> Window:
        """The cells in the window."""
        return self.page.window(range(self.top, self.top + self.height), range(self.left, self.left + self.width))

    @property
    def columns(self) -> range:
        """The columns in the window."""
        return range(self.left, min(self.left + self.width, self.page.width))

    @property
    def index(self) -> Index | None:
        """The index of the element under the cursor; None in an empty tensor."""
        return None if self.page.empty else self.page.index(self.row, self.column)

    def move_to(self, row: int, column: int, centre: bool = False) -> None:
        """The cursor to a cell, or the one nearest to it that exists; the window follows as little as it can.

        With `centre` a cell that was out of sight comes to the middle of the window.
        """
        self.row = max(0, min(row, self.page.height - 1))
        self.column = max(0, min(column, self.page.row_width(self.row) - 1))
        self.scroll_to(
            _reveal(self.row, self.top, self.height, centre), _reveal(self.column, self.left, self.width, centre)
        )

    def move(self, rows: int, columns: int) -> None:
        """The cursor so many cells on; along a wrapped axis from the end of a row to the start of the next."""
        if self.page.wrapped and columns and not self.page.empty:
            place = self.row * self.page.wrap + self.column + columns
            self.move_to(*divmod(max(0, min(place, self.page.size - 1)), self.page.wrap))
        else:
            self.move_to(self.row + rows, self.column + columns)

    def leaf(self, pages: float) -> None:
        """Window and cursor so many pages down."""
        rows = round(pages * self.height)
        self.scroll_to(self.top + rows, self.left)
        self.move_to(self.row + rows, self.column)

    def leaf_across(self, pages: int) -> None:
        """Window and cursor so many pages to the right."""
        columns = pages * self.width
        self.scroll_to(self.top, self.left + columns)
        self.move_to(self.row, self.column + columns)

    def scroll_to(self, top: int, left: int) -> None:
        """The window to these first cells, at most to the page's ends. The cursor stays where it is."""
        self.top = max(0, min(top, self.page.height - self.height))
        self.left = max(0, min(left, self.page.width - self.width))

    def fit(self, height: int, room: int, cell: int) -> bool:
        """Fit the window to `height` rows and to `room` for columns of width `cell`; the cursor stays in sight if it was.

        Whether a wrapped axis is now wrapped into longer or shorter rows, and so on another page.
        """
        in_sight = self.top <= self.row < self.top + self.height and self.left <= self.column < self.left + self.width
        self.height, self.width = height, max(1, room // cell)
        wrap = next((wrap for wrap in WRAPS if min(wrap, self.page.size) * cell <= room), WRAPS[-1])
        rewrapped = self.page.wrapped and wrap != self.page.wrap
        if rewrapped:
            index = self.index
            self.page = replace(self.page, wrap=wrap)
            self.top = self.left = 0
            self.move_to(*((0, 0) if index is None else self.page.cell(index)))
        elif in_sight:
            self.move_to(self.row, self.column)
        else:
            self.scroll_to(self.top, self.left)
        return rewrapped


def _reveal(place: int, first: int, count: int, centre: bool) -> int:
    """The first of `count` places so that `place` is among them; where there is no room at all, `place`."""
    count = max(1, count)
    if first <= place < first + count:
        return first
    if centre:
        return place - count // 2
    return place if place < first else place - count + 1
