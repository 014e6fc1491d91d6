"""The nine ways that a screen ends badly, each in a real terminal, and what is looked at then."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.terminal.rigged import MESSAGE
from tests.terminal.terminal import Terminal, environment

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
TUI = [sys.executable, "-m", "tui"]
DEMO = str(Path(__file__).parents[2] / "tui" / "demo.pt")

SHOWN = "optimizer"
"""What stands on the screen once the file is open."""

LONGEST = 2.0
"""Seconds within which the process is gone."""


def run(folder: Path, how: str = "", **changes: str) -> Terminal:
    """The program in a terminal, rigged if it says how; its logs go below the folder."""
    return Terminal(program(how), env=environment(XDG_STATE_HOME=str(folder)) | changes)


def run_in_shell(folder: Path, words: str, how: str = "", path: str = DEMO) -> Terminal:
    """The same, after some words of the shell, in the folder."""
    script = f"{words} exec {shlex.join(program(how, path))}"
    return Terminal(["sh", "-c", script], env=environment(XDG_STATE_HOME=str(folder), PS1="$ "), cwd=folder)


def program(how: str = "", path: str = DEMO) -> list[str]:
    """Its command line."""
    return [*([sys.executable, "-m", "tests.terminal.rigged", how] if how else TUI), path]


@contextmanager
def leaving(terminal: Terminal) -> Iterator[None]:
    """What is done within ends the program at once, and leaves the terminal as it was when it was made."""
    before = terminal.settings
    yield
    since = time.monotonic()
    terminal.process.wait(LONGEST)
    assert time.monotonic() - since < LONGEST
    terminal.wait()
    assert terminal.is_as_it_was
    assert terminal.settings == before


def log_of(terminal: Terminal, folder: Path) -> str:
    """The log that the one line left behind names, which nobody else can read."""
    line = terminal.left_behind.rpartition("goes back to torchtui] ")[2]
    assert line.count("\n") == 1, line
    (path,) = (folder / "torchtui").iterdir()
    assert line.endswith(f" {path}\n")
    assert path.stat().st_mode & 0o777 == 0o600
    log = path.read_text()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", log + line.rstrip("\n"))
    return log


def assert_ended_by(number: signal.Signals, terminal: Terminal, folder: Path) -> None:
    """It died by this signal, said so, and its log says where each thread was."""
    assert terminal.process.returncode == -number
    log = log_of(terminal, folder)
    assert f"ended by {number.name}" in terminal.left_behind
    assert "thread MainThread:" in log
    assert "thread reader:" in log


def by_signal(number: signal.Signals, how: str, folder: Path) -> None:
    """A signal, while a file is shown or loads from a disk that does not answer."""
    with run(folder, how) as terminal, leaving(terminal):
        terminal.wait_for("opening" if how == "slow" else SHOWN)
        os.kill(terminal.process.pid, number)
    assert_ended_by(number, terminal, folder)


def by_mistake(how: str, folder: Path) -> None:
    """An exception, whose message is from a file."""
    with run(folder, how) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN if how != "reader" else lambda _: terminal.ended)
        if not terminal.ended:
            terminal.press("i")
    assert terminal.process.returncode == 2
    assert "mistake in torchtui (ZeroDivisionError)" in terminal.left_behind
    assert "Traceback" not in terminal.text
    log = log_of(terminal, folder)
    assert "rigged.py" in log
    assert MESSAGE.encode("unicode_escape").decode() in log


def by_loss(ignoring: bool, how: str, folder: Path) -> None:
    """The terminal is gone, as when its window or connection is."""
    with run_in_shell(folder, ("trap '' HUP;" if ignoring else "") + "exec 2>said;", how) as terminal:
        terminal.wait_for("opening" if how else SHOWN)
        terminal.hang_up()
        terminal.process.wait(LONGEST)
    assert terminal.process.returncode == (128 + signal.SIGHUP if ignoring else -signal.SIGHUP)
    said = (folder / "said").read_text()
    assert said.startswith("torchtui: the terminal is gone; " if ignoring else "torchtui: ended by SIGHUP; ")
    assert said.count("\n") == 1


ENDINGS: dict[str, Callable[[Path], None]] = {
    **{number.name: partial(by_signal, number, "") for number in SIGNALS},
    "SIGTERM while a file loads": partial(by_signal, signal.SIGTERM, "slow"),
    "a terminal that is gone, and SIGHUP ignored": partial(by_loss, True, ""),
    "a mistake in a callback": partial(by_mistake, "callback"),
    "a mistake in the reader's thread": partial(by_mistake, "reader"),
    "a mistake in another thread": partial(by_mistake, "thread"),
}


def cases() -> Iterator[tuple[str, Callable[[], None]]]:
    """Each in a folder of its own."""
    for name, ending in ENDINGS.items():
        yield name, partial(ending, Path(tempfile.mkdtemp(prefix="ending-")))
