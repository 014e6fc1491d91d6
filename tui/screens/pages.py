"""Whole-screen pages of text: help, and what a file says about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.app import ComposeResult
from textual.screen import Screen

from inspector import Checkpoint
from inspector.loading import Scan
from inspector.pickles.objects import text
from tui import keys
from tui.figures import plural, short_size
from tui.lines import Line, safe, wrap
from tui.reports.calls import scan_lines
from tui.widgets.bottom_line import BottomLine
from tui.widgets.one_line import OneLine
from tui.widgets.text_pane import Make, TextPane

KEYS_WIDTH = 22
"""Columns of the keys on the help page."""

KEY_WIDTH = 18
"""Columns of the words at the left of the metadata page."""

MOST_CALLS = 1000
"""Calls that are listed."""

CLOSING = keys.Table(
    "Leave the page",
    (keys.Key("page.close", "escape,?,i,x", "close", "back to where you were", "back"),),
)


class PageScreen(Screen[None]):
    """A page of text under a title."""

    DEFAULT_CSS = """
    PageScreen {
        & > #title { background: $panel; }
        & > TextPane { height: 1fr; padding: 0 1; }
    }
    """
    BINDINGS = keys.bindings(CLOSING)

    def __init__(self, title: str, make: Make, changed_keys: Mapping[str, str]) -> None:
        super().__init__()
        self.text_pane = TextPane()
        self._heading = title
        self._make = make
        self._changed_keys = changed_keys

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        title = OneLine(id="title")
        title.show([(f" {self._heading}", "accent")])
        yield title
        yield self.text_pane
        bottom = BottomLine()
        bottom.hint(keys.hints((keys.READING, CLOSING, keys.PROGRAM), self._changed_keys))
        yield bottom

    def on_mount(self) -> None:
        """Show the text."""
        self.text_pane.show(self._make)
        self.text_pane.focus()

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss()


def help_lines(changed_keys: Mapping[str, str], width: int) -> list[Line]:
    """The help page: every key, by what a person wants to do."""
    lines: list[Line] = []
    for table in keys.ALL:
        lines += [[], [(table.title, "accent")], []]
        for key in table.keys:
            names = "  ".join(keys.shown(changed_keys.get(key.id, key.keys)))
            lines += wrap([(f"  {names:{KEYS_WIDTH}}", "strong"), (key.text, "text")], width, KEYS_WIDTH + 2)
    return lines


def metadata_lines(checkpoint: Checkpoint, width: int) -> list[Line]:
    """What a file says about itself, what is wrong with it, and what really loading it would call."""
    lines: list[Line] = []

    def add(key: str, value: str, role: str = "text") -> None:
        lines.extend(wrap([(f"{key:{KEY_WIDTH}}", "dim"), (value, role)], width, KEY_WIDTH))

    add("path", safe(checkpoint.path, 2000), "strong")
    add("format", safe(checkpoint.format))
    add("file size", f"{short_size(checkpoint.nbytes)} ({checkpoint.nbytes:,} B)")
    lines += [[], *_heading("Metadata", len(checkpoint.metadata), "entry")]
    for key, value in checkpoint.metadata.items():
        add(safe(key), safe(value if isinstance(value, str) else text(value, 20_000), 20_000), "value")
    lines += [[], *_heading("Problems", len(checkpoint.problems), "problem")]
    for problem in checkpoint.problems:
        lines += wrap([(safe(problem, 1000), "error")], width)
    return lines


def call_lines(scan: Scan, width: int) -> list[Line]:
    """What really loading a file would call, and where in it that stands."""
    lines: list[Line] = [[]]
    for line in scan_lines(scan):
        lines += wrap(line, width, 4)
    return lines


def _heading(title: str, count: int, noun: str) -> Iterable[Line]:
    said = plural(count, noun).replace("entrys", "entries") if count else "none"
    return [[(f"{title}: ", "accent"), (said, "dim")]]
