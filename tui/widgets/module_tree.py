"""The tree of modules, tensors and values: flat rows, of which only the visible ones are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from inspector.nodes import Node, Tensor
from tui import keys
from tui.lines import strip, under_cursor
from tui.rows import Children, Counterparts, Rows
from tui.widgets.line_view import LineView
from tui.widgets.tree_line import INDENT, Look, tree_line

MOST_EXPANDED = 2000
"""Rows up to which what a filter leaves is expanded wholly."""

MOST_CACHED = 2000
"""Rows that are kept drawn."""

MARGIN = 3
"""Rows that stay in sight above and below the cursor."""


class ModuleTree(LineView):
    """A tree with a cursor. `show` gives it a root; it tells of the node under its cursor by `Moved`."""

    BINDINGS = keys.bindings(keys.MOVING, keys.FOLDING)
    TABLES = (keys.MOVING, keys.FOLDING)

    class Moved(Message):
        """The cursor is at `row` now, on another node than before or of another tree."""

        def __init__(self, node: Node, row: int, rows: int) -> None:
            super().__init__()
            self.node = node
            self.row = row
            self.rows = rows

    class FiguresWanted(Message):
        """Some rows in sight are to show figures that are not known: `unsummarised`."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._asking = False
        self.rows: Rows | None = None
        self.cursor = 0
        self.look = Look()
        self._whole: Rows | None = None
        # What a filter expanded by itself: where that is not so now, a person folded it.
        self._offered: set[Node] = set()
        self._strips: dict[Node, tuple[Strip, bool]] = {}

    @property
    def node(self) -> Node | None:
        """The node under the cursor."""
        return self.rows[self.cursor][0] if self.rows is not None else None

    def clear(self) -> None:
        """Show nothing."""
        if self.rows is not None:
            self.rows = self._whole = None
            self.cursor = 0
            self.look = Look()
            self.redraw()

    def show(self, root: Node, label: str) -> None:
        """Show a tree, as much of it as fits, under a root that is called `label`."""
        self.look.root_label = label
        self.rows = Rows(root)
        self.rows.expand_to(self.size.height)
        self.cursor = 0
        self.redraw()
        self._tell()

    @property
    def whole(self) -> Rows | None:
        """The rows without a filter."""
        return self._whole or self.rows

    def replace(self, places: Counterparts) -> None:
        """Show a newer tree, whole, expanded as this one is, with the cursor at the same name or above it."""
        former, node = self.whole, self.node
        assert former is not None and node is not None
        self._whole = None
        summaries: dict[Tensor, str] | None = None if self.look.summaries is None else {}
        self.look = Look(self.look.root_label, wanted=self.look.wanted, summaries=summaries)
        self.rows, node = former.renewed(places, node)
        self._land(node)

    def restrict(self, children: Children, totals: Mapping[Node, tuple[int, int]], first: Node | None) -> None:
        """Show only the children that `children` gives, with these totals, and go to `first`.

        What a person folded since the filter before stays as it is.
        """
        assert self.rows is not None
        if self._whole is None:
            self._whole = self.rows
            self._offered = self.rows.expanded
        folded, unfolded = self._offered - self.rows.expanded, self.rows.expanded - self._offered
        self.rows = Rows(self._whole.root, children)
        self.look.totals = totals
        if len(totals) <= MOST_EXPANDED:
            self.rows.expand_all(0)
        else:
            self.rows.expand_to(self.size.height)
        if first is not None:
            self.rows.reveal(first)
        self._offered = set(self.rows.expanded)
        self.rows.refold(folded, unfolded)
        self._land(first and self.rows.shown(first))

    def unrestrict(self) -> None:
        """Show everything again, as it was expanded before, and stay at the node."""
        if self._whole is not None:
            node = self.node
            self.rows, self._whole = self._whole, None
            self.look.totals = {}
            self._land(node)

    def rearrange(self, children: Children, node: Node | None) -> None:
        """Show the children that `children` gives, expanded as the rows are now, and stay at `node`."""
        assert self.rows is not None
        self.rows = self.rows.with_children(children)
        self._land(node)

    def reveal(self, node: Node) -> None:
        """Move the cursor to a node, expanding what hides it."""
        assert self.rows is not None
        count = len(self.rows)
        index = self.rows.reveal(node)
        if len(self.rows) != count:
            self.refresh()
            self._go(index, centre=True, moved=True)
        else:
            self._go(index, centre=True)

    @property
    def unsummarised(self) -> list[Tensor]:
        """The tensors in sight whose figures are not known."""
        known, rows = self.look.summaries, self.rows
        if known is None or rows is None:
            return []
        seen = [rows[row][0] for row in range(self.top, min(self.top + self.size.height, len(rows)))]
        return [node for node in seen if isinstance(node, Tensor) and node not in known]

    def summarise(self, summaries: Mapping[Tensor, str]) -> None:
        """Take these figures."""
        if self.look.summaries is not None:
            self.look.summaries.update(summaries)
            self.redraw()

    def redraw(self) -> None:
        """Draw all rows again, because something about their look changed."""
        self._strips.clear()
        self.refresh()

    # Keys

    def action_move(self, step: int) -> None:
        """So many rows down."""
        self._go(self.cursor + step)

    def action_page(self, pages: float) -> None:
        """So many pages down, the cursor staying where it is on the screen."""
        step = int(pages * self.size.height) or 1
        self.scroll_rows(self.top + step)
        self._go(self.cursor + step)

    def action_first(self) -> None:
        """To the first row."""
        self._go(0)

    def action_last(self) -> None:
        """To the last row."""
        self._go(len(self.rows or ()) - 1)

    def action_parent(self) -> None:
        """To the parent."""
        if self.rows is not None:
            self._go(self.rows.parent(self.cursor))

    def action_sibling(self, step: int) -> None:
        """To the next sibling, or the previous one."""
        if self.rows is not None:
            self._go(self.rows.sibling(self.cursor, step))

    def action_enter_row(self) -> None:
        """Expand; where that is done, to the first child."""
        if self.rows is not None and self.node in self.rows.expanded:
            self._go(self.cursor + 1)
        else:
            self.action_fold()

    def action_leave_row(self) -> None:
        """Collapse; where there is nothing to collapse, to the parent."""
        if self.rows is not None and self.node in self.rows.expanded:
            self.action_fold()
        else:
            self.action_parent()

    def action_fold(self) -> None:
        """Expand or collapse."""
        rows = self.rows
        if rows is not None and rows.expandable(self.cursor):
            (rows.collapse if self.node in rows.expanded else rows.expand)(self.cursor)
            self.refresh()
            self._go(self.cursor, moved=True)

    def action_expand_siblings(self) -> None:
        """Expand this row and its siblings."""
        if self.rows is not None:
            self.cursor = self.rows.expand_siblings(self.cursor)
            self.refresh()
            self._go(self.cursor, moved=True)

    def action_collapse_siblings(self) -> None:
        """Collapse this row and its siblings."""
        if self.rows is not None:
            self.cursor = self.rows.collapse_siblings(self.cursor)
            self.refresh()
            self._go(self.cursor, moved=True)

    def action_expand_all(self) -> None:
        """Expand everything below; on a row without anything below, below its parent."""
        self._fold_all(Rows.expand_all)

    def action_collapse_all(self) -> None:
        """Collapse everything below; on a row without anything below, below its parent."""
        self._fold_all(Rows.collapse_all)

    # Drawing

    @property
    def line_count(self) -> int:
        """How many rows there are."""
        return len(self.rows or ())

    def draw_line(self, row: int, width: int, base: Style) -> Strip:
        """One row."""
        rows = self.rows
        assert rows is not None
        node, depth = rows[row]
        colours = self.colours
        expanded = node in rows.expanded
        drawn, was_expanded = self._strips.get(node, (None, False))
        if drawn is None or expanded is not was_expanded or drawn.cell_length != width:
            if len(self._strips) > MOST_CACHED:
                self._strips.clear()
            line = tree_line(node, depth, width, expanded or rows.expandable(row), expanded, self.look)
            drawn = strip(line, width, colours, base)
            self._strips[node] = drawn, expanded
            if not self._asking and self.look.summaries is not None and isinstance(node, Tensor):
                self._asking = node not in self.look.summaries and self.call_after_refresh(self._ask)
        if row != self.cursor:
            return drawn
        return under_cursor(drawn, colours.cursor if self.has_focus else colours.cursor_blurred, base)

    def notify_style_update(self) -> None:
        """Take over the colours of a new theme."""
        self._strips.clear()
        super().notify_style_update()

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.bring_into_sight(self.cursor, MARGIN)

    def on_click(self, event: events.Click) -> None:
        """Move to the row; at its fold mark, or by a double click, open it."""
        row = event.y + self.top
        if self.rows is not None and row < len(self.rows):
            on_mark = event.x <= self.rows[row][1] * INDENT + INDENT
            self._go(row)
            if on_mark:
                self.action_fold()
            elif event.chain == 2:
                self.call_later(self.run_action, "screen.open_row")

    def _fold_all(self, fold: Callable[[Rows, int], None]) -> None:
        if self.rows is None:
            return
        index = self.cursor if self.rows.expandable(self.cursor) else self.rows.parent(self.cursor)
        node, _ = self.rows[self.cursor]
        fold(self.rows, index)
        self.refresh()
        self._go(index if fold is Rows.collapse_all else self.rows.reveal(node), moved=True)

    def _land(self, node: Node | None) -> None:
        """Show other rows than before, with the cursor at a node."""
        assert self.rows is not None
        self.cursor = 0 if node is None else self.rows.reveal(node)
        self.redraw()
        self._go(self.cursor, centre=True, moved=True)

    def _ask(self) -> None:
        self._asking = False
        if self.unsummarised:
            self.post_message(self.FiguresWanted())

    def _go(self, index: int, centre: bool = False, moved: bool = False) -> None:
        """Put the cursor on a row, as far as there are rows; tell of it if that is another one, or `moved`."""
        if self.rows is None:
            return
        before, self.cursor = self.cursor, max(0, min(index, len(self.rows) - 1))
        if before != self.cursor:
            self.refresh_rows(before, self.cursor)
        self.bring_into_sight(self.cursor, MARGIN, centre)
        if moved or before != self.cursor:
            self._tell()

    def _tell(self) -> None:
        if self.rows is not None:
            # Bubbling up takes so many steps that what the screen makes of it would be painted later than the row.
            self.screen.post_message(self.Moved(self.rows[self.cursor][0], self.cursor, len(self.rows)))
