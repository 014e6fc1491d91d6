"""Search, filter, and going to a name: what runs over all names of the tree, in the reader's thread."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from inspector import naming
from inspector.nodes import Node, Tensor
from tui import messages
from tui.figures import plural
from tui.index import Index
from tui.lasting import lasting
from tui.lines import safe
from tui.reader import Job, Reader
from tui.screens.workspace import Workspace

if TYPE_CHECKING:
    from tui.selection import Selection
    from tui.widgets.prompt import Prompt, Purpose

LONGEST_WAIT = 0.5
"""Seconds that the enter key waits for a search that is still running."""


class Finding(Workspace):
    """The part of the screen that finds nodes by their names."""

    def __init__(self, reader: Reader, path: str, changed_keys: Mapping[str, str], wanted: str = "") -> None:
        super().__init__(reader, path, changed_keys)
        self._answered = asyncio.Event()
        self._forget()
        self.filter = wanted

    def _forget(self) -> None:
        self.filter = ""
        self.wanted = ""
        self._forget_found()

    def _forget_found(self) -> None:
        self.index: Index | None = None
        self.selection: Selection | None = None
        self._found: Sequence[int] = ()
        self._origin: Node | None = None
        self._refined: Job | None = None
        self._indexing: Job | None = None

    def clear(self, path: str) -> None:
        """Forget the names of the file before."""
        self._forget()
        super().clear(path)

    def take_over(self, index: Index | None, selection: Selection | None) -> None:
        """Go on searching and filtering in a tree that was just opened; `selection` is what the filter leaves of it."""
        self._forget_found()
        self.index, self.selection = index, selection
        self._head()
        if index is not None and selection is not None:
            here = self.module_tree.node
            kept = here is not None and selection.keeps(here)
            self.module_tree.restrict(selection.below, selection.totals, here if kept else selection.first)
            from inspector.query import Query, QueryError

            with suppress(QueryError):
                if Query(self.filter).needs_statistics:
                    self.select(self.filter)
        if self.wanted:
            self._search(self.wanted)

    # Keys

    async def action_search(self) -> None:
        """Search in the names, as the person types."""
        if await self._ask_for("search", "/"):
            self._want_index()

    async def action_filter(self) -> None:
        """Show only what matches, as the person types."""
        if await self._ask_for("filter", "filter ", self.filter):
            self._want_index(weighed=True)

    async def action_goto(self) -> None:
        """Go to a name; among values, to an index."""
        if self.pane == "grid":
            await self.ask("index", "go to index ")
        elif await self._ask_for("goto", "go to "):
            self._want_index()

    def action_match(self, step: int) -> None:
        """To the next place that the search found, or the previous one."""
        node = self.module_tree.node
        if self.index is None or not self._found or node is None:
            self.bottom.say("nothing is searched for: / searches" if not self.wanted else self._nothing(), "badge")
            return
        here = self.index.number(node)
        place = bisect_right(self._found, here) if step > 0 else bisect_left(self._found, here) - 1
        self._go_to_match(place % len(self._found))

    def action_tensor(self, step: int) -> None:
        """To the next tensor in the file's order, or the previous one."""
        tree = self.module_tree
        if tree.rows is not None and tree.node is not None:
            found = tree.rows.after(tree.node, step, Tensor)
            if found is not None:
                tree.reveal(found)

    def action_leave(self) -> None:
        """Close the prompt and undo what it did; else stop what runs; else drop filter and search; else to the tree."""
        if self.prompt is not None:
            purpose = self.prompt.purpose
            self.close_prompt()
            if purpose == "search":
                self._search("")
                if self._origin is not None:
                    self.module_tree.reveal(self._origin)
            elif purpose == "filter":
                self.select("")
        elif self.filter or self.wanted:
            self._search("")
            self.select("")
        else:
            self.go_to_pane("tree")

    # What is typed

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        """Search and filter follow every letter."""
        if event.purpose == "search":
            self._search(event.text)
        elif event.purpose == "filter":
            self.select(event.text)

    async def submit(self, purpose: Purpose, text: str) -> str | None:
        """Go where the person typed; search and filter stay as they are."""
        if purpose == "index":
            return self.grid.go_to(text)
        if purpose == "goto":
            found = naming.find(self.root, text.strip()) if self.root is not None else None
            if found is None:
                return "no such name"
            self.go_to(found)
        if purpose == "filter" and self.prompt is not None and self.prompt.pointed:
            return "not a filter yet"
        if purpose in ("search", "filter"):
            # Keys that were typed ahead are meant for what will have been found.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), LONGEST_WAIT)
        return await super().submit(purpose, text)

    # Search

    def _search(self, wanted: str) -> None:
        self.wanted = wanted
        self._found = ()
        flags = re.IGNORECASE if wanted == wanted.lower() else 0
        # A name is drawn label by label, and what is searched for may begin in the one before.
        pattern = "|".join(re.escape(part) for part in {wanted, wanted.rpartition(".")[2]} if part)
        self.module_tree.look.wanted = re.compile(pattern, flags) if pattern else None
        self.module_tree.redraw()
        if not wanted:
            self.reader.stop("search")
            self._answered.set()
            self._tell("")
            return

        self._answered.clear()
        index = self.index
        if index is None:
            self._want_index()
            return

        def work(job: Job) -> messages.Found:
            return messages.Found(job, index.search(wanted, job.progress))

        self.reader.ask("search", work, self.post_message)

    def on_found(self, event: messages.Found) -> None:
        """Go to the first match from where the search began."""
        if event.stale:
            return
        self._answered.set()
        numbers = event.numbers
        if self.selection is not None:
            kept = self.selection.kept
            numbers = [number for number in numbers if kept[number]]
        self._found = numbers
        if not numbers:
            self._tell(self._nothing(), "badge")
        elif self._origin is not None and self.index is not None:
            self._go_to_match(bisect_left(numbers, self.index.number(self._origin)) % len(numbers))

    def _go_to_match(self, place: int) -> None:
        assert self.index is not None
        self._tell(f"{place + 1:,} of {len(self._found):,}")
        self.module_tree.reveal(self.index.nodes[self._found[place]])

    def _nothing(self) -> str:
        return f"no name holds {self.wanted}"

    # Filter

    def select(self, text: str) -> None:
        """Filter by a text; the empty one shows everything again."""
        self.filter = text
        if not text.strip():
            self.reader.stop("filter")
            self._answered.set()
            self.selection = None
            self._head()
            self.module_tree.unrestrict()
            self._tell("")
            return
        self._head()

        checkpoint, known, index = self.checkpoint, self.known, self.index
        if index is None:
            self._want_index()

        def work(job: Job) -> None:
            from inspector.query import Query
            from tui.selecting import selections

            assert checkpoint is not None
            # A mistake is told at once.
            Query(text)
            if index is not None:
                for selection, part in selections(text, checkpoint, index, known, job):
                    job.post(messages.Selected(job, selection, part))

        self._answered.clear()
        self.reader.ask("filter", work, self.post_message)

    def _head(self) -> None:
        """Say over the tree which filter there is, and whether it leaves nothing."""
        nothing = self.selection is not None and not self.selection.count
        self.tree_head.restriction = safe(self.filter.strip()) + (": nothing matches" if nothing else "")
        self.tree_head.refresh()

    def on_selected(self, event: messages.Selected) -> None:
        """Show what the filter leaves."""
        if event.stale:
            return
        self.selection = selection = event.selection
        self._head()
        self._answered.set()
        counting = f", counting {event.part:.0%} …" if event.part < 1 else ""
        self._tell(plural(selection.count, "match") + counting, "dim" if selection.count else "badge")
        here = self.module_tree.node
        first = selection.first
        if event.job is self._refined and here is not None and here is not self.root and selection.keeps(here):
            first = here
        self._refined = event.job
        self.module_tree.restrict(selection.below, selection.totals, first)

    # Names

    async def _ask_for(self, purpose: Purpose, label: str, text: str = "") -> bool:
        if self.root is None:
            return False
        self._origin = self.module_tree.node
        await self.ask(purpose, label, text, self._complete if purpose == "goto" else None)
        return True

    def _complete(self, text: str) -> str:
        return self.index.starting_with(text) if self.index is not None else ""

    def go_to(self, node: Node) -> None:
        """Move the cursor to a node, dropping a filter that hides it."""
        if self.selection is not None and not self.selection.keeps(node):
            self.select("")
        self.module_tree.reveal(node)

    def _tell(self, text: str, role: str = "dim") -> None:
        if self.prompt is not None:
            self.prompt.say(text, role)
        elif text:
            self.bottom.say(text, role)

    def _want_index(self, weighed: bool = False) -> None:
        """Have the names gathered, whatever is typed meanwhile; if `weighed`, also what a filter needs."""
        root = self.root
        if self.index is not None or root is None or (self._indexing is not None and not self._indexing.stopped):
            return

        def work(job: Job) -> None:
            with lasting():
                index = Index(root, job.progress)
                job.post(messages.Indexed(job, index))
                if weighed:
                    index.weigh()

        self._indexing = self.reader.ask("names", work, self.post_message)

    def on_indexed(self, event: messages.Indexed) -> None:
        """Search and filter for what was typed before there were names."""
        if event.stale:
            return
        self.index = event.index
        if self.wanted:
            self._search(self.wanted)
        if self.filter.strip():
            self.select(self.filter)
