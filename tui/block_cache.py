"""The one block of values that a grid holds, and which it should ask for next: no widget, no thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui.number_format import Number, plain

if TYPE_CHECKING:
    import numpy as np

    from inspector.window.page import Page, Window


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The values of a window: `array` as it was read, `numbers` the same where Python has numbers for them."""

    window: Window
    array: np.ndarray[Any, Any]
    numbers: np.ndarray[Any, Any]

    def row(self, row: int, columns: range) -> list[Number]:
        """The cells of a row, which the block must cover, as Python's numbers."""
        line = self.window.page.window(range(row, row + 1), columns)
        numbers: list[Number] = self.numbers[self.window.part(line)].reshape(-1).tolist()
        return numbers[columns.start - line.columns.start : columns.stop - line.columns.start]

    def element(self, row: int, column: int) -> Any:
        """One cell as numpy's scalar."""
        line = self.window.page.window(range(row, row + 1), range(column, column + 1))
        return self.array[self.window.part(line)].reshape(-1)[column - line.columns.start]

    def values(self, window: Window) -> np.ndarray[Any, Any]:
        """A part of the block as it is seen: in two dimensions, or in one where an axis is wrapped."""
        values = self.array[self.window.part(window)]
        return values.T if window.transposed else values


class BlockCache:
    """Holds one block and asks for the next before the visible cells leave it.

    It wants the visible window and a page on each side. Where that can't be read it becomes careful, and wants no more
    than what is visible, so that damage beside the window doesn't hide what is whole. `error` says why there is nothing
    to see; it stays until something has been read.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.block: Block | None = None
        self.error = ""
        self._asked: Window | None = None
        self._careful = False

    def clear(self) -> None:
        """Forget everything; answers to what was asked for come too late."""
        self.generation += 1
        self.block = self._asked = None
        self.error = ""
        self._careful = False

    def covers(self, window: Window) -> bool:
        """Whether all values of a window are here."""
        return self.block is not None and self.block.window.covers(window)

    def element(self, page: Page, row: int, column: int) -> Any:
        """One cell as numpy's scalar, or None while it is not here."""
        cell = page.window(range(row, row + 1), range(column, column + 1))
        return self.block.element(row, column) if self.block is not None and self.covers(cell) else None

    def next(self, visible: Window) -> Window | None:
        """The window to ask for now, as `generation`, or None if there is enough, or it has been asked for."""
        rows, columns = len(visible.rows), len(visible.columns)
        if not rows or not columns:
            return None
        enough = visible if self._careful else visible.grown(rows // 2, columns // 2)
        if self.covers(enough) or (self._asked is not None and self._asked.covers(enough)):
            return None
        self._asked = visible if self._careful else visible.grown(rows, columns)
        self.generation += 1
        return self._asked

    def take(self, generation: int, array: np.ndarray[Any, Any] | None, error: str) -> bool:
        """Whether this was the answer that is waited for. A failure is final only for what is asked for carefully."""
        if generation != self.generation or self._asked is None:
            return False
        if array is not None:
            self.block = Block(self._asked, array, plain(array))
            self._asked, self._careful, self.error = None, False, ""
        elif self._careful:
            self.error = error
        else:
            self._asked, self._careful = None, True
        return True
