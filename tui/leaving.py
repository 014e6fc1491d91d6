"""However the program ends, the terminal is as it was, and one line says what happened.

Textual gives the terminal back when it ends by itself. A signal, a closed window or a mistake in this program end it
here: nothing more is drawn, the terminal gets its settings and its screen back, a log is written, and the process is
gone, by the very signal if there was one, so that shells and supervisors see what they expect.

Signals are handled by the main thread, between two steps of whatever it does; where it hangs, a thread that does nothing
else takes over. That thread also sees when the terminal is gone, which nobody tells a process that ignores SIGHUP.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import termios
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from inspector.errors import visible
from tui import log

if TYPE_CHECKING:
    from tui.terminal import Output

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What ends a program; one that is ignored from the start (`nohup`) stays so."""

GRACE = 0.5
"""Seconds that the main thread has to see a signal before it counts as hanging."""

LONGEST = 1.2
"""Seconds after which the process is gone, whatever it still wanted to say."""

CRASHED = 2
"""The exit status of a mistake in this program."""


class Leaving:
    """Watches over the end, from `with` on. `output` is the terminal as the screen writes to it."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.keyboard = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
        self._settings: list[Any] | None = None
        self._former: dict[signal.Signals, Any] = {}
        self._lock = threading.Lock()
        self._by: int | None = None
        self._woken, self._wake = os.pipe()

    def __enter__(self) -> Leaving:
        with suppress(termios.error):
            self._settings = termios.tcgetattr(self.keyboard)
        os.set_blocking(self._wake, False)
        self._former_wake = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._former[number] = signal.signal(number, self._on_signal)
        self._former_hook = threading.excepthook
        threading.excepthook = self._on_thread
        self.output.on_lost = self.lost
        threading.Thread(target=self._watch, name="leaving", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._restore()
        for number, former in self._former.items():
            signal.signal(number, former)
        threading.excepthook = self._former_hook
        signal.set_wakeup_fd(self._former_wake)
        os.close(self._wake)

    def crash(self, error: BaseException) -> None:
        """End with a mistake of this program."""
        self._leave("", CRASHED, error)

    def lost(self) -> None:
        """End because the terminal is gone; SIGHUP says that too, and goes first."""
        time.sleep(GRACE)
        self._leave("the terminal is gone", 128 + signal.SIGHUP)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._leave_by(number)

    def _leave_by(self, number: int) -> None:
        self._leave(f"ended by {signal.Signals(number).name}", 128 + number)

    def _on_thread(self, told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            self.crash(told.exc_value)

    def _watch(self) -> None:
        """Waits for a signal that the main thread does not see in time, and for the end of the terminal."""
        waiting = select.poll()
        waiting.register(self._woken, select.POLLIN)
        for terminal in {self.keyboard, self.output.fileno()}:
            waiting.register(terminal, 0)
        while True:
            for descriptor, event in waiting.poll():
                if descriptor != self._woken:
                    # Systems that can't poll a terminal say so by POLLNVAL.
                    waiting.unregister(descriptor)
                    if not event & select.POLLNVAL:
                        self.lost()
                    continue
                numbers = os.read(self._woken, 512)
                if not numbers:
                    os.close(self._woken)
                    return
                for number in self._former:
                    if number in numbers:
                        time.sleep(GRACE)
                        self._leave_by(number)

    def _leave(self, what: str, status: int, error: BaseException | None = None) -> None:
        """Ends the process. Returns only to a signal that came while this thread was already here."""
        if not self._lock.acquire(blocking=False):
            while self._by != threading.get_ident():
                time.sleep(GRACE)
            return
        self._by = threading.get_ident()
        try:
            last = threading.Timer(LONGEST, os._exit, (status,))
            last.daemon = True
            last.start()
            self._restore()
            self._say(f"torchtui: {visible(log.line(what, error))}")
        finally:
            self._end(status)

    def _restore(self) -> None:
        """Gives the terminal back as it was; what a shell in the foreground has set in the meantime stays."""
        # A process in the background is stopped when it sets up or writes to the terminal, unless it blocks this.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
        self.output.give_back()
        with suppress(OSError, termios.error):
            if self._settings is not None and os.tcgetpgrp(self.keyboard) == os.getpgrp():
                termios.tcflush(self.keyboard, termios.TCIFLUSH)
                termios.tcsetattr(self.keyboard, termios.TCSANOW, self._settings)

    def _say(self, text: str) -> None:
        with suppress(OSError, AttributeError, ValueError):
            assert sys.__stderr__ is not None
            descriptor = sys.__stderr__.fileno()
            if select.select((), (descriptor,), (), GRACE)[1]:
                # Printing may have left the cursor behind a question.
                start = "\r" if os.isatty(descriptor) else ""
                os.write(descriptor, f"{start}{text}\n".encode(errors="backslashreplace"))

    def _end(self, status: int) -> NoReturn:
        number = status - 128
        if number > 0 and threading.current_thread() is threading.main_thread():
            with suppress(OSError, ValueError):
                # A core would hold the values of the model.
                resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)
                    os.kill(os.getpid(), number)
        os._exit(status)
