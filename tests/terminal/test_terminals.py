"""Terminals of all kinds: old, small, without colours, without UTF-8, with a size that nobody believes, that never answer."""

from __future__ import annotations

import random
import re
import sys
import time
from pathlib import Path

import pytest

from tests.terminal.endings import DEMO, SHOWN, TUI, leaving
from tests.terminal.terminal import Terminal, environment

COLOURS = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")


def shown(*, columns: int = 120, rows: int = 40, without: str = "", **changes: str) -> tuple[Terminal, str]:
    """A terminal after the program was in it, and what its screen showed."""
    env = environment(**changes)
    env.pop(without, "")
    with Terminal([*TUI, DEMO], columns=columns, rows=rows, env=env) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        screen = terminal.wait_until_quiet()
        terminal.press("q")
    assert terminal.process.returncode == 0
    return terminal, screen


@pytest.fixture(scope="module")
def usual() -> tuple[Terminal, str]:
    """A plain terminal, and what it showed."""
    return shown()


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "de_DE.ISO-8859-1"}], ids=str)
def test_where_the_locale_is_none_of_utf_8_everything_is_ascii_and_in_the_same_place(
    usual: tuple[Terminal, str], locale: dict[str, str]
) -> None:
    terminal, screen = shown(**locale)
    assert terminal.raw.isascii()
    assert [len(line) for line in screen.splitlines()] == [len(line) for line in usual[1].splitlines()]
    assert "| v model" in screen
    assert "?" not in re.sub(r"\? help", "", screen)


def test_where_no_locale_is_set_as_in_a_container_it_is_utf_8() -> None:
    _, screen = shown(without="LANG")
    assert "│ ▾ model" in screen


def test_with_no_color_there_is_none_and_the_cursor_shows(usual: tuple[Terminal, str]) -> None:
    terminal, _ = shown(NO_COLOR="1")
    assert not COLOURS.search(terminal.raw)
    assert re.search(rb"\x1b\[(?:[0-9;]*;)?7(?:;[0-9;]*)?m", terminal.raw)
    assert COLOURS.search(usual[0].raw)


@pytest.mark.parametrize("term", ["linux", "vt100", "screen", "no-such-terminal"])
def test_every_terminal_shows_the_tree_and_is_asked_nothing_that_it_would_print(term: str) -> None:
    terminal, screen = shown(TERM=term, COLORTERM="")
    assert "model" in screen
    assert (b"$p" in terminal.raw) == (term not in ("linux", "vt100"))


def test_a_dumb_terminal_gets_the_printed_tree() -> None:
    with Terminal([*TUI, DEMO], env=environment(TERM="dumb")) as terminal:
        assert terminal.wait() == 0
    assert SHOWN in terminal.text
    assert b"\x1b" not in terminal.raw


@pytest.mark.parametrize("claimed", ["7", "100000", "many"])
def test_what_columns_and_lines_say_is_not_believed(claimed: str) -> None:
    _, screen = shown(COLUMNS=claimed, LINES=claimed)
    lines = screen.splitlines()
    assert len(lines) == 40
    assert lines[-1].endswith("q quit")


def test_a_terminal_of_no_size_is_taken_for_the_usual_one() -> None:
    with Terminal(
        ["sh", "-c", f"stty rows 0 columns 0; exec {sys.executable} -m tui {DEMO}"], columns=80, rows=24
    ) as terminal:
        terminal.wait_for(SHOWN)
        assert terminal.wait_until_quiet().splitlines()[-1].endswith("q quit")


def test_errors_may_go_to_a_file(tmp_path: Path) -> None:
    script = f"exec {sys.executable} -m tui {DEMO} 2>{tmp_path}/errors"
    with Terminal(["sh", "-c", script]) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("q")
    assert (tmp_path / "errors").read_text() == ""


def test_what_a_terminal_sends_that_is_no_key_is_passed_over() -> None:
    sent = [
        b"\xfc",
        bytes(range(128, 256)),
        b"\x1b[57441;1:3u",
        b"\x1b[99999999999999999999u",
        b"\x1b[<0;-1;99999M",
        b"\x1b[M !!",
    ]
    # A size of no cells, by which the place of a click would be divided.
    sent += [b"\x1b[48;0;0;0;0t", b"\x1b[<0;10;10M", b"\x1b[48;40;120;0;0t", b"\x1b[?2026;2$y"]
    with Terminal([*TUI, DEMO]) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        for letters in sent:
            terminal.send(letters)
            terminal.wait_until_quiet(0.2)
            assert not terminal.ended, (letters, terminal.raw[-200:])
        terminal.press("?")
        terminal.wait_for("the keys")
        terminal.press("q", "q")
    assert terminal.process.returncode == 0


def test_five_hundred_sizes_in_five_seconds_down_to_one_cell_and_back() -> None:
    draw = random.Random(0)
    with Terminal([*TUI, DEMO]) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        before = terminal.wait_until_quiet()
        for number in range(500):
            if number % 25 == 0:
                terminal.press(draw.choice("jkGg"))
            columns, rows = (1, 1) if number % 10 == 0 else (draw.randint(1, 200), draw.randint(1, 70))
            terminal.resize(columns, rows)
            time.sleep(0.01)
        terminal.resize(120, 40)
        terminal.press("g")
        terminal.wait_for(lambda screen: screen == before)
        terminal.press("q")
    assert terminal.process.returncode == 0


MOVES = ["j", "k", "down", "up", "pageup", "pagedown", "left", "right", "home", "end", "tab"]


def test_every_view_takes_every_size_while_keys_are_pressed(tmp_path: Path) -> None:
    draw = random.Random(0)
    with Terminal([*TUI, DEMO], env=environment(XDG_STATE_HOME=str(tmp_path))) as terminal, leaving(terminal):
        terminal.wait_for(SHOWN)
        terminal.press("j", "j", "j", "l", "j", "G")
        for view in ("", "v", "u", "D", "m", "S", "/", "?", "x", "ctrl+p"):
            if view:
                terminal.press(view)
            for number in range(18):
                tiny = (draw.randint(1, 12), draw.randint(1, 8))
                wide = (draw.randint(1, 200), draw.randint(1, 70))
                terminal.resize(*((1, 1), tiny, wide)[number % 3])
                if number % 4 == 0:
                    terminal.press(draw.choice(MOVES))
                time.sleep(0.01)
            terminal.resize(120, 40)
            terminal.wait_until_quiet(0.1)
            terminal.press("escape")
            # Right behind an escape a key would be another one.
            terminal.wait_until_quiet(0.2)
            assert not terminal.ended, (view, terminal.left_behind)
        terminal.wait_for("q quit")
        terminal.press("q")
    assert terminal.process.returncode == 0
