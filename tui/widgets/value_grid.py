"""The values of a tensor as a page of cells: any number of axes, any size, and nothing read but what is near the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from inspector.window.page import Index, Page, Window, shortened
from tui import keys
from tui.block_cache import BlockCache
from tui.colour_scale import ColourScale
from tui.lines import strip
from tui.messages import Record
from tui.number_format import MOST_DIGITS
from tui.viewport import Viewport
from tui.widgets.page_view import PageView
from tui.widgets.value_line import cell_text, numbers_line, row_line

if TYPE_CHECKING:
    import numpy as np

    from inspector import Tensor
    from tui.messages import BlockRead

PATIENCE = 0.1
"""Seconds that a new page waits for its values before it is drawn without them: one repaint, no flicker."""


class ValueGrid(PageView, inherit_bindings=False):
    """Shows a page of `tensor` under a line of column numbers, with a cell cursor.

    It never reads: it posts `Wanted` for the values near the window, and `show` takes them.
    """

    BINDINGS = keys.bindings(keys.VALUES)
    TABLES = (keys.VALUES,)

    class Wanted(Record):
        """The values of `window` are needed, as `inspector.window.read` gives them at `selection`."""

        generation: int
        tensor: Tensor
        window: Window
        dequantize: bool

        @property
        def selection(self) -> tuple[int | slice, ...]:
            """The index of the window in the tensor."""
            return self.window.selection

    class CellMoved(Record):
        """The cursor stands on the element at `index`; `text` is that and its exact value, in one line."""

        index: Index | None
        text: str

    class PageChanged(Record):
        """Another page is shown (None: no tensor); `axis` is the one that steps."""

        page: Page | None
        axis: int | None

    class AxesWanted(Message):
        """The person wants to choose the axes."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.raw = False
        self._tensor: Tensor | None = None
        self._axis: int | None = None
        self._cache = BlockCache()
        self._waiting: Timer | None = None

    @property
    def tensor(self) -> Tensor | None:
        """The tensor that is shown. Another one starts at its first page and element."""
        return self._tensor

    @tensor.setter
    def tensor(self, tensor: Tensor | None) -> None:
        if tensor is not self._tensor:
            self._tensor = tensor
            self._axis = None
            self._look.forget()
            self._turn(None if tensor is None else Page.of(tensor.shape))

    def replace(self, tensor: Tensor) -> None:
        """Show the tensor of a newer file: of the same shape, from the same page and cell on."""
        if self._view is None or self._view.page.shape != tensor.shape:
            self.tensor = tensor
            return
        self._tensor = tensor
        self._cache.clear()
        self.ask()
        self.tell_cell()
        if self._waiting is None:
            self._waiting = self.set_timer(PATIENCE, self._draw)

    @property
    def patient(self) -> bool:
        """Whether it waits with drawing: for a while, until the values of a new page have come."""
        return self._waiting is not None

    def show(self, block: BlockRead) -> None:
        """Take the answer to `Wanted`: its array, or its error. An answer to an older question is dropped."""
        if self._view is None:
            return
        had_all = self._cache.covers(self._view.visible)
        if not self._cache.take(block.generation, block.array, block.error):
            return
        changed = block.array is not None and self._look.fit(block.array)
        self._fit()
        self.ask()
        if self._waiting:
            ready = bool(self._cache.error) or self._cache.covers(self._view.visible)
            if ready:
                self._draw()
        elif changed:
            self._draw()
        elif not had_all:
            self.refresh()
        self.tell_cell()

    def show_page(self, page: Page, axis: int | None = None) -> None:
        """Show another page of the tensor, with `axis` to step; where rows or columns now stand, they do at the cursor.

        A page of a tensor that has been left in the meantime is dropped.
        """
        if self._view is None or self._view.index is None or page.shape != self._view.page.shape:
            return
        if axis in page.standing:
            self._axis = axis
        kept = self._view.page.standing
        index = tuple(page.stand[axis] if axis in kept else place for axis, place in enumerate(self._view.index))
        self._turn(page.at(index), index)

    def go_to(self, text: str) -> str | None:
        """Go to `3,17` or `[0, 3, :, 2]`, as `Page.find` has it. The answer says what is wrong with it, if anything is."""
        view = self._view
        if view is None:
            return "no tensor is shown"
        try:
            page, row, column = view.page.find(text, view.row, view.column)
        except ValueError as error:
            return str(error)
        if page != view.page:
            self._turn(page, page.index(row, column))
        else:
            self.move(lambda view: view.move_to(row, column, centre=True))
        return None

    def shown(self) -> tuple[str, np.ndarray[Any, Any]] | None:
        """The visible part: its index in Python (`[0:40, 0:8]`), and its values. None where they are not all read."""
        block = self._cache.block
        if self._view is None or block is None or not block.window.covers(self._view.visible):
            return None
        window = self._view.visible
        return window.page.expression(window), block.values(window)

    def action_step(self, step: int) -> None:
        """So many places on along the axis that steps."""
        if self._view is not None and self._axis is not None and self.index is not None:
            page = self._view.page.moved(self._axis, step)
            if page != self._view.page:
                self.show_page(page)

    def action_axes(self) -> None:
        """Let the person choose the axes."""
        if self.index:
            self.post_message(self.AxesWanted())

    def action_transpose(self) -> None:
        """Rows become columns."""
        if self._view is not None:
            self.show_page(self._view.page.transposed())

    def action_digits(self, more: int) -> None:
        """So many significant digits more."""
        self._look.digits = max(1, min(MOST_DIGITS, self._look.digits + more))
        self._look.forget()
        if self._cache.block is not None:
            self._look.fit(self._cache.block.array)
            self._draw()

    def action_colour(self) -> None:
        """Colours around zero, or none."""
        self._look.scale = self._scale() if self._look.scale is None else None
        self.refresh()

    def action_raw(self) -> None:
        """The stored integers of a quantised tensor, or the numbers that they stand for."""
        if self._view is not None and self._tensor is not None and self._tensor.traits.quantization is not None:
            self.raw = not self.raw
            self._look.forget()
            self._turn(self._view.page, self._view.index)

    def on_mount(self) -> None:
        """Begin with the tensor that was set before there was a screen."""
        self._turn(self.page, self.index)

    def on_resize(self) -> None:
        """Fit the page into the new size."""
        self._draw()

    def _turn(self, page: Page | None, index: Index | None = None) -> None:
        """Another page; it is drawn when its values have come, or have not for a while."""
        self._cache.clear()
        self._view = None if page is None else Viewport(page)
        if page is not None and self._axis not in page.standing:
            long = [axis for axis in page.standing if page.shape[axis] > 1]
            self._axis = [None, *page.standing, *long][-1]
        self._fit()
        if self._view is not None and index is not None:
            self._view.move_to(*self._view.page.cell(index), centre=True)
        if not self.is_mounted:
            return
        self.ask()
        self.screen.post_message(self.PageChanged(self.page, self._axis))
        self.tell_cell()
        if page is None or page.empty:
            self._draw()
        elif self._waiting is None:
            self._waiting = self.set_timer(PATIENCE, self._draw)

    def ask(self) -> None:
        """Post `Wanted` if values near the window are neither here nor under way."""
        if self._view is not None and self._tensor is not None:
            window = self._cache.next(self._view.visible)
            if window is not None:
                self.post_message(self.Wanted(self._cache.generation, self._tensor, window, not self.raw))

    def tell_cell(self) -> None:
        """Post what the cursor stands on."""
        view, tensor = self._view, self._tensor
        text = "" if view is None or tensor is None else cell_text(tensor, view, self._cache)
        # Bubbling up takes so many steps that what the screen makes of it would be drawn a frame later than the cell.
        self.screen.post_message(self.CellMoved(self.index, text))

    def _fit(self) -> None:
        """Fit rows and columns to the size of the widget and the width of a cell."""
        view, size = self._view, self.scrollable_content_region.size
        if view is not None and size:
            room = size.width - self._look.label_width(view.page)
            if view.fit(size.height - 1, room, self._look.cell_width(view.page)):
                self._cache.clear()

    def _draw(self) -> None:
        """Draw everything, whether the values are there or not."""
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        self._fit()
        self.ask()
        self.tell_scrollbars()
        self.refresh()

    def _scale(self) -> ColourScale:
        coarse = self.app.console.color_system == "256"
        return ColourScale(None if self.colours.sixteen else self.background_colors[1], coarse=coarse)

    def render_line(self, y: int) -> Strip:
        """One line: the columns' numbers, a row of the page, or what there is to say instead."""
        view, width, colours = self._view, self.size.width, self.colours
        base = self.base
        if view is None or (view.page.empty and y > 0) or view.top + y > view.page.height:
            return Strip.blank(width, base)
        if view.page.empty:
            return strip([(f" empty: shape [{shortened(view.page.shape)}]", "dim")], width, colours, base)
        if y == 0:
            return numbers_line(view, self._look, colours, base, width)
        cursor = colours.cursor if self.has_focus else colours.cursor_blurred
        return row_line(view.top + y - 1, view, self._cache, self._look, colours, base, cursor, width)

    def notify_style_update(self) -> None:
        """Take over the colours of a new theme."""
        super().notify_style_update()
        if self._look.scale is not None:
            self._look.scale = self._scale()
