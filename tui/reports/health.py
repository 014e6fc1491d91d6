"""What is wrong with the values of a file, beside the statistics in its reports: findings, and layers over depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from inspector import Checkpoint
from inspector.errors import InspectorError, visible
from inspector.nodes import Tensor
from inspector.statistics import Statistics
from tui.blocks import OVER_DEPTH, over_depth, range_over_depth
from tui.figures import plural
from tui.reports.counted import number
from tui.reports.progress import Stopped

if TYPE_CHECKING:
    from inspector.statistics.depth import Row
    from inspector.statistics.health import Finding
    from tui.reports.counted import Counted

LEAST = 3
"""Layers of which a line of blocks is drawn."""


class Layers(NamedTuple):
    """A parameter of repeated layers, over their depth."""

    family: str
    parameter: str
    rows: list[Row]

    @property
    def name(self) -> str:
        """What is the same in the names of its tensors, fit for a line."""
        return visible(f"{self.family}.{self.parameter}".rstrip("."))


class Looked:
    """The findings in tensors that were `counted`, in their order, and layers over depth; less after a Ctrl+C."""

    def __init__(self, checkpoint: Checkpoint, tensors: Sequence[Tensor], counted: Counted) -> None:
        from inspector.statistics.health import examine, exploding, unread

        statistics: dict[Tensor, Statistics] = {}
        found: list[Finding] = []
        with suppress(Stopped):
            for tensor, result in zip(tensors, counted.figures(tensors), strict=True):
                if isinstance(result, InspectorError):
                    found += unread(tensor, result)
                elif result is not None:
                    statistics[tensor] = result
                    try:
                        found += examine(tensor, result, lambda: counted.progress.tell(0))
                    except InspectorError as error:
                        found += unread(tensor, error)
        found += exploding(checkpoint.root, statistics)
        order = {tensor: place for place, tensor in enumerate(tensors)}
        self.findings = sorted(found, key=lambda finding: order[finding.node])
        self.depth = list(_depth(checkpoint, statistics))
        self.stopped = counted.progress.stopped

    def entries(self) -> dict[str, list[dict[str, Any]]]:
        """What the document says of it."""
        return {
            "health": [
                {"name": finding.node.name, "kind": finding.kind, "text": finding.text, "index": finding.index}
                for finding in self.findings
            ],
            "depth": [
                {"layers": layers.family, "parameter": layers.parameter, "rows": list(map(_row, layers.rows))}
                for layers in self.depth
            ],
        }

    def lines(self) -> Iterator[str]:
        """The same as text."""
        yield f"health: {plural(len(self.findings), 'finding')}{', but not all was looked at' if self.stopped else ''}"
        for finding in self.findings:
            yield f"! {visible(finding.node.name)}: {visible(finding.text)}"
        for layers in self.depth:
            for row in layers.rows:
                words = ", ".join(f"{name} {away:+.1f} deviations" for name, away in row.outliers.items())
                said = "; ".join(filter(None, (words, row.unlike)))
                if said:
                    yield f"! {layers.name}, layer {row.number}: {visible(said)}"
        drawn = [layers for layers in self.depth if len(layers.rows) >= LEAST]
        if drawn:
            yield f"depth: {plural(len(drawn), 'parameter')} of repeated layers"
        for layers in drawn:
            first, last = layers.rows[0].number, layers.rows[-1].number
            yield f"{layers.name}  layers {first} to {last}"
            for name, word in OVER_DEPTH:
                yield f"  {word:<7}  {''.join(over_depth(layers.rows, name))}  {range_over_depth(layers.rows, name)}"


def _row(row: Row) -> dict[str, Any]:
    """What the document says of a layer."""
    figures = {name: number(getattr(row.statistics, name)) if row.statistics else None for name, _ in OVER_DEPTH}
    name = row.tensor.name if row.tensor is not None else None
    return {"layer": row.number, "name": name, **figures, "outliers": row.outliers, "unlike": row.unlike}


def _depth(checkpoint: Checkpoint, statistics: Mapping[Tensor, Statistics]) -> Iterator[Layers]:
    from inspector.statistics.depth import families, table

    for family in families(checkpoint.root):
        for parameter, members in family.tensors.items():
            if any(tensor in statistics for tensor in members if tensor is not None):
                # Of what a filter leaves out nothing is said.
                rows = table(family, parameter, statistics.get)
                yield Layers(family.name, parameter, [row for row in rows if row.tensor is None or row.statistics])
