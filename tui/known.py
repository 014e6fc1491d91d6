"""The figures that were counted of the open file's tensors: kept for as long as the file is the same."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspector import Checkpoint
    from inspector.nodes import Tensor
    from inspector.statistics import Statistics
    from inspector.statistics.remembered import Identity, Remembered

MOST_BRIEF = 64 << 20
"""Bytes of figures without histograms that are kept: those of some ten thousand tensors."""


class Known:
    """Figures by tensor, for the screen and the reader's thread alike: whole ones, with histograms, of the last some
    hundred tensors, and brief ones of many more. A file that was closed and opened again is known still.
    """

    def __init__(self) -> None:
        self._whole: Remembered[Statistics] | None = None
        self._brief: Remembered[Statistics] | None = None
        self._checkpoint: Checkpoint | None = None
        self._file: Identity | None = None
        self._lock = Lock()

    def open(self, checkpoint: Checkpoint) -> None:
        """From now on tensors are those of this file."""
        self._checkpoint, self._file = checkpoint, None

    def keep(self, tensor: Tensor, statistics: Statistics) -> None:
        """Remember what was counted."""
        if self._whole is None:
            # Not before there are figures: what the first paint waits for must earn it.
            from inspector.statistics.remembered import Remembered

            self._whole, self._brief = Remembered(), Remembered(MOST_BRIEF)
        self._keep(self._whole if statistics.histogram is not None else None, tensor, statistics)
        self._keep(self._brief, tensor, statistics.brief())

    def figures(self, tensor: Tensor) -> Statistics | None:
        """The figures of a tensor without their histogram, if they are known."""
        return self._get(self._brief, tensor)

    def whole(self, tensor: Tensor) -> Statistics | None:
        """The figures with the histogram."""
        return self._get(self._whole, tensor)

    def _keep(self, results: Remembered[Statistics] | None, tensor: Tensor, statistics: Statistics) -> None:
        if results is not None:
            with self._lock:
                results.keep(self._key(tensor), statistics, statistics.nbytes)

    def _get(self, results: Remembered[Statistics] | None, tensor: Tensor) -> Statistics | None:
        if results is None:
            return None
        with self._lock:
            return results.get(self._key(tensor))

    def _key(self, tensor: Tensor) -> Identity:
        from inspector.statistics.remembered import identity, place

        if self._file is None and self._checkpoint is not None:
            self._file = identity(self._checkpoint)
        return self._file or (), place(tensor)
