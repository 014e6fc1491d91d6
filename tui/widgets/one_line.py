"""A line of the screen with something at its left end and something at its right."""

from __future__ import annotations

from textual.strip import Strip

from tui.lines import Line, spread, strip
from tui.widgets.whole_lines import WholeLines


class OneLine(WholeLines):
    """One row: `show` says what stands there."""

    DEFAULT_CSS = """
    OneLine { height: 1; }
    """

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left: Line = ()
        self._right: Line = ()

    def show(self, left: Line, right: Line = ()) -> None:
        """Show these two texts; where there is no room for both, the left one."""
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    @property
    def text(self) -> str:
        """What stands there, as a text."""
        return "".join(text for text, _ in self.line(self.size.width))

    def line(self, width: int) -> Line:
        """What stands in the line, for this width."""
        return spread(self._left, self._right, width)

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        return strip(self.line(width), width, self.colours, self.base)
