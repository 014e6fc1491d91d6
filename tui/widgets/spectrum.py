"""The spectrum of a matrix: what its singular values say at the left, and at the right themselves, from the largest on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tui.blocks import EIGHTHS
from tui.figures import shape_text
from tui.lines import Line, Part, cut, spread, width_of
from tui.summary import spectrum_figures

if TYPE_CHECKING:
    from inspector.nodes import Tensor
    from inspector.statistics.spectrum import Spectrum

DECADES = 6
"""Powers of ten below the largest singular value down to which they are drawn."""

GAP = 3


class Decomposition(NamedTuple):
    """What is known of a tensor's `spectrum`: nothing while `part` of the work is done, or an `error`."""

    tensor: Tensor
    spectrum: Spectrum | None = None
    part: float = 0.0
    error: str = ""


def spectrum_lines(found: Decomposition, width: int, height: int) -> list[Line]:
    """The head and below it the figures beside the singular values."""
    spectrum = found.spectrum
    left: list[Part] = [(" spectrum", "accent")]
    if found.error:
        return [[*left, (cut(f"  {found.error}", width - width_of(left)), "error")]]
    if spectrum is None:
        return [spread(left, [(f"singular values of {shape_text(found.tensor.shape)} … {found.part:.0%} ", "dim")], width)]
    left.append((cut(f"  {spectrum.method}", width - width_of(left)), "dim" if spectrum.exact else "badge"))
    values = spectrum.values
    entries = spectrum_figures(spectrum)[: height - 1]
    wide = max(len(text) for _, text in entries)
    start = 1 + 14 + 2 + wide + GAP
    drawn = _bars([float(value) for value in values], width - start - 1, height - 2)
    lines: list[Line] = [left]
    for row in range(height - 1):
        line: list[Part] = []
        if row < len(entries):
            word, text = entries[row]
            line = [(f" {word:<14}", "dim"), (f"  {text:>{wide}}", "value")]
        line.append((" " * (start - width_of(line)), "text"))
        if row < len(drawn):
            line.append((drawn[row], "class"))
        elif row == height - 2 and drawn:
            line.append((f"{'1st':<{max(len(drawn[0]) - 6, 3)}}{len(values):>6,}", "dim"))
        lines.append(line)
    return lines


def _bars(values: list[float], width: int, height: int) -> list[str]:
    """Singular values by their logarithms, `DECADES` powers of ten high, in at most `width` columns."""
    if width < 1 or height < 1 or not values or not values[0] > 0:
        return []
    columns = min(width, len(values))
    sizes = []
    for column in range(columns):
        value = values[column * len(values) // columns]
        power = math.log10(value / values[0]) if value > 0 else -math.inf
        sizes.append(max(0, round(8 * height * (1 + max(power, -DECADES) / DECADES))))
    stretch = max(1, min(width // columns, 4))
    levels = range(height - 1, -1, -1)
    return ["".join(EIGHTHS[max(0, min(8, size - 8 * level))] * stretch for size in sizes) for level in levels]
