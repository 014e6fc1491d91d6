"""How much a file may make the reader do. Each is a setting; whoever hits one is told its name."""

from __future__ import annotations

import time
from typing import NamedTuple

from inspector.errors import LimitReached


class Limits(NamedTuple):
    """Bounds on what one file may ask for.

    `pickle`, in bytes, `text`, in bytes of one text or run of bytes, `opcodes`, `stack` and `memo`, in objects, `depth`,
    in open MARKs, and `copies`, of its own size, bound a pickle; `inflated` and `ratio`, in bytes made and in bytes made
    from one, what is compressed; `members` the directory of a zip; `header`, in bytes, one of JSON; `nodes` what the
    tree shows of objects that stand under many names, `levels` how deep it goes; `seconds` how long reading may take.
    """

    opcodes: int = 200_000_000
    stack: int = 1_000_000
    memo: int = 10_000_000
    depth: int = 200_000
    copies: int = 4
    text: int = 4 << 30
    pickle: int = 4 << 30
    inflated: int = 2 << 30
    ratio: int = 200
    members: int = 5_000_000
    header: int = 1 << 30
    nodes: int = 50_000
    levels: int = 500
    seconds: int = 600

    def reached(self, name: str, what: str) -> LimitReached:
        """The error of whoever hits the limit `name`; `what` says how, in words."""
        return LimitReached(f"{what} (limit '{name}': {getattr(self, name)}; --limit {name}=N sets it)")


DEFAULT = Limits()

NAMES = Limits._fields
"""What the limits are called."""


class Clock:
    """The time since it was made, against `limits.seconds`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.end = time.monotonic() + limits.seconds

    def check(self) -> None:
        """Raises `LimitReached` when the time is over."""
        if time.monotonic() > self.end:
            raise self.limits.reached("seconds", "reading it takes too long")
