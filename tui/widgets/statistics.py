"""The strip with the statistics of the tensor under the cursor: figures at the left, their histogram at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual.reactive import Reactive
from textual.strip import Strip

from tui.figures import short_size
from tui.lines import Line, Part, cells, cut, spread, strip, width_of
from tui.summary import all_figures, exactness
from tui.widgets.histogram import histogram_lines
from tui.widgets.spectrum import Decomposition, spectrum_lines
from tui.widgets.whole_lines import WholeLines

if TYPE_CHECKING:
    from inspector.nodes import Tensor
    from inspector.statistics import Statistics

GAP = 3
"""Columns between the columns of figures."""

HISTOGRAM = 30
"""Columns that the histogram has at least, before figures are left out for it."""

TALL = 14
"""Rows from which all figures stand above the histogram."""

LEAST_BARS = 5
"""Rows that the histogram has below them at least, with a gap."""

BAD = ("NaN", "+Inf", "-Inf")
"""Figures that should be 0."""

Entry = tuple[str, str, str]
"""A word, its figure, and the role of that."""


class Count(NamedTuple):
    """What is known of a tensor: its `statistics` so far; `part` of it is counted, at `rate` bytes a second."""

    tensor: Tensor
    statistics: Statistics | None = None
    part: float = 0.0
    rate: float = 0.0
    error: str = ""

    @property
    def done(self) -> bool:
        """Whether all of it is counted."""
        return self.part >= 1


class StatisticsPanel(WholeLines):
    """Shows a `Count` or a `Decomposition`; without either it is empty.

    `log_counts` lets the bars be as high as the logarithms of their counts.
    """

    has_focus: Reactive[bool] = Reactive(False, repaint=False)

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.log_counts = False
        self.count: Count | None = None
        self.spectrum: Decomposition | None = None
        self._lines: list[Line] | None = None

    def show(self, count: Count | None) -> None:
        """Show what is known now, or nothing."""
        if count is not self.count:
            self.count = count
            self.redraw()

    def decompose(self, found: Decomposition | None) -> None:
        """Show what is known of a spectrum in the place of the statistics, or them again."""
        if found is not self.spectrum:
            self.spectrum = found
            self.redraw()

    def redraw(self) -> None:
        """Make the lines again."""
        self._lines = None
        self.refresh()

    @property
    def text(self) -> str:
        """All that is shown."""
        return "\n".join("".join(text for text, _ in line) for line in self._made())

    def on_resize(self) -> None:
        """Fit into the new size."""
        self.redraw()

    def render_line(self, y: int) -> Strip:
        """One line of it."""
        lines = self._made()
        return strip(lines[y] if y < len(lines) else (), self.size.width, self.colours, self.base)

    def _made(self) -> list[Line]:
        if self._lines is None:
            width, height = self.size
            if self.spectrum is not None:
                self._lines = spectrum_lines(self.spectrum, width, height)
            else:
                self._lines = [] if self.count is None else panel_lines(self.count, width, height, self.log_counts)
        return self._lines


def panel_lines(count: Count, width: int, height: int, log: bool) -> list[Line]:
    """The head and, below it, as many figures as have room beside the histogram."""
    statistics = count.statistics
    lines: list[Line] = [head_line(count, width, log)]
    if statistics is None:
        return lines
    rows = height - 1
    found = entries(statistics, count.done)
    if rows >= TALL:
        table = _table(found, rows - LEAST_BARS, width, even=True)
        drawn = histogram_lines(statistics, width - 2, rows - len(table) - 1, log)
        lines += [*table, ()]
        lines += [[(" ", "text"), *bar] for bar in drawn]
        return lines
    left = _table(found, rows, max(width - HISTOGRAM - GAP, 0))
    taken = max(map(width_of, left), default=0)
    # Where there is room, the histogram stands below the right half of the screen.
    start = max(taken + GAP, min(width // 2 + 2, width - 2 * HISTOGRAM))
    right = histogram_lines(statistics, width - start - 1, rows, log)
    for row in range(rows):
        figures = list(left[row]) if row < len(left) else []
        bars = list(right[row]) if row < len(right) else []
        lines.append([*figures, (" " * (start - width_of(figures)), "text"), *bars])
    return lines


def head_line(count: Count, width: int, log: bool) -> Line:
    """What is shown, how exact it is, what is wrong with the tensor; at the right how far the count is."""
    left: list[Part] = [(" statistics", "accent")]
    statistics = count.statistics
    if count.error:
        return [*left, (cut(f"  {count.error}", max(width - width_of(left), 0)), "error")]
    if statistics is None:
        return spread(left, [("counting … ", "dim")], width)
    for word, found in (("NaN", statistics.nan), ("+Inf", statistics.posinf), ("-Inf", statistics.neginf)):
        if found:
            left.append((f"  {word} {found:,}", "error"))
    if count.done:
        facts: list[Part] = [(f"  {exactness(statistics)}", "dim"), (f"  {statistics.count:,} elements", "dim")]
    else:
        facts = [("  so far", "badge"), (f"  of {statistics.count:,} elements", "badge")]
    if statistics.parts:
        facts.insert(1, ("  magnitudes |x|", "class"))
    right: list[Part] = [("log counts ", "badge")] if log else []
    if not count.done:
        right += [(f"{count.part:.0%} ", "dim"), *([(f"{short_size(int(count.rate))}/s ", "dim")] if count.rate else [])]
    for fact in facts:
        if width_of(left) + width_of([fact]) + width_of(right) < width:
            left.append(fact)
    return spread(left, right, width)


def entries(statistics: Statistics, done: bool) -> list[Entry]:
    """All figures, the foremost first; those of a count that goes on are drawn as such."""
    role = "value" if done else "dim"
    return [(word, text, "error" if word in BAD and text != "0" else role) for word, text in all_figures(statistics)]


def _table(found: list[Entry], rows: int, width: int, even: bool = False) -> list[Line]:
    """The entries in columns, one below the other: as many columns as have room, of `rows` or, if `even`, of fewer."""
    for shorter in range(1, rows) if even else ():
        table, complete = _columns(found, shorter, width)
        if complete:
            return table
    return _columns(found, max(rows, 1), width)[0]


def _columns(found: list[Entry], rows: int, width: int) -> tuple[list[Line], bool]:
    """The entries in columns of so many rows, and whether there is room for all of them."""
    lines: list[list[Part]] = [[] for _ in range(min(rows, len(found)))]
    for first in range(0, len(found), rows):
        column = found[first : first + rows]
        word_width = max(cells(word) for word, _, _ in column)
        figure_width = max(cells(text) for _, text, _ in column)
        gap = GAP if first else 1
        if width_of(lines[0]) + gap + word_width + 2 + figure_width > width:
            return list(lines), False
        for line, (word, text, role) in zip(lines, column, strict=False):
            line += [(f"{' ' * gap}{word:<{word_width}}", "dim"), (f"  {text:>{figure_width}}", role)]
    return list(lines), True
