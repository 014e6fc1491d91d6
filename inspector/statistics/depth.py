"""Repeated layers seen side by side: which they are, and one of their tensors across all of them against depth."""

from __future__ import annotations

import math
import re
import statistics as plain_statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from inspector.nodes import Module, Node, Tensor, Value
from inspector.statistics import Statistics

LEAST = 3
"""Layers from which they are a family."""

ALIKE = 0.5
"""The part of their tensors that layers of a family have in common at least."""

WINDOW = 5
"""Layers whose median is the trend at the one in the middle."""

FAR = 3.5
"""Robust deviations from the trend from which a layer is an outlier."""

VISIBLE = math.log(2)
"""What an outlier differs from the trend at least, as the logarithm of the ratio: less is no matter, however rare."""

STEADY = 0.02
"""The smallest deviation that is taken for usual, as the logarithm of a ratio: layers that are all alike have none."""

FIGURES = ("norm", "std", "abs_max")
"""What is compared with the trend over depth."""

EVERY = 4096
"""Modules between two calls of `tick`."""

Figures = Callable[[Tensor], Statistics | None]

_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})", re.DOTALL)


@dataclass(frozen=True)
class Family:
    """Numbered siblings of alike structure: `layers.0` to `layers.31` below `parent`, by number.

    `name` is what they are called without their numbers (`model.layers.*`).
    """

    parent: Node
    name: str
    members: tuple[tuple[int, Node], ...]

    @cached_property
    def tensors(self) -> dict[str, list[Tensor | None]]:
        """By names relative to a member and in the order of the file, each member's tensor, or None where it has none.

        A member that is a tensor itself has the empty name.
        """
        held = [dict(_tensors(member)) for _, member in self.members]
        names = dict.fromkeys(name for tensors in held for name in tensors)
        return {name: [tensors.get(name) for tensors in held] for name in names}


@dataclass(frozen=True, slots=True)
class Row:
    """One layer's tensor in a table over depth: its `statistics` if they are known, and what is special about it.

    `unlike` says how its shape or dtype differs from that of most layers, or is empty. `outliers` gives for each of
    `FIGURES` that is one how many robust deviations it is away from the trend.
    """

    number: int
    tensor: Tensor | None
    statistics: Statistics | None
    unlike: str
    outliers: dict[str, float]


def families(root: Node, tick: Callable[[], None] = lambda: None) -> list[Family]:
    """All families at or below `root`, the outer ones first. Layers without tensors are left out.

    `tick` is called again and again, and may raise to stop.
    """
    modules = _modules(root)
    made = _structures(modules, tick)
    found: list[Family] = []
    for parent in modules:
        children = parent.children
        if len(children) < LEAST:
            continue
        tick()
        numbered: dict[str, list[tuple[int, Node]]] = {}
        for child in children:
            match = _NUMBERED.fullmatch(child.label)
            if match is not None:
                numbered.setdefault(match[1], []).append((int(match[2]), child))
        for prefix, members in numbered.items():
            if len(members) >= LEAST:
                found += _families(parent, prefix, sorted(members, key=lambda member: member[0]), made)
    return found


def _modules(root: Node) -> list[Module]:
    """The modules at or below a node, in the file's order."""
    modules: list[Module] = []
    stack = [root] if isinstance(root, Module) else []
    while stack:
        module = stack.pop()
        modules.append(module)
        stack += [child for child in reversed(module.children) if isinstance(child, Module)]
    return modules


def _structures(modules: Sequence[Module], tick: Callable[[], None]) -> dict[Node, int]:
    """A number for each module, the same for those that hold tensors of the same names and axes in the same order."""
    made: dict[Node, int] = {}
    known: dict[tuple[tuple[str, int], ...], int] = {}
    for number, module in enumerate(reversed(modules)):
        if number % EVERY == 0:
            tick()
        # What tensors have is below 0.
        held = [
            (child.label, ~len(child.shape) if isinstance(child, Tensor) else made[child])
            for child in module.children
            if not isinstance(child, Value)
        ]
        made[module] = known.setdefault(tuple(held), len(known))
    return made


