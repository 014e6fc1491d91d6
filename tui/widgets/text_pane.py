"""A page of text that scrolls: details, help, metadata, source code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui import keys
from tui.lines import Line, cut_line, strip, width_of
from tui.widgets.line_view import LineView

Make = Callable[[int], Sequence[Line]]
"""The lines of a text for a width; lines may be longer than that."""


class TextPane(LineView):
    """Shows the lines that a function makes for its width; longer ones scroll sideways."""

    BINDINGS = keys.bindings(keys.READING)
    TABLES = (keys.READING,)

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: Sequence[Line] = ()
        self._make: Make | None = None
        self._made_for = -1
        self._shift = 0

    @property
    def text(self) -> str:
        """All lines as one text."""
        return "\n".join("".join(text for text, _ in line) for line in self.lines)

    def show(self, make: Make) -> None:
        """Show another text, from its beginning."""
        self._make = make
        self._made_for = -1
        self._shift = self.top = 0
        self._fit(self.size.width)

    def action_move(self, lines: int) -> None:
        """So many lines down."""
        self.scroll_rows(self.top + lines)

    def action_shift(self, columns: int) -> None:
        """So many columns to the right, as far as there is text on the screen."""
        in_sight = self.lines[self.top : self.top + self.size.height]
        most = max(map(width_of, in_sight), default=0) - self._made_for
        self._shift = max(0, min(self._shift + columns, max(most, self._shift)))
        self.refresh()

    def action_page(self, pages: float) -> None:
        """So many pages down."""
        self.action_move(int(pages * self.size.height) or 1)

    def action_first(self) -> None:
        """To the first line."""
        self.scroll_rows(0)

    def action_last(self) -> None:
        """To the last line."""
        self.scroll_rows(len(self.lines))

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    def draw_line(self, row: int, width: int, base: Style) -> Strip:
        """One line, from the column on to which it is shifted; one that goes on at the right is marked by `…`."""
        width += self._shift
        return strip(cut_line(self.lines[row], width), width, self.colours, base).crop(self._shift)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the text has, where the height is left to it."""
        self._fit(width)
        return len(self.lines)

    def on_resize(self) -> None:
        """Make the text again for another width."""
        self._fit(self.size.width)

    def _fit(self, width: int) -> None:
        # The last column is the scrollbar's.
        width -= 1
        if self._make is not None and width > 0 and width != self._made_for:
            self._made_for = width
            self.lines = self._make(width)
            self.scroll_rows(self.top)
            if self.styles.is_auto_height and len(self.lines) != self.size.height:
                self.refresh(layout=True)
            else:
                self.refresh()
