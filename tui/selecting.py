"""What a filter leaves of a tree, again and again while the figures that it asks for are counted."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from inspector.nodes import Tensor
from inspector.query import Query
from tui.index import Index
from tui.selection import Selection

if TYPE_CHECKING:
    from inspector import Checkpoint
    from inspector.statistics import Statistics
    from tui.known import Known
    from tui.reader import Job

EVERY = 0.3
"""Seconds of counting between two selections."""

SHARE = 5
"""How many times as long as a selection takes is counted before the next."""

Part = tuple[Selection, float]
"""What is left so far, and which part of what must be counted for it is."""


def selections(text: str, checkpoint: Checkpoint, index: Index, known: Known, job: Job) -> Iterator[Part]:
    """What the filter `text` leaves: at once where it asks for no figures, else as they come. For the reader's thread.

    A tensor whose figures are not known yet is left out, as is one that can't be read. Raises `QueryError`.
    """
    found: dict[Tensor, Statistics | None] = {}
    query = Query(text, found.get)
    if not query.needs_statistics:
        yield index.select(query, job.progress), 1.0
        return
    from inspector.statistics.crew import figures, total

    undecided = Query(text)
    wanted: list[Tensor] = []
    index.table.progress = job.progress
    for number in undecided.states(index.table).nonzero()[0].tolist():
        node = index.nodes[number]
        if isinstance(node, Tensor) and not isinstance(node.parent, Tensor):
            statistics = known.figures(node)
            if statistics is None:
                wanted.append(node)
            else:
                found[node] = statistics
    start = monotonic()
    done, whole = 0, max(total(wanted), 1)
    due = start + EVERY
    if wanted:
        # What is known already shows at once.
        yield index.select(query, job.progress), 0.0

    def tell(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        job.progress(0)

    for tensor, result in figures(checkpoint, wanted, tell, here=False):
        statistics = result if not isinstance(result, Exception) else None
        found[tensor] = statistics
        if statistics is not None:
            known.keep(tensor, statistics)
        if monotonic() >= due:
            began = monotonic()
            yield index.select(query, job.progress), min(done / whole, 0.99)
            due = monotonic() + max(EVERY, SHARE * (monotonic() - began))
    yield index.select(query, job.progress), 1.0
