"""Paints a new screen once, when there is something to see.

Textual (8.2) paints it empty, then again while its widgets hear of their sizes and of the focus. With the whole screen
each time that is 30 KB and a tenth of the time until the first rows. This can go when `Screen._refresh_layout` waits with
its first paint until the messages of mounting are dealt with.
"""

from __future__ import annotations

from textual.screen import Screen

LONGEST = 0.05
"""Seconds after which there is a paint in any case: panes that are empty, and what is waited for."""


class FirstPaint(Screen[None]):
    """A screen that is not painted before `paint`, or `LONGEST` after it was mounted."""

    waiting = True

    def on_mount(self) -> None:
        """Wait no longer than that."""
        self.set_timer(LONGEST, self.paint)

    def paint(self) -> None:
        """Paint from now on."""
        if self.waiting:
            self.waiting = False
            self.refresh()

    def _compositor_refresh(self) -> None:
        if not self.waiting:
            super()._compositor_refresh()
