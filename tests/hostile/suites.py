"""The suites by name: what their figure is, and their cases in a quick and a full form."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.hostile import archives, attacks, canaries, damage, headers, moving, mutants
from tests.hostile.runner import MEMORY, SECONDS, Case
from tests.terminal import endings, evil_names


@dataclass(frozen=True)
class Suite:
    """`cases(full)` are the cases; each may take so many seconds, and bytes of memory; some wait more than they compute."""

    figure: str
    cases: Callable[[bool], Iterator[Case]]
    seconds: float = SECONDS
    memory: int = MEMORY
    at_once: int = 1


def canary_cases(full: bool) -> Iterator[Case]:
    """Every shape in every container; in the quick form each shape and each container a few times."""
    folder = Path(tempfile.mkdtemp(prefix="canaries-"))
    for row, container in enumerate(canaries.CONTAINERS):
        for column, shape in enumerate(canaries.SHAPES):
            if full or (row + column) % 10 == 0:
                yield f"{shape} in {container}", partial(look_at_canary, shape, container, folder)


def look_at_canary(shape: str, container: str, folder: Path) -> str:
    """Nothing happens, and a scan names the call."""
    from tests.hostile.watching import watched

    seen, told = watched(str(canaries.write(shape, container, folder)))
    assert not seen, seen
    assert canaries.SHAPES[shape][1] in told, told
    return ""


def screen_cases(full: bool) -> Iterator[Case]:
    """The attacks on the whole screen."""
    from tests.hostile import screen

    frame = screen.FRAME * (1 if full else SLACK)
    return attacks.cases(partial(screen.walk_screen, frame=frame), 1 if full else 20)


SLACK = 4
"""How many times longer cases may take in the quick form, which runs beside other tests: it asks what is right, not how fast."""

SUITES: dict[str, Suite] = {
    "canaries": Suite("0 events, every call named by --scan", canary_cases),
    "mutants": Suite("no exception but InspectorError, no hang, no signal", lambda full: mutants.cases(20_000 if full else 120), memory=256 << 20),
    "cuts": Suite("all end clean, every tensor before the cut reads right", lambda full: damage.cut_cases(1 if full else 37), seconds=60),
    "checksums": Suite("every wrong byte told, the tensor named", lambda full: damage.checksum_cases(500 if full else 25), seconds=60),
    "attacks": Suite("2 s and 256 MB", lambda full: attacks.cases(attacks.open_it, 1 if full else 5), attacks.SECONDS, attacks.MEMORY),
    "scans": Suite("2 s and 256 MB for --scan of the attacks", lambda full: attacks.cases(attacks.scan_it, 1 if full else 5), attacks.SECONDS, attacks.MEMORY),
    "screens": Suite("no frame waits for 100 ms on a walk of the whole screen", screen_cases, seconds=20),
    "lies": Suite("shown with the problem, nothing allocated by claim", lambda full: damage.lie_cases(), memory=256 << 20),
    "archives": Suite("PyTorch's reading is shown, the difference named", lambda full: archives.cases()),
    "headers": Suite("the verdict of safetensors 0.8, keys that come twice told", lambda full: headers.cases(50_000 if full else 1000), seconds=30),
    "moving": Suite("old values or an error, never a new value", lambda full: moving.cases()),
    "writer": Suite("no mixed view of a file saved every 50 ms for 30 s", lambda full: moving.writer_cases(30 if full else 1), seconds=40),
    "names": Suite("0 raw bytes of 40 names on any screen of a terminal, in any report", evil_names.cases, seconds=60, memory=1 << 30, at_once=3),
    "endings": Suite("terminal as it was, gone in 2 s, the right status, one line, a log", lambda full: endings.cases(), memory=1 << 30),
}  # fmt: skip
