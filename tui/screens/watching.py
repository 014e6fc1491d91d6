"""Whether the open file is still the one on the disk."""

from __future__ import annotations

from pathlib import Path, PurePath

from inspector.errors import ChangedFile, UnreadableFile
from tui import messages
from tui.lines import safe
from tui.reader import Job
from tui.screens.workspace import Workspace

EVERY = 2.0
"""Seconds between two looks at the file, while the terminal has the focus."""


class Watching(Workspace):
    """The part of the screen that sees when something becomes of the file."""

    became = ""
    """What became of it, as `Checkpoint.changed` says."""

    gone = False
    """Whether nothing is at its path any more."""

    unreadable = False
    """Whether the system has refused some of its bytes."""

    def on_mount(self) -> None:
        """Look every now and then."""
        self.set_interval(EVERY, self._look_if_watched)

    def clear(self, path: str) -> None:
        """Forget what became of the file before."""
        self.forget_changes()
        super().clear(path)

    def forget_changes(self) -> None:
        """The file that is open now is the one on the disk."""
        self.became, self.gone, self.unreadable = "", False, False
        self._badge()

    def _look_if_watched(self) -> None:
        if self.app.app_focus:
            self.look_at_file()

    def on_unread(self, event: messages.Unread) -> None:
        """See whether it is the file's fault."""
        if not event.stale:
            self.heed(event.error)

    def heed(self, problem: BaseException) -> None:
        """A read has failed: see whether it is the file's fault."""
        if isinstance(problem, UnreadableFile):
            self.unreadable = True
            self._badge()
        if isinstance(problem, ChangedFile | UnreadableFile):
            self.look_at_file()

    def look_at_file(self) -> None:
        """Ask what became of the file."""
        checkpoint, known = self.checkpoint, self.became
        if checkpoint is None:
            return

        def work(job: Job) -> messages.FileChanged | None:
            what = checkpoint.changed()
            gone = bool(what) and not Path(checkpoint.path).exists()
            return messages.FileChanged(job, what, gone) if what != known else None

        self.reader.ask("watch", work, self.post_message)

    def on_file_changed(self, event: messages.FileChanged) -> None:
        """Say it: in the title as long as it is so, and once at the bottom in full."""
        if event.stale:
            return
        if event.what and not self.became and self.prompt is None:
            self.bottom.say(f"{safe(PurePath(self.path).name)}: {safe(event.what)}", "badge")
        self.became, self.gone = event.what, event.gone
        self._badge()

    def _badge(self) -> None:
        """Say in the title what is the matter."""
        if self.gone:
            self.title_line.changed("deleted")
        elif self.became:
            self.title_line.changed("changed on disk · r reloads")
        else:
            self.title_line.changed("can't be read in places · r reloads" if self.unreadable else "")
