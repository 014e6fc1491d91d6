"""What is wrong with the values of a file, beside the statistics in its reports: findings, and layers unlike the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from inspector import Checkpoint
from inspector.errors import InspectorError, visible
from inspector.nodes import Tensor
from inspector.statistics import Statistics
from tui.figures import plural
from tui.reports.progress import Stopped

if TYPE_CHECKING:
    from inspector.statistics.depth import Row
    from inspector.statistics.health import Finding
    from tui.reports.counted import Counted

Unlike = tuple[str, str, "Row"]
"""A family, one of its parameters, and a layer of it that is not like the others."""


class Looked:
    """The findings in tensors that were `counted`, in their order, and what is unlike over depth; less after a Ctrl+C."""

    def __init__(self, checkpoint: Checkpoint, tensors: Sequence[Tensor], counted: Counted) -> None:
        from inspector.statistics.health import Finding, examine, exploding

        statistics: dict[Tensor, Statistics] = {}
        found: list[Finding] = []
        with suppress(Stopped):
            for tensor, result in zip(tensors, counted.figures(tensors), strict=True):
                if isinstance(result, InspectorError):
                    found.append(Finding(tensor, "unread", str(result)))
                elif result is not None:
                    statistics[tensor] = result
                    try:
                        found += examine(tensor, result, lambda: counted.progress.tell(0))
                    except InspectorError as error:
                        found.append(Finding(tensor, "unread", str(error)))
        found += exploding(checkpoint.root, statistics)
        order = {tensor: place for place, tensor in enumerate(tensors)}
        self.findings = sorted(found, key=lambda finding: order[finding.node])
        self.unlike = list(_unlike(checkpoint, statistics))
        self.stopped = counted.progress.stopped

    def entries(self) -> dict[str, list[dict[str, Any]]]:
        """What the document says of it."""
        return {
            "health": [
                {"name": finding.node.name, "kind": finding.kind, "text": finding.text, "index": finding.index}
                for finding in self.findings
            ],
            "depth": [
                {
                    "layers": family,
                    "parameter": parameter,
                    "layer": row.number,
                    "outliers": row.outliers,
                    "unlike": row.unlike,
                }
                for family, parameter, row in self.unlike
            ],
        }

    def lines(self) -> Iterator[str]:
        """The same as text."""
        yield f"health: {plural(len(self.findings), 'finding')}{', but not all was looked at' if self.stopped else ''}"
        for finding in self.findings:
            yield f"! {visible(finding.node.name)}: {visible(finding.text)}"
        for family, parameter, row in self.unlike:
            words = ", ".join(f"{name} {away:+.1f} deviations" for name, away in row.outliers.items())
            said = "; ".join(filter(None, (words, row.unlike)))
            yield f"! {visible(f'{family}.{parameter}'.rstrip('.'))}, layer {row.number}: {visible(said)}"


def _unlike(checkpoint: Checkpoint, statistics: Mapping[Tensor, Statistics]) -> Iterator[Unlike]:
    from inspector.statistics.depth import families, table

    for family in families(checkpoint.root):
        for parameter, members in family.tensors.items():
            if any(tensor in statistics for tensor in members if tensor is not None):
                for row in table(family, parameter, statistics.get):
                    if row.outliers or (row.unlike and (row.tensor is None or row.tensor in statistics)):
                        yield family.name, parameter, row
