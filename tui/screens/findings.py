"""What the look at a whole file's health has found, as a list; one of the findings can be gone to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tui.figures import plural
from tui.lines import Line, cells, cut, cut_middle, safe
from tui.messages import Record
from tui.screens.pages import PageScreen
from tui.widgets.pick_list import PickList
from tui.widgets.tree_line import MARKS

if TYPE_CHECKING:
    from inspector.statistics.health import Finding

MARK = 14
"""Columns of what is wrong in a word."""


class FindingList(PickList):
    """A line for each finding: what, where, and how that shows."""

    class Picked(Record):
        """A finding is to be gone to."""

        finding: Finding

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__()
        self._findings = findings

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self._findings)

    def line(self, row: int, width: int) -> Line:
        """One finding."""
        finding = self._findings[row]
        word, role = MARKS[finding.kind]
        name = cut_middle(safe(finding.node.name), max(width // 2 - MARK, 8))
        rest = width - MARK - cells(name) - 2
        return [(f"{word:<{MARK}}", role), (f"{name}  ", "text"), (cut(safe(finding.text), rest), "dim")]

    def pick(self, row: int) -> None:
        """Say which finding."""
        self.post_message(self.Picked(self._findings[row]))


class FindingsScreen(PageScreen):
    """The findings in a file; it is left with the one that was picked."""

    def __init__(self, findings: Sequence[Finding], of: str, changed_keys: Mapping[str, str]) -> None:
        super().__init__(f"{plural(len(findings), 'finding')} in {of}", FindingList(findings), changed_keys)

    def on_finding_list_picked(self, event: FindingList.Picked) -> None:
        """Leave."""
        self.leave(event.finding)
