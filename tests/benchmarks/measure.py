"""One measurement of a whole process: `run` from start to end, the others in a pseudo-terminal.

This module imports nothing heavy: the kernel counts what a process had in memory when it started another one to the
peak of that one, and a thread that draws would slow what is measured on a machine of two cores.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.terminal.terminal import Terminal, environment

COLUMNS, ROWS = 160, 45

REPEAT = 0.033
"""Seconds between two keys of one that is held down, as terminals repeat it."""

BREATH = 0.03
"""Seconds without a byte after which a key has been answered where more comes of itself."""

# A process of its own that is smaller than anything measured, for the reason said above.
_LAUNCHER = """\
import json, os, sys, time
started = time.perf_counter()
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1)]
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, used = os.wait4(process, 0)
seconds = time.perf_counter() - started
said = {"status": os.waitstatus_to_exitcode(status), "seconds": seconds}
print(json.dumps(said | {"cpu": used.ru_utime + used.ru_stime, "MB": used.ru_maxrss * 1024 / 1e6}))
"""

PAUSE = 0.1
"""Seconds without a byte after which a key counts as answered: statistics begin when a cursor has rested for longer."""

Figures = dict[str, float]
"""What one measurement gave: `seconds` of the clock, seconds of `cpu`, peak memory as `MB`; of a terminal `KB` that came."""


def run(command: Sequence[str]) -> Figures:
    """A command from start to end with its output thrown away: `seconds`, `cpu` and `MB`. It must end with status 0."""
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


def opened(command: Sequence[str], sign: str, patience: float = 15) -> Figures:
    """A program in a terminal, from start until its screen holds `sign`: `seconds`; once it rests `cpu`, `MB`, `KB`."""
    with _at_rest(command, sign, patience) as terminal:
        return {
            "seconds": terminal.time_of(sign),
            "cpu": cpu(terminal),
            "MB": peak(terminal),
            "KB": len(terminal.raw) / 1000,
        }


Way = Sequence[str]
"""The keys that lead to where the measuring begins, one after the other."""


def keys(
    command: Sequence[str],
    sign: str,
    way: Way,
    there: str,
    pressed: Sequence[str],
    times: int,
    patience: float = 15,
    pause: float = PAUSE,
) -> Figures:
    """From a key to the last byte it caused, for each of `pressed` in turn, `times` over.

    The program shows `sign` when it has started; the keys of `way` lead to where the screen holds `there`. A key counts
    as answered when nothing more has come for a `pause`. `ms` is the median, `p95` what 95 of 100 stay below, in ms; `cpu`
    and `KB` are what a key takes.
    """
    with _at_rest(command, sign, patience) as terminal:
        _walk(terminal, way, there, patience)
        before, _ = _scheduled(terminal)
        answers = [_answer(terminal, key, pause) for _ in range(times) for key in pressed]
        taken = _scheduled(terminal)[0] - before
        milliseconds = [1000 * seconds for seconds, _ in answers]
        return {
            "ms": statistics.median(milliseconds),
            "p95": percentile(milliseconds, 95),
            "cpu": taken / len(answers) / 1e9,
            "KB": statistics.median(size for _, size in answers) / 1000,
            "MB": peak(terminal),
        }


def keys_meanwhile(
    command: Sequence[str], sign: str, way: Way, there: str, begin: Way, going_on: str, pressed: Sequence[str], times: int
) -> Figures:
    """From a key to the last byte it caused, while something goes on that `begin` has begun: median `ms`.

    Its screen holds `going_on` then, and still does so after the last key: an error if not. What comes meanwhile of
    itself is taken for the key's only if it follows within `BREATH`.
    """
    with _at_rest(command, sign) as terminal:
        _walk(terminal, way, there)
        _begin(terminal, begin, going_on)
        answers = [_answer(terminal, key, BREATH, 0)[0] for _ in range(times) for key in pressed]
        time.sleep(BREATH)
        terminal.wait_for(going_on, 0.1)
        return {"ms": 1000 * statistics.median(answers)}


def until_shown(
    command: Sequence[str], sign: str, way: Way, there: str, begin: Way, going_on: str, key: str, shown: str
) -> Figures:
    """From a key to the screen that first holds `shown`: `ms`. Before it `begin` has begun what lets it hold `going_on`."""
    with _at_rest(command, sign) as terminal:
        _walk(terminal, way, there)
        _begin(terminal, begin, going_on)
        pressed = time.perf_counter()
        terminal.press(key)
        terminal.wait_for(shown)
        return {"ms": 1000 * (terminal.started + terminal.time_of(shown) - pressed)}


def _begin(terminal: Terminal, begin: Way, going_on: str) -> None:
    for key in begin:
        terminal.press(key)
        time.sleep(0.05)
    terminal.wait_for(going_on)


def held(command: Sequence[str], sign: str, way: Way, there: str, key: str, times: int) -> Figures:
    """A key held down: `KB` that come for each while it is, and `rest KB` from the last one on until nothing comes."""
    with _at_rest(command, sign) as terminal:
        _walk(terminal, way, there)
        before = len(terminal.raw)
        for number in range(times):
            if number == times - 1:
                during = len(terminal.raw)
            terminal.press(key)
            time.sleep(REPEAT)
        _rest(terminal, 0.5)
        return {"KB": (during - before) / (times - 1) / 1000, "rest KB": (len(terminal.raw) - during) / 1000}


def idle(command: Sequence[str], sign: str, way: Way, there: str, seconds: float) -> Figures:
    """A program that nobody touches: `%` of one core that it takes, and how often a second it `wakes`."""
    with _at_rest(command, sign) as terminal:
        _walk(terminal, way, there)
        _rest(terminal, 2)
        before = _scheduled(terminal)
        time.sleep(seconds)
        after = _scheduled(terminal)
        return {"%": (after[0] - before[0]) / seconds / 1e7, "wakes": (after[1] - before[1]) / seconds}


def _scheduled(terminal: Terminal) -> tuple[int, int]:
    """Nanoseconds that all threads of a program have run so far, and how often they were given a core."""
    threads = Path(f"/proc/{terminal.process.pid}/task").iterdir()
    counted = [[int(word) for word in (thread / "schedstat").read_text().split()] for thread in threads]
    return sum(row[0] for row in counted), sum(row[2] for row in counted)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest of some values that so many of a hundred do not exceed."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def cpu(terminal: Terminal) -> float:
    """Seconds of processor time that the program in a terminal has taken so far."""
    fields = Path(f"/proc/{terminal.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(terminal: Terminal) -> float:
    """The most memory that the program in a terminal has had so far, in MB."""
    for line in Path(f"/proc/{terminal.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the program is gone")


@contextmanager
def _at_rest(command: Sequence[str], sign: str, patience: float = 15) -> Iterator[Terminal]:
    with Terminal(command, columns=COLUMNS, rows=ROWS, env=environment()) as terminal:
        while not terminal.raw and not terminal.ended:
            time.sleep(0.02)
        _rest_with(terminal, sign, 1, patience)
        yield terminal
        terminal.press("q")
        # Some programs end by another key; then their terminal is closed.
        with suppress(subprocess.TimeoutExpired):
            terminal.wait(5)


def _walk(terminal: Terminal, way: Way, there: str, patience: float = 15) -> None:
    for earlier in way:
        _answer(terminal, earlier)
    _rest_with(terminal, there, 0.3, patience)


def _rest_with(terminal: Terminal, sign: str, seconds: float, patience: float) -> None:
    """Wait until nothing comes any more and the screen holds `sign`: it is drawn only where nothing moves."""
    deadline = time.perf_counter() + patience
    _rest(terminal, seconds)
    while sign not in terminal.screen() and time.perf_counter() < deadline and not terminal.ended:
        time.sleep(seconds)
        _rest(terminal, seconds)
    terminal.wait_for(sign, 0.1)


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


def _answer(terminal: Terminal, key: str, pause: float = PAUSE, calm: float = 0.3) -> tuple[float, int]:
    """Press a key: seconds until the last byte before a pause, and how many came until then. None at all is an error.

    The next key waits for so long a calm: until what comes of itself later, values and statistics, has come too.
    """
    before = len(terminal.raw)
    chunks = len(terminal.chunks)
    pressed = time.perf_counter()
    terminal.press(key)
    while len(terminal.chunks) == chunks:
        if time.perf_counter() - pressed > 5:
            raise RuntimeError(f"nothing answers {key!r}; the screen:\n{terminal.screen()}")
        time.sleep(0.005)
    _rest(terminal, pause)
    answered = terminal.chunks[-1][0] - pressed, len(terminal.raw) - before
    _rest(terminal, calm)
    return answered
