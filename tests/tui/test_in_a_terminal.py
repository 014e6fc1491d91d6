"""What only a real terminal shows: printing below the shell's own text, suspending, few colours, what is imported."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.terminal.terminal import ALTERNATE_SCREEN, Terminal, environment

PROGRAM = [sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())", "model.pt"]


def test_p_prints_to_the_terminals_own_scrollback_and_a_key_comes_back(tutorial: Path):
    with Terminal(PROGRAM, cwd=tutorial) as terminal:
        terminal.wait_for("fc3")
        terminal.press("p")
        terminal.wait_for("any key goes back to torchtui")
        assert ALTERNATE_SCREEN not in terminal.modes
        assert (tutorial / "printed.txt").read_text().rstrip("\n") in terminal.text.replace("\r\n", "\n")
        terminal.press("x")
        terminal.wait_for(lambda screen: ALTERNATE_SCREEN in terminal.modes)
        terminal.press("j")
        terminal.wait_for("2/10")
        terminal.press("q")
        assert terminal.wait() == 0


def test_ctrl_z_suspends_and_fg_brings_the_screen_back(tutorial: Path):
    with Terminal(
        ["sh", "-ic", f"cd {tutorial}; set -m; {PROGRAM[0]} -c '{PROGRAM[2]}' model.pt; echo stopped; fg"]
    ) as terminal:
        terminal.wait_for("fc3")
        terminal.press("ctrl+z")
        terminal.wait_for(lambda screen: "stopped" in terminal.text)
        terminal.wait_for(lambda screen: "fc3" in screen and ALTERNATE_SCREEN in terminal.modes)
        terminal.press("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize(
    ("variables", "colour"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, b"\x1b[38;2;"),
        ({"TERM": "xterm-256color", "COLORTERM": ""}, b"\x1b[38;5;"),
        ({"TERM": "xterm", "COLORTERM": ""}, b"\x1b[34"),
    ],
    ids=["24 bit", "256 colours", "16 colours"],
)
def test_the_tree_and_its_cursor_show_in_every_number_of_colours(tutorial: Path, variables: dict[str, str], colour: bytes):
    with Terminal(PROGRAM, cwd=tutorial, env=environment(**variables)) as terminal:
        terminal.wait_for("fc3")
        terminal.press("j")
        terminal.wait_for("2/10")
        terminal.wait_until_quiet()
        assert colour in bytes(terminal.raw)
        row = terminal._screen.buffer[3]
        other = terminal._screen.buffer[4]
        assert (row[30].bg, row[30].reverse) != (other[30].bg, other[30].reverse)


def test_quitting_waits_for_no_reader(tmp_path: Path):
    import torch

    path = tmp_path / "model.pt"
    shared = torch.zeros(1)
    torch.save({f"layers.{i}.weight": shared for i in range(300_000)}, path)
    with Terminal([*PROGRAM[:3], str(path)]) as terminal:
        terminal.wait_for("opening")
        terminal.press("q")
        started = time.monotonic()
        assert terminal.wait() == 0
        assert time.monotonic() - started < 1.5
