"""Copying, printing and writing what is under the cursor."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from inspector.errors import visible
from inspector.nodes import Module, Node, Tensor
from tui import messages
from tui.figures import short_size
from tui.reader import Job, Reader
from tui.screens.workspace import Entry, Workspace

if TYPE_CHECKING:
    from tui import copying
    from tui.widgets.prompt import Purpose

LONGEST_NAME = 80
"""Characters of a file name that is offered."""


class Taking(Workspace):
    """The part of the screen that hands things out."""

    def __init__(self, reader: Reader, path: str, changed_keys: Mapping[str, str]) -> None:
        super().__init__(reader, path, changed_keys)
        self._writing: Tensor | Module | None = None
        self._target = ""

    # Copy

    def action_copy(self) -> None:
        """Show which letter copies what."""
        from tui import copying

        self.catch_up()
        node = self.module_tree.node
        if node is None:
            return
        block = self.grid.shown() if node is self.grid.tensor else None

        def entry(kind: copying.Kind) -> Entry:
            return kind.letter, kind.word, lambda: self._copy(node, kind, block)

        entries = [entry(kind) for kind in copying.kinds(node, has_block=block is not None)]
        if isinstance(node, Tensor):
            entries.append(("s", "statistics", lambda: self._copy_statistics(node)))
        self.menu("copy", entries)

    def _copy(self, node: Node, kind: copying.Kind, block: copying.Block | None) -> None:
        from tui import clipboard, copying

        if kind.extension and kind.letter != "b" and isinstance(node, Tensor):
            least = copying.least_size(node)
            if least > clipboard.LIMIT:
                self._offer_file(node, f"at least {short_size(least)}", kind.extension)
                return
        self._send(node, lambda job: kind.make(node, block), kind.extension)

    def _copy_statistics(self, tensor: Tensor) -> None:
        known = self.known.figures(tensor)

        def make(job: Job) -> str:
            from inspector.statistics.scan import scan
            from tui import copying

            numel = max(tensor.numel, 1)
            statistics = known or scan(tensor, lambda done, _: job.progress(done / numel))
            return copying.statistics_text(tensor, statistics)

        self._send(tensor, make)

    def _send(self, node: Node, make: Callable[[Job], str], extension: str = "") -> None:
        """Make a text in the reader's thread, and send it to the clipboard."""
        write = self.program.write_to_terminal

        def work(job: Job) -> messages.Copied:
            from tui import clipboard

            text = make(job)
            job.progress(1)
            return messages.Copied(job, node, extension, clipboard.copy(text, write))

        self.bottom.say("reading …", "dim")
        self.reader.ask("take", work, self.post_message)

    def on_copied(self, event: messages.Copied) -> None:
        """Say where the text went."""
        if event.stale:
            return
        if event.outcome.state == "failed" and event.extension and isinstance(event.node, Tensor):
            self._offer_file(event.node, event.outcome.message, event.extension)
        else:
            self.bottom.say(event.outcome.message, "error" if event.outcome.state == "failed" else "value")

    def _offer_file(self, node: Tensor, reason: str, extension: str) -> None:
        self.menu(
            f"{reason}, too much for a clipboard:" if "clipboard" not in reason else f"{reason};",
            [
                ("w", "write a file", lambda: self._ask_where(node, extension)),
                ("p", "print as torch does", lambda: self._print(node)),
            ],
        )

    # Print

    def action_print(self) -> None:
        """Print what is under the cursor to the terminal itself, as Python's `print` would."""
        node = self.module_tree.node
        if node is not None:
            self._print(node)

    def _print(self, node: Node) -> None:
        def work(job: Job) -> messages.Printed:
            from tui import copying

            return messages.Printed(job, copying.printed(node))

        self.bottom.say("reading …", "dim")
        self.reader.ask("take", work, self.post_message)

    def on_printed(self, event: messages.Printed) -> None:
        """Leave the screen for a moment, print, and come back at a key."""
        if event.stale:
            return
        self.bottom.say("")
        try:
            with self.app.suspend():
                show_below(event.text)
        except SuspendNotSupported:
            self.bottom.say("this terminal can't be printed to", "error")

    # Write

    async def action_write(self) -> None:
        """Write the tensor, or all tensors below, to a file."""
        node = self.module_tree.node
        if isinstance(node, Tensor):
            await self._ask_where(node, ".npy")
        elif isinstance(node, Module) and node.tensor_count:
            await self._ask_where(node, ".npz")
        else:
            self.bottom.say("there is no tensor here to write", "badge")

    async def _ask_where(self, node: Tensor | Module, extension: str) -> None:
        self._writing = node
        await self.ask("write", "write to ", file_name(node.name or Path(self.path).stem) + extension)

    async def submit(self, purpose: Purpose, text: str) -> str | None:
        """Write to the path that the person typed."""
        if purpose == "write":
            if not text.strip():
                return "where to?"
            self._write(text.strip())
        return await super().submit(purpose, text)

    def _write(self, path: str, replace: bool = False) -> None:
        """Write what was asked for to a path."""
        node = self._writing
        if node is None:
            return
        tensors = node.state_dict() if isinstance(node, Module) else {node.name or "tensor": node}
        target = str(Path(path).expanduser())

        def work(job: Job) -> messages.Written:
            from inspector import export

            size = export.export(
                tensors, target, replace=replace, progress=lambda done, total: job.progress(done / max(total, 1))
            )
            return messages.Written(job, target, size)

        self._target = path
        self.bottom.say("writing …", "dim")
        self.reader.ask("write", work, self.post_message)

    def on_written(self, event: messages.Written) -> None:
        """Say what was written."""
        if not event.stale:
            self.bottom.say(f"Wrote {visible(event.path)} ({short_size(event.nbytes)})", "value")

    def ask_to_replace(self, why: str) -> None:
        """A file of that name is there: ask."""
        path = self._target
        self.menu(
            f"{why}:",
            [
                ("r", "replace it", lambda: self._write(path, replace=True)),
                ("o", "another name", lambda: self.ask("write", "write to ", path)),
            ],
        )


def file_name(name: str) -> str:
    """A file name made from a name of the file: letters, digits, dots, dashes and underscores only, and no dot first."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[-LONGEST_NAME:].strip("._-")
    return plain or "tensor"


def show_below(text: str) -> None:
    """Print a text where the shell prints, and wait for a key."""
    import termios
    import tty

    out = sys.__stdout__
    assert out is not None
    lines = "\n".join(visible(line) for line in text.split("\n"))
    descriptor = os.open("/dev/tty", os.O_RDONLY)
    before = termios.tcgetattr(descriptor)
    try:
        # Before the text: this drops what was typed, which from then on may be the key that goes back.
        tty.setcbreak(descriptor)
        # Nor is any key a signal here: Ctrl+C goes back too.
        settings = termios.tcgetattr(descriptor)
        settings[tty.LFLAG] &= ~termios.ISIG
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
        out.write(f"{lines}\n\n[any key goes back to torchtui] ")
        out.flush()
        os.read(descriptor, 16)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        os.close(descriptor)
        out.write("\r\x1b[K")
        out.flush()
