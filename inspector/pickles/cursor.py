"""A place in a source that moves on with what is read there: pickles, numbers and bytes that follow each other."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from inspector.errors import DamagedFile
from inspector.limits import DEFAULT, Limits
from inspector.pickles.opcodes import AtLimit, Cut
from inspector.pickles.pickled import Builder, Pickled
from inspector.pickles.running import run
from inspector.sources import Source

WINDOW = 1 << 12
"""Bytes that the first read takes at least: what is small and close together costs one read."""

WIDEST = 1 << 18
"""Bytes that later ones take, which go on where the one before ended.

A thread that reads very often lets no other thread run: it has Python's lock again before those are awake.
"""

GROWTH = 8
"""How many times longer the second look at a pickle is, if the first did not reach its end."""

LOOK = 1 << 26
"""Bytes up to which the end of a pickle is looked for before it is tried."""


class Cursor:
    """Reads on from `position` in a source whose rest may be of any size; no more is read than is needed.

    `heard` are the pickles that were read, each with the byte where it begins; the last one may have been stopped by a
    limit. `beyond` is handed to `running.run`.
    """

    def __init__(
        self,
        source: Source,
        position: int = 0,
        limits: Limits = DEFAULT,
        tick: Callable[[int], None] | None = None,
        beyond: bool = False,
    ) -> None:
        self.source = source
        self.position = position
        self.limits = limits
        self.tick = tick
        self.beyond = beyond
        self.heard: list[tuple[int, Pickled]] = []
        self._window = b""
        self._start = 0

    def pickle(
        self,
        builders: Mapping[str, Builder] | None = None,
        persistent: Callable[[Any], Any] | None = None,
        begin: Callable[[], None] = lambda: None,
        then: bytes = b"",
    ) -> Pickled:
        """The pickle at the position, which moves behind it. Nothing says how long it is: it is tried with ever more bytes.

        Builders and `persistent` so hear the same again and have to answer alike; `begin` is called before each try.
        `then` is what its end and what follows look like, where that is known: it is not tried before that was seen.
        One that is longer than `limits.pickle` is broken there.
        """
        rest = self.source.size - self.position
        # What was read before may do, however little it is.
        read = self._start + len(self._window) - self.position
        length = read if 0 < read <= len(self._window) else WINDOW
        self.heard.append((self.position, Pickled()))
        while True:
            data = self.peek(length)
            if then not in data and len(data) < min(rest, LOOK, self.limits.pickle):
                length = min(max(length * GROWTH, WINDOW), self.limits.pickle)
                continue
            begin()
            pickled = Pickled()
            self.heard[-1] = self.position, pickled
            run(
                data,
                builders=builders,
                persistent=persistent,
                limits=self.limits,
                tick=self.tick,
                result=pickled,
                beyond=self.beyond,
            )
            broken = pickled.broken
            if not isinstance(broken, Cut) or len(data) >= rest or broken.needed > rest:
                break
            if length >= self.limits.pickle:
                reached = self.limits.reached("pickle", f"the pickle is longer than {length} bytes")
                pickled.broken = AtLimit(pickled.end, str(reached))
                break
            length = min(max(length * GROWTH, WINDOW, broken.needed), self.limits.pickle)
        self.position += pickled.end
        return pickled

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """The numbers of a `struct` layout. Raises `DamagedFile` where the source ends before."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def take(self, length: int) -> bytes:
        """The next bytes. Raises `DamagedFile` where the source ends before."""
        data = self.peek(length)
        if len(data) < length:
            raise DamagedFile(f"it ends at byte {self.source.size}, and {length} bytes are wanted from {self.position}")
        self.position += length
        return data

    def peek(self, length: int) -> bytes:
        """The next bytes without moving on; fewer where the source ends before."""
        end = min(self.position + length, self.source.size)
        if end <= self.position:
            return b""
        if self.position < self._start or end > self._start + len(self._window):
            longest = self.source.size - self.position
            goes_on = self._start < self.position <= self._start + len(self._window)
            wanted = min(2 * len(self._window), WIDEST) if goes_on else WINDOW
            self._window = self.source.read(self.position, min(max(length, wanted, WINDOW), longest))
            self._start = self.position
        return self._window[self.position - self._start : end - self._start]
