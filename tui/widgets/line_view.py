"""A window on many lines, of which only those in sight are drawn.

Not Textual's `ScrollView`: there every change of the number of lines lays out the whole screen again and paints it,
and a scrollbar is two more widgets. Here a fold or another text is one repaint of this widget, within the same frame.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.strip import Strip

from tui.theme import palette
from tui.widgets.whole_lines import WholeLines

THUMB = "▐"

WHEEL = 3
"""Lines that one notch of a mouse wheel scrolls."""


class LineView(WholeLines, can_focus=True, inherit_bindings=False):
    """Shows lines from `top` on. A subclass says how many there are and draws one; the last column is the scrollbar's.

    `cursor` is the line whose look tells whether the view has the focus; below 0 there is none.
    """

    # Textual's own asks for another layout and paint of the screen after each that gives the widget another size.
    virtual_size = Reactive(Size(0, 0), repaint=False)
    has_focus: Reactive[bool] = Reactive(False, repaint=False)

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0
        self.cursor = -1
        self._drawn: dict[int, Strip] = {}

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return 0

    def draw_line(self, row: int, width: int, base: Style) -> Strip:
        """One line, in exactly `width` columns on the background of `base`."""
        return Strip.blank(width, base)

    def render_line(self, y: int) -> Strip:
        """A line in sight, with its part of the scrollbar."""
        drawn = self._drawn[y] = self._draw(y)
        return drawn

    def refresh_changed(self) -> None:
        """Draw again what does not look as it does on the screen."""
        width = self.size.width
        regions = [Region(0, y, width, 1) for y in range(self.size.height) if self._draw(y) != self._drawn.get(y)]
        if regions:
            self.refresh(*regions)

    def refresh_rows(self, *rows: int) -> None:
        """Draw these lines again, as far as they are in sight."""
        regions = [Region(0, row - self.top, self.size.width, 1) for row in rows if 0 <= row - self.top < self.size.height]
        if regions:
            self.refresh(*regions)

    def scroll_rows(self, top: int) -> None:
        """Let this line be the first, or the one nearest to it that can be."""
        top = max(0, min(top, self.line_count - self.size.height))
        if top != self.top:
            self.top = top
            self.refresh_changed()

    def bring_into_sight(self, row: int, margin: int = 0, centre: bool = False) -> None:
        """Scroll as little as shows this line and `margin` more on each side; or, if at all, so that it is central."""
        height = self.size.height
        margin = min(margin, max(height - 1, 0) // 2)
        if self.top <= row - margin and row + margin < self.top + height:
            # The end of the lines may have come nearer.
            self.scroll_rows(self.top)
        elif centre:
            self.scroll_rows(row - height // 3)
        elif row - margin < self.top:
            self.scroll_rows(row - margin)
        else:
            self.scroll_rows(row + margin + 1 - height)

    def notify_style_update(self) -> None:
        """Take over the colours of a new theme."""
        self._drawn.clear()
        super().notify_style_update()

    def on_focus(self, event: events.Focus) -> None:
        """Show where the keys go now: what Textual does, but that it paints all of the widget."""
        event.prevent_default()
        self.has_focus = True
        self.refresh_rows(self.cursor)
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self))

    def on_blur(self, event: events.Blur) -> None:
        """Show that the keys go elsewhere."""
        event.prevent_default()
        self.has_focus = False
        self.refresh_rows(self.cursor)
        if self.parent is not None:
            self.parent.post_message(events.DescendantBlur(self))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll down."""
        event.stop()
        self.scroll_rows(self.top + WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll up."""
        event.stop()
        self.scroll_rows(self.top - WHEEL)

    def _draw(self, y: int) -> Strip:
        width, height, count = self.size.width, self.size.height, self.line_count
        base = self.base
        row = y + self.top
        if row >= count or width < 2:
            return Strip.blank(width, base)
        drawn = self.draw_line(row, width - 1, base)
        bar = Segment(" ", base)
        if count > height:
            first = self.top * height // count
            if first <= y <= max(first, (self.top + height) * height // count - 1):
                bar = Segment(THUMB, base + palette(self.app).roles["faint"])
        return Strip([*drawn, bar], width)
