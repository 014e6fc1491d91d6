"""The harness itself: what the other tests here see is what a person would see."""

from __future__ import annotations

import pytest

from tests.terminal.terminal import ALTERNATE_SCREEN, Terminal, environment


def shell(script: str, **options) -> Terminal:
    return Terminal(["sh", "-c", script], **options)


def test_the_program_has_a_terminal_of_the_given_size() -> None:
    with shell("stty size; tty; echo to the terminal >/dev/tty", columns=91, rows=17) as terminal:
        assert terminal.wait() == 0
        assert "17 91\n/dev/pts/" in terminal.screen()
        assert "to the terminal" in terminal.screen()


def test_resizing_reaches_the_program() -> None:
    with shell("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done") as terminal:
        terminal.wait_for("ready")
        terminal.resize(70, 20)
        terminal.wait_for("20 70")


def test_keys_come_as_a_terminal_sends_them() -> None:
    with shell("stty raw -echo; echo ready; head -c 9 | od -An -c") as terminal:
        terminal.wait_for("ready")
        terminal.press("down", "ctrl+d", "y", "é", "enter", "escape")
        assert r"033 [ B 004 y 303 251 \r 033" in " ".join(terminal.wait_for("303").split())


def test_the_exit_status_is_the_programs_and_closing_ends_it() -> None:
    with shell("exit 7") as terminal:
        assert terminal.wait() == 7
    with shell("sleep 60") as terminal:
        pass
    assert terminal.wait() < 0


def test_waiting_for_what_never_comes_shows_the_screen() -> None:
    with shell("echo something else") as terminal, pytest.raises(AssertionError, match=r"status 0(.|\n)*something else"):
        terminal.wait_for("a text")


def test_sequences_cut_by_a_read_are_not_drawn() -> None:
    script = r"printf 'a\033]52;c;YQ'; sleep 0.2; printf '==\007b\033'; sleep 0.2; printf '[31mc\033[>1u\033P+q\033\\d'"
    with shell(script) as terminal:
        terminal.wait_for("a")
        terminal.wait_for("ab")
        assert terminal.wait() == 0
        assert terminal.screen().strip() == "abcd"
        assert terminal.clipboard == ["a"]


def test_a_clipboard_sequence_that_is_wrapped_for_a_multiplexer_does_not_count() -> None:
    with shell(r"printf '\033Ptmux;\033\033]52;c;YQ==\007\033\\'") as terminal:
        terminal.wait()
        assert terminal.clipboard == []


def test_modes_are_those_still_set() -> None:
    with shell(r"printf '\033[?1049h\033[?1000;1006h'; sleep 0.3; printf '\033[?1000l'") as terminal:
        terminal.wait()
        assert terminal.modes == {25, ALTERNATE_SCREEN, 1006}


def test_settings_that_a_program_leaves_behind_are_noticed() -> None:
    with shell("sleep 0.2; stty -echo", env=environment()) as terminal:
        before = terminal.settings
        terminal.wait()
        assert terminal.settings != before
