"""The statistics of the tensor under the cursor: they start once it rests, and end the moment that it moves on."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from textual.timer import Timer

from inspector.nodes import Tensor
from tui import messages
from tui.lines import safe
from tui.reader import Job, Reader
from tui.screens.workspace import NARROW, Workspace
from tui.summary import summary
from tui.widgets.spectrum import Decomposition
from tui.widgets.statistics import Count

if TYPE_CHECKING:
    from inspector import Checkpoint
    from inspector.statistics.crew import Crew
    from inspector.statistics.scan import Tally

REST = 0.15
"""Seconds that the cursor rests before something is counted."""

FIRST = 0.02
"""Seconds of counting after which the first figures show."""

EVERY = 0.2
"""Seconds between two looks at the figures while they are counted."""


class Counting(Workspace):
    """The part of the screen that counts."""

    def __init__(self, reader: Reader, path: str, changed_keys: Mapping[str, str]) -> None:
        super().__init__(reader, path, changed_keys)
        self._rested: Timer | None = None
        self._crew: Crew | None = None

    def clear(self, path: str) -> None:
        """Forget the tensor of the file before."""
        self.leave_statistics()
        self.dismiss_crew()
        super().clear(path)

    def _crew_of(self, checkpoint: Checkpoint) -> Crew:
        """Who counts in a file, kept for its next tensor. For the reader's thread."""
        from inspector.statistics.crew import Crew

        if self._crew is None or self._crew.checkpoint is not checkpoint:
            self._crew = Crew(checkpoint, here=False)
        return self._crew

    def dismiss_crew(self) -> None:
        """The file is left."""
        crew, self._crew = self._crew, None
        if crew is not None:
            self.reader.ask("crew", lambda job: crew.stop(), self.post_message)

    def action_statistics(self) -> None:
        """Show the statistics, more of them, or none."""
        if self.app.size.width < NARROW and self.pane == "tree":
            self.statistics_under_tree = not self.statistics_under_tree
        else:
            self.statistics_size = (self.statistics_size + 1) % len(self.statistics_heights)
        self.lay_out()
        self.rest_on(self.module_tree.node)

    def action_log(self) -> None:
        """The bars of the histogram as high as counts, or as their logarithms."""
        self.statistics.log_counts = not self.statistics.log_counts
        self.statistics.redraw()

    def action_spectrum(self) -> None:
        """The singular values of the matrix under the cursor in the place of its statistics, or these again."""
        self.catch_up()
        tensor = self.grid.tensor
        if self.statistics.spectrum is not None:
            self.reader.stop("spectrum")
            self.statistics.decompose(None)
            return
        if tensor is None or len(tensor.shape) < 2:
            self.bottom.say("only a matrix has a spectrum", "badge")
            return
        if not self.statistics.display:
            self.action_statistics()
        self.statistics.decompose(Decomposition(tensor))

        def work(job: Job) -> messages.Decomposed:
            return messages.Decomposed(job, decomposed(job, tensor))

        self.reader.ask("spectrum", work, self.post_message)

    def on_decomposed(self, event: messages.Decomposed) -> None:
        """Show the spectrum, or how far it is."""
        if not event.stale and self.statistics.spectrum is not None:
            self.statistics.decompose(event.found)

    def action_summaries(self) -> None:
        """The figures of tensors in the tree, in their short form, or their dtypes and shapes again."""
        look = self.module_tree.look
        look.summaries = {} if look.summaries is None else None
        if look.summaries is None:
            self.reader.stop("summaries")
        self.module_tree.redraw()

    def on_module_tree_figures_wanted(self) -> None:
        """Count what is in sight, and nothing else."""
        wanted, checkpoint, known = self.module_tree.unsummarised, self.checkpoint, self.known
        if checkpoint is None or not wanted:
            return

        def work(job: Job) -> messages.Summarised:
            from inspector.statistics.crew import figures

            told = monotonic()
            found: dict[Tensor, str] = {}
            for tensor in wanted:
                statistics = known.figures(tensor)
                if statistics is not None:
                    found[tensor] = summary(statistics)
            unknown = [tensor for tensor in wanted if tensor not in found]
            for tensor, result in figures(checkpoint, unknown, lambda nbytes: job.progress(0), here=False):
                if isinstance(result, Exception):
                    job.post(messages.Unread(job, result))
                    found[tensor] = safe(str(result))
                else:
                    known.keep(tensor, result)
                    found[tensor] = summary(result)
                if monotonic() - told >= EVERY:
                    told = monotonic()
                    job.post(messages.Summarised(job, dict(found)))
            return messages.Summarised(job, found)

        self.reader.ask("summaries", work, self.post_message)

    def on_summarised(self, event: messages.Summarised) -> None:
        """Show them."""
        if not event.stale:
            self.module_tree.summarise(event.summaries)

    def rest_on(self, node: object) -> None:
        """The cursor is at a node now: count it when that is so for a while."""
        tensor = node if isinstance(node, Tensor) else None
        shown = self.statistics.count
        if shown is not None and shown.tensor is tensor and self.statistics.display:
            return
        self.leave_statistics()
        if tensor is not None and self.statistics.display:
            self._rested = self.set_timer(REST, lambda: self.count(tensor))

    def leave_statistics(self) -> None:
        """Nobody wants the figures any more."""
        if self._rested is not None:
            self._rested.stop()
            self._rested = None
        self.reader.stop("statistics", "spectrum")
        self.statistics.decompose(None)
        self.statistics.show(None)

    def count(self, tensor: Tensor) -> None:
        """Show the statistics of a tensor, as they are counted; at once where they are known."""
        known = self.known.whole(tensor)
        if known is not None:
            self.statistics.show(Count(tensor, known, 1.0))
            return
        self.statistics.show(Count(tensor))
        checkpoint = self.checkpoint
        assert checkpoint is not None

        def work(job: Job) -> messages.Counted:
            return messages.Counted(job, counted(job, tensor, self._crew_of(checkpoint)))

        self.reader.ask("statistics", work, self.post_message)

    def on_counted(self, event: messages.Counted) -> None:
        """Show the figures so far, and remember the whole ones."""
        if event.stale:
            return
        count = event.count
        if count.done and count.statistics is not None:
            self.known.keep(count.tensor, count.statistics)
        self.statistics.show(count)


