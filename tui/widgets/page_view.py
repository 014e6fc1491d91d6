"""A window on a page of cells, of any size: the cursor in it, and the scrollbars beside it."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar

from inspector.window.page import Index, Page
from tui.viewport import Viewport
from tui.widgets.value_line import CellLook
from tui.widgets.whole_lines import WholeLines


class PageView(WholeLines, ScrollView, can_focus=True, inherit_bindings=False):
    """Moves a cursor over a page, under a line of column numbers. A subclass draws the cells, and has them read.

    While it is `patient` nothing is drawn: a page that just came waits for its values.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    PageView {
        overflow: scroll scroll;
        scrollbar-size: 1 1;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        scrollbar-corner-color: $background;
    }
    """

    # The scrollbars are always there: another size of the page asks for no other layout of the screen.
    virtual_size = Reactive(Size(0, 0))

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: Viewport | None = None
        self._look = CellLook()

    @property
    def page(self) -> Page | None:
        """The page that is shown."""
        return None if self._view is None else self._view.page

    @property
    def index(self) -> Index | None:
        """The index of the element under the cursor."""
        return None if self._view is None else self._view.index

    @property
    def patient(self) -> bool:
        """Whether it waits with drawing."""
        return False

    def ask(self) -> None:
        """The window has moved: ask for what it misses."""

    def tell_cell(self) -> None:
        """The cursor has moved: say what it stands on."""

    def action_move(self, rows: int, columns: int) -> None:
        """The cursor so many cells on."""
        self.move(lambda view: view.move(rows, columns))

    def action_leaf(self, pages: float) -> None:
        """So many pages down."""
        self.move(lambda view: view.leaf(pages))

    def action_leaf_across(self, pages: int) -> None:
        """So many pages to the right."""
        self.move(lambda view: view.leaf_across(pages))

    def action_row(self, last: bool) -> None:
        """To the first or last row."""
        self.move(lambda view: view.move_to(view.page.height - 1 if last else 0, view.column))

    def action_column(self, last: bool) -> None:
        """To the first or last element of the row."""
        self.move(lambda view: view.move_to(view.row, view.page.width - 1 if last else 0))

    def on_click(self, event: events.Click) -> None:
        """The cursor goes to the cell that was clicked."""
        offset, page = event.get_content_offset(self), self.page
        if offset is not None and page is not None:
            row = offset.y - 1
            column, _ = divmod(offset.x - self._look.label_width(page), self._look.cell_width(page))
            if row >= 0 and column >= 0:
                self.move(lambda view: view.move_to(view.top + row, view.left + min(column, view.width - 1)))

    def watch_virtual_size(self, size: Size) -> None:
        """Let the scrollbars show how much there is."""
        self._scroll_update(size)

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        """Follow the scrollbar, by whole columns."""
        if self._view is not None and not self.patient:
            width = self._look.cell_width(self._view.page)
            self._scrolled(self._view.top, int((new_value + width // 2) // width))
        _place(self.horizontal_scrollbar, new_value)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the scrollbar and the wheel."""
        if self._view is not None and not self.patient:
            self._scrolled(round(new_value), self._view.left)
        _place(self.vertical_scrollbar, new_value)

    def _scrolled(self, top: int, left: int) -> None:
        view = self._view
        if view is not None and (view.top, view.left) != (top, left):
            view.scroll_to(top, left)
            self.ask()
            self.refresh(self.scrollable_content_region.size.region)

    def move(self, how: Callable[[Viewport], None]) -> None:
        """Move the cursor or the window, and repaint what that changes."""
        view = self._view
        if view is None or view.page.empty:
            return
        row, column, top, left = view.row, view.column, view.top, view.left
        how(view)
        if (view.row, view.column) != (row, column):
            self.tell_cell()
        self.ask()
        if self.patient:
            return
        if (view.top, view.left) != (top, left):
            self.tell_scrollbars()
            self.refresh(self.scrollable_content_region.size.region)
        else:
            self.refresh(*self._cross(row, column), *self._cross(view.row, view.column))

    def tell_scrollbars(self) -> None:
        """Let the scrollbars show where the window stands."""
        view, size = self._view, self.scrollable_content_region.size
        if view is None:
            self.virtual_size = size
            return
        cell, top, left = self._look.cell_width(view.page), view.top, view.left
        wider, higher = max(0, view.page.width - view.width), max(0, view.page.height - view.height)
        self.virtual_size = Size(size.width + wider * cell, size.height + higher)
        self.scroll_to(left * cell, top, animate=False)
        view.scroll_to(top, left)

    def _cross(self, row: int, column: int) -> list[Region]:
        """Where a cell in sight, its row's label and its column's number are on the widget."""
        view = self._view
        if view is None or not (0 <= row - view.top < view.height and 0 <= column - view.left < view.width):
            return []
        label, cell = self._look.label_width(view.page), self._look.cell_width(view.page)
        x, y = label + (column - view.left) * cell, 1 + row - view.top
        return [Region(0, y, label, 1), Region(x, 0, cell, 1), Region(x, y, cell, 1)]


def _place(bar: ScrollBar, position: float) -> None:
    """Put a scrollbar to a position, but only by steps that can be seen: an eighth of a cell. Drawing it costs 2 KB."""
    beyond, cells = bar.window_virtual_size - bar.window_size, bar.window_size
    step = beyond / (8 * cells) if cells else 0
    bar.position = position if step <= 1 or position >= beyond else position // step * step
