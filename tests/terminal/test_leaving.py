"""However the program ends: the terminal is as it was, the process is gone, the status and one line say why.

The nine plain ways are cases of `python -m tests.hostile endings`, which the tests there run; here is what is harder.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.terminal.endings import (
    LONGEST,
    SHOWN,
    assert_ended_by,
    by_loss,
    by_signal,
    leaving,
    log_of,
    program,
    run,
    run_in_shell,
)  # fmt: skip
from tests.terminal.terminal import ALTERNATE_SCREEN, Terminal, environment


def test_quitting_leaves_nothing_behind(tmp_path: Path) -> None:
    with run(tmp_path) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("q")
    assert terminal.process.returncode == 0
    assert terminal.left_behind == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT], ids=lambda number: number.name)
def test_a_signal_ends_it_also_while_a_file_loads(tmp_path: Path, number: signal.Signals) -> None:
    by_signal(number, "slow", tmp_path)


def test_quitting_does_not_wait_for_such_a_disk(tmp_path: Path) -> None:
    with run(tmp_path, "slow") as terminal, leaving(terminal):
        terminal.wait_for("opening")
        terminal.press("q")
    assert terminal.process.returncode == 0


@pytest.mark.parametrize("how", ["loop", "stuck"])
def test_also_while_the_screen_hangs(tmp_path: Path, how: str) -> None:
    with run(tmp_path, how) as terminal, leaving(terminal):
        hang(terminal)
        os.kill(terminal.process.pid, signal.SIGQUIT)
    assert_ended_by(signal.SIGQUIT, terminal, tmp_path)
    assert "rigged.py" in log_of(terminal, tmp_path)


def test_also_while_the_main_thread_is_deaf_then_by_the_status_that_shells_give_for_the_signal(tmp_path: Path) -> None:
    with run(tmp_path, "deaf") as terminal, leaving(terminal):
        hang(terminal)
        os.kill(terminal.process.pid, signal.SIGQUIT)
    assert terminal.process.returncode == 128 + signal.SIGQUIT
    assert "pbkdf2_hmac" in log_of(terminal, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_also_where_nothing_of_it_can_run_any_more(tmp_path: Path, number: signal.Signals) -> None:
    with run(tmp_path, "held") as terminal, leaving(terminal):
        wait_for_the_guardian(terminal)
        hang(terminal)
        os.kill(terminal.process.pid, number)
    assert terminal.process.returncode == -number
    assert terminal.left_behind == f"torchtui: ended by {number.name} while it hung\n"


def test_a_signal_that_comes_twice_ends_it_too(tmp_path: Path) -> None:
    with run_in_shell(tmp_path, SHELL) as terminal:
        start(terminal)
        (program,) = children(terminal)
        guardian = wait_for_the_guardian(terminal, program)
        os.kill(program, signal.SIGTERM)
        # Two that are not apart at all are one, or end it before anybody has heard of them.
        time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.kill(program, signal.SIGTERM)
        wait_until_gone(program)
        wait_until_gone(guardian)
        terminal.press("echo status $?\n")
        terminal.wait_for("status 143")
        assert terminal.is_as_it_was
        assert terminal.text.count("ended by SIGTERM") == 1


def test_after_sigkill_the_shell_has_its_terminal_back(tmp_path: Path) -> None:
    with run_in_shell(tmp_path, SHELL) as terminal:
        start(terminal)
        (program,) = children(terminal)
        wait_for_the_guardian(terminal, program)
        os.kill(program, signal.SIGKILL)
        terminal.wait_for(lambda _: ALTERNATE_SCREEN not in terminal.modes)
        terminal.press("echo status $?\n")
        terminal.wait_for("status 137")
        assert terminal.is_as_it_was
        terminal.press("stty -a\n")
        assert " -icanon" not in terminal.wait_for("icanon")


def test_no_guardian_is_left(tmp_path: Path) -> None:
    with run(tmp_path) as terminal:
        guardian = wait_for_the_guardian(terminal)
        terminal.press("q")
        assert terminal.process.wait(LONGEST) == 0
        wait_until_gone(guardian)


def wait_for_the_guardian(terminal: Terminal, program: int | None = None) -> int:
    """Until there is one; its process."""
    found: list[int] = []
    terminal.wait_for(lambda _: found.extend(started_for("guardian.py", program or terminal.process.pid)) or found)
    # From when on it ignores what is meant for the program, it listens.
    terminal.wait_for(lambda _: ignored(found[0]) >> (signal.SIGTERM - 1) & 1)
    return found[0]


def ignored(process: int) -> int:
    """The signals that a process ignores, a bit for each."""
    (mask,) = re.findall(r"^SigIgn:\s*(\w+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return int(mask, 16)


def hang(terminal: Terminal) -> None:
    terminal.wait_for(SHOWN)
    terminal.wait_until_quiet()
    terminal.press("i")
    terminal.wait_until_quiet(0.2)


@pytest.mark.parametrize(("ignoring", "how"), [(False, ""), (False, "slow"), (True, "slow")])
def test_when_the_terminal_is_gone_so_is_the_program(tmp_path: Path, ignoring: bool, how: str) -> None:
    by_loss(ignoring, how, tmp_path)


def test_while_printing_too(tmp_path: Path) -> None:
    with run(tmp_path) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("p")
        terminal.wait_for("any key goes back")
        os.kill(terminal.process.pid, signal.SIGTERM)
    assert_ended_by(signal.SIGTERM, terminal, tmp_path)


@pytest.mark.parametrize("key", ["ctrl+c", "space"])
def test_any_key_goes_back_from_printing(tmp_path: Path, key: str) -> None:
    with run(tmp_path) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("p")
        terminal.wait_for("any key goes back")
        terminal.press(key)
        terminal.wait_for(lambda _: ALTERNATE_SCREEN in terminal.modes)
        terminal.wait_until_quiet()
        terminal.press("q")
    assert terminal.process.returncode == 0


def test_suspended_it_leaves_the_terminal_to_the_shell(tmp_path: Path) -> None:
    with run_in_shell(tmp_path, SHELL) as terminal:
        suspend(terminal)
        terminal.press("stty -echoctl rows 33; kill %1; kill -CONT %1; wait %1; echo status $?\n")
        terminal.wait_for("status 143")
        assert terminal.is_as_it_was
        terminal.press("stty -a\n")
        assert "-echoctl" in terminal.wait_for("rows 33;")
        assert terminal.text.count("ended by SIGTERM") == 1
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize("back", ["fg", "stopped from outside"])
def test_suspended_it_comes_back(tmp_path: Path, back: str) -> None:
    with run_in_shell(tmp_path, SHELL) as terminal:
        if back == "fg":
            suspend(terminal)
        else:
            start(terminal)
            (program,) = children(terminal)
            os.kill(program, signal.SIGSTOP)
            terminal.wait_for("Stopped")
        terminal.press("clear\n")
        terminal.wait_for(lambda text: SHOWN not in text)
        terminal.press("fg\n")
        terminal.wait_for(SHOWN)
        terminal.wait_until_quiet()
        assert ALTERNATE_SCREEN in terminal.modes
        terminal.press("q")
        wait_for_the_shell(terminal)
        terminal.press("echo status $?\n")
        terminal.wait_for("status 0")
        assert terminal.is_as_it_was
        terminal.press("stty -a\n")
        assert " -icanon" not in terminal.wait_for("icanon")


SHELL = "exec bash --norc --noprofile --noediting -i;"


def start(terminal: Terminal) -> None:
    terminal.wait_for("$")
    terminal.press(f"{shlex.join(program())}\n")
    terminal.wait_for(SHOWN)
    terminal.wait_until_quiet()


def children(terminal: Terminal) -> list[int]:
    process = terminal.process.pid
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for_the_shell(terminal: Terminal) -> None:
    """Until the program is gone and the shell asks: what is typed before that may be dropped with what the program left."""
    terminal.wait_for(lambda text: ALTERNATE_SCREEN not in terminal.modes and text.rstrip().endswith("$"))


def suspend(terminal: Terminal) -> None:
    start(terminal)
    terminal.press("ctrl+z")
    terminal.wait_for("Stopped")
    assert terminal.is_as_it_was


def test_without_a_place_for_a_log_the_line_stands_alone(tmp_path: Path) -> None:
    with run(tmp_path, XDG_STATE_HOME="/proc/nowhere") as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.left_behind == "torchtui: ended by SIGTERM\n"


@pytest.mark.parametrize("how", ["q", signal.SIGTERM, signal.SIGKILL], ids=str)
def test_who_helped_to_count_is_gone_with_it(tmp_path: Path, how: str | signal.Signals) -> None:
    path = tmp_path / "large.safetensors"
    header = b'{"weight": {"dtype": "BF16", "shape": [32768, 32768], "data_offsets": [0, 2147483648]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + (2 << 30))
    with Terminal(program(path=str(path)), env=environment(XDG_STATE_HOME=str(tmp_path))) as terminal:
        terminal.wait_for("weight")
        terminal.press("j")
        terminal.wait_for("B/s")
        (helper,) = started_for("help_out", terminal.process.pid)
        assert is_alive(helper)
        if isinstance(how, str):
            terminal.press(how)
        else:
            os.kill(terminal.process.pid, how)
        terminal.process.wait(LONGEST)
        wait_until_gone(helper)


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + LONGEST
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(process)


def started_for(what: str, program: int) -> list[int]:
    """What any thread of a program started, in whose command line this stands."""
    found: list[int] = []
    for thread in Path(f"/proc/{program}/task").iterdir():
        # Threads and processes end while they are looked at.
        with suppress(OSError):
            started = map(int, (thread / "children").read_text().split())
            found += [process for process in started if what in Path(f"/proc/{process}/cmdline").read_text()]
    return found


def is_alive(process: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked about yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
