"""The line at the bottom where a person types: what to search for, a filter, a name to go to, a path to write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.suggester import Suggester
from textual.widgets import Input

from tui import keys
from tui.lines import cells, cut
from tui.messages import Record
from tui.widgets.one_line import OneLine

Purpose = Literal["search", "filter", "goto", "index", "write", "path"]

Complete = Callable[[str], str]
"""The whole of what a text begins; empty if nothing does."""


class Prompt(Vertical):
    """A label, a text to edit, and at the right what is to be said about it. It tells of every change.

    Below a filter there is a line for what `point` has to say.
    """

    DEFAULT_CSS = """
    Prompt {
        height: auto;
        & Horizontal { height: 1; background: $surface; }
        & OneLine { background: $surface; }
        & Horizontal > OneLine { width: auto; }
        & Input, & Input:focus {
            width: 1fr; height: 1; border: none; padding: 0; background: $surface; background-tint: $surface 0%;
        }
    }
    """

    class Changed(Record):
        """The text is another now."""

        purpose: Purpose
        text: str

    def __init__(self) -> None:
        super().__init__()
        self.purpose: Purpose = "search"
        self._label = OneLine()
        self._info = OneLine(classes="info")
        self._below = OneLine(classes="below")
        self._input = TextField(select_on_focus=False, compact=True)
        # A blinking cursor would be sent over the line for ever.
        self._input.cursor_blink = False

    def ask(self, purpose: Purpose, label: str, text: str, complete: Complete | None) -> None:
        """Let the person type something."""
        self.purpose = purpose
        self._label.styles.width = len(label) + 1
        self._label.show([(f" {label}", "accent")])
        self._input.suggester = None if complete is None else _Completion(complete)
        with self._input.prevent(Input.Changed):
            self._input.value = text
        self._input.cursor_position = len(text)
        self._below.display = purpose == "filter"
        self.say("")
        self.screen.set_focus(self._input)

    @property
    def text(self) -> str:
        """What is typed."""
        return self._input.value

    @property
    def info(self) -> str:
        """What is said about it."""
        return self._info.text

    def compose(self) -> ComposeResult:
        """Label, text, information."""
        with Horizontal():
            yield self._label
            yield self._input
            yield self._info
        yield self._below

    def say(self, text: str, role: str = "dim") -> None:
        """Say something about what is typed."""
        text = cut(text, self.app.size.width // 2)
        self._info.styles.width = cells(text) + 2
        self._info.show((), [(f"{text} ", role)])
        self._below.show(())

    def point(self, position: int, text: str) -> None:
        """Say what is wrong with the character at a position of what is typed, with a caret below it."""
        self.say("")
        width = self.app.size.width
        start = cells(self.text[:position]) - self._input.scroll_offset.x
        column = max(0, min(int(self._label.styles.width.value if self._label.styles.width else 0) + start, width - 1))
        if column + len(text) + 3 <= width or column < width // 2:
            self._below.show([(f"{' ' * column}^ {text}", "error")])
        else:
            before = cut(text, column - 1)
            self._below.show([(f"{' ' * (column - cells(before) - 1)}{before} ^", "error")])

    @property
    def pointed(self) -> str:
        """What is said to be wrong, with the caret."""
        return self._below.text.rstrip()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass it on."""
        event.stop()
        self.post_message(self.Changed(self.purpose, event.value))


class TextField(Input):
    """The text, with the keys of a prompt."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings(keys.TYPING)


class _Completion(Suggester):
    def __init__(self, complete: Complete) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """The completion, if there is one."""
        return self._complete(value) or None
