"""What `tui.clipboard` sends, through real tmux, screen and SSH, to the terminal at this end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terminal.conftest import require
from tests.terminal.ssh import Server
from tests.terminal.terminal import Terminal, environment

LONG = "[" + ", ".join(str(number / 7) for number in range(3000)) + "]\n"
COPY = """\
import sys, time
from tui import clipboard
text = sys.argv[1] if len(sys.argv) > 1 else "[" + ", ".join(str(number / 7) for number in range(3000)) + "]\\n"
def write(sequence):
    sys.stdout.write(sequence)
    sys.stdout.flush()
print(clipboard.copy(text, write).message)
sys.stdin.readline()
"""


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., list[str]]:
    """Makes the command line of a program that copies its argument, or `LONG`, says so, and waits for enter."""
    script = tmp_path / "sender.py"
    script.write_text(COPY)
    return lambda *text: ["env", f"PYTHONPATH={Path(__file__).parents[2]}", sys.executable, str(script), *text]


def arrived(terminal: Terminal, message: str) -> list[str]:
    """What came for the clipboard of the terminal, once the program said `message`."""
    with terminal:
        terminal.wait_for(message)
        terminal.wait_until_quiet()
        terminal.press("enter")
        assert terminal.wait() == 0
        return terminal.clipboard


def test_plain(copy) -> None:
    assert arrived(Terminal(copy("é 1.5")), "Sent to the terminal (6 B)") == ["é 1.5"]


def test_over_ssh(copy, ssh: Server) -> None:
    assert arrived(Terminal(ssh.command(shlex.join(copy("é 1.5")))), "Sent to the terminal (6 B)") == ["é 1.5"]


def test_in_tmux(copy, tmux) -> None:
    assert arrived(Terminal(tmux(*copy("é 1.5"))), "Sent to tmux (6 B)") == ["é 1.5"]


def test_in_tmux_over_ssh(copy, tmux, ssh: Server) -> None:
    assert arrived(Terminal(ssh.command(shlex.join(tmux(*copy("é 1.5"))))), "Sent to tmux (6 B)") == ["é 1.5"]


def test_over_ssh_from_a_tmux_that_lets_sequences_through(copy, tmux, ssh: Server) -> None:
    script = f"tmux set-option -p allow-passthrough on; exec {shlex.join(ssh.command(shlex.join(copy('é 1.5'))))}"
    terminal = Terminal(tmux("sh", "-c", script))
    assert arrived(terminal, "Sent to the terminal (6 B)") == ["é 1.5"]


def test_over_ssh_from_tmux_nothing_is_drawn_even_where_nothing_arrives(copy, tmux, ssh: Server) -> None:
    with Terminal(tmux(*ssh.command(shlex.join(copy("é 1.5"))))) as terminal:
        screen = terminal.wait_for("Sent to the terminal (6 B)")
    assert screen.splitlines()[0] == "Sent to the terminal (6 B)"


def test_in_screen(copy) -> None:
    require("screen")
    assert arrived(Terminal(["screen", "-c", "/dev/null", *copy("é 1.5")]), "Sent to the terminal (6 B)") == ["é 1.5"]


@pytest.mark.parametrize("place", ["plain", "tmux", "screen"])
def test_tens_of_kilobytes_arrive_whole(copy, place: str, request: pytest.FixtureRequest) -> None:
    if place == "screen":
        require("screen")
        command = ["screen", "-c", "/dev/null", *copy()]
    else:
        command = request.getfixturevalue("tmux")(*copy()) if place == "tmux" else copy()
    assert 50_000 < len(LONG) < 65_536
    assert arrived(Terminal(command), f"({len(LONG):,} B)") == [LONG]


def test_on_a_dumb_terminal_no_sequence_is_written(copy) -> None:
    terminal = Terminal(copy("é 1.5"), env=environment(TERM="dumb"))
    assert arrived(terminal, "No way to a clipboard from here (TERM=dumb)") == []
    assert b"\x1b" not in terminal.raw
