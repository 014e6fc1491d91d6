"""All figures of one tensor, as the panel of the screen has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from inspector import Checkpoint
from inspector.errors import InspectorError, visible
from inspector.nodes import Tensor
from inspector.query import Query
from tui.figures import shape_text
from tui.reports.counted import Counted, spectrum_entry, stats_entry
from tui.reports.document import tensor_entry
from tui.reports.health import Looked
from tui.reports.values import find
from tui.summary import all_figures, exactness, spectrum_figures

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_figures(
    checkpoint: Checkpoint, wanted: str, query: Query, as_json: bool, write: Callable[[str], object], counted: Counted
) -> None:
    """Writes the statistics of one tensor and what is wrong with it, or, with `as_json`, what the document has of it."""
    node, index = find(checkpoint, wanted, query)
    if not isinstance(node, Tensor):
        raise InspectorError(f"{visible(wanted) or 'the whole file'} is no tensor: --stats --filter is of several")
    if index is not None:
        raise InspectorError(f"--stats is of whole tensors: leave the brackets of {visible(wanted)} out")
    (result,) = counted.figures([node])
    if isinstance(result, InspectorError):
        raise result
    spectrum = counted.spectrum(node)
    looked = Looked(checkpoint, [node], counted)
    if as_json:
        stats = stats_entry(result)
        if stats is not None and spectrum is not None:
            stats["spectrum"] = spectrum_entry(spectrum)
        write(json.dumps(tensor_entry(node.name, node) | {"stats": stats, "health": looked.entries()["health"]}) + "\n")
        return
    write(f"{visible(node.name)}  {visible(node.dtype)} {shape_text(node.shape)}\n")
    if result is None:
        write("not counted\n")
        return
    _write_table([("elements", f"{result.count:,}, {exactness(result)}"), *all_figures(result)], write)
    for finding in looked.findings:
        write(f"! {visible(finding.text)}\n")
    if isinstance(spectrum, InspectorError):
        write(f"! no spectrum: {visible(str(spectrum))}\n")
    elif spectrum is not None:
        write(f"spectrum: {spectrum.method}\n")
        _write_table(spectrum_figures(spectrum), write)


def _write_table(figures: Iterable[tuple[str, str]], write: Callable[[str], object]) -> None:
    rows = list(figures)
    width = max(len(word) for word, _ in rows)
    for word, text in rows:
        write(f"  {word:<{width}}  {text}\n")
