"""Runs cases in processes of their own, under a clock and a bound of memory, and says how each ended.

Each case is forked off this process, which has everything imported: so it costs milliseconds, and what it did to
itself is gone with it.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

SECONDS = 5
MEMORY = 512 << 20
"""What a case may take: seconds of the clock, and bytes of resident memory."""

PATIENCE = 4
"""How many times longer by the clock a case may take on a machine that does other work too; then it hangs."""

Case = tuple[str, Callable[[], Any]]

_FORKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a case ended: `error` is empty if it did as it should; seconds of the processor, which other work on the machine
    does not change, and bytes of resident memory at its peak."""

    name: str
    error: str
    seconds: float
    memory: int
    said: str


def run(case: Case, seconds: float = SECONDS, memory: int = MEMORY) -> Ended:
    """One case: it must end in time, without a signal, within the memory, and raise nothing; what it returns is `said`."""
    with _FORKING:
        # A case that inherits the pipe of another would keep it open.
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(case[1], writing, seconds, memory)
        os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    _, status, usage = os.wait4(pid, 0)
    took, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    error = ""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        error = "it hangs" if number == signal.SIGALRM else f"signal {signal.Signals(number).name}"
    elif os.WEXITSTATUS(status):
        error, said = said or f"status {os.WEXITSTATUS(status)}", ""
    elif peak > memory:
        error = f"{peak >> 20} MB of memory"
    elif took > seconds:
        error = f"{took:.1f} s"
    return Ended(case[0], error, took, peak, said)


def run_all(cases: Iterable[Case], seconds: float = SECONDS, memory: int = MEMORY, at_once: int = 1) -> list[Ended]:
    """All of them, one after the other, or so many `at_once`."""
    warm_up()
    if at_once == 1:
        # Each is made when its turn comes: what others hold would count as memory of this one.
        return [run(case, seconds, memory) for case in cases]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(partial(run, seconds=seconds, memory=memory), cases))


def warm_up() -> None:
    """Imports what cases need, once, and leaves the garbage collector nothing to copy."""
    import ml_dtypes
    import numpy

    from tests.hostile import screen, walk

    assert ml_dtypes and numpy and screen and walk
    gc.collect()
    gc.freeze()


def _child(case: Callable[[], Any], pipe: int, seconds: float, memory: int) -> None:
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)
        # What the interpreter has mapped and never touches does not count.
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.write(pipe, str(case() or "").encode("utf-8", "backslashreplace")[:60_000])
        status = 0
    except BaseException:
        os.write(pipe, traceback.format_exc().encode("utf-8", "backslashreplace")[-4000:])
    finally:
        os._exit(status)
