"""The terminal as the screen has it: Textual's driver, and below that an output that can be shut at any moment."""

from __future__ import annotations

import os
import re
import select
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from textual.drivers.linux_driver import LinuxDriver

from tui.plain_ascii import lookalike

if TYPE_CHECKING:
    from textual.app import App

    from tui.app import TorchTUI

PIECE = 4096
"""Bytes that are written in one go: a terminal that takes no more holds up nobody for longer than that."""

PATIENCE = 0.2
"""Seconds that the terminal may take for a piece before what it has not taken yet is thrown away."""

ENTER = "\x1b[?1049h"
LEAVE = "\x1b[?1049l"
"""The alternate screen, on and off."""

RESET = (
    # The end of a string that was cut short, of a frame that was, and of its colours.
    "\x1b\\\x1b[?2026l\x1b[0m"
    # Bracketed paste, line wrap, reports of the size, of the mouse and of the focus, kitty's keyboard.
    "\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b[?1004l\x1b[<u"
    f"{LEAVE}\x1b[?25h"
)
"""Takes back all that Textual's driver (8.2) and this one set."""

TOGETHER = 0.05
"""Seconds within which signals that were sent together have all come."""

OLD = ("linux", "vt", "ansi", "dumb")
"""How TERM begins for terminals that print a part of a question that they do not know."""


class Output:
    """The terminal as the screen writes to it, until it is given back; from any thread."""

    def __init__(self, descriptor: int, *, only_ascii: bool = False) -> None:
        self.on_lost: Callable[[], None] = lambda: None
        self._descriptor = descriptor
        self._only_ascii = only_ascii
        self._writing = threading.Lock()
        self._shut = False
        self._entered = False

    def fileno(self) -> int:
        """The terminal's descriptor."""
        return self._descriptor

    def flush(self) -> None:
        """Does nothing: what is written is there."""

    def write(self, text: str) -> None:
        """Write a text, unless the terminal was given back."""
        try:
            with self._writing:
                self._entered = self._entered or ENTER in text
                self._write(self._encoded(text))
                self._entered = self._entered and LEAVE not in text
        except OSError:
            self._shut = True
            self.on_lost()

    def give_back(self) -> None:
        """Write nothing any more, and take back all that was set. Does not wait for a terminal that takes nothing."""
        self._shut = True
        if not self._writing.acquire(timeout=PATIENCE):
            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCOFLUSH)
            self._writing.acquire(timeout=PATIENCE)
        if self._entered and select.select((), (self._descriptor,), (), PATIENCE)[1]:
            with suppress(OSError):
                os.write(self._descriptor, RESET.encode())
            self._entered = False

    def _write(self, data: bytes) -> None:
        while data and not self._shut:
            if select.select((), (self._descriptor,), (), PATIENCE)[1]:
                data = data[os.write(self._descriptor, data[:PIECE]) :]

    def _encoded(self, text: str) -> bytes:
        if self._only_ascii and not text.isascii():
            text = re.sub(r"[^\x00-\x7f]", lambda found: lookalike(found[0]) or "?" * cell_len(found[0]), text)
        return text.encode(errors="backslashreplace")


class Terminal(LinuxDriver):
    """Textual's driver, with the app's own output below it."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        leaving = cast("TorchTUI", app).leaving
        assert leaving is not None
        self._leaving = leaving
        self._file: Any = leaving.output
        # Else Textual asks rich, which believes COLUMNS, until the first change.
        self._size = self._size or self._get_terminal_size()
        self._asks = not os.environ.get("TERM", "").startswith(OLD)

    def stop_application_mode(self) -> None:
        """Take back what Textual's forgets."""
        if self._mouse_pixels:
            self.write("\x1b[?1016l")
        super().stop_application_mode()

    def _get_terminal_size(self) -> tuple[int, int]:
        """The terminal's own: what COLUMNS says may be of another one, or of another time."""
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self._file.fileno())
            if columns and rows:
                return columns, rows
        return 80, 24

    def _sigcont_application(self, *_: object) -> None:
        """Come back; after a SIGSTOP, which nobody sees coming, from a terminal that was not given back."""
        with suppress(OSError):
            if os.tcgetpgrp(self.fileno) != os.getpgrp():
                # A shell wakes what it ends, and Textual would stop again: the signal that ends it goes first.
                time.sleep(TOGETHER)
        if self._leaving.begun:
            return
        if self._key_thread is not None and self._key_thread.is_alive():
            self._must_signal_resume = True
            self.suspend_application_mode()
        super()._sigcont_application()

    def _run_input_thread(self) -> None:
        """Read keys. Whatever goes wrong is for `threading.excepthook`; Textual's prints it and ends with status 0.

        What is no key, as the letters of a terminal without UTF-8 and the click at a cell without a size, is passed over.
        """
        while not self.exit_event.is_set():
            with suppress(ValueError, ArithmeticError):
                self.run_input_thread()

    def _request_terminal_sync_mode_support(self) -> None:
        if self._asks:
            super()._request_terminal_sync_mode_support()

    def _query_in_band_window_resize(self) -> None:
        if self._asks:
            super()._query_in_band_window_resize()
