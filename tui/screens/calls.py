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


class CallList(PickList):
    """The lines of a scan."""

    class Picked(Record):
        """Where this call stands is to be shown."""

        finding: Finding

    def __init__(self, scan: Scan) -> None:
        super().__init__()
        self._scan = list(scan_rows(scan))
        self._rows: list[tuple[Line, Finding | None]] = []

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self._rows)

    def on_resize(self) -> None:
        """Wrap the texts for another width."""
        width = self.size.width - 1
        self._rows = [(line, finding) for whole, finding in self._scan for line in wrap(whole, width, INDENT)]
        self.refresh_changed()

    def line(self, row: int, width: int) -> Line:
        """A line of a call, or of what stands around them."""
        return self._rows[row][0]

    def pick(self, row: int) -> None:
        """Say which call."""
        finding = self._rows[row][1]
        if finding is not None:
            self.post_message(self.Picked(finding))


class CallsScreen(PageScreen):
    """What a load would call; it is left with the call that was picked."""

    def __init__(self, path: str, scan: Scan, changed_keys: Mapping[str, str]) -> None:
        super().__init__(path, CallList(scan), changed_keys)

    def on_call_list_picked(self, event: CallList.Picked) -> None:
        """Leave."""
        self.dismiss(event.finding)
