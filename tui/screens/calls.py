"""What really loading a file would call, as a list; where in the tree that stands can be gone to."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.loading import Finding, Scan
from tui.lines import Line, wrap
from tui.messages import Record
from tui.reports.calls import scan_rows
from tui.screens.pages import PageScreen
from tui.widgets.pick_list import PickList

INDENT = 4
"""Columns by which a call goes on below its first line."""


class CallLines:
    """The lines of a scan as they are wrapped for a width."""

    def __init__(self, scan: Scan, width: int) -> None:
        self._told = list(scan_rows(scan))
        self._width = -1
        self.rows: list[tuple[Line, Finding | None]] = []
        self.fit(width)

    def fit(self, width: int) -> None:
        """Wrap them for another width."""
        if width != self._width:
            self._width = width
            self.rows = [(line, finding) for told, finding in self._told for line in wrap(told, width, INDENT)]


class CallList(PickList):
    """The lines of a scan, which may have been wrapped before there is a list."""

    class Picked(Record):
        """Where this call stands is to be shown."""

        finding: Finding

    def __init__(self, lines: CallLines) -> None:
        super().__init__()
        self._lines = lines

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self._lines.rows)

    def on_resize(self) -> None:
        """Wrap the texts for another width."""
        # The last column is the scrollbar's.
        self._lines.fit(self.size.width - 1)
        self.refresh()

    def line(self, row: int, width: int) -> Line:
        """A line of a call, or of what stands around them."""
        return self._lines.rows[row][0]

    def pick(self, row: int) -> None:
        """Say which call."""
        finding = self._lines.rows[row][1]
        if finding is not None:
            self.post_message(self.Picked(finding))


class CallsScreen(PageScreen):
    """What a load would call; it is left with the call that was picked."""

    def __init__(self, path: str, lines: CallLines, changed_keys: Mapping[str, str]) -> None:
        super().__init__(path, CallList(lines), changed_keys)

    def on_call_list_picked(self, event: CallList.Picked) -> None:
        """Leave."""
        self.leave(event.finding)
