"""The texts of the value grid: the numbers of the columns, a row's label and its cells, and one cell in full."""

from __future__ import annotations

import cmath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspector.window.page import Page, shortened
from tui.block_cache import BlockCache
from tui.colour_scale import ColourScale
from tui.lines import cells, cut_middle, safe, wrap
from tui.number_format import DIGITS, CellFormat, Number, cell_format, exact, usual_peak
from tui.theme import Palette
from tui.viewport import Viewport

if TYPE_CHECKING:
    import numpy as np

    from inspector import Tensor

UNREAD = "·"
"""What stands for a value that has not been read yet."""

UNKNOWN_WIDTH = 8
"""The width of cells before the first values have come."""

LONGEST_NAME = 40
"""Columns of a tensor's name in the text about a cell."""

_Line = list[tuple[str, Style]]


class CellLook:
    """How cells look: how wide they are, in which format and colours.

    The format is that of a tensor's first block. Its width stays, and so do its decimals while numbers are within a
    factor of ten or so: columns don't jump as one scrolls. `peak` is how large numbers usually get; with a `scale` they are
    coloured as far as they reach towards it.
    """

    def __init__(self) -> None:
        self.digits = DIGITS
        self.scale: ColourScale | None = None
        self.peak = 0.0
        self.format: CellFormat | None = None

    def forget(self) -> None:
        """Start anew with the next block."""
        self.format = None
        self.peak = 0.0

    def fit(self, array: np.ndarray[Any, Any]) -> bool:
        """Take a block into account; whether cells look different now."""
        old, new = self.format, cell_format(array, self.digits)
        if old is not None and old.family == new.family:
            new = old if abs(new.exponent - old.exponent) <= 1 else new._replace(width=old.width)
        peak = max(self.peak, usual_peak(array))
        changed = new != old or (self.scale is not None and peak != self.peak)
        self.format, self.peak = new, peak
        return changed

    def label_width(self, page: Page) -> int:
        """The width of the labels before the rows, with a blank on each side."""
        return len(str(page.row_label(max(0, page.height - 1)))) + 2

    def cell_width(self, page: Page) -> int:
        """The width of a column, with the blank before it."""
        width = UNKNOWN_WIDTH if self.format is None else self.format.width
        return 1 + max(width, len(str(page.width - 1)))


def numbers_line(view: Viewport, look: CellLook, palette: Palette, base: Style, length: int) -> Strip:
    """The numbers of the columns that are in sight, in a line of `length` cells."""
    styles, width = palette.on(base), look.cell_width(view.page)
    dim, here = styles["dim"], styles["accent"]
    numbers = [(f"{column:>{width}}", here if column == view.column else dim) for column in view.columns]
    return _strip([(" " * look.label_width(view.page), dim), *numbers], base, length)


def row_line(
    row: int, view: Viewport, cache: BlockCache, look: CellLook, palette: Palette, base: Style, cursor: Style, length: int
) -> Strip:
    """The label of a row and its cells that are in sight, or why they can't be read, in a line of `length` cells."""
    styles, page = palette.on(base), view.page
    label = f"{page.row_label(row):>{look.label_width(page) - 1}} "
    line: _Line = [(label, styles["accent" if row == view.row else "dim"])]
    columns = range(view.left, min(view.columns.stop, page.row_width(row)))
    block = cache.block
    if block is None or look.format is None or not block.window.covers(page.window(range(row, row + 1), columns)):
        if cache.error:
            beginnings = (view.top, block.window.rows.stop if block is not None else view.top)
            error = wrap([(cache.error, "error")], length - look.label_width(page) - 2)
            number = row - max(first for first in beginnings if first <= row)
            told = "".join(text for text, _ in error[number]) if number < len(error) else ""
            return _strip([*line, (f" {told}", styles["error"])], base, length)
        values: Sequence[Number] = [0] * len(columns)
        texts = [UNREAD] * len(columns)
    else:
        values = block.row(row, columns)
        texts = [look.format.text(value) for value in values]
    width = look.cell_width(page) - 1
    for column, text, value in zip(columns, texts, values, strict=True):
        style = _style(value, look, styles, base)
        if row == view.row and column == view.column:
            style += cursor if look.scale is None else Style(reverse=True)
            line += [(" ", base), (text.rjust(width), style)]
        elif look.scale is None:
            line.append((text.rjust(width + 1), style))
        else:
            line += [(" ", base), (text.rjust(width), style)]
    return _strip(line, base, length)


def cell_text(tensor: Tensor, view: Viewport, cache: BlockCache) -> str:
    """The name, the index and the exact value of the element under the cursor, in one line; empty if there is none."""
    index = view.index
    if index is None:
        return ""
    element = cache.element(view.page, view.row, view.column)
    place = f"[{shortened(index)}]" if index else ""
    return f"{cut_middle(safe(tensor.label), LONGEST_NAME)}{place} = {UNREAD if element is None else exact(element)}"


def _style(value: Number, look: CellLook, styles: Mapping[str, Style], base: Style) -> Style:
    if value == 0:
        return styles["faint"]
    if not cmath.isfinite(value):
        return styles["error"] + Style(bold=True)
    if look.scale is not None:
        return base + look.scale.style(abs(value) if isinstance(value, complex) else value, look.peak)
    return styles["text"]


def _strip(line: _Line, base: Style, length: int) -> Strip:
    """The line in `length` cells, with neighbours of one style as one segment: fewer bytes on the wire."""
    blanks = " " * (length - sum(cells(text) for text, _ in line))
    segments: list[Segment] = []
    alike, former = "", base
    for text, style in (*line, (blanks, base)):
        if style is former or style == former:
            alike += text
        else:
            if alike:
                segments.append(Segment(alike, former))
            alike, former = text, style
    if alike:
        segments.append(Segment(alike, former))
    return Strip(segments).adjust_cell_length(length, base)
