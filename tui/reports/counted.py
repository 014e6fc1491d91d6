"""The statistics that reports need: counted when a filter or a row asks for them, each tensor once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from inspector import Checkpoint
from inspector.errors import InspectorError
from inspector.nodes import Tensor
from inspector.query import Query
from inspector.statistics import Statistics
from tui.index import Index
from tui.reports.listing import is_tensor, nobody_waits
from tui.reports.progress import Progress, Stopped

if TYPE_CHECKING:
    from inspector.statistics.spectrum import Spectrum

Result = Statistics | InspectorError | None
"""The figures of a tensor, or why it can't be read; None if the work was stopped before."""


class Counted:
    """The statistics of the tensors of a file, and what is known of them so far; if wanted, their `spectra` too."""

    def __init__(self, checkpoint: Checkpoint, progress: Progress, spectra: bool = False) -> None:
        self.checkpoint = checkpoint
        self.progress = progress
        self.spectra = spectra
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

    def spectrum(self, tensor: Tensor) -> Spectrum | InspectorError | None:
        """The spectrum of a matrix that was counted, or why it has none; None where nobody wants it, or after Ctrl+C."""
        matrix = len(tensor.shape) >= 2 and 0 not in tensor.shape and isinstance(self._known.get(tensor), Statistics)
        if not self.spectra or not matrix or self.progress.stopped:
            return None
        from inspector.statistics.spectrum import spectrum

        try:
            return spectrum(tensor, lambda part: self.progress.tell(0))
        except InspectorError as error:
            return error
        except Stopped:
            return None

    def query(self, text: str) -> Query:
        """A filter that may ask for figures."""
        return Query(text, self)

    def prepare(self, query: Query) -> None:
        """Counts all that the filter will ask for, in one go."""
        if query.needs_statistics:
            undecided = Query(query.text)
            index = Index(self.checkpoint.root, nobody_waits, grouped=False)
            candidates = (index.nodes[number] for number in undecided.states(index.table).nonzero()[0].tolist())
            for _ in self.figures(node for node in candidates if is_tensor(node)):
                pass


def stats_entry(result: Result) -> dict[str, Any] | None:
    """What the document says of the figures of a tensor: numbers that JSON can't hold are texts; null for none."""
    if not isinstance(result, Statistics):
        return None
    names = ("min", "max", "mean", "std", "norm", "nan", "inf", "zero")
    entry: dict[str, Any] = {name: number(getattr(result, name)) for name in names}
    entry["quantiles"] = {str(part): value for part, value in result.quantiles.items()}
    entry["exact"] = result.exact
    entry |= {name: number(getattr(result, name)) for name in ("bound", "abs_max", "posinf", "neginf", "denormal")}
    entry["distinct"] = result.distinct
    if result.parts:
        entry["parts"] = {name: stats_entry(part) for name, part in result.parts.items()}
    return entry


def spectrum_entry(found: Spectrum | InspectorError) -> dict[str, Any]:
    """What the document says of the singular values of a matrix, or of why it has none."""
    if isinstance(found, InspectorError):
        return {"error": str(found)}
    entry: dict[str, Any] = {name: getattr(found, name) for name in ("rows", "columns", "exact", "method", "energy")}
    numbers = {"rank": found.rank, "condition": number(found.condition)}
    return entry | numbers | {"values": list(map(number, found.values.tolist()))}


def number(value: float) -> float | str:
    """A number as JSON can hold it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
