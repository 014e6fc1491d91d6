"""Sends the terminal only the cells that look different from what it shows, over SSH a tenth of what Textual would.

Textual (8.2) paints whole widgets, after another layout the whole screen, and names both colours with every change of
style. Here what it is about to write is compared, cell by cell, with what was written before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.color import ColorSystem
from rich.style import Style
from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.geometry import Size
from textual.strip import Strip

from inspector.errors import visible
from tui.lines import cells

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from textual.screen import Screen

Cells = tuple[list[str], list[int]]
"""What stands in each cell (the empty text where something wide begins further left), and the numbers of their styles."""

Sgr = tuple[str, str, str]
"""What selects a style: attributes, foreground, background; empty where it has none."""

PLAIN: Sgr = ("", "", "")

NEAR = 4
"""Unchanged cells that are written again, because going past them takes as many bytes."""

_SINGLE = re.compile("[ -~\xa0-\xac\xae-\u02ff\u0370-\u0482\u2010-\u2027\u2030-\u205e\u2190-\u22ff\u2500-\u25e6]*")
"""Characters of which every terminal knows that each takes one cell; what holds others is written as a whole or not."""


class ChangedCells(App[None]):
    """An app that knows what the terminal shows."""

    def __init__(self, *, ansi_color: bool | None = None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._shown = Shown()

    def on_mount(self) -> None:
        """Hear of it when the terminal was lent to somebody else."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw(), immediate=True)

    def action_redraw(self) -> None:
        """Draw everything again: something else may have written to the terminal."""
        self._shown.forget()
        self.screen.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """What a terminal shows of another size, nobody knows."""
        self.action_redraw()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        written: Any = renderable
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            written = _Changes(self._shown, _size(renderable), [], renderable)
        super()._display(screen, written)

    def show(self, screen: Screen[Any], lines: Sequence[Piece], update: RenderableType | None) -> None:
        """Show these lines, and what Textual has made of the rest of a screen, if there is any."""
        rest = update if isinstance(update, LayoutUpdate | ChopsUpdate) else None
        if lines or rest:
            written: Any = _Changes(self._shown, screen._compositor.size, lines, rest)
            super()._display(screen, written)


class _Changes(CompositorUpdate):
    """An update that is reduced to what changes when it is written."""

    def __init__(
        self, shown: Shown, size: Size, lines: Sequence[Piece], update: LayoutUpdate | ChopsUpdate | None = None
    ) -> None:
        self.shown = shown
        self.size = size
        self.lines = lines
        self.update = update

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        pieces = list(self.lines)
        if self.update is not None:
            pieces += _pieces(self.update)
        self.shown.fit(*self.size)
        # Textual shows colours also where rich has been told of none; then they are grey.
        return self.shown.write(pieces, console._color_system or ColorSystem.TRUECOLOR)


Piece = tuple[int, int, Sequence[Strip]]
"""Column, row, and the strips that are to stand there."""


def _size(update: LayoutUpdate | ChopsUpdate) -> Size:
    """Columns and rows of the screen that an update is for."""
    if isinstance(update, LayoutUpdate):
        return update.region.size
    return Size(update.chop_ends[0][-1], len(update.chops))


