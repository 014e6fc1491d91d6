"""What is wrong with a file, each kind with the tensors that it hits if the texts about it name them; what is odd."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from inspector import Checkpoint, naming, soundness
from inspector.nodes import Node, Tensor

_MORE = re.compile(r" and [\d,]+ more$")


@dataclass(frozen=True, slots=True)
class Troubles:
    """`kinds` has the tensors that something is wrong with, by what it is; `own` is what is wrong with the file itself.

    `damaged` has those tensors, each with what is wrong with it, and all modules that they lie in.
    """

    kinds: dict[str, list[Tensor]] = field(default_factory=dict)
    own: Sequence[str] = ()
    damaged: dict[Node, list[str]] = field(default_factory=dict)


def troubles(root: Node, problems: Iterable[str]) -> Troubles:
    """What a walk over the tree finds, and what a checkpoint's `problems` say besides, by the names in front of them."""
    kinds = soundness.troubled(node for node in root.walk() if isinstance(node, Tensor))
    known = set(soundness.told(kinds))
    own: list[str] = []
    for problem in problems:
        if problem in known:
            continue
        names, _, what = problem.partition(": ")
        named = [naming.find(root, name) if name else None for name in _MORE.sub("", names).split(", ")]
        hit = [node for node in named if isinstance(node, Tensor)]
        if what and len(hit) == len(named):
            kinds.setdefault(what, []).extend(hit)
        else:
            own.append(problem)
    return Troubles(kinds, own, _damaged(kinds))


def remarks(checkpoint: Checkpoint) -> list[str]:
    """What is odd about a file, but no damage."""
    if not checkpoint.misnamed:
        return []
    return [f"the name ends in {checkpoint.misnamed}, but the file is of another kind: {checkpoint.format}"]


def _damaged(kinds: dict[str, list[Tensor]]) -> dict[Node, list[str]]:
    damaged: dict[Node, list[str]] = {}
    for what, tensors in kinds.items():
        for tensor in tensors:
            if tensor in damaged:
                damaged[tensor].append(what)
                continue
            damaged[tensor] = [what]
            node = tensor.above
            while node is not None and node not in damaged:
                damaged[node] = []
                node = node.above
    return damaged
