"""One measurement of a whole process: `run` from start to end, `opened` and `keys` in a pseudo-terminal.

This module imports nothing heavy: the kernel counts what a process had in memory when it started another one to the
peak of that one, and a thread that draws would slow what is measured on a machine of two cores.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.terminal.terminal import Terminal, environment

COLUMNS, ROWS = 160, 45

# A process of its own that is smaller than anything measured, for the reason said above.
_LAUNCHER = """\
import json, os, sys, time
started = time.perf_counter()
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1)]
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, used = os.wait4(process, 0)
seconds = time.perf_counter() - started
print(json.dumps({"status": os.waitstatus_to_exitcode(status), "seconds": seconds, "MB": used.ru_maxrss * 1024 / 1e6}))
"""

Figures = dict[str, float]
"""What one measurement gave: `seconds` or `ms`, and peak memory as `MB`."""


def run(command: Sequence[str]) -> Figures:
    """A command from start to end with its output thrown away: `seconds` and `MB`. It must end with status 0."""
    launched = [sys.executable, "-S", "-E", "-c", _LAUNCHER, *command]
    done = subprocess.run(launched, env=environment(), capture_output=True, text=True, check=True)
    said: Figures = json.loads(done.stdout)
    if said.pop("status"):
        raise RuntimeError(f"{command} failed: {done.stderr}")
    return said


def told(command: Sequence[str]) -> Figures:
    """The figures that a command prints of itself, as JSON."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


def opened(command: Sequence[str], sign: str) -> Figures:
    """A program in a terminal, from start until its screen holds `sign`: `seconds`, and `MB` once it rests."""
    with _at_rest(command, sign) as terminal:
        return {"seconds": terminal.time_of(sign), "MB": peak(terminal)}


def keys(command: Sequence[str], sign: str, way: Sequence[str], there: str, key: str, times: int) -> Figures:
    """From a key to the last byte it caused: median `ms`.

    The program shows `sign` when it has started; the keys of `way` lead to where the screen holds `there`.
    """
    with _at_rest(command, sign) as terminal:
        for earlier in way:
            terminal.press(earlier)
            _rest(terminal, 0.3)
        terminal.wait_for(there)
        return {"ms": statistics.median(1000 * _answer(terminal, key) for _ in range(times)), "MB": peak(terminal)}


def peak(terminal: Terminal) -> float:
    """The most memory that the program in a terminal has had so far, in MB."""
    for line in Path(f"/proc/{terminal.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the program is gone")


@contextmanager
def _at_rest(command: Sequence[str], sign: str) -> Iterator[Terminal]:
    with Terminal(command, columns=COLUMNS, rows=ROWS, env=environment()) as terminal:
        while not terminal.raw and not terminal.ended:
            time.sleep(0.02)
        _rest(terminal, 1)
        terminal.wait_for(sign)
        yield terminal
        terminal.press("q")
        terminal.wait()


def _rest(terminal: Terminal, seconds: float) -> None:
    """Wait until nothing has come for so long from now on."""
    last = time.perf_counter()
    while not terminal.ended:
        if terminal.chunks:
            last = max(last, terminal.chunks[-1][0])
        left = last + seconds - time.perf_counter()
        if left <= 0:
            return
        time.sleep(left)


def _answer(terminal: Terminal, key: str) -> float:
    """Press a key: seconds until the last byte before a pause of 150 ms. A key that nothing answers is an error."""
    before = len(terminal.chunks)
    pressed = time.perf_counter()
    terminal.press(key)
    while len(terminal.chunks) == before:
        if time.perf_counter() - pressed > 5:
            raise RuntimeError(f"nothing answers {key!r}; the screen:\n{terminal.screen()}")
        time.sleep(0.005)
    _rest(terminal, 0.15)
    return terminal.chunks[-1][0] - pressed
