"""What went wrong, kept in a file of the person's own, fit to be sent to whoever mends it."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from inspector.errors import brief

MOST_KEPT = 20
"""Files that are kept; older ones go."""


def line(what: str, error: BaseException | None = None) -> str:
    """One line for the person: what ended the program, or that it was a mistake of its own; and what is kept of that."""
    if error is None:
        path = keep(what)
        return f"{what}; where it was then is in {path}" if path else what
    what = f"this is a mistake in torchtui ({type(error).__name__}); please report it"
    path = keep(what, error)
    return f"{what} with what is in {path}" if path else what


def keep(what: str, error: BaseException | None = None) -> str:
    """Write down what happened and where the program was; the path of the file, empty where none can be written.

    Of an `error` that is its traceback, else the stacks of all threads. Neither says what variables hold; a text from a
    file may stand in the error's own message, and is shortened and made visible. Only the person can read the file.
    """
    with suppress(OSError, RuntimeError):
        folder = state_folder(os.environ)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{brief(line)}\n" for line in _lines(what, error))
        for old in sorted(folder.glob("*.log"))[:-MOST_KEPT]:
            old.unlink()
        return str(path)
    return ""


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where a program keeps such things: the XDG Base Directory Specification's `$XDG_STATE_HOME`."""
    state = environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "torchtui"


def version() -> str:
    """The version of this program."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"torchtui {version('torchtui')}"
    except PackageNotFoundError:
        return "torchtui, not installed"


def _lines(what: str, error: BaseException | None) -> Iterator[str]:
    yield f"{version()}, Python {sys.version.split()[0]}, {sys.platform}"
    yield what
    if error is not None:
        yield from _split(traceback.format_exception(error))
        return
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        yield ""
        yield f"thread {names.get(ident, ident)}:"
        yield from _split(traceback.format_stack(frame))


def _split(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from text.rstrip("\n").split("\n")
