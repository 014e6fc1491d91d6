"""How far long work of a report is: a line on a terminal's stderr, and the Ctrl+C that ends the work, not the report."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from types import FrameType, TracebackType

from tui.figures import short_size

EVERY = 0.1
"""Seconds between two looks of the line."""

WIDTH = 60
"""Columns of it."""


class Stopped(BaseException):
    """Raised in work that was interrupted. No `Exception`, so that nothing takes it for damage."""


class Progress:
    """Work on a number of bytes, in a `with`. Within it the first Ctrl+C makes `tell` raise `Stopped`.

    The second one is Python's own again. `stopped` says whether there was one.
    """

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self.stopped = False
        self._start = self._told = time.monotonic()
        self._shown = False
        self._former: object = None

    def __enter__(self) -> Progress:
        # Only the main thread may do this; a report that is written in another one is interrupted as all else.
        with suppress(ValueError):
            self._former = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()
        self._restore()

    def add(self, nbytes: int) -> None:
        """So many bytes more are to be worked on."""
        self.total += nbytes

    def tell(self, nbytes: int) -> None:
        """So many bytes more are done. Raises `Stopped` after a Ctrl+C."""
        self.done += nbytes
        if self.stopped:
            raise Stopped
        now = time.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            self._show(now)

    def clear(self) -> None:
        """Takes the line away, before something else is written."""
        if self._shown:
            sys.stderr.write(f"\r{'':{WIDTH}}\r")
            sys.stderr.flush()
            self._shown = False

    def _show(self, now: float) -> None:
        if sys.stderr is not None and sys.stderr.isatty() and self.total:
            rate = self.done / max(now - self._start, EVERY)
            left = max(self.total - self.done, 0) / max(rate, 1)
            line = f"{self.done / self.total:.0%} · {short_size(int(rate))}/s · {duration(left)} left"
            sys.stderr.write(f"\r{line[: WIDTH - 1]:{WIDTH}}")
            sys.stderr.flush()
            self._shown = True

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        self._restore()

    def _restore(self) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)  # type: ignore[arg-type]
            self._former = None


def duration(seconds: float) -> str:
    """A time as minutes and seconds, `0:05`; from an hour on with hours, `1:02:03`."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
