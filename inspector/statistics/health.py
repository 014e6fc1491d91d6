"""Is every tensor of a file alive and sane: one look at all of them, and what there is to find."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, cast

from inspector import dtypes
from inspector.checkpoint import Checkpoint
from inspector.errors import InspectorError, visible
from inspector.naming import is_optimizer
from inspector.nodes import Node, Tensor
from inspector.statistics import Statistics, crew, depth, second_look

Kind = Literal["nan", "inf", "exploding", "unread", "dead rows", "dead columns", "zero", "constant"]

KINDS: tuple[Kind, ...] = ("nan", "inf", "exploding", "unread", "dead rows", "dead columns", "zero", "constant")
"""What can be found, the worst first."""

EXPLODING = 10.0
"""How many times the median of its siblings a tensor's largest magnitude or deviation is to be called exploding."""

SIBLINGS = 4
"""Siblings of the same shape from which they are compared."""

SHORTEST = 4
"""Elements of a row or column from which it can be dead."""

NAMED = 5
"""Dead rows that are named."""

Index = tuple[int, ...]

Progress = Callable[["Health"], None]
"""Hears the state of things again and again; may raise to stop."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a tensor, in a line; `index` is that of the first cell that shows it, where there is one."""

    node: Tensor
    kind: Kind
    text: str
    index: Index | None = None


class Health:
    """The health of all tensors of a file, known as far as `run` came.

    `findings` are in the file's order; `marks` has the worst finding at or below each node that has any; `statistics`
    those of each tensor that was counted, without histograms. `done` of `total` bytes were counted, in `seconds`;
    `last` is the tensor that was last.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.tensors = list(checkpoint.tensors())
        self.total = crew.total(self.tensors)
        self.done = 0
        self.seconds = 0.0
        self.last: Tensor | None = None
        self.statistics: dict[Tensor, Statistics] = {}
        self.findings: list[Finding] = []
        self.marks: dict[Node, Finding] = {}

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float:
        """Seconds that are left, if it goes on so; infinity before anything is known."""
        return (self.total - self.done) / self.rate if self.rate else float("inf")

    def run(self, progress: Progress | None = None, *, here: bool = True) -> None:
        """Counts every tensor in the file's order; where it is stopped by `progress`, what is known stays.

        `here` says whether this process counts too, as in `crew.figures`.
        """
        start = time.monotonic()

        def tell(nbytes: int) -> None:
            self.done += nbytes
            self.seconds = time.monotonic() - start
            if progress is not None:
                progress(self)

        counting = crew.figures(self.checkpoint, self.tensors, tell, here=here)
        try:
            for tensor, result in counting:
                self.last = tensor
                for finding in self._examine(tensor, result, lambda: tell(0)):
                    self._add(finding)
        finally:
            counting.close()
            for finding in exploding(self.checkpoint.root, self.statistics):
                self._add(finding)
            order = {tensor: place for place, tensor in enumerate(self.tensors)}
            self.findings.sort(key=lambda finding: (order[finding.node], KINDS.index(finding.kind)))

    def _examine(self, tensor: Tensor, result: Statistics | InspectorError, tick: Callable[[], None]) -> list[Finding]:
        if isinstance(result, InspectorError):
            return unread(tensor, result)
        self.statistics[tensor] = result
        return examine(tensor, result, tick)

    def _add(self, finding: Finding) -> None:
        self.findings.append(finding)
        node: Node | None = finding.node
        while node is not None:
            worst = self.marks.get(node)
            if worst is None or KINDS.index(finding.kind) < KINDS.index(worst.kind):
                self.marks[node] = finding
            node = node.parent


def examine(tensor: Tensor, statistics: Statistics, tick: Callable[[], None] = lambda: None) -> list[Finding]:
    """What is wrong with one tensor by itself; where it is is looked for in its values, with `tick` called meanwhile.

    Integers and truth values may be anything. Raises what `window.read` raises.
    """
    found: list[Finding] = []
    if statistics.nan:
        place = second_look.first_nan(tensor, tick)
        found.append(Finding(tensor, "nan", f"{statistics.nan:,} NaN{_first(place)}", place))
    if statistics.inf:
        place = second_look.first_inf(tensor, tick)
        found.append(Finding(tensor, "inf", f"{statistics.inf:,} Inf{_first(place)}", place))
    if dtypes.DTYPES[tensor.dtype].family in ("integer", "bool", "bits") or statistics.count < 2:
        return found
    if statistics.zero == statistics.count:
        found.append(Finding(tensor, "zero", f"all {statistics.count:,} elements are zero"))
    elif statistics.constant:
        found.append(Finding(tensor, "constant", f"all {statistics.count:,} elements are {statistics.min:.6g}"))
    elif _may_have_dead(tensor, statistics):
        rows, columns = second_look.dead(tensor, tick)
        for axis, (kind, places) in enumerate((("dead rows", rows), ("dead columns", columns))):
            # An element or two may be zero by chance.
            if places and statistics.count // tensor.shape[axis] >= SHORTEST:
                index = tuple(places[0] if at == axis else 0 for at in range(len(tensor.shape)))
                found.append(Finding(tensor, cast(Kind, kind), _dead(kind, places, tensor.shape[axis]), index))
    return found


def unread(tensor: Tensor, error: InspectorError) -> list[Finding]:
    """What there is to say of a tensor that can't be read; nothing of one that was saved without values on purpose."""
    without = tensor.device == "meta" or tensor.traits.layout == "uninitialized"
    return [] if without else [Finding(tensor, "unread", str(error))]


