"""The nodes that a filter runs over, all at once: their names, and their fields as columns, made when first asked for.

A test of a filter says `NO`, `UNKNOWN` or `YES` of each node. As bits these are the three values of Kleene's logic:
`&` is "and", `|` is "or".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from inspector.nodes import Module, Node
from inspector.query.name_tests import Test

if TYPE_CHECKING:
    import numpy as np

    States = np.ndarray[Any, np.dtype[np.uint8]]
    """`NO`, `UNKNOWN` or `YES` for each node of a table."""

    Chosen = np.ndarray[Any, np.dtype[np.bool_]]
    """Whether it is this one, for each node of a table."""

NO, UNKNOWN, YES = 0, 1, 3

BLOCK = 1 << 14
"""Nodes between two calls of `progress`."""

Get = Callable[[Any], Any]
"""A field of a node, None where it has none or that is not known."""

Fits = Callable[[Any], object]
"""Whether a value fits."""


class Table:
    """Some `nodes` with their dotted `names`; `small` are these in small letters, where somebody has them already."""

    def __init__(self, nodes: Sequence[Node], names: Sequence[str], small: Sequence[str] | None = None) -> None:
        self.nodes = nodes
        self.names = names
        self.small = small if small is not None else [name.lower() for name in names]
        self.progress: Callable[[float], None] = lambda part: None
        """Called again and again while a test runs, with the part of 1 that is done."""
        self._numbers: np.ndarray[Any, Any] | None = None
        self._columns: dict[str, tuple[np.ndarray[Any, Any], list[Any]]] = {}

    def __len__(self) -> int:
        return len(self.nodes) if self._numbers is None else len(self._numbers)

    def only(self, chosen: Chosen) -> Table:
        """The same of the chosen ones of its nodes."""
        if chosen.all():
            return self
        table = copy(self)
        table._numbers = chosen.nonzero()[0] if self._numbers is None else self._numbers[chosen]
        return table

    def all(self, state: int) -> States:
        """The same state for every node."""
        import numpy as np

        return np.full(len(self), state, np.uint8)

    def named(self, test: Test) -> States:
        """Which names fit."""
        import numpy as np

        states = self.all(NO)
        for part in self._blocks():
            texts = self._picked(self.names, part)
            fitting = test(texts, texts if self.small is self.names else self._picked(self.small, part))
            states[part] = np.frombuffer(bytes(fitting), np.uint8) * YES
        return states

    def each(self, get: Get, fits: Fits) -> States:
        """Whether a field that `get` gives fits, got from each node anew; where it gives None, that is unknown."""
        states = self.all(UNKNOWN)
        for part in self._blocks():
            values = map(get, self._picked(self.nodes, part))
            states[part] = [UNKNOWN if value is None else YES if fits(value) else NO for value in values]
        return states

    def column(self, field: str, get: Get, fits: Fits) -> States:
        """The same for a field that stays as it is: it is got once, and each of its few different values tested once."""
        import numpy as np

        if field not in self._columns:
            self._columns[field] = self._made(get)
        codes, values = self._columns[field]
        of_values = np.array([UNKNOWN, *(YES if fits(value) else NO for value in values[1:])], np.uint8)
        states: States = of_values[codes if self._numbers is None else codes[self._numbers]]
        return states

    def negated(self, states: States) -> States:
        """The opposite: of modules it is unknown, since what fits is shown with all that is below it."""
        import numpy as np

        opposite: States = np.array([YES, UNKNOWN, NO, NO], np.uint8)[states]
        opposite[self.column("module", lambda node: isinstance(node, Module), bool) == YES] = UNKNOWN
        return opposite

    def _blocks(self) -> Iterator[slice]:
        for start in range(0, len(self), BLOCK):
            self.progress(start / len(self))
            yield slice(start, start + BLOCK)

    def _picked(self, entries: Sequence[Any], part: slice) -> Sequence[Any]:
        if self._numbers is None:
            return entries[part]
        return [entries[number] for number in self._numbers[part].tolist()]

    def _made(self, get: Get) -> tuple[np.ndarray[Any, Any], list[Any]]:
        """For every node, chosen or not, the number of its value; and the values, the first of which is None."""
        import numpy as np

        numbers: dict[Any, int] = {None: 0}
        codes = np.empty(len(self.nodes), np.uint32)
        for start in range(0, len(codes), BLOCK):
            self.progress(start / len(codes))
            values = map(get, self.nodes[start : start + BLOCK])
            codes[start : start + BLOCK] = [numbers.setdefault(value, len(numbers)) for value in values]
        return codes, list(numbers)


TableTest = Callable[[Table], "States"]
"""What a filter says of each node of a table."""
