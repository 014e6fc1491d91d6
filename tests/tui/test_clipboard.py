"""The clipboard: which way a text takes from which terminal, and what the person is told of it."""

from __future__ import annotations

import base64
import os
import shutil
import time
from pathlib import Path

import pytest

from tui import clipboard
from tui.clipboard import LIMIT, Plan, Step, plan, send, sequence

TEXT = "tensor([[1.5, -2.0]])"
EVERYTHING = frozenset({"tmux", "pbcopy", "wl-copy", "xclip", "xsel", "clip.exe"})
SSH = {"SSH_CONNECTION": "10.0.0.2 50000 10.0.0.1 22", "SSH_TTY": "/dev/pts/3"}
TMUX = {"TMUX": "/tmp/tmux-0/default,1,0", "TMUX_PANE": "%0", "TERM": "tmux-256color"}
XTERM = {"TERM": "xterm-256color"}


def planned(environ: dict[str, str], installed=EVERYTHING, platform: str = "linux", size: int = 57) -> Plan:
    return plan(environ, lambda name: f"/usr/bin/{name}" if name in installed else None, size, platform)


def names(*args, **options) -> list[str]:
    return [step.name for step in planned(*args, **options).steps]


WAYS = {
    "a plain terminal": (XTERM, "linux", ["the terminal"]),
    "a plain terminal over SSH": (XTERM | SSH, "linux", ["the terminal"]),
    "SSH with X forwarded or left over": (XTERM | SSH | {"DISPLAY": "localhost:10.0"}, "linux", ["the terminal"]),
    "SSH to a desktop under Wayland": (XTERM | SSH | {"WAYLAND_DISPLAY": "wayland-0"}, "linux", ["the terminal"]),
    "SSH to a Mac": (XTERM | SSH, "darwin", ["the terminal"]),
    "SSH into WSL": (XTERM | SSH | {"WSL_DISTRO_NAME": "Debian"}, "linux", ["the terminal"]),
    "SSH of which only one variable is left": (
        XTERM | {"SSH_TTY": "/dev/pts/0", "DISPLAY": ":0"},
        "linux",
        ["the terminal"],
    ),
    "tmux": (TMUX, "linux", ["tmux", "the terminal"]),
    "tmux over SSH": (TMUX | SSH | {"DISPLAY": ":0"}, "linux", ["tmux", "the terminal"]),
    "tmux on a desktop": (TMUX | {"DISPLAY": ":0"}, "linux", ["tmux", "xclip", "xsel", "the terminal"]),
    "tmux on a Mac": (TMUX, "darwin", ["tmux", "pbcopy", "the terminal"]),
    "screen": ({"TERM": "screen.xterm-256color", "STY": "1.pts-0.host"}, "linux", ["the terminal"]),
    "screen over SSH": ({"TERM": "screen", "STY": "1.pts-0.host"} | SSH, "linux", ["the terminal"]),
    "X11": (XTERM | {"DISPLAY": ":0"}, "linux", ["xclip", "xsel", "the terminal"]),
    "Wayland": (XTERM | {"WAYLAND_DISPLAY": "wayland-0"}, "linux", ["wl-copy", "the terminal"]),
    "Wayland with XWayland": (
        XTERM | {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"},
        "linux",
        ["wl-copy", "xclip", "xsel", "the terminal"],
    ),
    "macOS": (XTERM, "darwin", ["pbcopy", "the terminal"]),
    "WSL": (XTERM | {"WSL_DISTRO_NAME": "Debian"}, "linux", ["clip.exe", "the terminal"]),
    "WSL known by its socket alone": (XTERM | {"WSL_INTEROP": "/run/WSL/9"}, "linux", ["clip.exe", "the terminal"]),
    "the Linux console": ({"TERM": "linux"}, "linux", []),
    "the Linux console, X running elsewhere": ({"TERM": "linux", "DISPLAY": ":0"}, "linux", ["xclip", "xsel"]),
    "the Linux console over SSH": ({"TERM": "linux", "DISPLAY": ":0"} | SSH, "linux", []),
    "a dumb terminal": ({"TERM": "dumb"}, "linux", []),
    "a dumb terminal over SSH": ({"TERM": "dumb"} | SSH, "linux", []),
    "no terminal type at all": ({}, "linux", []),
    "an empty display": (XTERM | {"DISPLAY": "", "WAYLAND_DISPLAY": ""}, "linux", ["the terminal"]),
}


@pytest.mark.parametrize("place", WAYS)
def test_each_place_has_its_way(place: str) -> None:
    environ, platform, expected = WAYS[place]
    assert names(environ, platform=platform) == expected


@pytest.mark.parametrize("place", WAYS)
def test_no_way_is_planned_through_a_program_that_is_not_installed(place: str) -> None:
    environ, platform, expected = WAYS[place]
    assert names(environ, installed=(), platform=platform) == [name for name in expected if name == "the terminal"]


@pytest.mark.parametrize("place", [place for place, (environ, _, _) in WAYS.items() if "SSH_TTY" in environ])
def test_over_ssh_no_step_is_taken_for_a_confirmed_copy(place: str) -> None:
    environ, platform, _ = WAYS[place]
    assert not any(step.confirms for step in planned(environ, platform=platform).steps)


def test_nothing_is_not_sent_in_place_of_what_the_clipboard_holds() -> None:
    for environ, platform, _ in WAYS.values():
        assert planned(environ, platform=platform, size=0) == Plan((), "There is nothing to copy")


def test_the_terminal_is_always_the_last_resort() -> None:
    for environ, platform, _ in WAYS.values():
        assert "the terminal" not in names(environ, platform=platform)[:-1]


@pytest.mark.parametrize(
    ("environ", "wrappings"),
    [
        (XTERM, ("none",)),
        (XTERM | SSH, ("none",)),
        (TMUX, ("none", "tmux")),
        (TMUX | {"TERM": "screen-256color"}, ("none", "tmux")),
        ({"TERM": "tmux-256color"} | SSH, ("none", "tmux")),
        ({"TERM": "screen.xterm", "STY": "1.pts-0"}, ("screen",)),
        ({"TERM": "screen-256color"} | SSH, ("none", "screen")),
    ],
    ids=["plain", "ssh", "tmux", "tmux as screen", "ssh from tmux", "screen", "ssh from screen or tmux"],
)
def test_the_sequence_is_wrapped_for_the_multiplexer_it_must_cross(environ, wrappings) -> None:
    assert planned(environ).steps[-1].wrappings == wrappings


def test_up_to_64_kib_go_and_one_byte_more_offers_a_file() -> None:
    assert names(XTERM, size=LIMIT) == ["the terminal"]
    refused = planned(XTERM | {"DISPLAY": ":0"}, size=LIMIT + 1)
    assert refused.steps == ()
    assert refused.reason == "65,537 B are too much for a clipboard: p prints it, w writes a file"


def test_where_there_is_no_way_it_is_said_and_nothing_is_written() -> None:
    written: list[str] = []
    outcome = send(planned({"TERM": "dumb"}), TEXT, written.append)
    assert outcome.state == "failed"
    assert outcome.message == "No way to a clipboard from here (TERM=dumb): p prints it, w writes a file"
    assert written == []


def test_what_only_went_to_the_terminal_is_never_called_copied() -> None:
    written: list[str] = []
    outcome = send(planned(XTERM | SSH), TEXT, written.append)
    assert (outcome.state, outcome.message) == ("sent", "Sent to the terminal (21 B)")
    assert written == [f"\x1b]52;c;{base64.b64encode(TEXT.encode()).decode()}\x07"]


def test_a_tool_that_ends_well_is_the_end_of_it_and_called_copied() -> None:
    ran, written = [], []
    outcome = send(planned(XTERM | {"DISPLAY": ":0"}), TEXT, written.append, lambda *call: ran.append(call) is None)
    assert (outcome.state, outcome.message) == ("copied", "Copied with xclip (21 B)")
    assert ran == [(("xclip", "-selection", "clipboard"), TEXT.encode())]
    assert written == []


def test_a_tool_that_fails_is_followed_by_the_next_and_not_named() -> None:
    written: list[str] = []
    steps = planned(XTERM | {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"})
    outcome = send(steps, TEXT, written.append, lambda command, _: command[0] == "xsel")
    assert outcome.message == "Copied with xsel (21 B)"
    outcome = send(steps, TEXT, written.append, lambda *_: False)
    assert (outcome.state, outcome.message) == ("sent", "Sent to the terminal (21 B)")
    assert written == [sequence(TEXT)]


def test_tmux_takes_the_text_instead_of_the_terminal() -> None:
    ran, written = [], []
    outcome = send(planned(TMUX | SSH), TEXT, written.append, lambda *call: ran.append(call) is None)
    assert (outcome.state, outcome.message) == ("sent", "Sent to tmux (21 B)")
    assert ran == [(("tmux", "load-buffer", "-w", "-"), TEXT.encode())]
    assert written == []


def test_a_tmux_too_old_for_w_gets_the_sequence_plain_and_wrapped() -> None:
    written: list[str] = []
    outcome = send(planned(TMUX | SSH), TEXT, written.append, lambda *_: False)
    assert outcome.message == "Sent to the terminal (21 B)"
    assert "".join(written) == sequence(TEXT) + sequence(TEXT, "tmux")


def test_tmux_on_a_desktop_has_the_text_in_both() -> None:
    outcome = send(planned(TMUX | {"DISPLAY": ":0"}), TEXT, lambda _: None, lambda *_: True)
    assert (outcome.state, outcome.message) == ("copied", "Sent to tmux and copied with xclip (21 B)")


def test_when_every_step_fails_it_is_said() -> None:
    outcome = send(planned({"TERM": "linux", "DISPLAY": ":0"}), TEXT, lambda _: None, lambda *_: False)
    assert (outcome.state, outcome.message) == (
        "failed",
        "Not copied, xclip, xsel failed: p prints it, w writes a file",
    )


def test_windows_gets_the_encoding_it_does_not_have_to_guess() -> None:
    ran = []
    send(planned(XTERM | {"WSL_INTEROP": "1"}), "1\n", lambda _: None, lambda *call: ran.append(call) is None)
    assert ran == [(("clip.exe",), b"1\0\n\0")]


def test_the_size_counts_bytes_and_a_lone_surrogate_is_written_as_its_escape() -> None:
    written: list[str] = []
    assert send(planned(XTERM), "é\udc80", written.append).message == "Sent to the terminal (8 B)"
    assert base64.b64decode(written[0][7:-1]) == b"\xc3\xa9\\udc80"


@pytest.mark.parametrize("size", [0, 1, 170, 171, 172, 5000])
def test_screen_chunks_are_short_and_add_up_to_the_sequence(size: int) -> None:
    chunks = sequence("x" * size, "screen").split("\x1b\\")
    assert chunks.pop() == ""
    assert all(chunk.startswith("\x1bP") and len(chunk) < 256 for chunk in chunks)
    assert "".join(chunk.removeprefix("\x1bP") for chunk in chunks) == sequence("x" * size)


def test_tmux_wrapping_doubles_every_escape() -> None:
    assert sequence("a", "tmux") == "\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\"


def tool(folder: Path, script: str) -> Plan:
    program = folder / "tool"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Plan((Step("tool", (str(program),), confirms=True),))


def test_a_real_tool_gets_the_text(tmp_path: Path) -> None:
    outcome = send(tool(tmp_path, f"cat > {tmp_path}/got"), TEXT, lambda _: None)
    assert outcome.message == "Copied with tool (21 B)"
    assert (tmp_path / "got").read_text() == TEXT


def test_a_tool_that_stays_behind_as_xclip_does_holds_nobody_up(tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = send(tool(tmp_path, "cat >/dev/null; sleep 1.5 &"), TEXT, lambda _: None)
    assert outcome.state == "copied"
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("script", ["exit 3", "exec sleep 5"], ids=["fails", "hangs"])
def test_a_tool_that_fails_or_hangs_is_no_copy(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "TIMEOUT", 0.3)
    started = time.monotonic()
    assert send(tool(tmp_path, script), TEXT, lambda _: None).state == "failed"
    assert time.monotonic() - started < 2


def test_a_tool_that_vanished_is_no_copy() -> None:
    assert send(Plan((Step("gone", ("/nonexistent/tool",)),)), TEXT, lambda _: None).state == "failed"


def test_copy_plans_from_this_process_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) & {"TMUX", "STY", "DISPLAY", "WAYLAND_DISPLAY", "WSL_INTEROP", "WSL_DISTRO_NAME"}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("SSH_TTY", "/dev/pts/0")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    written: list[str] = []
    assert clipboard.copy(TEXT, written.append).message == "Sent to the terminal (21 B)"
    assert written == [sequence(TEXT)]
