"""A widget that draws whole lines, so that a screen can hand them to the terminal as they are."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget


class WholeLines(Widget):
    """Draws each of its lines from end to end, by `render_line`; it has neither border nor padding."""

    _base: Style | None = None

    @property
    def base(self) -> Style:
        """The style of its blank cells."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def notify_style_update(self) -> None:
        """Take over the colours of a new theme or class."""
        self._base = None
        super().notify_style_update()
