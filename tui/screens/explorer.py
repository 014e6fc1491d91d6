"""The explorer: opens a file, and lets tree, details and values follow the cursor."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePath
from time import monotonic
from typing import Any

from textual.timer import Timer

from inspector import Checkpoint
from inspector.errors import InspectorError
from inspector.nodes import Module, Tensor
from tui import messages
from tui.index import Index, Survey, survey
from tui.lasting import lasting
from tui.lines import safe
from tui.reader import Job
from tui.screens.checking import Checking
from tui.screens.heating import Heating
from tui.screens.stacking import Stacking
from tui.screens.taking import Taking
from tui.screens.telling import Telling
from tui.screens.watching import Watching
from tui.widgets.axis_bar import AxisBar
from tui.widgets.module_tree import ModuleTree
from tui.widgets.value_grid import ValueGrid

SLOTS = (
    "open", "calls", "survey", "search", "filter", "names", "take", "write", "block", "watch",
    "statistics", "health", "heat", "stack", "depth", "spectrum", "summaries",
)  # fmt: skip
"""What the reader is asked for on this screen."""

HELD = 0.15
"""Seconds between two moves of the cursor from which on a key is not being held down."""

REST = 0.08
"""Seconds after which the right side follows a cursor that was moved by a key that is held down."""


class ExplorerScreen(Telling, Checking, Heating, Stacking, Taking, Watching):
    """One file."""

    def on_mount(self) -> None:
        """Open the file once there is room to show it."""
        self._moved_at = 0.0
        self._resting: Timer | None = None
        self._left: list[Any] = []
        if self.path:
            self.call_after_refresh(self.open, self.path, self.filter)

    def open(self, path: str, wanted: str = "") -> None:
        """Explore a file, in place of the one before, with a filter if one is wanted."""
        self.reader.stop(*SLOTS)
        former = self.checkpoint
        self.clear(path)
        if former is not None:
            self._let_go(former)
        self.filter = wanted
        self._read()

    def action_reload(self) -> None:
        """Read the file again, and come back to the same place in it."""
        if self.path and self.prompt is None:
            self._read()

    def _read(self) -> None:
        path, wanted, rows = self.path, self.filter, self.module_tree.whole
        # Of a filter nobody knows yet what it leaves.
        begins = rows is None and not wanted.strip()

        def work(job: Job) -> messages.Opened:
            import inspector

            def preview(root: Module) -> None:
                if begins:
                    job.post(messages.Begun(job, root))

            start, self.program.head_start = self.program.head_start, None
            with lasting():
                if start is not None and start.path == path:
                    checkpoint = start.take(job.progress, preview)
                else:
                    checkpoint = inspector.open(path, self.program.limits, job.progress, preview)
            opened = messages.Opened(job, checkpoint, wanted)
            if rows is not None:
                opened.places = rows.counterparts(checkpoint.root)
            if wanted.strip():
                from inspector.query import Query, QueryError

                with lasting():
                    opened.index = Index(checkpoint.root, job.progress)
                with suppress(QueryError):
                    opened.selection = opened.index.select(Query(wanted), job.progress)
            return opened

        self.bottom.say(f"opening {safe(path)} …", "dim")
        self.reader.ask("open", work, self.post_message)

    def on_begun(self, event: messages.Begun) -> None:
        """Show the beginning until the whole is read."""
        if event.stale or self.checkpoint is not None:
            return
        self.title_line.reading(sum(1 for _ in event.root.tensors()))
        self.module_tree.show(event.root, safe(PurePath(self.path).name))
        self.mark_pane()
        self.paint()

    def on_opened(self, event: messages.Opened) -> None:
        """Show the tree, as it was before if there was one, then count what takes a walk over all of it."""
        if event.stale:
            self._let_go(event.checkpoint)
            return
        former, self.checkpoint = self.checkpoint, event.checkpoint
        begun = self.module_tree.rows
        self.known.open(event.checkpoint)
        root = event.checkpoint.root
        self.bottom.say("")
        self.title_line.opened(event.checkpoint, self.survey.dtypes)
        self.mark_pane()
        if former is None:
            if begun is not None:
                self.module_tree.replace(begun.counterparts(root))
            else:
                self.module_tree.show(root, safe(PurePath(self.path).name))
            self.take_over(event.index, event.selection)
        else:
            self._renew(former, event)
        self.paint()
        # Once the rows are on the screen: it would hold up their painting.
        self.call_after_refresh(self._survey, event.checkpoint)

    def _survey(self, checkpoint: Checkpoint) -> None:
        """Have what takes a walk over the whole tree counted."""

        def work(job: Job) -> messages.Surveyed:
            with lasting():
                return messages.Surveyed(job, survey(checkpoint.root, job.progress, checkpoint.problems))

        if checkpoint is self.checkpoint:
            self.reader.ask("survey", work, self.post_message)

    def _renew(self, former: Checkpoint, event: messages.Opened) -> None:
        """Show what was read again, at the same place."""
        self.reader.stop(*SLOTS)
        self.dismiss_crew()
        self.end_check()
        stacked = bool(self.stacks.families)
        self.unstack()
        self.forget_changes()
        self._left += [self.index, self.survey]
        self.survey = Survey()
        rows = self.module_tree.whole
        assert rows is not None
        places = event.places
        if places is None or places.old is not rows.root:
            places = rows.counterparts(event.checkpoint.root)
        self.module_tree.replace(places)
        self.take_over(event.index, event.selection)
        if event.wanted != self.filter:
            self.select(self.filter)
        if stacked:
            self.action_stack()
        if isinstance(self.module_tree.node, Tensor) and self.grid.tensor is not None:
            self.grid.replace(self.module_tree.node)
        self._follow()
        if self.pane not in self.panes:
            self.go_to_pane("tree")
        self.bottom.say("read again", "dim")
        self._let_go(former)

    def _let_go(self, checkpoint: Checkpoint) -> None:
        """Close a file that nothing shows any more, and have its tree taken apart."""

        from inspector.taking_apart import leavings, take_apart

        def work(job: Job) -> None:
            take_apart(left, lambda: job.progress(0))

        checkpoint.close()
        left = self._left
        left += leavings(checkpoint)
        self.reader.ask("apart", work, self.post_message)

    def on_surveyed(self, event: messages.Surveyed) -> None:
        """Show what all tensors together tell."""
        if event.stale or self.checkpoint is None:
            return
        self.survey = event.survey
        self.title_line.opened(self.checkpoint, event.survey.dtypes)
        look = self.module_tree.look
        look.tied, look.asides = event.survey.tied, event.survey.asides
        look.damaged = event.survey.troubles.damaged if event.survey.troubles is not None else ()
        self.module_tree.redraw()
        self._follow()

    def on_progress(self, event: messages.Progress) -> None:
        """Say how far it is."""
        word = {"open": "opening", "take": "reading", "write": "writing"}.get(event.job.slot)
        if event.stale or event.part == 0:
            return
        if self.unfinished and event.job.slot == "open":
            self.bottom.say(f"{event.part:.0%} read: until all is, one can move around in its beginning", "dim")
        elif word is not None:
            self.bottom.say(f"{word} … {event.part:.0%}", "dim")
        elif self.prompt is not None:
            self.prompt.say(f"{event.part:.0%} …")

    def on_failed(self, event: messages.Failed) -> None:
        """Say what is wrong; without a file, let another one be chosen."""
        from inspector.export import AlreadyThere
        from inspector.query import QueryError

        if event.stale:
            return
        self.heed(event.error)
        if event.job.slot == "open" and self.checkpoint is None:
            self.module_tree.clear()
            self.program.choose(event.text)
        elif isinstance(event.error, AlreadyThere):
            self.ask_to_replace(event.text)
        elif isinstance(event.error, QueryError) and self.prompt is not None:
            self.prompt.point(event.error.position, event.error.message)
        elif self.prompt is not None:
            self.prompt.say(event.text, "error")
        else:
            self.bottom.say(event.text, "error")

    def on_broken(self, event: messages.Broken) -> None:
        """A mistake of this program ends it, like one in the screen's own thread."""
        raise event.error

    # The cursor

    def on_module_tree_moved(self, event: ModuleTree.Moved) -> None:
        """Let the right side follow: at once, or, while a key is held down, when the cursor rests."""
        self.tree_head.position = f"{event.row + 1:,}/{event.rows:,}"
        self.tree_head.refresh()
        if self.unfinished:
            return
        self.rest_on(event.node)
        now = monotonic()
        held = now - self._moved_at < HELD
        self._moved_at = now
        if not held:
            self._follow()
        elif self._resting is None:
            self._resting = self.set_timer(REST, self._follow)
        else:
            self._resting.reset()

    def action_open_row(self) -> None:
        """Into the values of a tensor; anything else folds."""
        node = self.module_tree.node
        if self.unfinished:
            self.module_tree.action_fold()
        elif isinstance(node, Tensor) and self.stacks.family(node) is not None:
            self.catch_up()
            self.go_to_pane("details")
        elif isinstance(node, Tensor):
            self.catch_up()
            self.go_to_pane("grid")
            self.land(node)
        else:
            self.module_tree.action_fold()

    def catch_up(self) -> None:
        """Let the right side follow the cursor now, if it waits for it to rest."""
        node = self.module_tree.node
        tensor = node if isinstance(node, Tensor) else None
        # A key may come before the message that the one before it has moved the cursor.
        if self._resting is not None or tensor is not self.grid.tensor:
            self._follow()

    def _follow(self) -> None:
        if self._resting is not None:
            self._resting.stop()
            self._resting = None
        node = self.module_tree.node
        if node is None or self.unfinished:
            return
        name = safe(node.name or PurePath(self.path).name)
        was_deep, deep = self.deep, self.follow_depth(node)
        self.details_head.show([(f" {name}", "strong"), ("  and its like in all layers" if deep else "", "dim")])
        tensor = node if isinstance(node, Tensor) and not deep else None
        if tensor is not self.grid.tensor or deep != was_deep:
            self.grid.tensor = tensor
            self.lay_out()
        self.rest_on(tensor)
        self.details.describe(node, self.checkpoint, self.survey)

    # Values

    def on_value_grid_wanted(self, event: ValueGrid.Wanted) -> None:
        """Have the block read that the grid misses."""

        def work(job: Job) -> messages.BlockRead:
            from inspector import window

            try:
                array = window.read(event.tensor, event.selection, dequantize=event.dequantize)
            except InspectorError as error:
                job.post(messages.Unread(job, error))
                return messages.BlockRead(job, event.generation, None, safe(str(error)))
            return messages.BlockRead(job, event.generation, array)

        self.reader.ask("block", work, self.post_message)

    def on_block_read(self, event: messages.BlockRead) -> None:
        """Show it."""
        if not event.stale:
            self.grid.show(event)

    def on_value_grid_page_changed(self, event: ValueGrid.PageChanged) -> None:
        """Say over the values which part of the tensor they are."""
        self.axis_bar.show_page(event.page, event.axis)
        self.heat()

    def on_value_grid_cell_moved(self, event: ValueGrid.CellMoved) -> None:
        """Say at the bottom what is under the cell cursor."""
        self.cell = event.text
        if self.focused is self.grid:
            self.bottom.aside(self.cell)

    def on_value_grid_axes_wanted(self) -> None:
        """Let the axes be chosen."""
        self.axis_bar.focus()

    def on_axis_bar_changed(self, event: AxisBar.Changed) -> None:
        """Show the page that was chosen."""
        self.grid.show_page(event.page, event.axis)

    def on_axis_bar_done(self) -> None:
        """Back to the values."""
        self.go_to_pane("grid")

    # Other screens

    def action_open_file(self) -> None:
        """Choose another file."""
        self.program.choose()
