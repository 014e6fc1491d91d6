"""However the program ends, the terminal is as it was, and one line says what happened.

Textual gives the terminal back when it ends by itself. A signal, a closed window or a mistake in this program end it
here: nothing more is drawn, the terminal gets its settings and its screen back, a log is written, and the process is
gone, by the very signal if there was one, so that shells and supervisors see what they expect.

Signals are handled by the main thread, between two steps of whatever it does; where it hangs, a thread that does nothing
else takes over. That thread also sees when the terminal is gone, which nobody tells a process that ignores SIGHUP.
Where no thread can do anything, the guardian (`tui/guardian.py`) does it.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import termios
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from inspector.errors import visible
from tui import guardian, log
from tui.guardian import GIVEN_BACK, SIGNALS

if TYPE_CHECKING:
    from tui.terminal import Output

GRACE = 0.4
"""Seconds that the main thread has to see a signal before it counts as hanging."""

LONGEST = 1.0
"""Seconds after which the process is gone, whatever it still wanted to say."""

CALM = 1.0
"""Seconds from the start, or from the last signal, after which there is time to start the guardian."""

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
        self._heard, self._wake = socket.socketpair()

    def __enter__(self) -> Leaving:
        with suppress(termios.error):
            self._settings = termios.tcgetattr(self.keyboard)
        self._wake.setblocking(False)
        self._former_wake = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
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
        else:
            self._wake.send(bytes([GIVEN_BACK]))
        for number, former in self._former.items():
            signal.signal(number, former)
        threading.excepthook = self._former_hook
        signal.set_wakeup_fd(self._former_wake)
        self._wake.close()

    @property
    def begun(self) -> bool:
        """Whether the end has begun."""
        return self._lock.locked()

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
        # They are for the main thread, and not for what is started here.
        signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, signal.SIGTSTP, signal.SIGTTOU))
        guarding: object = None
        waiting = select.poll()
        waiting.register(self._heard, select.POLLIN)
        for terminal in {self.keyboard, self.output.fileno()}:
            waiting.register(terminal, 0)
        while True:
            events = waiting.poll(CALM * 1000 if guarding is None else None)
            if not events:
                guarding = self._start_guardian() or False
            for descriptor, event in events:
                if descriptor != self._heard.fileno():
                    # Systems that can't poll a terminal say so by POLLNVAL.
                    waiting.unregister(descriptor)
                    if not event & select.POLLNVAL:
                        self.lost()
                    continue
                numbers = self._heard.recv(512, socket.MSG_PEEK)
                if not numbers or GIVEN_BACK in numbers:
                    return
                for number in self._former:
                    if number in numbers:
                        time.sleep(GRACE)
                        self._leave_by(number)
                # The guardian goes by what is not taken.
                self._heard.recv(len(numbers))

    def _start_guardian(self) -> object:
        from inspector.statistics.helper import can_be_started
        from tui.terminal import RESET

        if not can_be_started():
            return None
        with suppress(OSError):
            guardian.let_the_second_end_it(self._former)
            return guardian.start(self._heard, self.output.fileno(), RESET, self.keyboard, self._settings)
        return None

    def _leave(self, what: str, status: int, error: BaseException | None = None) -> None:
        """Ends the process. Returns only to a signal that came while this thread was already here."""
        if not self._lock.acquire(blocking=False):
            while self._by != threading.get_ident():
                time.sleep(GRACE)
            return
        self._by = threading.get_ident()
        try:
            if threading.current_thread() is threading.main_thread():
                # A second one would end it before it has said why; it is gone soon.
                for number in self._former:
                    signal.signal(number, signal.SIG_IGN)
            last = threading.Timer(LONGEST, os._exit, (status,))
            last.daemon = True
            last.start()
            self._restore()
            self._say(f"torchtui: {visible(log.line(what, error))}")
        finally:
            self._end(status)

    def _restore(self) -> None:
        """Gives the terminal back as it was."""
        self.output.give_back()
        guardian.set_back(self.keyboard, self._settings)
        with suppress(OSError):
            self._wake.send(bytes([GIVEN_BACK]))

    def _say(self, text: str) -> None:
        with suppress(AttributeError, ValueError):
            assert sys.__stderr__ is not None
            guardian.say(sys.__stderr__.fileno(), text, GRACE)

    def _end(self, status: int) -> NoReturn:
        number = status - 128
        if number > 0 and threading.current_thread() is threading.main_thread():
            with suppress(OSError, ValueError):
                # A core would hold the values of the model.
                resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
                if number in self._former:
                    signal.signal(number, signal.SIG_DFL)
                    os.kill(os.getpid(), number)
        os._exit(status)
