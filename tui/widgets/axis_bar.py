"""The line over the values that says which part of the tensor they are, `[3, :, 0, :]`, and where its axes are chosen."""

from __future__ import annotations

from textual.message import Message

from inspector.window.page import Page
from tui import keys
from tui.lines import Line, Part, spread
from tui.messages import Record
from tui.widgets.one_line import OneLine

MOST_AXES = 12
"""Axes that are written out; of more, those around the one that steps or is chosen."""


class AxisBar(OneLine, can_focus=True):
    """Says where the page stands. With the focus, an axis is chosen; keys make it the rows or the columns, or step it."""

    BINDINGS = keys.bindings(keys.AXES)
    TABLES = (keys.AXES,)

    class Changed(Record):
        """The person wants another page; `axis` is to be the one that steps."""

        page: Page
        axis: int

    class Done(Message):
        """The person has chosen."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._page: Page | None = None
        self._axis: int | None = None
        self._chosen = 0

    def show_page(self, page: Page | None, axis: int | None) -> None:
        """Show where a page stands; `axis` is the one that steps."""
        if page is None or self._page is None or page.shape != self._page.shape:
            self._chosen = 0 if axis is None else axis
        self._page, self._axis = page, axis
        self.refresh()

    def line(self, width: int) -> Line:
        """The index of the page, then what it shows, or, while axes are chosen, what the chosen one is."""
        page = self._page
        if page is None:
            return ()
        left: Line = [(" ", "text"), *self._index(page), ("  ", "text")]
        if not page.shape:
            return [*left, ("0-D, one element", "dim")]
        about = self._about_chosen(page) if self.has_focus else _about(page)
        return spread(left, about, width) or left

    def action_choose(self, step: int) -> None:
        """Choose the next axis; one that is not shown will be the one that steps."""
        if self._page is not None:
            self._chosen = (self._chosen + step) % max(1, len(self._page.shape))
            self._change(self._page)

    def action_step(self, step: int) -> None:
        """So many places along the chosen axis."""
        if self._page is not None and self._chosen in self._page.standing:
            self._change(self._page.moved(self._chosen, step))

    def action_rows(self) -> None:
        """Make the chosen axis the rows."""
        if self._page is not None:
            self._change(self._page.with_rows(self._chosen))

    def action_columns(self) -> None:
        """Make the chosen axis the columns."""
        if self._page is not None:
            self._change(self._page.with_columns(self._chosen))

    def action_wrap(self) -> None:
        """Show the chosen axis alone."""
        if self._page is not None:
            self._change(self._page.showing(None, self._chosen))

    def action_done(self) -> None:
        """Leave the choice."""
        self.post_message(self.Done())

    def _change(self, page: Page) -> None:
        if page.shape:
            self._page = page
            self.refresh()
            self.post_message(self.Changed(page, self._chosen))

    def _index(self, page: Page) -> list[Part]:
        """The index of the page, entry by entry."""
        marked = self._chosen if self.has_focus else self._axis
        count = len(page.shape)
        first = 0 if count <= MOST_AXES else max(0, min((marked or 0) - MOST_AXES // 2, count - MOST_AXES))
        axes = range(first, min(count, first + MOST_AXES))
        parts: list[Part] = [("[" if first == 0 else "[…, ", "dim")]
        for axis in axes:
            role = "class" if axis in page.shown else "text"
            if axis == marked:
                role = "match" if self.has_focus else "accent"
            parts += [(":" if axis in page.shown else str(page.stand[axis]), role), (", ", "dim")]
        parts[-1] = ("]" if axes.stop == count else ", …]", "dim")
        return parts if page.shape else []

    def _about_chosen(self, page: Page) -> Line:
        axis = self._chosen
        what = f"stands at {page.stand[axis]}"
        if axis in page.shown:
            what = "alone, wrapped" if page.wrapped else ("the rows ↓" if axis == page.rows else "the columns →")
        return [("axis ", "dim"), (str(axis), "strong"), (f" of size {page.shape[axis]}: ", "dim"), (f"{what} ", "text")]


def _about(page: Page) -> Line:
    """Which axes are shown, and how long they are."""
    if page.columns is None:
        return ()
    if page.rows is None:
        return [("axis ", "dim"), (str(page.columns), "class"), (f" of size {page.size}, wrapped ", "dim")]
    down, across = page.shape[page.rows], page.shape[page.columns]
    return [
        ("↓ axis ", "dim"), (str(page.rows), "class"), (f" of size {down}   → axis ", "dim"),
        (str(page.columns), "class"), (f" of size {across} ", "dim"),
    ]  # fmt: skip