def _pieces(update: LayoutUpdate | ChopsUpdate) -> Iterator[Piece]:
    """What an update writes, as its `render_segments` has it."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            yield update.region.x, y, list(strips)
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= last and end > first:
                whole = first <= x < last and end <= last
                yield x, y, [strip if whole else strip.crop(0, min(end, last) - x)]


class Shown:
    """What the terminal shows, as far as that is known: rows of cells."""

    def __init__(self) -> None:
        self._rows: list[Cells] = []
        # By row and column the strips that stand there whole, and where they end.
        self._strips: list[dict[int, tuple[Strip, int]]] = []
        self._width = 0
        self._numbers: dict[Style | None, tuple[int, int]] = {}
        self._styles: list[Sgr] = []

    def forget(self) -> None:
        """Take nothing for shown."""
        self._rows = [([""] * self._width, [-1] * self._width) for _ in self._rows]
        self._strips = [{} for _ in self._rows]

    def fit(self, width: int, height: int) -> None:
        """Begin anew if the screen has another size."""
        if (self._width, len(self._rows)) != (width, height):
            self._width = width
            self._rows = [([], []) for _ in range(height)]
            self.forget()

    def write(self, pieces: Iterable[Piece], colours: ColorSystem) -> str:
        """What makes the terminal show these pieces too, and leaves it in its plain style."""
        writer = _Writer(self._styles)
        for x, y, strips in pieces:
            if x >= self._width or y >= len(self._rows):
                # A terminal that was made smaller has no place for what was painted before that.
                continue
            standing = self._strips[y]
            if len(strips) == 1 and x in standing and standing[x][0] is strips[0]:
                continue
            texts, numbers = self._cells(strips, self._width - x, colours)
            end = x + len(texts)
            for start in [start for start, (_, stop) in standing.items() if start < end and x < stop]:
                del standing[start]
            if len(strips) == 1:
                standing[x] = strips[0], end
            old_texts, old_numbers = self._rows[y]
            old = old_texts[x:end], old_numbers[x:end]
            if (texts, numbers) != old:
                old_texts[x:end], old_numbers[x:end] = texts, numbers
                for first, last in _runs(old, (texts, numbers)):
                    writer.write(x + first, y, texts[first:last], numbers[first:last])
        return writer.done()

    def _cells(self, strips: Sequence[Strip], most: int, colours: ColorSystem) -> Cells:
        """The cells of strips, at most so many."""
        texts: list[str] = []
        numbers: list[int] = []
        for strip in strips:
            for text, style, _ in strip:
                number, blank = self._numbered(style, colours)
                single = _SINGLE.fullmatch(text)
                if not single:
                    text = _harmless(text)
                    single = _SINGLE.fullmatch(text)
                if not single:
                    columns = cells(text)
                    texts += [text, *[""] * (columns - 1)] if text else []
                    numbers += [number] * columns
                elif number == blank or " " not in text:
                    texts += text
                    numbers += [number] * len(text)
                else:
                    texts += text
                    numbers += [blank if character == " " else number for character in text]
        return texts[:most], numbers[:most]

    def _numbered(self, style: Style | None, colours: ColorSystem) -> tuple[int, int]:
        """The numbers of a style: for what can be seen, and for blanks, which have no foreground."""
        known = self._numbers.get(style)
        if known is None:
            attributes, foreground, _ = sgr = _sgr(style, colours)
            self._styles.append(sgr)
            number = blank = len(self._styles) - 1
            if foreground and not attributes:
                blank, _ = self._numbered(Style(bgcolor=style.bgcolor if style is not None else None), colours)
            known = self._numbers[style] = number, blank
        return known


def _harmless(text: str) -> str:
    """The text without what would do something to the terminal: the last look at it, whoever has forgotten the first."""
    if visible(text) == text:
        return text
    return "".join(character if visible(character) == character else "?" * cells(character) for character in text)


def _runs(old: Cells, new: Cells) -> Iterator[tuple[int, int]]:
    """Where the two differ: first cell and the one behind the last. Nothing wide is cut."""
    texts = new[0]
    compared = enumerate(zip(*old, *new, strict=True))
    changed = [
        place for place, (text, number, text_now, number_now) in compared if text != text_now or number != number_now
    ]
    end = 0
    for number, place in enumerate(changed):
        if place < end:
            continue
        start = place
        while start > end and not texts[start]:
            start -= 1
        end = place + 1
        for further in changed[number + 1 :]:
            if further - end > NEAR:
                break
            end = further + 1
        while end < len(texts) and not texts[end]:
            end += 1
        yield start, end


class _Writer:
    """Writes runs of cells: where each begins, and of each style what is different from the one before."""

    def __init__(self, styles: Sequence[Sgr]) -> None:
        self._styles = styles
        self._written: list[str] = []
        self._sgr = PLAIN
        self._at: tuple[int, int] | None = None

    def write(self, x: int, y: int, texts: Sequence[str], numbers: Sequence[int]) -> None:
        """Write a run of cells at a column and row."""
        if self._at != (x, y):
            same_row = self._at is not None and self._at[1] == y
            self._written.append(f"\x1b[{x + 1}G" if same_row else f"\x1b[{y + 1};{x + 1}H")
        joined = "".join(texts)
        begin = 0
        for number, alike in groupby(numbers):
            end = begin + len(list(alike))
            text = "".join(texts[begin:end])
            attributes, foreground, background = self._styles[number]
            # Nobody sees the foreground of a blank: what stands before and behind it mostly has the same.
            unseen = not attributes and not text.strip(" ")
            self._select((attributes, self._sgr[1] if unseen else foreground, background))
            self._written.append(text)
            begin = end
        # How wide a terminal draws what is not surely single is its own affair.
        self._at = (x + len(texts), y) if len(joined) == len(texts) and _SINGLE.fullmatch(joined) else None

    def done(self) -> str:
        """All that was written."""
        self._select(PLAIN)
        return "".join(self._written)

    def _select(self, sgr: Sgr) -> None:
        if sgr == self._sgr:
            return
        attributes, foreground, background = sgr
        codes: list[str] = []
        if attributes != self._sgr[0] or sgr == PLAIN:
            codes = [code for code in ("0", *sgr) if code]
        else:
            if foreground != self._sgr[1]:
                codes.append(foreground or "39")
            if background != self._sgr[2]:
                codes.append(background or "49")
        self._sgr = sgr
        self._written.append(f"\x1b[{';'.join(codes)}m")


def _sgr(style: Style | None, colours: ColorSystem) -> Sgr:
    if style is None:
        return PLAIN
    attributes = style.without_color.render("x", color_system=colours).partition("x")[0].removeprefix("\x1b[").rstrip("m")
    foreground, background = (
        ";".join(colour.downgrade(colours).get_ansi_codes(ground)) if colour is not None else ""
        for ground, colour in ((True, style.color), (False, style.bgcolor))
    )
    return attributes, foreground, background
