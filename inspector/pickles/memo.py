"""A pickle's memo, in which what a pattern has skipped is made when somebody asks for it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.pickles.machine import Machine


class Memo(dict[int, Any]):
    """What a pickle remembers, by number; `below` lends its own.

    What was skipped stands in rows, in the order of the numbers: the first and last one, where the opcodes begin that
    make them one by one, and the object that is the last one.
    """

    def __init__(self, machine: Machine, below: Memo | None = None) -> None:
        super().__init__()
        self.below = below
        self.machine = machine
        self._firsts = array("Q")
        self._lasts = array("Q")
        self._starts = array("Q")
        self._made: list[Any] = []
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

    def skip(self, first: int, last: int, start: int, made: Any) -> None:
        """Notes that the opcodes from `start` on make the entries from `first` to `last`, which is `made`."""
        self._firsts.append(first)
        self._lasts.append(last)
        self._starts.append(start)
        self._made.append(made)
        self._hidden += last - first + 1
        self._free = last + 1

    def __missing__(self, index: int) -> Any:
        """Makes a skipped entry. Raises KeyError if there is none."""
        if self.below is not None:
            return self.below[index]
        at = bisect_right(self._firsts, index) - 1
        if at < 0 or index > self._lasts[at]:
            raise KeyError(index)
        made = {self._lasts[at]: self._made[at]}
        if index not in made:
            made = self.machine.rerun(self._starts[at], self._lasts[at]) | made
        for key, value in made.items():
            if key not in self:
                self[key] = value
                self._hidden -= 1
        return made[index]
