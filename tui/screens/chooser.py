"""The choice of a file: the model files below the current folder, as they are found; and why the last one failed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult

from tui import keys, messages
from tui.figures import plural
from tui.files import ModelFile, model_files, named_files
from tui.lines import Part, safe
from tui.ordered_keys import KeyScreen
from tui.reader import Job, Reader
from tui.widgets.bottom_line import BottomLine
from tui.widgets.file_list import FileList
from tui.widgets.notice import Notice
from tui.widgets.one_line import OneLine
from tui.widgets.prompt import Prompt, Purpose

if TYPE_CHECKING:
    from tui.app import TorchTUI

EVERY = 0.1
"""Seconds between two lots of files that are shown."""


class ChooserScreen(KeyScreen):
    """Lets a model file below `folder` be chosen; `error` says why there is no other screen."""

    DEFAULT_CSS = """
    ChooserScreen {
        & > #title { background: $panel; }
        & > #error { padding: 0 1; color: $error; }
        & > FileList { height: 1fr; }
    }
    """
    BINDINGS = keys.bindings(keys.CHOOSING)
    AUTO_FOCUS = ""

    def __init__(
        self, reader: Reader, folder: str, error: str, changed_keys: Mapping[str, str], paths: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.paths = paths
        self.reader = reader
        self.folder = folder
        self.error = error
        self.changed_keys = changed_keys
        self.files = FileList()
        self.bottom = BottomLine()
        self.prompt: Prompt | None = None
        self._title = OneLine(id="title")
        self._complete = False

    def compose(self) -> ComposeResult:
        """Title, the error if there is one, files, keys."""
        yield self._title
        if self.error:
            yield Notice(self.error, id="error")
        yield self.files
        yield self.bottom

    def on_mount(self) -> None:
        """Look for files once there is something to see."""
        self.files.focus()
        self.bottom.hint(keys.hints((keys.LISTING, keys.CHOOSING, keys.PROGRAM), self.changed_keys))
        self._tell()
        self.call_after_refresh(self._look)

    def on_unmount(self) -> None:
        """Nobody needs the list any more."""
        self.reader.stop("files")

    def _look(self) -> None:
        self.reader.ask("files", self._find, self.post_message)

    def _find(self, job: Job) -> messages.FilesFound:
        found: list[ModelFile] = []
        told = time.monotonic()

        def tick() -> None:
            nonlocal found, told
            job.progress(0)
            if found and time.monotonic() - told > EVERY:
                told = time.monotonic()
                job.post(messages.FilesFound(job, found))
                found = []

        files = named_files(self.folder, self.paths, tick) if self.paths else model_files(self.folder, tick)
        for file in files:
            found.append(file)  # noqa: PERF402 (tick gives away what was found so far)
        return messages.FilesFound(job, found, last=True)

    def on_files_found(self, event: messages.FilesFound) -> None:
        """Show some more files."""
        if not event.stale:
            self._complete = event.last
            self.files.add(event.files)
            self._tell()

    def on_failed(self, event: messages.Failed) -> None:
        """The folder can't be read."""
        self.bottom.say(event.text, "error")

    def on_broken(self, event: messages.Broken) -> None:
        """A mistake of this program ends it."""
        raise event.error

    def on_file_list_chosen(self, event: FileList.Chosen) -> None:
        """Open the file."""
        self.program.open(str(Path(self.folder) / event.file.path))

    async def action_filter(self) -> None:
        """Show only files whose path holds what is typed."""
        await self._ask("filter", "filter ", self.files.wanted)

    async def action_path(self) -> None:
        """Open a path that is typed."""
        await self._ask("path", "open ", "")

    def action_leave(self) -> None:
        """Close the prompt; else show all files again; else back to the file that is open, if one is."""
        if self.prompt is not None and self.prompt.display:
            self._close_prompt()
        elif not self.files.wanted:
            if self.program.explorer.module_tree.rows is not None and self.is_current:
                self.dismiss()
            return
        self.files.restrict("")
        self._tell()

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        """Filter with every letter."""
        if event.purpose == "filter":
            self.files.restrict(event.text)
            self._tell()

    def action_submit(self) -> None:
        """Open what is typed, or what is left."""
        if self.prompt is None:
            return
        purpose, text = self.prompt.purpose, self.prompt.text.strip()
        self._close_prompt()
        if purpose == "path" and text:
            self.program.open(str(Path(text).expanduser()))
        elif purpose == "filter":
            self.files.restrict(text)
            self.files.action_open()

    async def _ask(self, purpose: Purpose, label: str, text: str) -> None:
        if self.prompt is None:
            self.prompt = Prompt()
            await self.mount(self.prompt)
        self.bottom.display = False
        self.prompt.display = True
        self.prompt.ask(purpose, label, text, None)

    def _close_prompt(self) -> None:
        if self.prompt is not None:
            self.prompt.display = False
            self.bottom.display = True
            self.set_focus(self.files)

    @property
    def program(self) -> TorchTUI:
        """The app, by its own type."""
        return cast("TorchTUI", self.app)

    def _tell(self) -> None:
        count = len(self.files.files)
        said: list[Part] = [(" torchtui", "accent")]
        if self.paths:
            said.append(("  the files that were named", "dim"))
        else:
            said += [("  model files below ", "dim"), (safe(self.folder), "text")]
        state = plural(count, "file") if count or self._complete else "looking"
        if self.files.wanted:
            state = f"{len(self.files.shown):,} of {state}"
        self._title.show(said, [(f"{state}{'' if self._complete else ' …'} ", "dim")])
        if self._complete and not count:
            self.bottom.say("no model files here: o opens a path", "badge")
