"""One parameter of repeated layers against their depth: a line of blocks for each figure, and a table of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tui.blocks import NOT_FINITE, OVER_DEPTH, UNKNOWN, over_depth, range_over_depth
from tui.figures import shape_text
from tui.lines import Line, Part, cut, safe
from tui.messages import Record
from tui.summary import figure
from tui.widgets.pick_list import PickList

if TYPE_CHECKING:
    from inspector.nodes import Node
    from inspector.statistics.depth import Row

WORD = 9
"""Columns of a word before a line of blocks, and of a layer's number."""

FIGURE = 11
"""Columns of a figure."""


class Depth(NamedTuple):
    """What is to be shown: the layers' `rows` of a parameter, `part` of whose figures are counted; or, of a module, its
    parameters as `listed`: each with its node and what is said of it, empty if all layers are alike."""

    rows: Sequence[Row] = ()
    part: float = 1.0
    listed: Sequence[tuple[str, Node, str]] = ()


class DepthView(PickList):
    """Shows a `Depth`; a layer or a parameter of it can be picked."""

    class Picked(Record):
        """A layer's tensor, or a parameter of all layers, is to be gone to."""

        node: Node

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[tuple[Line, Node | None]] = []

    @property
    def text(self) -> str:
        """All lines as one text."""
        return "\n".join("".join(text for text, _ in line) for line, _ in self._lines)

    def show(self, depth: Depth, again: bool = False) -> None:
        """Show something else, or, `again`, more of the same."""
        self._lines = depth_lines(depth)
        if not again:
            self.cursor = self.top = 0
        self.refresh()

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    def line(self, row: int, width: int) -> Line:
        """A line."""
        return self._lines[row][0]

    def pick(self, row: int) -> None:
        """Say what stands in the line."""
        node = self._lines[row][1]
        if node is not None:
            self.post_message(self.Picked(node))


def depth_lines(depth: Depth) -> list[tuple[Line, Node | None]]:
    """All lines, each with the node that it is about."""
    if depth.listed:
        return [
            ([(f" {safe(name)}", "text"), (f"  {safe(said)}", "error") if said else (shape_of(node), "dim")], node)
            for name, node, said in depth.listed
        ]
    if not depth.rows:
        return []
    lines: list[tuple[Line, Node | None]] = []
    for name, word in OVER_DEPTH:
        lines.append(([(f" {word:<{WORD}}", "dim"), *_blocks(depth.rows, name)], None))
    counting = f"counting {depth.part:.0%} …" if depth.part < 1 else ""
    heads = "".join(f"{word:>{FIGURE}}" for _, word in OVER_DEPTH)
    lines += [([(f" {counting}", "badge")], None), ([(f" {'layer':<{WORD}}{heads}", "dim")], None)]
    for row in depth.rows:
        lines.append((_row(row), row.tensor))
    return lines


def shape_of(node: Node) -> str:
    """Dtype and shape of a tensor, empty for what is none."""
    from inspector.nodes import Tensor

    return f"  {safe(node.dtype)} {shape_text(node.shape)}" if isinstance(node, Tensor) else ""


def _blocks(rows: Sequence[Row], name: str) -> list[Part]:
    """A block for each layer; those of outliers stand out."""
    roles = {UNKNOWN: "dim", NOT_FINITE: "error"}
    parts: list[Part] = [
        (block, roles.get(block, "error" if name in row.outliers else "class"))
        for row, block in zip(rows, over_depth(rows, name), strict=True)
    ]
    known = range_over_depth(rows, name)
    return [*parts, (f"  {known}" if known else "", "dim")]


def _row(row: Row) -> Line:
    """A layer with its figures, and what is special about it."""
    line: list[Part] = [(f" {row.number:<{WORD}}", "strong" if row.outliers or row.unlike else "text")]
    for name, _ in OVER_DEPTH:
        if row.statistics is None:
            line.append((f"{UNKNOWN if row.tensor is not None else '':>{FIGURE}}", "dim"))
            continue
        value = getattr(row.statistics, name)
        text = f"{value:,}" if name == "zero" else figure(value)
        line.append((f"{cut(text, FIGURE - 1):>{FIGURE}}", "error" if name in row.outliers else "value"))
    notes = []
    for side in (1, -1):
        words = [word for name, word in OVER_DEPTH if side * row.outliers.get(name, 0) > 0]
        if words:
            notes.append(f"{'above' if side > 0 else 'below'} the others: {', '.join(words)}")
    if row.statistics is not None:
        counts = (("NaN", row.statistics.nan), ("Inf", row.statistics.inf))
        notes += [f"{count:,} {word}" for word, count in counts if count]
    if row.unlike:
        notes.append(row.unlike)
    return [*line, (f"  {safe(', '.join(notes))}", "error")] if notes else line
