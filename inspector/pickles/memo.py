"""A pickle's memo, in which what a pattern has skipped is made when somebody asks for it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import proxy

if TYPE_CHECKING:
    from inspector.pickles.machine import Machine


class Run(NamedTuple):
    """Objects that were read one after the other, each with `width` entries of which it is the last, from `first` on.

    `starts` is where the opcodes of each begin, which make those entries one by one; `made` are the objects.
    """

    first: int
    width: int
    starts: list[int]
    made: list[Any]


class Memo(dict[int, Any]):
    """What a pickle remembers, by number; `below` lends its own. What was skipped stands in runs."""

    def __init__(self, machine: Machine, below: Memo | None = None) -> None:
        super().__init__()
        self.below = below
        # No cycle: all that a pickle made on its way would wait for the garbage collector.
        self.machine = proxy(machine)
        self._firsts: list[int] = []
        self._runs: list[Run] = []
        self._hidden = 0
        self._free = 0
        self._looked = 0

    def __len__(self) -> int:
        return super().__len__() + self._hidden

    def free(self) -> int:
        """A number from which on there is no entry."""
        stored = super().__len__()
        if stored > self._looked:
            # What came since stands at the end of a dict.
            self._free = max(self._free, 1 + max(islice(reversed(self), stored - self._looked)))
            self._looked = stored
        return self._free

    def skip(self, run: Run) -> None:
        """Notes what was skipped; its entries follow on all others."""
        self._firsts.append(run.first)
        self._runs.append(run)
        entries = run.width * len(run.made)
        self._hidden += entries
        self._free = run.first + entries

    def __missing__(self, index: int) -> Any:
        """Makes a skipped entry. Raises KeyError if there is none."""
        if self.below is not None:
            return self.below[index]
        at = bisect_right(self._firsts, index) - 1
        if at < 0:
            raise KeyError(index)
        first, width, starts, objects = self._runs[at]
        number = (index - first) // width
        if number >= len(objects):
            raise KeyError(index)
        last = first + (number + 1) * width - 1
        made = {last: objects[number]}
        if index != last:
            made = self.machine.rerun(starts[number], last) | made
        for key, value in made.items():
            if key not in self:
                self[key] = value
                self._hidden -= 1
        return made[index]
