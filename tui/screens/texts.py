"""The texts that a file carries to be read (source code, graphs): a list of them, and one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tui import clipboard, keys, messages
from tui.code import Code
from tui.figures import plural
from tui.lines import Line, cut_middle, safe
from tui.messages import Record
from tui.reader import Job, Reader
from tui.screens.pages import PageScreen
from tui.widgets.pick_list import PickList
from tui.widgets.text_pane import TextPane

PROSE = (".txt", ".md", ".json", ".yaml", ".yml", ".toml", ".cfg", "extern_modules")
"""Endings of texts that are no code."""

Texts = Mapping[str, Callable[[], str]]
"""The functions that read the texts, by name."""


class TextList(PickList):
    """The names of texts."""

    class Picked(Record):
        """A text is to be shown."""

        name: str

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    @property
    def line_count(self) -> int:
        """How many texts there are."""
        return len(self.names)

    def line(self, row: int, width: int) -> Line:
        """The name of a text."""
        return [(cut_middle(safe(self.names[row]), width), "text")]

    def pick(self, row: int) -> None:
        """Say which text is to be shown."""
        self.post_message(self.Picked(self.names[row]))


class TextsScreen(PageScreen):
    """All texts of a file."""

    def __init__(self, reader: Reader, texts: Texts, changed_keys: Mapping[str, str]) -> None:
        super().__init__(plural(len(texts), "text"), TextList(list(texts)), changed_keys)
        self.reader = reader
        self.texts = texts

    def on_text_list_picked(self, event: TextList.Picked) -> None:
        """Show it; the list stays below."""
        self.app.push_screen(TextScreen(self.reader, self.texts, event.name, self.changed_keys))


class TextScreen(PageScreen):
    """One text, from the class on that it is shown `about`; it is read when the screen is there."""

    BINDINGS = keys.bindings(keys.TEXTS)
    TABLES = (keys.TEXTS,)

    def __init__(self, reader: Reader, texts: Texts, shown: str, changed_keys: Mapping[str, str], about: str = "") -> None:
        self.pane = TextPane()
        super().__init__(safe(shown), self.pane, changed_keys)
        self.reader = reader
        self.texts = texts
        self.shown = shown
        self.about = about

    def on_mount(self) -> None:
        """Have the text read."""
        read, python = self.texts[self.shown], not self.shown.endswith(PROSE)
        self.bottom.say("reading …", "dim")

        def work(job: Job) -> messages.TextRead:
            return messages.TextRead(job, Code(read(), python, job.progress))

        self.reader.ask("text", work, self.post_message)

    def on_unmount(self) -> None:
        """Nobody needs it any more."""
        self.reader.stop("text", "take")

    def on_text_read(self, event: messages.TextRead) -> None:
        """Show it."""
        if not event.stale:
            self.bottom.say("")
            code = event.code
            self.pane.show(lambda width: code)
            self.pane.scroll_rows(code.line_of(self.about))

    def on_failed(self, event: messages.Failed) -> None:
        """Say why it can't be read."""
        if not event.stale:
            self.bottom.say(event.text, "error")

    def on_broken(self, event: messages.Broken) -> None:
        """A mistake of this program ends it."""
        raise event.error

    def action_copy(self) -> None:
        """Copy the text, all of it."""
        read, write = self.texts[self.shown], self.program.write_to_terminal

        def work(job: Job) -> messages.Copied:
            return messages.Copied(job, None, "", clipboard.copy(read(), write))

        self.reader.ask("take", work, self.post_message)

    def on_copied(self, event: messages.Copied) -> None:
        """Say where the text went."""
        if not event.stale:
            self.bottom.say(event.outcome.message, "error" if event.outcome.state == "failed" else "value")

    def action_all(self) -> None:
        """The list of all texts, in place of this one."""
        if any(isinstance(screen, TextsScreen) for screen in self.app.screen_stack):
            self.leave()
        else:
            self.app.switch_screen(TextsScreen(self.reader, self.texts, self.changed_keys))
