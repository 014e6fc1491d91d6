"""The first line: which file this is, of what format, and what it holds altogether."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from inspector import Checkpoint, Module, Tensor
from tui.figures import plural, short_count, short_size
from tui.lines import Line, Part, cells, cut, cut_middle, safe, width_of
from tui.widgets.one_line import OneLine

MORE = 2
"""Columns for the mark that something has no room."""


class TitleLine(OneLine):
    """File, format, tensors, parameters (tied ones once), bytes, dtypes; what has no room at the end is marked by `…`."""

    DEFAULT_CSS = """
    TitleLine { background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._file = ""
        self._facts: list[Part] = []
        self._problems = ""
        self._changed = ""

    def opening(self, path: str) -> None:
        """Show which file is being opened."""
        self._file = safe(PurePath(path).name or path)
        self._facts = []
        self._problems = ""
        self._changed = ""
        self.refresh()

    def changed(self, what: str) -> None:
        """Show what became of the file on the disk; the empty text if nothing did."""
        if what != self._changed:
            self._changed = what
            self.refresh()

    def reading(self, tensors: int) -> None:
        """Show that the file is still being read, and how many tensors are there to be seen until then."""
        self._facts = [("still being read", "badge"), (f"the first {plural(tensors, 'tensor')}", "text")]
        self.refresh()

    def opened(self, checkpoint: Checkpoint, dtypes: Mapping[str, int]) -> None:
        """Show what is known: `dtypes` is how many tensors there are of each, empty while that is being counted."""
        root = checkpoint.root
        name = f", not {safe(checkpoint.misnamed)}" if checkpoint.misnamed else ""
        self._facts = [(safe(checkpoint.format) + name, "badge" if name else "text")]
        if isinstance(root, Module | Tensor):
            tensors = root.tensor_count if isinstance(root, Module) else 1
            self._facts.append((plural(tensors, "tensor") if tensors else "no tensors", "text"))
            if tensors:
                self._facts += [(f"{short_count(root.numel)} parameters", "text"), (short_size(root.nbytes), "text")]
        most = sorted(dtypes.items(), key=lambda item: -item[1])
        named = [safe(name) if len(most) == 1 else f"{safe(name)} {count:,}" for name, count in most]
        self._facts += [(name, "dtype") for name in named]
        self._problems = f"! {plural(len(checkpoint.problems), 'problem')}" if checkpoint.problems else ""
        self.refresh()

    def line(self, width: int) -> Line:
        """The title in this width."""
        name = cut_middle(self._file, width // 2)
        left: list[Part] = [(" ", "text"), (name, "accent")]
        if self._problems:
            left += [("  ", "text"), (self._problems, "badge")]
        if self._changed:
            left += [("  ", "text"), (self._changed, "error")]
        gap = "  "
        for number, (text, role) in enumerate(self._facts, 1):
            room = width - width_of(left) - len(gap)
            if cells(text) + (MORE if number < len(self._facts) else 0) > room:
                # The format may be cut; a number that is cut would be another one.
                left += [(gap, "dim"), (cut(f"{text} …", room), role)] if number == 1 else [(" …", "dim")]
                break
            left += [(gap, "dim"), (text, role)]
            gap = " · "
        return left
