"""Whole-screen pages: help, and what a file says about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.screen import Screen

from inspector import Checkpoint
from tui import keys
from tui.figures import plural, short_size
from tui.lines import Line, labelled, safe, spread, width_of, wrap
from tui.outline import COLUMN, outline
from tui.troubles import remarks
from tui.widgets.bottom_line import BottomLine
from tui.widgets.line_view import LineView
from tui.widgets.one_line import OneLine
from tui.widgets.text_pane import Make, TextPane

if TYPE_CHECKING:
    from tui.app import TorchTUI

CHANGING = 'A line like "tree.down" = "j,n" in ~/.config/torchtui/keys.toml gives what has that id other keys.'

KEYS_WIDTH = 22
"""Columns of the keys on the help page."""


class PageScreen(Screen[Any]):
    """A page under a title, that goes away again."""

    DEFAULT_CSS = """
    PageScreen {
        & > #title { background: $panel; }
        & > LineView { height: 1fr; padding: 0 1; }
    }
    """
    BINDINGS = keys.bindings(keys.CLOSING)

    def __init__(self, title: str, body: LineView, changed_keys: Mapping[str, str]) -> None:
        super().__init__()
        self.body = body
        self.bottom = BottomLine()
        self.changed_keys = changed_keys
        self._heading = title

    def compose(self) -> ComposeResult:
        """Title, what the page shows, keys."""
        title = OneLine(id="title")
        title.show([(f" {self._heading}", "accent")])
        yield title
        yield self.body
        yield self.bottom

    def on_mount(self) -> None:
        """Give what the page shows the keys."""
        tables = (*getattr(self.body, "TABLES", ()), *getattr(self, "TABLES", ()), keys.CLOSING, keys.PROGRAM)
        self.bottom.hint(keys.hints(tables, self.changed_keys))
        self.body.focus()

    @property
    def program(self) -> TorchTUI:
        """The app, by its own type."""
        return cast("TorchTUI", self.app)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.leave()

    def leave(self, found: object = None) -> None:
        """Back to the screen below, with what was found; once, however fast keys come."""
        if self.is_current:
            self.dismiss(found)


def text_page(title: str, make: Make, changed_keys: Mapping[str, str]) -> PageScreen:
    """A page of the lines that `make` gives for its width."""
    pane = TextPane()
    pane.show(make)
    return PageScreen(title, pane, changed_keys)


def help_lines(changed_keys: Mapping[str, str], width: int) -> list[Line]:
    """The help page: every key, by what a person wants to do, with the id by which it is changed."""
    lines: list[Line] = [[], *wrap([(CHANGING, "dim")], width)]
    for table in keys.ALL:
        lines += [[], [(table.title, "accent")], []]
        for key in table.keys:
            names = "  ".join(keys.shown(changed_keys.get(key.id, key.keys)))
            told = wrap([(f"  {names:{KEYS_WIDTH}}", "strong"), (key.text, "text")], width, KEYS_WIDTH + 2)
            named: Line = [(key.id, "dim")]
            fits = width_of(told[-1]) + 2 + width_of(named) <= width
            lines += [*told[:-1], spread(told[-1], named, width)] if fits else [*told, spread((), named, width)]
    return lines


def metadata_lines(checkpoint: Checkpoint, width: int) -> list[Line]:
    """What a file says about itself, what is wrong with it, what it carries, and what really loading it would call."""
    lines: list[Line] = []

    def add(key: str, value: str, role: str = "text") -> None:
        lines.extend(labelled(key, (value, role), COLUMN, width))

    add("path", safe(checkpoint.path, 2000), "strong")
    add("format", safe(checkpoint.format))
    for remark in remarks(checkpoint):
        add("", safe(remark), "badge")
    exact = f" ({checkpoint.nbytes:,} B)" if checkpoint.nbytes >= 1000 else ""
    add("file size", short_size(checkpoint.nbytes) + exact)
    lines += [[], *_heading("Metadata", len(checkpoint.metadata), "entry")]
    lines += outline(checkpoint.metadata, width)
    lines += [[], *_heading("Problems", len(checkpoint.problems), "problem")]
    for problem in checkpoint.problems:
        lines += wrap([(safe(problem, 1000), "error")], width)
    lines += [[], *_heading("Texts to read", len(checkpoint.texts), "text")]
    lines += [
        [],
        *_heading("Calls outside plain data that loading it with pickle would make", len(checkpoint.calls), "call"),
    ]
    told = "Nothing in this file was run; x looks at every pickle in it: what a load would call, and where."
    lines += wrap([(told, "text")], width)
    return lines


def _heading(title: str, count: int, noun: str) -> Iterable[Line]:
    said = plural(count, noun) if count else "none"
    return [[(f"{title}: ", "accent"), (said, "dim")]]
