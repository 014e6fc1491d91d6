"""A file whose blocks are counted as slowly as a test wants: a test sees what a person sees meanwhile."""

from __future__ import annotations

import threading

import pytest

from inspector.statistics import cuts

BLOCK = 1 << 10
"""Bytes of a block that is counted, so that a small tensor has many."""


class SlowBlocks:
    """Counting reads a block only when it may: `allow` so many more, or all there are by `flow`. `read` were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = 0
        self._allowed = threading.Semaphore(0)
        self._flowing = threading.Event()
        original = cuts.Run.read

        def read(run: cuts.Run, number: int) -> cuts.Block:
            while not self._flowing.is_set() and not self._allowed.acquire(timeout=0.005):
                pass
            self.read += 1
            return original(run, number)

        monkeypatch.setattr(cuts, "BLOCK", BLOCK)
        monkeypatch.setattr(cuts.Run, "read", read)

    def allow(self, blocks: int) -> None:
        self._allowed.release(blocks)

    def flow(self) -> None:
        self._flowing.set()
