"""The heat map in place of the values."""

from __future__ import annotations

import os
from time import monotonic

from tui import messages, picture
from tui.lines import safe
from tui.reader import Job
from tui.screens.workspace import Workspace
from tui.widgets.heat_map import HeatMap

EVERY = 0.25
"""Seconds between two looks at a map that is being made."""


class Heating(Workspace):
    """The part of the screen that draws heat maps."""

    def on_mount(self) -> None:
        """Draw without colours where a person wants none."""
        self.heat_map.plain = bool(os.environ.get("NO_COLOR"))

    def action_heat(self) -> None:
        """The heat map in place of the values, or the values again."""
        self.catch_up()
        if self.grid.tensor is None:
            self.bottom.say("a heat map is drawn of a tensor", "badge")
            return
        self.heated = not self.heated
        self.go_to_pane("grid" if self.pane != "tree" else "tree")
        self.heat()

    def heat(self) -> None:
        """Let the map show the page that the values show."""
        self.reader.stop("heat")
        if self.heated:
            self.heat_map.turn(self.grid.tensor, self.grid.page)

    def on_heat_map_wanted(self, event: HeatMap.Wanted) -> None:
        """Have the picture made that the map misses."""

        def work(job: Job) -> messages.Heated:
            from inspector import InspectorError

            told = monotonic()

            def progress(part: float, make: picture.Make) -> None:
                nonlocal told
                job.progress(0)
                if monotonic() - told >= EVERY:
                    told = monotonic()
                    job.post(messages.Heated(job, make(), part))

            try:
                if event.first is not None:
                    return messages.Heated(job, picture.kernels(event.tensor, event.first, event.height, event.width))
                if event.centre is not None:
                    size = event.height, event.width
                    return messages.Heated(job, picture.close(event.tensor, event.page, event.centre, *size))
                return messages.Heated(job, picture.whole(event.tensor, event.page, event.height, event.width, progress))
            except InspectorError as error:
                job.post(messages.Unread(job, error))
                return messages.Heated(job, None, error=safe(str(error)))

        self.reader.ask("heat", work, self.post_message)

    def on_heated(self, event: messages.Heated) -> None:
        """Show it."""
        if not event.stale and self.heated:
            self.heat_map.show(event.picture, event.part, event.error)

    def on_heat_map_cell_moved(self, event: HeatMap.CellMoved) -> None:
        """Say at the bottom what is under the cursor."""
        self.cell = event.text
        if self.focused is self.heat_map:
            self.bottom.aside(self.cell)

    def on_heat_map_picked(self, event: HeatMap.Picked) -> None:
        """To the values of a cell."""
        self.action_heat()
        self.go_to_pane("grid")
        self.grid.go_to(", ".join(map(str, event.index)))

    def action_turn(self, how: str) -> None:
        """Turn to another page from the map: the values turn, and the map follows."""
        if how == "transpose":
            self.grid.action_transpose()
        else:
            self.grid.action_step(int(how))