def _families(parent: Node, prefix: str, members: Sequence[tuple[int, Node]], made: Mapping[Node, int]) -> Iterator[Family]:
    """Numbered siblings in groups whose members are made alike: of a Sequential, the convolutions and the norms."""
    groups: list[tuple[frozenset[tuple[str, int]], list[tuple[int, Node]]]] = []
    # Most are made as another one was, and belong where that does.
    places: dict[int, list[tuple[int, Node]] | None] = {}
    for number, member in members:
        structure = ~len(member.shape) if isinstance(member, Tensor) else made.get(member)
        if structure is None:
            continue
        if structure not in places:
            places[structure] = _place(frozenset((name, len(tensor.shape)) for name, tensor in _tensors(member)), groups)
        place = places[structure]
        if place is not None:
            place.append((number, member))
    above = f"{parent.name}." if parent.name else ""
    for _, group in groups:
        if len(group) >= LEAST:
            yield Family(parent, f"{above}{prefix}*", tuple(group))


def _place(
    tensors: frozenset[tuple[str, int]], groups: list[tuple[frozenset[tuple[str, int]], list[tuple[int, Node]]]]
) -> list[tuple[int, Node]] | None:
    """The group for what has these tensors: an old one, a new one, or None for what has none."""
    if not tensors:
        return None
    for of_first, group in groups:
        if len(tensors & of_first) >= ALIKE * len(tensors | of_first):
            return group
    groups.append((tensors, []))
    return groups[-1][1]


def table(family: Family, parameter: str, figures: Figures) -> list[Row]:
    """One tensor of a family across its layers, against depth.

    The trend of a figure is the running median of its logarithm over `WINDOW` layers. A layer is an outlier where it
    lies more than `FAR` robust deviations (1.4826 times the median of the absolute differences) from the trend, as
    Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993) advise, and is twice or half of it at least.
    """
    numbers = [number for number, _ in family.members]
    tensors = list(zip(numbers, family.tensors[parameter], strict=True))
    known = {number: figures(tensor) for number, tensor in tensors if tensor is not None}
    usual = _most_common([(tensor.dtype, tensor.shape) for _, tensor in tensors if tensor is not None])
    outliers: dict[int, dict[str, float]] = {number: {} for number, _ in tensors}
    for figure in FIGURES:
        sizes = {number: getattr(result, figure) for number, result in known.items() if result is not None}
        for number, away in _away({number: size for number, size in sizes.items() if 0 < size < math.inf}).items():
            outliers[number][figure] = away
    return [Row(number, tensor, known.get(number), _unlike(tensor, usual), outliers[number]) for number, tensor in tensors]


def _away(sizes: dict[int, float]) -> dict[int, float]:
    """How many robust deviations the outliers among figures of layers are away from the trend over depth."""
    if len(sizes) < WINDOW:
        return {}
    logs = [math.log(size) for size in sizes.values()]
    half = WINDOW // 2
    trend = [plain_statistics.median(logs[max(0, at - half) : at + half + 1]) for at in range(len(logs))]
    rests = [log - middle for log, middle in zip(logs, trend, strict=True)]
    scale = max(1.4826 * plain_statistics.median(map(abs, rests)), STEADY)
    return {
        number: rest / scale
        for number, rest in zip(sizes, rests, strict=True)
        if abs(rest) > FAR * scale and abs(rest) >= VISIBLE
    }


def _most_common(made: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[str, tuple[int, ...]] | None:
    """The dtype and shape of more than half of the layers."""
    if not made:
        return None
    usual, count = Counter(made).most_common(1)[0]
    return usual if 2 * count > len(made) else None


def _unlike(tensor: Tensor | None, usual: tuple[str, tuple[int, ...]] | None) -> str:
    if tensor is None:
        return "this layer has none"
    if usual is None:
        return ""
    dtype, shape = usual
    differences = []
    if tensor.shape != shape:
        differences.append(f"shape {list(tensor.shape)}, the others {list(shape)}")
    if tensor.dtype != dtype:
        differences.append(f"dtype {tensor.dtype}, the others {dtype}")
    return "; ".join(differences)


def _tensors(member: Node) -> Iterator[tuple[str, Tensor]]:
    """The tensors at or below a node by their names relative to it."""
    stack: list[tuple[str, Node]] = [("", member)]
    while stack:
        name, node = stack.pop()
        if isinstance(node, Tensor):
            yield name, node
        elif node.children:
            dot = f"{name}." if name else ""
            stack.extend([(dot + child.label, child) for child in reversed(node.children)])
