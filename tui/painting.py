"""Paints what a key has changed at once, in one go, and lines that widgets draw as a whole without the compositor.

Textual (8.2) lets each widget tell the screen of its changes by a message, once the widget is idle, and paints at the
next tick of a timer: what a key changes on both sides of the screen is painted twice, the second time up to 17 ms later.
Then each line is cut, joined and cached for whatever may lie over it. This can go when its screens paint as soon as they
are idle, and its compositor knows of widgets that nothing lies over.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, cast

from textual import events
from textual.filter import ANSIToTruecolor
from textual.geometry import Region, Size
from textual.widget import Widget

from tui.first_paint import FirstPaint
from tui.widgets.whole_lines import WholeLines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.strip import Strip

    from tui.changed_cells import ChangedCells, Piece

Places = list[tuple[Widget, Region]]
"""Widgets that nothing lies over, and where on the screen their lines are."""


class Painting(FirstPaint):
    """A screen that paints when it is idle; but half of the time it does something else."""

    _painted_at = 0.0
    _painting_took = 0.0
    _laying_out = False
    _visible: object = None
    _places: Places

    def on_idle(self, event: events.Idle) -> None:
        """Paint what has changed, wherever it has; after another layout if that is asked for."""
        if self.waiting or self.app._batch_count or not self.is_current:
            return
        laid_out = self._compositor._dirty_regions
        if self._peek_message() is not None:
            # There is more to come, and then it is idle again.
            return
        if perf_counter() - self._painted_at < self._painting_took and not laid_out:
            # Textual's timer paints.
            return
        visible = self._compositor.visible_widgets
        for widget in self.walk_children(Widget):
            if widget._layout_required:
                # It asks for that by a message, and then the screen is idle again.
                widget._check_refresh()
                event.prevent_default()
                return
            if widget._repaint_required and widget in visible:
                widget._repaint_required = False
                self._dirty_widgets.add(widget)
        if self._layout_required or self._dirty_widgets:
            self._on_timer_update()
        elif laid_out:
            self._compositor_refresh()

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        """Lay out, and paint once the widgets have heard of their new sizes."""
        self._laying_out = True
        super()._refresh_layout(size, scroll)
        self._laying_out = False
        # They hear of them before this is called.
        asyncio.get_running_loop().call_soon(self.check_idle)

    def _compositor_refresh(self) -> None:
        if self._laying_out:
            return
        began = perf_counter()
        # Of lines that we draw that filter would change nothing: with it on, they have no colours of the terminal's own.
        filtered = any(not isinstance(filter, ANSIToTruecolor) for filter in self.get_line_filters())
        if self.waiting or self is not self.app.screen or filtered:
            super()._compositor_refresh()
        else:
            dirty = self._compositor._dirty_regions
            pieces, rest = self._divided(dirty)
            dirty.clear()
            dirty.update(rest)
            update = self._compositor.render_update(screen_stack=self.app._background_screens)
            cast("ChangedCells", self.app).show(self, pieces, update)
            self._dirty_widgets.clear()
            self.app._update_mouse_over(self)
        self._painted_at = perf_counter()
        self._painting_took = self._painted_at - began

    def _divided(self, regions: Iterable[Region]) -> tuple[list[Piece], list[Region]]:
        """The lines in these regions that nothing lies over, drawn, and the regions that hold anything else."""
        rows: dict[Widget, set[int]] = {}
        rest: list[Region] = []
        places = self._uncovered()
        screen = self._compositor.size.region
        for wanted in regions:
            # Of a screen that has become smaller there are some that lie outside.
            region = wanted.intersection(screen)
            left = region.area
            for widget, place in places:
                part = place.intersection(region)
                if part:
                    rows.setdefault(widget, set()).update(range(part.y - place.y, part.bottom - place.y))
                    left -= part.area
                    if not left:
                        break
            if left:
                rest.append(region)
        pieces: list[Piece] = []
        for widget, (x, y, width, _) in places:
            asked = sorted(rows.get(widget, ()))
            for row, line in zip(asked, _lines(widget, width, asked), strict=True):
                pieces.append((x, y + row, [line if line.cell_length == width else line.adjust_cell_length(width)]))
        return pieces, rest

    def _uncovered(self) -> Places:
        """The widgets of which nothing is covered, since the last layout."""
        visible = self._compositor.visible_widgets
        if visible is not self._visible:
            self._visible = visible
            self._places = []
            for widget, (region, clip) in visible.items():
                if isinstance(widget, WholeLines):
                    # Beside them there may be scrollbars.
                    region = Region(*region.offset, *widget.scrollable_content_region.size)
                elif widget.children or widget.is_container:
                    continue
                below = {widget, *widget.ancestors}
                covered = any(region.overlaps(other) for over, (other, _) in visible.items() if over not in below)
                if clip.contains_region(region) and not covered:
                    self._places.append((widget, region))
        return self._places


def _lines(widget: Widget, width: int, rows: Sequence[int]) -> list[Strip]:
    """Some lines of a widget."""
    if isinstance(widget, WholeLines) or not rows:
        return widget.lines_at(rows) if isinstance(widget, WholeLines) else []
    drawn = widget.render_lines(Region(0, rows[0], width, rows[-1] - rows[0] + 1))
    return [drawn[row - rows[0]] for row in rows]
