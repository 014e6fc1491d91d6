"""An N-D tensor seen as a 2-D page: which axes are its rows and columns, and where the others stand. Arithmetic only.

A tensor with two or more axes to show has one of them as rows and one as columns. One that extends along a single axis
(a bias, a `[1, 512]` of positions) has that axis wrapped into rows, so that it fills a screen and not a line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from inspector.errors import visible

WRAP = 10
"""How many elements stand in a row of a wrapped axis."""

Index = tuple[int, ...]
"""One number for each axis of a tensor."""

_ENTRY = re.compile(r"[+-]?[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Page:
    """A 2-D page of a tensor of `shape`: axis `rows` runs down, axis `columns` across.

    Where `rows` is None, `columns` is wrapped into rows of `wrap` elements; where both are, the tensor is 0-D, one cell.
    `stand` says where every other axis stands, and is 0 at the shown ones.
    """

    shape: tuple[int, ...]
    rows: int | None
    columns: int | None
    stand: Index
    wrap: int = WRAP

    @classmethod
    def of(cls, shape: Sequence[int]) -> Page:
        """The page to begin with: the last two axes that are longer than 1, the others at 0.

        Where only one is, it is wrapped if it is longer than a row; axes of length 1 fill up what is missing.
        """
        shape = tuple(shape)
        stand = (0,) * len(shape)
        if len(shape) < 2:
            return cls(shape, None, len(shape) - 1 if shape else None, stand)
        long = [axis for axis, size in enumerate(shape) if size != 1][-2:]
        if len(long) == 1 and shape[long[0]] > WRAP:
            return cls(shape, None, long[0], stand)
        short = [axis for axis in range(len(shape)) if axis not in long]
        rows, columns = sorted([*short, *long][-2:])
        return cls(shape, rows, columns, stand)

    @property
    def shown(self) -> tuple[int, ...]:
        """The axes that the page shows: rows, then columns."""
        return tuple(axis for axis in (self.rows, self.columns) if axis is not None)

    @property
    def standing(self) -> tuple[int, ...]:
        """The axes that stand at one index."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.shown)

    @property
    def wrapped(self) -> bool:
        """Whether the page is one axis, wrapped into rows."""
        return self.rows is None and self.columns is not None

    @property
    def size(self) -> int:
        """The length of the axis across."""
        return 1 if self.columns is None else self.shape[self.columns]

    @property
    def empty(self) -> bool:
        """Whether the tensor has no elements."""
        return 0 in self.shape

    @property
    def height(self) -> int:
        """The number of rows."""
        if self.empty or self.columns is None:
            return int(not self.empty)
        return -(-self.size // self.wrap) if self.rows is None else self.shape[self.rows]

    @property
    def width(self) -> int:
        """The number of columns; the last row of a wrapped axis may have fewer."""
        if self.empty or self.columns is None:
            return int(not self.empty)
        return min(self.wrap, self.size) if self.rows is None else self.size

    def row_label(self, row: int) -> int:
        """The number that stands before a row: the index along its axis, in a wrapped one that of its first element."""
        return row * self.wrap if self.wrapped else row

    def row_width(self, row: int) -> int:
        """How many elements a row has."""
        if self.wrapped:
            return min(self.width, self.size - row * self.wrap)
        return self.width

    def index(self, row: int, column: int) -> Index:
        """The tensor's index of a cell."""
        index = list(self.stand)
        if self.wrapped:
            column += row * self.wrap
        if self.rows is not None:
            index[self.rows] = row
        if self.columns is not None:
            index[self.columns] = column
        return tuple(index)

    def cell(self, index: Index) -> tuple[int, int]:
        """The row and column of an element, wherever the other axes stand."""
        column = 0 if self.columns is None else index[self.columns]
        if self.wrapped:
            return divmod(column, self.wrap)
        return 0 if self.rows is None else index[self.rows], column

    def at(self, index: Index) -> Page:
        """This page where the other axes stand at `index`."""
        shown = self.shown
        return replace(self, stand=tuple(0 if axis in shown else place for axis, place in enumerate(index)))

    def showing(self, rows: int | None, columns: int) -> Page:
        """The page that shows these axes; what it no longer shows stands at 0."""
        return replace(self, rows=rows, columns=columns).at(self.stand)

    def with_rows(self, axis: int) -> Page:
        """The page with `axis` as its rows; if it was the columns, these become what the rows were."""
        columns = self.columns if self.columns != axis else self.rows
        if columns is None:
            columns = self._other(axis)
        return self if columns is None else self.showing(axis, columns)

    def with_columns(self, axis: int) -> Page:
        """The page with `axis` as its columns, likewise."""
        rows = self.rows if self.rows != axis else self.columns
        if rows is None:
            rows = self.columns if self.columns != axis else self._other(axis)
        return self if rows is None else self.showing(rows, axis)

    def transposed(self) -> Page:
        """The page with rows and columns changed; a wrapped axis stays as it is."""
        return self if self.rows is None or self.columns is None else self.showing(self.columns, self.rows)

    def moved(self, axis: int, step: int) -> Page:
        """The page `step` further along an axis that stands, at most to its ends."""
        place = max(0, min(self.shape[axis] - 1, self.stand[axis] + step))
        return replace(self, stand=(*self.stand[:axis], place, *self.stand[axis + 1 :]))

    def window(self, rows: range, columns: range) -> Window:
        """The part of the page within these rows and columns; of a wrapped axis always whole rows."""
        rows = range(max(0, rows.start), min(self.height, rows.stop))
        columns = range(self.width) if self.wrapped else range(max(0, columns.start), min(self.width, columns.stop))
        return Window(self, rows, columns)

    def find(self, text: str, row: int, column: int) -> tuple[Page, int, int]:
        """The page and the cell that a person means: `3,17` (row and column) or `[0, 3, :, 2]` (one for each axis).

        Counting from the end is as in Python. `:` keeps an axis where it is; one or two of them at axes that are not
        shown bring these onto the page. `...` and what is missing in brackets are `:`. From the cell `row`, `column`.
        Raises ValueError with one line that says what is wrong.
        """
        if self.empty:
            raise ValueError("the tensor has no elements")
        entries, full = _entries(text, len(self.shape))
        if not full:
            return self._find_cell(entries, row, column)
        places = list(self.index(row, column))
        for axis, entry in enumerate(entries):
            if entry != ":":
                places[axis] = _place(entry, self.shape[axis], f"axis {axis}")
        index = tuple(places)
        page = self
        kept = [axis for axis, entry in enumerate(entries) if entry == ":"]
        if len(kept) in (1, 2) and not set(kept) <= set(self.shown):
            page = self.showing(kept[0] if len(kept) == 2 else self.rows, kept[-1])
        return page.at(index), *page.cell(index)

    def _find_cell(self, entries: list[str], row: int, column: int) -> tuple[Page, int, int]:
        if self.wrapped and len(entries) == 1 and self.columns is not None:
            place = _place(entries[0], self.shape[self.columns], f"axis {self.columns}")
            return self, *divmod(place, self.wrap)
        if entries[0] != ":":
            row = _place(entries[0], self.height, "the rows")
        if len(entries) == 2 and entries[1] != ":":
            column = _place(entries[1], self.row_width(row), "the columns")
        return self, row, min(column, self.row_width(row) - 1)

    def _other(self, axis: int) -> int | None:
        """An axis to show beside `axis`: the last other one."""
        last = len(self.shape) - 1
        other = last if axis != last else last - 1
        return other if other >= 0 else None

    def __str__(self) -> str:
        return self.expression()

    def expression(self, window: Window | None = None) -> str:
        """The page, or a window of it, as an index in Python: `[3, :, 0, :]`, `[3, 0:40, 0, 0:8]`."""
        shown = dict.fromkeys(self.shown, ":")
        if window is not None:
            shown |= {axis: f"{part.start}:{part.stop}" for axis, part in window.slices.items()}
        texts = (shown.get(axis, str(place)) for axis, place in enumerate(self.stand))
        transposed = window is not None and window.transposed
        return f"[{', '.join(texts) or '()'}]" + (".T" if transposed else "")


class Window(NamedTuple):
    """The part of a page within `rows` and `columns`.

    Its values are the array of 0, 1 or 2 dimensions that the tensor has at `selection`; `part` finds windows in it.
    """

    page: Page
    rows: range
    columns: range

    @property
    def slices(self) -> dict[int, slice]:
        """What is taken of each shown axis."""
        page = self.page
        if page.columns is None:
            return {}
        if page.rows is None:
            return {page.columns: slice(self.rows.start * page.wrap, min(page.size, self.rows.stop * page.wrap))}
        across = slice(self.columns.start, self.columns.stop)
        return {page.rows: slice(self.rows.start, self.rows.stop), page.columns: across}

    @property
    def selection(self) -> tuple[int | slice, ...]:
        """The tensor's index of the window, as numpy has it: a number for each axis that stands, a slice for the others."""
        slices = self.slices
        return tuple(slices.get(axis, place) for axis, place in enumerate(self.page.stand))

    @property
    def transposed(self) -> bool:
        """Whether the array at `selection` has the page's columns as its first axis."""
        return self.page.rows is not None and self.page.columns is not None and self.page.rows > self.page.columns

    def part(self, inner: Window) -> tuple[slice, ...]:
        """The index of `inner`, which must be covered, in the array at this window's `selection`."""
        outer = self.slices
        return tuple(
            slice(part.start - outer[axis].start, part.stop - outer[axis].start)
            for axis, part in sorted(inner.slices.items())
        )

    def covers(self, other: Window) -> bool:
        """Whether all cells of `other`, of the same page, are in this window."""
        return self.page == other.page and _within(other.rows, self.rows) and _within(other.columns, self.columns)

    def grown(self, rows: int, columns: int) -> Window:
        """The window with so many rows and columns more on each side, as far as the page goes."""
        return self.page.window(
            range(self.rows.start - rows, self.rows.stop + rows),
            range(self.columns.start - columns, self.columns.stop + columns),
        )


def shortened(numbers: Sequence[int]) -> str:
    """The numbers of an index or a shape; of more than 16 axes the first and last eight."""
    texts = [str(number) for number in numbers]
    return ", ".join(texts if len(texts) <= 16 else [*texts[:8], "…", *texts[-8:]])


def _within(inner: range, outer: range) -> bool:
    return not inner or (outer.start <= inner.start and inner.stop <= outer.stop)


def _entries(text: str, ndim: int) -> tuple[list[str], bool]:
    """The parts of what a person wrote, and whether they are one for each axis (or row and column of the page)."""
    inner = text.strip()
    brackets = inner.startswith("[") and inner.endswith("]")
    if brackets:
        inner = inner[1:-1].strip()
    entries = [part.strip() for part in inner.rstrip(",").split(",")] if inner and inner != "()" else []
    for entry in entries:
        if entry not in (":", "...") and not _ENTRY.fullmatch(entry):
            raise ValueError(f"{visible(entry[:20])!r} is no index: write row,column or one number or : for each axis")
    dots = entries.count("...")
    if dots > 1:
        raise ValueError("... can stand only once")
    if dots or brackets:
        at = entries.index("...") if dots else len(entries)
        missing = ndim - len(entries) + dots
        entries[at : at + dots] = [":"] * missing
    if len(entries) == ndim:
        return entries, True
    if brackets or dots or not 0 < len(entries) <= 2:
        raise ValueError(f"{len(entries)} numbers for a tensor of {ndim} axes")
    return entries, False


def _place(entry: str, size: int, where: str) -> int:
    place = int(entry)
    if not -size <= place < size:
        raise ValueError(f"{place} is outside {where}: 0 to {size - 1}")
    return place + size if place < 0 else place
