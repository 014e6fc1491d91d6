"""A program in a pseudo-terminal of its own: keys go in, the screen a person would see and the raw bytes come out."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyte

# A job in the background of a script ignores these, and so would every program that is started here.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

KEYS = {
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "enter": "\r",
    "tab": "\t",
    "escape": "\x1b",
    "space": " ",
    "backspace": "\x7f",
}

MOUSE_MODES = frozenset({1000, 1002, 1003, 1005, 1006, 1015})
ALTERNATE_SCREEN = 1049

# What pyte would draw as text or take for something else: strings for the terminal (OSC, DCS, APC) and the CSI
# sequences with a <, = or > (the kitty keyboard protocol, xterm's modifyOtherKeys).
_DEVICE_STRING = rb"\x1b[P_^X](?:[^\x1b]|\x1b(?!\\))*\x1b\\"
_UNDRAWN = re.compile(rb"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|" + _DEVICE_STRING + rb"|\x1b\[[<=>][0-9;:]*[@-~]")
_UNFINISHED = re.compile(rb"\x1b(?:\][^\x07\x1b]*\x1b?|[P_^X](?:[^\x1b]|\x1b(?!\\))*|\[[0-?]*[ -/]*|[ -/]*)$")
_MODES = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
_SWITCH = re.compile(rb"(\x1b\[\?1049[hl])")
_KITTY = re.compile(rb"\x1b\[>[0-9]+u")
_CLIPBOARD = re.compile(rb"\x1b\]52;[^;\x07\x1b]*;([A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")


def environment(**changes: str) -> dict[str, str]:
    """What a plain local terminal hands its programs: nothing of tmux, SSH or a desktop; `changes` come on top."""
    repository = Path(__file__).parents[2]
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONPATH": str(repository),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    } | changes


class Terminal:
    """Runs `command` in a pseudo-terminal of `columns` x `rows` cells, and reads what it writes as it comes.

    `chunks` holds, for every read, the time (`time.perf_counter`) and how many bytes had come by then.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
    ) -> None:
        self.raw = bytearray()
        self.chunks: list[tuple[float, int]] = []
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._below: tuple[Any, Any] | None = None
        """What the alternate screen covers, while it is on."""
        self._drawn = 0
        self._came = threading.Condition()
        self._master, self._slave = os.openpty()
        self._hung_up, self._hang_up = os.pipe()
        self._set_size(columns, rows)
        # A session leader's first terminal becomes its controlling one, so a shell that opens it by name is enough;
        # running Python between fork and exec is not safe with torch's threads in this process.
        script = 'exec <>"$0" >&0 2>&1; exec "$@"'
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", script, os.ttyname(self._slave), *command],
            env=environment() if env is None else env,
            cwd=cwd,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def press(self, *keys: str) -> None:
        """Press keys by name: `down`, `enter`, `ctrl+d`; anything else is typed as it is."""
        for key in keys:
            text = chr(ord(key[-1].upper()) - 64) if key.startswith("ctrl+") else KEYS.get(key, key)
            os.write(self._master, text.encode())

    def send(self, data: bytes) -> None:
        """Send bytes as they are, which need not be keys."""
        os.write(self._master, data)

    def screen(self) -> str:
        """The screen as text: one line a row, trailing blanks removed."""
        self._draw()
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's column and row, from 0."""
        self._draw()
        return self._screen.cursor.x, self._screen.cursor.y

    def wait_for(self, sign: str | Callable[[str], object], timeout: float = 15) -> str:
        """The screen, as soon as it holds a text or satisfies a condition. AssertionError after `timeout` seconds."""
        holds = (lambda screen: sign in screen) if isinstance(sign, str) else sign
        deadline = time.monotonic() + timeout
        while True:
            over = self.ended and not self._more_within(0.1)
            screen = self.screen()
            if holds(screen):
                return screen
            if over or time.monotonic() > deadline:
                state = f"ended with status {self.process.poll()}" if over else f"not there after {timeout} s"
                wanted = repr(sign) if isinstance(sign, str) else "the condition"
                raise AssertionError(f"{wanted}: {state}; the screen:\n{screen}")
            self._more_within(0.1)

    def time_of(self, sign: str) -> float:
        """Seconds from the start of the program until its screen first held a text, found by drawing it all again."""
        screen = pyte.Screen(self._screen.columns, self._screen.lines)
        stream = pyte.ByteStream(screen)
        drawn = 0
        for came, end in self.chunks:
            new = _finished(bytes(self.raw[drawn:end]))
            drawn += len(new)
            stream.feed(_UNDRAWN.sub(b"", new))
            if any(sign in line for line in screen.display):
                return came - self.started
        raise AssertionError(f"{sign!r} was never there; the screen:\n" + self.screen())

    def wait_until_quiet(self, seconds: float = 0.3, timeout: float = 15) -> str:
        """The screen, once nothing has come for so many seconds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._more_within(seconds):
            pass
        return self.screen()

    def settle(self, seconds: float = 0.03, timeout: float = 30) -> str:
        """The screen, once the program has read every key and done nothing for so many seconds.

        How busy the machine is does not matter: who waits for a processor does not do nothing.
        """
        deadline = time.monotonic() + timeout
        before = self._doing()
        while time.monotonic() < deadline and not self.ended:
            more = self._more_within(seconds)
            now = self._doing()
            if not more and now == before and not now[1]:
                break
            before = now
        return self.screen()

    @property
    def seconds(self) -> float:
        """What the program has taken of the processor."""
        return self._doing()[0]

    def _doing(self) -> tuple[float, bool]:
        """Seconds of the processor that the program has taken, and whether it runs, wants to, or has keys to read."""
        taken, runs = 0, False
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
                fields = (thread / "stat").read_text().rpartition(")")[2].split()
                runs = runs or fields[0] in "RD"
                taken += int(fields[11]) + int(fields[12])
            waiting = fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4))
            runs = runs or int.from_bytes(waiting, sys.byteorder) > 0
        return taken / os.sysconf("SC_CLK_TCK"), runs

    def wait(self, timeout: float = 15) -> int:
        """The program's exit status, once it has ended (a signal's number below zero) and all it wrote has come."""
        status = self.process.wait(timeout)
        self.wait_until_quiet(0.1)
        return status

    @property
    def ended(self) -> bool:
        """Whether the program is gone."""
        return self.process.poll() is not None

    @property
    def text(self) -> str:
        """Everything that came, as text."""
        return self.raw.decode(errors="replace")

    @property
    def clipboard(self) -> list[str]:
        """The texts that came for this terminal's clipboard, as OSC 52, in their order; not those for a multiplexer."""
        plain = re.sub(_DEVICE_STRING, b"", self.raw)
        return [base64.b64decode(found[1]).decode() for found in _CLIPBOARD.finditer(plain)]

    @property
    def modes(self) -> set[int]:
        """The private modes (DECSET) that are set now: 1049 is the alternate screen, 1000 and above the mouse."""
        modes: set[int] = {25}
        # A copy: while something walks over a bytearray, the thread that reads can't make it longer.
        for found in _MODES.finditer(bytes(self.raw)):
            numbers = {int(number) for number in found[1].split(b";") if number}
            modes = modes | numbers if found[2] == b"h" else modes - numbers
        return modes

    @property
    def settings(self) -> list[object]:
        """What `stty -a` says, as `termios` has it."""
        return termios.tcgetattr(self._slave)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        self._draw()
        self._screen.resize(rows, columns)
        self._set_size(columns, rows)

    def hang_up(self) -> None:
        """Be gone, as a terminal whose window or connection is: nothing is read any more, and nothing can be written."""
        os.close(self._slave)
        self._slave = -1
        os.write(self._hang_up, b"!")

    @property
    def is_as_it_was(self) -> bool:
        """Whether no mode is left behind: no alternate screen, mouse, paste, reports, kitty keys, hidden cursor."""
        kitty = len(_KITTY.findall(bytes(self.raw))) - self.raw.count(b"\x1b[<u")
        return kitty == 0 and self.modes | {7} == {7, 25} and self.raw.count(b"\x1b[?7l") <= self.raw.count(b"\x1b[?7h")

    @property
    def left_behind(self) -> str:
        """What was written after the alternate screen was left."""
        return _MODES.sub(b"", self.raw.rpartition(b"\x1b[?1049l")[2]).decode().replace("\r", "")

    def close(self) -> None:
        """End the program if it still runs, as closing the window would, and give the terminal back."""
        if not self.ended:
            self._signal(signal.SIGHUP)
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self.process.wait(10)
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _more_within(self, seconds: float) -> bool:
        """Whether more bytes come within so many seconds; waits no longer than until they do."""
        with self._came:
            had = len(self.raw)
            return self._came.wait_for(lambda: len(self.raw) > had, seconds)

    def _read(self) -> None:
        while True:
            ready = select.select((self._master, self._hung_up), (), ())[0]
            try:
                data = os.read(self._master, 1 << 16) if ready == [self._master] else b""
            except OSError:
                data = b""
            if not data:
                for descriptor in (self._master, self._hung_up, self._hang_up):
                    os.close(descriptor)
                return
            now = time.perf_counter()
            with self._came:
                self.raw += data
                self.chunks.append((now, len(self.raw)))
                self._came.notify_all()

    def _draw(self) -> None:
        with self._came:
            new = _finished(bytes(self.raw[self._drawn :]))
        self._drawn += len(new)
        for part in _SWITCH.split(_UNDRAWN.sub(b"", new)):
            if not _SWITCH.fullmatch(part):
                self._stream.feed(part)
            elif part.endswith(b"h"):
                self._below = deepcopy((self._screen.buffer, self._screen.cursor))
                self._screen.erase_in_display(2)
            elif self._below is not None:
                self._screen.buffer, self._screen.cursor = self._below
                self._below = None


def _finished(data: bytes) -> bytes:
    """`data` without an escape sequence whose end has not come yet."""
    unfinished = _UNFINISHED.search(data)
    return data[: unfinished.start()] if unfinished else data
