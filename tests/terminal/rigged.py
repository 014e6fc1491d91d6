"""`python -m tests.terminal.rigged HOW ARGUMENT ...` is `torchtui ARGUMENT ...` with something in it that goes wrong.

What goes wrong by a key does so by `i`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

MESSAGE = "\x1b]0;from a file\x07\u202e"


def slow() -> None:
    """The disk answers to nobody."""
    os.pread = lambda *_: time.sleep(600)


def unsynced() -> None:
    """What is written does not get to the disk."""
    os.fsync = lambda _: time.sleep(600)


def broken(*_: object) -> NoReturn:
    raise ZeroDivisionError(MESSAGE)


def callback() -> None:
    at_i(broken)


def reader() -> None:
    import tui.screens.explorer

    tui.screens.explorer.survey = broken


def thread() -> None:
    at_i(lambda _: threading.Thread(target=broken).start())


def loop() -> None:
    def run(_: object) -> None:
        while True:
            pass

    at_i(run)


def stuck() -> None:
    at_i(lambda _: threading.Lock().acquire() and threading.Event().wait())


def deaf() -> None:
    import hashlib

    at_i(lambda _: hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1))


def held() -> None:
    """A thread that searches has Python's lock, in a text for which it needs longer than anybody lives."""
    import re

    at_i(lambda _: threading.Thread(target=re.search, args=("(a+)+$", "a" * 100 + "b")).start())


def at_i(do: Callable[[object], object]) -> None:
    from tui.screens.explorer import ExplorerScreen

    ExplorerScreen.action_metadata = do


RIGS = {rig.__name__: rig for rig in (slow, unsynced, callback, reader, thread, loop, stuck, deaf, held)}


if __name__ == "__main__":
    from tui.cli import main

    RIGS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
