"""The statistics that reports need: counted when a filter or a row asks for them, each tensor once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from inspector import Checkpoint
from inspector.errors import InspectorError
from inspector.nodes import Tensor
from inspector.query import Query
from inspector.statistics import Statistics
from tui.reports.listing import Listing, is_tensor
from tui.reports.progress import Progress, Stopped

Result = Statistics | InspectorError | None
"""The figures of a tensor, or why it can't be read; None if the work was stopped before."""


class Counted:
    """The statistics of the tensors of a file, and what is known of them so far."""

    def __init__(self, checkpoint: Checkpoint, progress: Progress) -> None:
        self.checkpoint = checkpoint
        self.progress = progress
        self._known: dict[Tensor, Result] = {}

    def figures(self, tensors: Iterable[Tensor]) -> Iterator[Result]:
        """The result of each tensor, in their order, as soon as it is there; after a Ctrl+C only what is known."""
        from inspector.statistics.crew import figures, total

        tensors = list(tensors)
        unknown = [tensor for tensor in tensors if tensor not in self._known]
        self.progress.add(total(unknown))
        counting = figures(self.checkpoint, unknown, self.progress.tell)
        for tensor in tensors:
            try:
                if tensor not in self._known and not self.progress.stopped:
                    self._known[tensor] = next(counting)[1]
            except Stopped:
                pass
            yield self._known.get(tensor)
        counting.close()

    def __call__(self, tensor: Tensor) -> Statistics | None:
        """The figures of one tensor, for a filter; None of one that can't be read."""
        (found,) = self.figures([tensor]) if is_tensor(tensor) else (None,)
        return found if isinstance(found, Statistics) else None

    def query(self, text: str) -> Query:
        """A filter that may ask for figures."""
        return Query(text, self)

    def prepare(self, query: Query) -> None:
        """Counts all that the filter will ask for, in one go."""
        if query.needs_statistics:
            undecided = Query(query.text)
            candidates = (node for name, node in Listing(self.checkpoint.root, Query("")).named() if is_tensor(node))
            for _ in self.figures(tensor for tensor in candidates if undecided.possible(tensor, tensor.name)):
                pass


def stats_entry(result: Result) -> dict[str, Any] | None:
    """What the document says of the figures of a tensor: numbers that JSON can't hold are texts; null for none."""
    if not isinstance(result, Statistics):
        return None
    names = ("min", "max", "mean", "std", "norm", "nan", "inf", "zero")
    entry: dict[str, Any] = {name: _number(getattr(result, name)) for name in names}
    entry["quantiles"] = {str(part): value for part, value in result.quantiles.items()}
    entry["exact"] = result.exact
    return entry


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