def exploding(root: Node, statistics: Mapping[Tensor, Statistics]) -> list[Finding]:
    """The tensors of repeated layers that are `EXPLODING` times as large as the median of those of their name and shape.

    An optimizer's state is left out: its tensors differ by more than that from layer to layer.
    """
    found: list[Finding] = []
    for family in depth.families(root):
        if any(is_optimizer(node) for node in (family.parent, *family.parent.path)):
            continue
        for name, members in family.tensors.items():
            alike: dict[tuple[int, ...], list[Tensor]] = {}
            for tensor in members:
                if tensor is not None and tensor in statistics and statistics[tensor].finite:
                    alike.setdefault(tensor.shape, []).append(tensor)
            for tensors in alike.values():
                found += _exploding(f"{family.name}.{name}", tensors, statistics)
    return found


def _exploding(name: str, tensors: Sequence[Tensor], statistics: Mapping[Tensor, Statistics]) -> Iterator[Finding]:
    told: set[Tensor] = set()
    for figure, words in (("abs_max", "largest magnitude"), ("std", "deviation")) if len(tensors) >= SIBLINGS else ():
        sizes = {tensor: getattr(statistics[tensor], figure) for tensor in tensors}
        usual = median(sizes.values())
        for tensor, size in sizes.items():
            if 0 < EXPLODING * usual <= size and tensor not in told:
                told.add(tensor)
                text = (
                    f"the {words} {size:.4g} is {size / usual:.3g} times the median of the {len(tensors)} {visible(name)}"
                )
                yield Finding(tensor, "exploding", text)


def _may_have_dead(tensor: Tensor, statistics: Statistics) -> bool:
    if len(tensor.shape) < 2 or tensor.traits.layout != "strided" or 0 in tensor.stride:
        return False
    return statistics.zero >= statistics.count // max(tensor.shape[:2])


def _dead(kind: str, places: Sequence[int], size: int) -> str:
    named = ", ".join(map(str, places[:NAMED])) + (", …" if len(places) > NAMED else "")
    return f"{len(places):,} of {size:,} {kind.removeprefix('dead ')} are all zero: {named}"


def _first(place: Index | None) -> str:
    return f", the first at {list(place)}" if place is not None else ""
