"""However the program ends: the terminal is as it was, the process is gone, the status and one line say why."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.terminal.rigged import MESSAGE
from tests.terminal.terminal import ALTERNATE_SCREEN, Terminal, environment

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
TUI = [sys.executable, "-m", "tui"]
DEMO = str(Path(__file__).parents[2] / "tui" / "demo.pt")
SHOWN = "optimizer"

LONGEST = 2.0
"""Seconds within which the process is gone."""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def run(state: Path) -> Callable[..., Terminal]:
    """Runs the program, or a rigged one, in a terminal; its logs go to `state`."""

    def run(*arguments: str, how: str = "", **changes: str) -> Terminal:
        command = [sys.executable, "-m", "tests.terminal.rigged", how] if how else TUI
        return Terminal([*command, *(arguments or [DEMO])], env=environment(XDG_STATE_HOME=str(state)) | changes)

    return run


@pytest.fixture
def run_in_shell(state: Path) -> Callable[..., Terminal]:
    """The same, after some words of the shell, in a folder of the test's own."""

    def run(words: str, how: str = "") -> Terminal:
        command = [sys.executable, "-m", "tests.terminal.rigged", how] if how else TUI
        script = f"{words} exec {shlex.join([*command, DEMO])}"
        return Terminal(["sh", "-c", script], env=environment(XDG_STATE_HOME=str(state), PS1="$ "), cwd=state.parent)

    return run


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


def log_of(terminal: Terminal, state: Path) -> str:
    """The log that the one line left behind names, which nobody else can read."""
    line = terminal.left_behind.rpartition("goes back to torchtui] ")[2]
    assert line.count("\n") == 1, line
    (path,) = (state / "torchtui").iterdir()
    assert line.endswith(f" {path}\n")
    assert path.stat().st_mode & 0o777 == 0o600
    log = path.read_text()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", log + line.rstrip("\n"))
    return log


def test_quitting_leaves_nothing_behind(run, state: Path) -> None:
    with run() as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("q")
    assert terminal.process.returncode == 0
    assert terminal.left_behind == ""
    assert not state.exists()


def assert_ended_by(number: signal.Signals, terminal: Terminal, state: Path) -> None:
    assert terminal.process.returncode == -number
    log = log_of(terminal, state)
    assert f"ended by {number.name}" in terminal.left_behind
    assert "thread MainThread:" in log
    assert "thread reader:" in log


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_it_by_that_signal(run, state: Path, number: signal.Signals) -> None:
    with run() as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        os.kill(terminal.process.pid, number)
    assert_ended_by(number, terminal, state)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_also_while_a_file_loads_from_a_disk_that_does_not_answer(run, state: Path, number: signal.Signals) -> None:
    with run(how="slow") as terminal, leaving(terminal):
        terminal.wait_for("opening")
        os.kill(terminal.process.pid, number)
    assert_ended_by(number, terminal, state)


def test_quitting_does_not_wait_for_such_a_disk(run) -> None:
    with run(how="slow") as terminal, leaving(terminal):
        terminal.wait_for("opening")
        terminal.press("q")
    assert terminal.process.returncode == 0


@pytest.mark.parametrize("how", ["loop", "stuck"])
def test_also_while_the_screen_hangs(run, state: Path, how: str) -> None:
    with run(how=how) as terminal, leaving(terminal):
        hang(terminal)
        os.kill(terminal.process.pid, signal.SIGQUIT)
    assert_ended_by(signal.SIGQUIT, terminal, state)
    assert "rigged.py" in log_of(terminal, state)


def test_also_while_the_main_thread_is_deaf_then_by_the_status_that_shells_give_for_the_signal(run, state: Path) -> None:
    with run(how="deaf") as terminal, leaving(terminal):
        hang(terminal)
        os.kill(terminal.process.pid, signal.SIGQUIT)
    assert terminal.process.returncode == 128 + signal.SIGQUIT
    assert "pbkdf2_hmac" in log_of(terminal, state)


def hang(terminal: Terminal) -> None:
    terminal.wait_for(SHOWN)
    terminal.wait_until_quiet()
    terminal.press("i")
    terminal.wait_until_quiet(0.2)


