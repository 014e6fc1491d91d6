"""What is wrong with a file, each problem with the tensors that it hits; one of them can be gone to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inspector.nodes import Tensor
from tui.figures import plural
from tui.lines import Line, cut_middle, safe, wrap
from tui.messages import Record
from tui.screens.pages import PageScreen
from tui.widgets.pick_list import PickList

LONGEST = 2000
"""Characters of a problem that are shown."""

Problem = tuple[str, Sequence[Tensor]]
"""What is wrong, and with which tensors; with none of them where it is the file's own."""


class ProblemList(PickList):
    """Problems, below each the names of its tensors; then the remarks."""

    class Picked(Record):
        """Whom a problem hits is to be shown: a tensor, or what stands under the name before the colon of `text`."""

        tensor: Tensor | None
        text: str

    def __init__(self, problems: Sequence[Problem], remarks: Sequence[str]) -> None:
        super().__init__()
        self._problems = problems
        self._remarks = remarks
        self._rows: list[tuple[Line, str, Tensor | None]] = []

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self._rows)

    def on_resize(self) -> None:
        """Wrap the texts for another width."""
        width = self.size.width - 1
        self._rows = []
        for text, tensors in self._problems:
            count: Line = [(f"  {plural(len(tensors), 'tensor')}", "dim")] if tensors else ()
            first = tensors[0] if tensors else None
            self._rows += [(line, text, first) for line in wrap([(safe(text, LONGEST), "error"), *count], width, 2)]
            self._rows += [((), text, tensor) for tensor in tensors]
        for text in self._remarks:
            self._rows += [(line, "", None) for line in wrap([(safe(text, LONGEST), "text")], width, 2)]
        self.refresh()

    def line(self, row: int, width: int) -> Line:
        """A line of a problem, or the name of a tensor."""
        line, _, tensor = self._rows[row]
        if line or tensor is None:
            return line
        return [("    ", "text"), (cut_middle(safe(tensor.name) or "the tensor", width - 4), "text")]

    def pick(self, row: int) -> None:
        """Say whom the problem hits."""
        _, text, tensor = self._rows[row]
        self.post_message(self.Picked(tensor, text))


class ProblemsScreen(PageScreen):
    """The problems of a file, then what is odd but no damage; it is left with what was picked."""

    def __init__(self, problems: Sequence[Problem], remarks: Sequence[str], changed_keys: Mapping[str, str]) -> None:
        title = plural(len(problems), "problem") if problems else "no problems"
        if remarks:
            title += f", {plural(len(remarks), 'remark')}"
        super().__init__(title, ProblemList(problems, remarks), changed_keys)

    def on_problem_list_picked(self, event: ProblemList.Picked) -> None:
        """Leave."""
        self.leave(event)
