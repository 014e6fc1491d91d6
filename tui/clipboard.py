"""Which way a text reaches the person's clipboard: a plan made from the environment alone, and what carries it out.

A terminal never says whether it took a text, and a tool on a distant machine fills a clipboard nobody sits at. So the
plan takes a local tool only outside SSH, and the message says "copied" only where an exit status confirmed it.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

LIMIT = 64 * 1024
"""The largest text that goes to a clipboard, in bytes. Many terminals cut or drop an OSC 52 of more than 100 KB."""

TIMEOUT = 2.0
"""How long a tool may take, in seconds."""

Wrapping = Literal["none", "tmux", "screen"]
"""What an escape sequence must be wrapped in so that a multiplexer hands it to the terminal outside."""

_SCREEN_CHUNK = 240
"""GNU screen 4 keeps 768 bytes of a wrapped sequence (its `MAXSTR`), older ones 256."""

_INSTEAD = "p prints it, w writes a file"


class Step(NamedTuple):
    """One way to try: a `command` that reads the text from its standard input, or, without one, OSC 52 to the terminal.

    `name` is what the person knows it by. `confirms` is true where exit status 0 means that the text is in the
    person's clipboard. `wrappings` are the forms in which the terminal gets the sequence, one after the other.
    """

    name: str
    command: tuple[str, ...] = ()
    confirms: bool = False
    wrappings: tuple[Wrapping, ...] = ("none",)
    encoding: str = "utf-8"


class Plan(NamedTuple):
    """The steps to try in their order; where there are none, `reason` says why and what to do instead."""

    steps: tuple[Step, ...]
    reason: str = ""


class Outcome(NamedTuple):
    """What became of the text, and the `message` that tells the person. Only `copied` is known to have arrived."""

    state: Literal["copied", "sent", "failed"]
    message: str


Run = Callable[[tuple[str, ...], bytes], bool]
"""Runs a command with these bytes as its standard input; whether it ended in time with status 0."""


def plan(environ: Mapping[str, str], which: Callable[[str], str | None], size: int, platform: str) -> Plan:
    """The ways a text of `size` bytes can take from a terminal with this environment.

    `which` finds a program as `shutil.which` does; `platform` is `sys.platform`. Nothing is run or written.
    """
    if not size:
        return Plan((), "There is nothing to copy")
    if size > LIMIT:
        return Plan((), f"{size:,} B are too much for a clipboard: {_INSTEAD}")
    steps: list[Step] = []
    if "TMUX" in environ and which("tmux"):
        steps.append(Step("tmux", ("tmux", "load-buffer", "-w", "-")))
    if not any(name in environ for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        steps += [step for step in _tools(environ, platform) if which(step.command[0])]
    if wrappings := _wrappings(environ):
        steps.append(Step("the terminal", wrappings=wrappings))
    if not steps:
        return Plan((), f"No way to a clipboard from here (TERM={environ.get('TERM', '')}): {_INSTEAD}")
    return Plan(tuple(steps))


def run_command(command: tuple[str, ...], data: bytes) -> bool:
    """Run a clipboard tool, as `Run` says."""
    try:
        # xclip and wl-copy stay behind to serve the clipboard: the end of a pipe to them would never come.
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def send(plan: Plan, text: str, write: Callable[[str], None], run: Run = run_command) -> Outcome:
    """Carry a plan out: step by step until one is confirmed; to the terminal only if nothing was sent before.

    `write` takes text for the terminal. A command may take `TIMEOUT` seconds, so call this beside the screen's thread.
    """
    if not plan.steps:
        return Outcome("failed", plan.reason)
    size = f"({len(text.encode(errors='backslashreplace')):,} B)"
    sent = ""
    for step in plan.steps:
        if step.command:
            if not run(step.command, text.encode(step.encoding, "backslashreplace")):
                continue
            if step.confirms:
                also = f"Sent to {sent} and copied" if sent else "Copied"
                return Outcome("copied", f"{also} with {step.name} {size}")
            sent = step.name
        elif not sent:
            write("".join(sequence(text, wrapping) for wrapping in step.wrappings))
            sent = step.name
    if sent:
        return Outcome("sent", f"Sent to {sent} {size}")
    failed = ", ".join(step.name for step in plan.steps)
    return Outcome("failed", f"Not copied, {failed} failed: {_INSTEAD}")


def copy(text: str, write: Callable[[str], None]) -> Outcome:
    """Plan and send from this process's own environment."""
    size = len(text.encode(errors="backslashreplace"))
    return send(plan(os.environ, shutil.which, size, sys.platform), text, write)


def sequence(text: str, wrapping: Wrapping = "none") -> str:
    """The escape sequence that sets the clipboard: OSC 52 of xterm's `ctlseqs`, wrapped for a multiplexer."""
    encoded = base64.b64encode(text.encode(errors="backslashreplace")).decode()
    osc = f"\x1b]52;c;{encoded}\x07"
    if wrapping == "tmux":
        return "\x1bPtmux;" + osc.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if wrapping == "screen":
        chunks = (osc[start : start + _SCREEN_CHUNK] for start in range(0, len(osc), _SCREEN_CHUNK))
        return "".join(f"\x1bP{chunk}\x1b\\" for chunk in chunks)
    return osc


def _tools(environ: Mapping[str, str], platform: str) -> list[Step]:
    """The programs that reach the clipboard of the desktop this process runs on, the surest first."""
    tools: list[Step] = []
    if platform == "darwin":
        tools.append(Step("pbcopy", ("pbcopy",), confirms=True))
    if environ.get("WAYLAND_DISPLAY"):
        tools.append(Step("wl-copy", ("wl-copy",), confirms=True))
    if environ.get("DISPLAY"):
        tools.append(Step("xclip", ("xclip", "-selection", "clipboard"), confirms=True))
        tools.append(Step("xsel", ("xsel", "--clipboard", "--input"), confirms=True))
    if "WSL_DISTRO_NAME" in environ or "WSL_INTEROP" in environ:
        # It guesses the encoding of what it reads, and takes the two bytes of "1\n" for one Chinese character.
        tools.append(Step("clip.exe", ("clip.exe",), confirms=True, encoding="utf-16-le"))
    return tools


def _wrappings(environ: Mapping[str, str]) -> tuple[Wrapping, ...]:
    """How OSC 52 gets through to the terminal the person sits at; empty if that can't take it.

    Over SSH the multiplexer may run at the person's end, where only TERM tells of it: tmux drops the plain sequence
    by default and takes the wrapped one before 3.3, later ones as they are set; each ignores what is for the other.
    """
    term = environ.get("TERM", "")
    if term in ("", "dumb", "unknown") or term.startswith("linux"):
        return ()
    if "TMUX" in environ or term.startswith("tmux"):
        return ("none", "tmux")
    if "STY" in environ:
        return ("screen",)
    return ("none", "screen") if term.startswith("screen") else ("none",)
