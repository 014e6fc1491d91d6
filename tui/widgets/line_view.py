"""A window on many lines, of which only those in sight are drawn.

Not Textual's `ScrollView`: there every change of the number of lines lays out the whole screen again and paints it,
and a scrollbar is two more widgets. Here a fold or another text is one repaint of this widget, within the same frame.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.strip import Strip

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
        self._kept: dict[int, tuple[Strip, Segment, Strip]] = {}

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return 0

    def draw_line(self, row: int, width: int, base: Style) -> Strip:
        """One line, in exactly `width` columns on the background of `base`."""
        return Strip.blank(width, base)

    def render_line(self, y: int) -> Strip:
        """A line in sight, with its part of the scrollbar."""
        return self.lines_at((y,))[0]

    def lines_at(self, rows: Iterable[int]) -> list[Strip]:
        """Lines in sight, with their parts of the scrollbar; one that looks as before is the same strip as before."""
        (width, height), count, base = self.size, self.line_count, self.base
        blank, bar = Segment(" ", base), Segment(THUMB, self.colours.on(base)["faint"])
        begin = self.top * height // count if count > height else height
        end = max(begin + 1, (self.top + height) * height // count) if count > height else height
        lines: list[Strip] = []
        for y in rows:
            row = y + self.top
            if row >= count or width < 2:
                lines.append(Strip.blank(width, base))
                continue
            drawn = self.draw_line(row, width - 1, base)
            last = bar if begin <= y < end else blank
            known = self._kept.get(y)
            if known is None or known[1] != last or known[0] != drawn:
                known = self._kept[y] = drawn, last, Strip([*drawn, last], width)
            lines.append(known[2])
        return lines

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
            self.refresh()

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
        self._kept.clear()
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
