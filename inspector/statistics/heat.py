"""A whole page of a tensor reduced to a few cells: the largest element, the mean, and what is not finite in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspector import window
from inspector.nodes import Tensor
from inspector.window.page import Page

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BLOCK = 1 << 18
"""Elements that are read at a time."""

Progress = Callable[[float, "Heating"], None]
"""Hears which part is done, from 0 to 1, and what is known so far; may raise to stop."""


@dataclass(frozen=True, slots=True)
class Heat:
    """The cells of a map, all arrays of one shape.

    `peak` is the element of largest magnitude with its sign and `mean` the mean, of the finite elements in a cell, as
    float64; NaN where there are none. `nan` and `inf` count the others. Cell `[i, j]` stands for the page's rows from
    `rows[i]` to `rows[i + 1]` and its columns likewise. Of complex numbers all is of the magnitudes.
    """

    peak: Array
    mean: Array
    nan: Array
    inf: Array
    rows: list[int]
    columns: list[int]


class Heating:
    """A map while it is made."""

    def __init__(self, rows: list[int], columns: list[int]) -> None:
        import numpy as np

        self.rows = rows
        self.columns = columns
        shape = len(rows) - 1, len(columns) - 1
        self._high = np.full(shape, -np.inf)
        self._low = np.full(shape, np.inf)
        self._sum = np.zeros(shape)
        self._finite, self._nan, self._inf = (np.zeros(shape, np.int64) for _ in range(3))

    def add(self, block: Array, exists: Array, row: int, column: int) -> None:
        """Takes in the numbers of a block whose first one is at `row` and `column` of the page, where they `exist`."""
        import numpy as np

        down, at_rows = _cells(self.rows, row, block.shape[0])
        across, at_columns = _cells(self.columns, column, block.shape[1])
        place = slice(down, down + len(at_rows)), slice(across, across + len(at_columns))

        def reduced(combine: np.ufunc, numbers: Array) -> Array:
            return np.asarray(combine.reduceat(combine.reduceat(numbers, at_columns, axis=1), at_rows, axis=0))

        finite = np.isfinite(block) & exists
        usual = bool(finite.all())
        high, low, known = (block if usual else np.where(finite, block, other) for other in (-np.inf, np.inf, 0.0))
        self._high[place] = np.maximum(self._high[place], reduced(np.maximum, high))
        self._low[place] = np.minimum(self._low[place], reduced(np.minimum, low))
        self._sum[place] += reduced(np.add, known)
        if usual:
            sizes = (
                np.diff(starts, append=length) for starts, length in zip((at_rows, at_columns), block.shape, strict=True)
            )
            self._finite[place] += np.outer(*sizes)
            return
        for counts, which in ((self._finite, finite), (self._nan, np.isnan(block)), (self._inf, np.isinf(block))):
            counts[place] += reduced(np.add, (which & exists).astype(np.int64))

    def result(self) -> Heat:
        """The map as far as it is known: cells that nothing has come for yet have NaN."""
        import numpy as np

        some = self._finite > 0
        peak = np.where(some, np.where(self._high >= -self._low, self._high, self._low), np.nan)
        mean = np.where(some, self._sum / np.maximum(self._finite, 1), np.nan)
        return Heat(peak, mean, self._nan.copy(), self._inf.copy(), self.rows, self.columns)


def heat(tensor: Tensor, page: Page, height: int, width: int, progress: Progress = lambda part, heating: None) -> Heat:
    """A page of a tensor as a map of at most `height` x `width` cells, each of as many elements as the others, about.

    The page is passed over once, block by block, and never in memory as a whole. Raises what `window.read` raises, and
    what `progress` does.
    """
    import numpy as np

    rows, columns = _edges(page.height, height), _edges(page.width, width)
    heating = Heating(rows, columns)
    total = max(page.height * page.width, 1)
    done = 0
    for part in _parts(page):
        values = np.asarray(window.read(tensor, part.selection))
        values = np.abs(values) if values.dtype.kind == "c" else values
        block = (values.T if part.transposed else values).astype(np.float64).reshape(-1)
        size = len(part.rows) * len(part.columns)
        # The last row of a wrapped axis may be short.
        exists = np.arange(size).reshape(len(part.rows), -1) < block.size
        block = np.pad(block, (0, size - block.size)).reshape(exists.shape)
        heating.add(block, exists, part.rows.start, part.columns.start)
        done += size
        progress(min(1.0, done / total), heating)
    return heating.result()


def _parts(page: Page) -> Iterator[Any]:
    """The page in windows of about `BLOCK` elements, from the top."""
    if page.empty:
        return
    across = page.width if page.wrapped else max(1, min(page.width, BLOCK))
    down = max(1, BLOCK // across)
    for row in range(0, page.height, down):
        for column in range(0, page.width, across):
            yield page.window(range(row, row + down), range(column, column + across))


def _edges(size: int, cells: int) -> list[int]:
    """Where cells of almost one size begin, and where the last one ends."""
    count = max(1, min(size, cells))
    return [place * size // count for place in range(count + 1)]


def _cells(edges: list[int], start: int, length: int) -> tuple[int, Array]:
    """The first cell that a run touches, and where in the run each of its cells begins."""
    import numpy as np

    every = np.asarray(edges)
    first = int(np.searchsorted(every, start, "right")) - 1
    inside = every[(every > start) & (every < start + length)] - start
    return first, np.concatenate([[0], inside])
