"""A widget that draws whole lines, so that a screen can hand them to the terminal as they are."""

from __future__ import annotations

from collections.abc import Iterable

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.theme import Palette, palette


class WholeLines(Widget):
    """Draws each of its lines from end to end, by `render_line`; it has neither border nor padding."""

    _base: Style | None = None
    _colours: Palette | None = None

    @property
    def base(self) -> Style:
        """The style of its blank cells."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    @property
    def colours(self) -> Palette:
        """What roles look like in the theme of the moment."""
        if self._colours is None:
            self._colours = palette(self.app)
        return self._colours

    def lines_at(self, rows: Iterable[int]) -> list[Strip]:
        """Some of its lines."""
        return [self.render_line(row) for row in rows]

    def notify_style_update(self) -> None:
        """Take over the colours of a new theme or class."""
        self._base = self._colours = None
        super().notify_style_update()
