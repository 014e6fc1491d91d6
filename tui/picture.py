"""What a heat map draws: a picture of numbers, and which elements each of its points stands for. No widget, no thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tui.number_format import usual_peak
from tui.summary import figure

if TYPE_CHECKING:
    import numpy as np

    from inspector.nodes import Tensor
    from inspector.statistics.heat import Heat, Heating
    from inspector.window.page import Index, Page

    Array = np.ndarray[Any, Any]

Quantity = Literal["peak", "mean", "bad"]

QUANTITIES: dict[Quantity, str] = {
    "peak": "largest |x|",
    "mean": "mean",
    "bad": "NaN and Inf",
}

LARGEST_KERNEL = 16
"""Elements along an axis up to which the last two axes of a tensor are a kernel."""

LARGEST_POINT = 6
"""Points of the terminal along each side of an element at most, where there is room for more."""

Make = Callable[[], "Picture"]

Progress = Callable[[float, Make], None]
"""Hears which part is done, and how to get what is known so far."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Cells of numbers: `layers` has a 2-D array for each quantity, NaN where there is nothing to draw.

    `bad` counts what is not finite in each cell, and each is drawn `magnified` points wide and high. `what` says what
    the cells are; `describe` tells of one in a line, and `index` is that of its first element.
    """

    layers: dict[Quantity, Array]
    bad: Array
    magnified: int
    what: str
    describe: Callable[[int, int], str]
    index: Callable[[int, int], Index]

    @property
    def shape(self) -> tuple[int, int]:
        """How many cells there are below and beside each other."""
        height, width = self.bad.shape
        return height, width

    def is_cell(self, row: int, column: int) -> bool:
        """Whether there are elements at a place: between the kernels of a convolution there are none."""
        import numpy as np

        return bool(self.bad[row, column]) or not np.isnan(self.layers["peak"][row, column])

    def peak(self, quantity: Quantity) -> float:
        """The magnitude of a quantity that is drawn strongest; a few larger ones do not make all others pale."""
        values = self.layers[quantity]
        if quantity != "bad":
            return usual_peak(values)
        return float(values[values == values].max(initial=0))


def is_convolution(tensor: Tensor) -> bool:
    """Whether a tensor is a weight of small kernels: `[out, in, height, width]`."""
    shape = tensor.shape
    return len(shape) == 4 and all(1 < size <= LARGEST_KERNEL for size in shape[2:]) and 0 not in shape


def whole(tensor: Tensor, page: Page, height: int, width: int, progress: Progress) -> Picture:
    """A page reduced to at most `height` x `width` points, told again and again while it is read.

    Raises what `window.read` raises, and what `progress` does.
    """
    from inspector.statistics.heat import heat

    def tell(part: float, heating: Heating) -> None:
        progress(part, lambda: _of(heating.result(), page, height, width))

    return _of(heat(tensor, page, height, width, tell), page, height, width)


def _of(heat: Heat, page: Page, height: int, width: int) -> Picture:
    bad = heat.nan + heat.inf
    rows, columns = heat.rows, heat.columns

    def describe(row: int, column: int) -> str:
        down, across = rows[row + 1] - rows[row], columns[column + 1] - columns[column]
        if down == across == 1:
            index = ", ".join(map(str, page.index(rows[row], columns[column])))
            return f"[{index}] {figure(float(heat.peak[row, column]))}"
        counts = (("NaN", int(heat.nan[row, column])), ("Inf", int(heat.inf[row, column])))
        facts = [f"{count:,} {word}" for word, count in counts if count]
        facts += [f"largest {figure(float(heat.peak[row, column]))}", f"mean {figure(float(heat.mean[row, column]))}"]
        place = f"[{rows[row]}:{rows[row + 1]}, {columns[column]}:{columns[column + 1]}]"
        return f"{place} {', '.join(facts)}"

    def index(row: int, column: int) -> Index:
        return page.index(rows[row], min(columns[column], page.row_width(rows[row]) - 1))

    down, across = (max(1, (edges[-1] - edges[0]) // (len(edges) - 1)) for edges in (rows, columns))
    what = f"{'an element' if down == across == 1 else f'{down} x {across}'} a cell"
    magnified = max(1, min(height // max(bad.shape[0], 1), width // max(bad.shape[1], 1), LARGEST_POINT))
    layers: dict[Quantity, Array] = {"peak": heat.peak, "mean": heat.mean, "bad": bad.astype("float64")}
    return Picture(layers, bad, magnified, what, describe, index)


def close(tensor: Tensor, page: Page, centre: tuple[int, int], height: int, width: int) -> Picture:
    """The elements of a page around one of them, a point for each, as many as have room.

    Raises what `window.read` raises.
    """
    import numpy as np

    from inspector import window
    from inspector.statistics.heat import Heat

    sizes = (page.height, page.width)
    starts = [
        max(0, min(at - room // 2, size - room)) for at, room, size in zip(centre, (height, width), sizes, strict=True)
    ]
    part = page.window(range(starts[0], starts[0] + height), range(starts[1], starts[1] + width))
    values = np.asarray(window.read(tensor, part.selection))
    values = np.abs(values) if values.dtype.kind == "c" else values
    side = len(part.rows), len(part.columns)
    # The last row of a wrapped axis may be short.
    block = np.full(side[0] * side[1], np.nan)
    block[: values.size] = (values.T if part.transposed else values).astype(np.float64).reshape(-1)
    exists = (np.arange(block.size) < values.size).reshape(side)
    block = block.reshape(side)
    nan, inf = (np.isnan(block) & exists).astype(np.int64), np.isinf(block).astype(np.int64)
    shown = np.where(np.isfinite(block), block, np.nan)
    edges = [[*span, span.stop] for span in (part.rows, part.columns)]
    return _of(Heat(shown, shown, nan, inf, *edges), page, height, width)


def kernels(tensor: Tensor, first: tuple[int, int], height: int, width: int) -> Picture:
    """The kernels of a convolution from `first` (output, input) on, as many as have room, each with a gap behind it.

    Raises what `window.read` raises.
    """
    import numpy as np

    from inspector import window

    high, wide = tensor.shape[2:]
    many = tensor.shape[0], tensor.shape[1]
    counts = [
        max(1, min(total - start, room // (size + 1)))
        for total, start, room, size in zip(many, first, (height, width), (high, wide), strict=True)
    ]
    spans = [slice(start, start + count) for start, count in zip(first, counts, strict=True)]
    values = np.asarray(window.read(tensor, (*spans, slice(None), slice(None))))
    values = np.abs(values) if values.dtype.kind == "c" else values
    padded = np.pad(values.astype(np.float64), ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=0)
    exists = np.pad(np.ones(values.shape, bool), ((0, 0), (0, 0), (0, 1), (0, 1)))
    side = counts[0] * (high + 1), counts[1] * (wide + 1)
    image = padded.transpose(0, 2, 1, 3).reshape(side)
    there = exists.transpose(0, 2, 1, 3).reshape(side)
    finite = np.isfinite(image)
    bad = (~finite & there).astype(np.int64)
    shown = np.where(finite & there, image, np.nan)

    def index(row: int, column: int) -> Index:
        (out, down), (into, across) = divmod(row, high + 1), divmod(column, wide + 1)
        return first[0] + out, first[1] + into, min(down, high - 1), min(across, wide - 1)

    def describe(row: int, column: int) -> str:
        out, into, down, across = index(row, column)
        kernel = values[out - first[0], into - first[1]].astype(np.float64)
        value, norm = figure(float(kernel[down, across])), figure(float(np.sqrt(np.square(kernel).sum())))
        return f"[{out}, {into}, {down}, {across}] {value}, norm of this kernel {norm}"

    what = f"kernels [{first[0]}:{first[0] + counts[0]}, {first[1]}:{first[1] + counts[1]}] of {many[0]} x {many[1]}"
    layers: dict[Quantity, Array] = {"peak": shown, "mean": shown, "bad": np.where(there, bad, np.nan)}
    magnified = max(1, min(height // side[0], width // side[1], LARGEST_POINT))
    return Picture(layers, bad, magnified, what, describe, index)
