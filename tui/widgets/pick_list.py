"""A list of lines with a cursor, one of which can be picked."""

from __future__ import annotations

from rich.style import Style
from textual import events
from textual.strip import Strip

from tui import keys
from tui.lines import Line, strip, under_cursor
from tui.widgets.line_view import LineView


class PickList(LineView):
    """Moves a cursor over lines. A subclass says how many there are, what stands in one, and what picking it does."""

    BINDINGS = keys.bindings(keys.LISTING)
    TABLES = (keys.LISTING,)

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0

    def line(self, row: int, width: int) -> Line:
        """What stands in a line, in this width."""
        return ()

    def pick(self, row: int) -> None:
        """Do what picking a line does."""

    def action_move(self, step: int) -> None:
        """So many lines down."""
        before, self.cursor = self.cursor, max(0, min(self.cursor + step, self.line_count - 1))
        self.refresh_rows(before, self.cursor)
        self.bring_into_sight(self.cursor)

    def action_page(self, pages: float) -> None:
        """So many pages down."""
        self.action_move(int(pages * self.size.height))

    def action_first(self) -> None:
        """To the first line."""
        self.action_move(-self.line_count)

    def action_last(self) -> None:
        """To the last line."""
        self.action_move(self.line_count)

    def action_open(self) -> None:
        """Pick the line under the cursor."""
        if self.line_count:
            self.pick(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """Move to the line; a double click picks it."""
        self.action_move(event.y + self.top - self.cursor)
        if event.chain == 2:
            self.action_open()

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.action_move(0)

    def draw_line(self, row: int, width: int, base: Style) -> Strip:
        """One line."""
        colours = self.colours
        drawn = strip(self.line(row, width), width, colours, base)
        if row != self.cursor:
            return drawn
        return under_cursor(drawn, colours.cursor if self.has_focus else colours.cursor_blurred, base)
