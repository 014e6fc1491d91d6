"""A list of model files with a cursor, newest first."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Sequence

from tui.figures import short_size
from tui.files import ModelFile
from tui.lines import Line, Part, cells, cut, cut_middle, safe, width_of
from tui.messages import Record
from tui.widgets.pick_list import PickList

AGES = ((60, "s"), (3600, "min"), (86_400, "h"), (7 * 86_400, "d"), (365 * 86_400, "wk"))
"""Seconds below which an age is said in a unit, and the unit."""

UNIT = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "wk": 7 * 86_400, "y": 365 * 86_400}


class FileList(PickList):
    """Shows those of `files` whose path holds `wanted`."""

    class Chosen(Record):
        """A file is to be opened."""

        file: ModelFile

    def __init__(self) -> None:
        super().__init__()
        self.files: list[ModelFile] = []
        self.shown: list[ModelFile] = []
        self.wanted = ""

    def add(self, files: Sequence[ModelFile]) -> None:
        """Take in more files; the cursor stays on its file."""
        here = self.shown[self.cursor] if self.cursor and self.shown else None
        for file in files:
            insort(self.files, file, key=_newest_first)
            if self._fits(file):
                insort(self.shown, file, key=_newest_first)
        if here is not None:
            self.cursor = self.shown.index(here)
        self._changed()

    def restrict(self, wanted: str) -> None:
        """Show only files whose path holds this text; capitals count where it has one."""
        self.wanted = wanted
        self.shown = [file for file in self.files if self._fits(file)]
        self.cursor = 0
        self._changed()

    @property
    def line_count(self) -> int:
        """How many files are shown."""
        return len(self.shown)

    def line(self, row: int, width: int) -> Line:
        """One file."""
        return _line(self.shown[row], width)

    def pick(self, row: int) -> None:
        """Say which file is to be opened."""
        self.post_message(self.Chosen(self.shown[row]))

    def _fits(self, file: ModelFile) -> bool:
        return self.wanted in (file.path if self.wanted != self.wanted.lower() else file.path.lower())

    def _changed(self) -> None:
        self.action_move(0)
        self.refresh()


def _newest_first(file: ModelFile) -> tuple[float, str]:
    return -file.modified, file.path


def _line(file: ModelFile, width: int) -> Line:
    right: list[Part] = [
        (f"  {cut(safe(file.format), 20):20}", "class"),
        (f"{short_size(file.nbytes):>10}", "text"),
        (f"{_age(file.modified):>13} ", "dim"),
    ]
    path = cut_middle(safe(file.path), width - width_of(right) - 1)
    folder, slash, name = path.rpartition("/")
    gap = width - width_of(right) - cells(path) - 1
    return [(f" {folder}{slash}", "dim"), (name, "strong"), (" " * max(gap, 0), "text"), *right]


def _age(modified: float) -> str:
    if not modified:
        return ""
    seconds = max(time.time() - modified, 0)
    unit = next((unit for limit, unit in AGES if seconds < limit), "y")
    return f"{seconds // UNIT[unit]:.0f} {unit} ago"
