"""One line of the screen: texts with roles, made safe, cut to a width and turned into a strip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspector.errors import visible

if TYPE_CHECKING:
    from tui.theme import Palette

Part = tuple[str, str]
"""A text and its role in the palette (`dim`, `class`)."""

Line = Sequence[Part]

LONGEST = 400
"""Characters of a text from a file that one line looks at."""


def safe(text: str, longest: int = LONGEST) -> str:
    """A text from a file, fit for a terminal: nothing hidden in it, and at most `longest` characters of it."""
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    return visible(text)


def cells(text: str) -> int:
    """How many columns a text takes."""
    # What cuts put in takes one column, and often is all that is not ASCII in a long text.
    return len(text) if text.isascii() or text.replace("…", ".").isascii() else cell_len(text)


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns, its end left out."""
    if cells(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def cut_line(line: Line, width: int) -> Line:
    """The line in at most `width` columns, its end left out."""
    if width_of(line) <= width:
        return line
    shown: list[Part] = []
    for text, role in line:
        if cells(text) >= width:
            return [*shown, (cut(f"{text}…", width), role)]
        shown.append((text, role))
        width -= cells(text)
    return shown


def cut_middle(text: str, width: int) -> str:
    """The text in at most `width` columns, its middle left out: names differ at both ends."""
    if cells(text) <= width:
        return text
    if width < 6:
        return cut(text, width)
    head = (width - 1) // 2
    tail = text[::-1]
    return set_cell_size(text, head) + "…" + set_cell_size(tail, width - 1 - head)[::-1]


def width_of(line: Line) -> int:
    """How many columns a line takes."""
    return sum(cells(text) for text, _ in line)


NARROW = 8
"""Columns in which nothing is wrapped."""


def wrap(line: Line, width: int, indent: int = 0) -> list[Line]:
    """The line in pieces of at most `width` columns, all but the first indented; broken at blanks, which then go."""
    if width_of(line) <= width or width <= indent + NARROW:
        return [line]
    pieces: list[list[Part]] = [[]]
    left = width
    for text, role in line:
        while text:
            room = _fitting(text, left)
            if room == len(text):
                pieces[-1].append((text, role))
                left -= cells(text)
                break
            at = room if text[room] == " " else text.rfind(" ", 0, room) + 1
            if at == 0 and left > (width - indent) // 2:
                at = room
            if at:
                pieces[-1].append((text[:at], role))
            pieces.append([(" " * indent, "text")])
            text = text[at:].removeprefix(" ")
            left = width - indent
    return list(pieces)


def labelled(label: str, value: Part, column: int, width: int) -> list[Line]:
    """A label and, from a column on, its value, wrapped below itself; the value of a longer label comes behind that."""
    head = label + " " * max(column - cells(label), 2)
    # Where the column would leave too little room to wrap in, it is given up.
    if cells(head) > width // 2 and (width // 2 > column or width <= column + NARROW):
        column = min(column, width // 2)
        return [[(cut(label, width), "dim")], *wrap([(" " * column, "dim"), value], width, column)]
    return wrap([(head, "dim"), value], width, column)


def _fitting(text: str, width: int) -> int:
    """How many characters of the text fit into `width` columns."""
    width = max(0, width)
    if text[:width].isascii():
        return min(len(text), width)
    for count, character in enumerate(text):
        width -= cells(character)
        if width < 0:
            return count
    return len(text)


def strip(line: Line, width: int, palette: Palette, base: Style) -> Strip:
    """The line in exactly `width` columns, on the background of `base`."""
    styles = palette.on(base)
    segments = [Segment(text, styles[role]) for text, role in line if text]
    return Strip(segments, width_of(line)).adjust_cell_length(width, base)


def under_cursor(strip: Strip, cursor: Style, base: Style) -> Strip:
    """The line with the cursor on it; what has a background of its own (a match) keeps it."""
    return Strip(
        [
            Segment(text, style + cursor if style is not None and style.bgcolor == base.bgcolor else style)
            for text, style, _ in strip
        ],
        strip.cell_length,
    )


def spread(left: Line, right: Line, width: int) -> Line:
    """The two lines at the ends of `width` columns; where there is no room for both, the left one, cut if need be."""
    gap = width - width_of(left) - width_of(right)
    return [*left, (" " * gap, "text"), *right] if gap > 0 else cut_line(left, width)