def counted(job: Job, tensor: Tensor, crew: Crew) -> Count:
    """The figures of a tensor, told as they become more. For the reader's thread."""
    from inspector import InspectorError
    from inspector.statistics.crew import effort

    start = monotonic()
    due = start + FIRST
    nbytes = effort(tensor)

    def look(part: float, tally: Tally) -> None:
        nonlocal due
        job.progress(0)
        now = monotonic()
        if now >= due and 0 < part < 1:
            due = now + EVERY
            job.post(messages.Counted(job, Count(tensor, tally.result(), part, part * nbytes / (now - start))))

    try:
        return Count(tensor, crew.scan(tensor, look), 1.0)
    except (InspectorError, OSError, MemoryError) as error:
        job.post(messages.Unread(job, error))
        return Count(tensor, error=safe(messages.Failed(job, error).text))


def decomposed(job: Job, tensor: Tensor) -> Decomposition:
    """The spectrum of a tensor, its progress told meanwhile. For the reader's thread."""
    from inspector import InspectorError
    from inspector.statistics.spectrum import spectrum

    told = monotonic()

    def tell(part: float) -> None:
        nonlocal told
        job.progress(0)
        if monotonic() - told >= EVERY:
            told = monotonic()
            job.post(messages.Decomposed(job, Decomposition(tensor, part=part)))

    try:
        return Decomposition(tensor, spectrum(tensor, tell), 1.0)
    except (InspectorError, OSError, MemoryError) as error:
        job.post(messages.Unread(job, error))
        return Decomposition(tensor, error=safe(messages.Failed(job, error).text))
