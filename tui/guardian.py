"""Who gives the terminal back where the program itself can't: a process that sleeps until the program ends.

A signal is heard between two steps of Python. What never comes to the next one, a search in a hostile text or a library
that hangs with Python's lock in its hand, is ended from outside; and nobody at all hears SIGKILL, by which the kernel
also ends what takes too much memory. The guardian is this file, run by an interpreter that loads nothing else. It
listens where Python's own handler, which is C and needs no lock, writes the number of each signal that comes.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What ends a program; one that is ignored from the start (`nohup`) stays so."""

GIVEN_BACK = 0
"""Stands among the numbers of signals once there is no terminal to give back any more."""

PATIENCE = 1.5
"""Seconds after a signal within which the program ends by itself, or it never will."""

PAUSE = 0.1
"""Seconds that the program has to take in a signal that does not end it, and to be gone after one that does."""

SIGACTION = 512
"""Bytes that have room for the `struct sigaction` of any system; it begins with the handler."""

Settings = list[Any] | None
"""What `termios.tcgetattr` says of a terminal; None of what is no terminal."""


def start(heard: socket.socket, output: int, reset: str, keyboard: int, settings: Settings) -> subprocess.Popen[bytes]:
    """Start the guardian of this process. Raises OSError.

    It listens to `heard`, whose other end is the file of `signal.set_wakeup_fd`, and of which nobody takes the number of
    a signal that ends the program. The terminal `output` is given back by `reset`, the `keyboard` by its `settings`.
    """
    import json
    import subprocess

    if settings is not None:
        letters = [letter if isinstance(letter, int) else letter[0] for letter in settings[6]]
        settings = [*settings[:6], letters]
    told = json.dumps([os.getpid(), heard.fileno(), output, reset, keyboard, settings])
    return subprocess.Popen([sys.executable, "-I", "-S", __file__, told], pass_fds=[heard.fileno(), output, keyboard])


def let_the_second_end_it(numbers: Iterable[int]) -> None:
    """From the second time that one of these signals comes it ends the process as if there were no handler.

    So the process can still end by the right signal where its handler is not run. Where the C library has no such call,
    the guardian has SIGKILL.
    """
    import ctypes

    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        set_once = library.sysv_signal
        set_once.restype, set_once.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
        for number in numbers:
            # Only read: a signal that waits to be taken in is lost where there is no handler for a moment.
            action = ctypes.create_string_buffer(SIGACTION)
            library.sigaction(int(number), None, action)
            set_once(number, ctypes.c_void_p.from_buffer(action).value)


def set_back(keyboard: int, settings: Settings) -> None:
    """Gives a terminal its settings; what a shell in the foreground has set in the meantime stays."""
    # A process in the background is stopped when it sets up or writes to the terminal, unless it blocks this.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
    with suppress(OSError, termios.error):
        if settings is not None and os.tcgetpgrp(keyboard) == os.getpgrp():
            termios.tcflush(keyboard, termios.TCIFLUSH)
            termios.tcsetattr(keyboard, termios.TCSANOW, settings)


def say(descriptor: int, text: str, patience: float) -> None:
    """Writes a line to a terminal or a file, unless that takes nothing for so many seconds."""
    with suppress(OSError, ValueError):
        if select.select((), (descriptor,), (), patience)[1]:
            # Printing may have left the cursor behind a question.
            start = "\r" if os.isatty(descriptor) else ""
            os.write(descriptor, f"{start}{text}\n".encode(errors="backslashreplace"))


def guard(program: int, heard: socket.socket, output: int, reset: str, keyboard: int, settings: Settings) -> None:
    """What the guardian does, until the program is gone."""
    # A shell, and a terminal that is gone, tell the whole group.
    for heard_by_all in SIGNALS:
        signal.signal(heard_by_all, signal.SIG_IGN)
    gone = select.poll()
    gone.register(heard, 0)
    # The program may have been ended before this one was there.
    by = _ending(heard)
    while not by and not gone.poll(0):
        select.select((heard,), (), ())
        by = _ending(heard)
        if not by:
            time.sleep(PAUSE)
    hangs = not gone.poll(PATIENCE * 1000)
    if GIVEN_BACK not in _said(heard):
        with suppress(OSError, ValueError):
            if select.select((), (output,), (), PAUSE)[1]:
                os.write(output, reset.encode())
        set_back(keyboard, settings)
        if by:
            say(2, f"torchtui: ended by {signal.Signals(by).name}" + (" while it hung" if hangs else ""), PAUSE)
    for number in (by, signal.SIGKILL) if hangs else ():
        if os.getppid() == program and not gone.poll(0):
            os.kill(program, number)
            gone.poll(PAUSE * 1000)


def _ending(heard: socket.socket) -> int:
    """The signal that came to end the program, or 0."""
    return next((number for number in _said(heard) if number in SIGNALS), 0)


def _said(heard: socket.socket) -> bytes:
    """The numbers that nobody has taken yet."""
    try:
        return heard.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""


if __name__ == "__main__":
    import json

    number, heard_by, *terminal = json.loads(sys.argv[1])
    guard(number, socket.socket(fileno=heard_by), *terminal)