@pytest.mark.parametrize("ignoring", ["", "trap '' HUP;"], ids=["told", "ignoring SIGHUP"])
@pytest.mark.parametrize("how", ["", "slow"], ids=["shown", "loading"])
def test_when_the_terminal_is_gone_so_is_the_program(run_in_shell, state: Path, ignoring: str, how: str) -> None:
    with run_in_shell(f"{ignoring} exec 2>said;", how) as terminal:
        terminal.wait_for("opening" if how else SHOWN)
        terminal.hang_up()
        terminal.process.wait(LONGEST)
    assert terminal.process.returncode == (128 + signal.SIGHUP if ignoring else -signal.SIGHUP)
    said = (state.parent / "said").read_text()
    assert said.startswith("torchtui: the terminal is gone; " if ignoring else "torchtui: ended by SIGHUP; ")
    assert said.count("\n") == 1


def test_while_printing_too(run, state: Path) -> None:
    with run() as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("p")
        terminal.wait_for("any key goes back")
        os.kill(terminal.process.pid, signal.SIGTERM)
    assert_ended_by(signal.SIGTERM, terminal, state)


@pytest.mark.parametrize("key", ["ctrl+c", "space"])
def test_any_key_goes_back_from_printing(run, key: str) -> None:
    with run() as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("p")
        terminal.wait_for("any key goes back")
        terminal.press(key)
        terminal.wait_for(lambda _: ALTERNATE_SCREEN in terminal.modes)
        terminal.wait_until_quiet()
        terminal.press("q")
    assert terminal.process.returncode == 0


def test_suspended_it_leaves_the_terminal_to_the_shell(run_in_shell) -> None:
    with run_in_shell(SHELL) as terminal:
        suspend(terminal)
        terminal.press("stty -echoctl rows 33; kill %1; kill -CONT %1; wait %1; echo status $?\n")
        terminal.wait_for("status 143")
        assert terminal.is_as_it_was
        terminal.press("stty -a\n")
        assert "-echoctl" in terminal.wait_for("rows 33;")
        assert terminal.text.count("ended by SIGTERM") == 1
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize("back", ["fg", "stopped from outside"])
def test_suspended_it_comes_back(run_in_shell, back: str) -> None:
    with run_in_shell(SHELL) as terminal:
        if back == "fg":
            suspend(terminal)
        else:
            start(terminal)
            (program,) = children(terminal)
            os.kill(program, signal.SIGSTOP)
            terminal.wait_for("Stopped")
        terminal.press("clear; fg\n")
        terminal.wait_for(SHOWN)
        terminal.wait_until_quiet()
        assert ALTERNATE_SCREEN in terminal.modes
        terminal.press("q")
        terminal.wait_for(lambda _: ALTERNATE_SCREEN not in terminal.modes)
        terminal.press("echo status $?\n")
        terminal.wait_for("status 0")
        assert terminal.is_as_it_was
        terminal.press("stty -a\n")
        assert " -icanon" not in terminal.wait_for("icanon")


SHELL = "exec bash --norc --noprofile --noediting -i;"


def start(terminal: Terminal) -> None:
    terminal.wait_for("$")
    terminal.press(f"{shlex.join(TUI)} {DEMO}\n")
    terminal.wait_for(SHOWN)
    terminal.wait_until_quiet()


def children(terminal: Terminal) -> list[int]:
    process = terminal.process.pid
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def suspend(terminal: Terminal) -> None:
    start(terminal)
    terminal.press("ctrl+z")
    terminal.wait_for("Stopped")
    assert terminal.is_as_it_was


@pytest.mark.parametrize("how", ["callback", "reader", "thread"])
def test_a_mistake_of_the_program_ends_it_with_a_traceback_in_the_log(run, state: Path, how: str) -> None:
    with run(how=how) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN if how != "reader" else lambda _: terminal.ended)
        if not terminal.ended:
            terminal.press("i")
    assert terminal.process.returncode == 2
    assert "mistake in torchtui (ZeroDivisionError)" in terminal.left_behind
    assert "Traceback" not in terminal.text
    log = log_of(terminal, state)
    assert "rigged.py" in log
    assert MESSAGE.encode("unicode_escape").decode() in log


def test_without_a_place_for_a_log_the_line_stands_alone(run) -> None:
    with run(XDG_STATE_HOME="/proc/nowhere") as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.left_behind == "torchtui: ended by SIGTERM\n"
