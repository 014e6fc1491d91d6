"""Tensors that are made of others, or carry attributes: each gets copies of its own, and never too many."""

from __future__ import annotations

from typing import Any

from inspector.nodes import Node, Tensor, Value
from inspector.pickles.objects import Dict

MOST_PARTS = 100
"""Inner tensors and values, with theirs, that one tensor is made of; real ones have up to a dozen."""


def with_state(made: Tensor, state: Any) -> Tensor:
    """Gives a tensor its Python attributes; those that are tensors become its parts."""
    states = state if type(state) is tuple else (state,)
    given: dict[str, Any] = {}
    for part in states:
        if type(part) is Dict:
            given.update(part.attributes())
    if given.get("_is_param") is True:
        made.kind = "parameter"
    inner = {key: value for key, value in given.items() if type(value) is Tensor}
    if inner and made.storage is None:
        return made_of(made, made.traits.layout, given)
    if given:
        made.traits = made.traits._replace(attributes={**made.traits.attributes, **given})
    return made


def made_of(made: Tensor, layout: str, parts: dict[str, Any]) -> Tensor:
    """Hangs copies of inner tensors and values below the tensor that they make up, and of their parts below them.

    Raises ValueError beyond `MOST_PARTS`: a file can have each part be made of the one before it, many times over.
    """
    made.traits = made.traits._replace(layout=layout)
    count = 0
    pending: list[tuple[Tensor, list[tuple[Any, Any]]]] = [(made, list(parts.items()))]
    while pending:
        whole, inner = pending.pop()
        count += len(inner)
        if count > MOST_PARTS:
            raise ValueError
        nodes: list[Node] = []
        for key, part in inner:
            node: Node = Value(part)
            if type(part) is Tensor:
                node = alike(part)
                if part.traits.parts:
                    pending.append((node, _inner(part)))
            node.key, node.parent = key, whole
            nodes.append(node)
        whole.traits = whole.traits._replace(parts=tuple(nodes))
    return made


def copied(source: Tensor) -> Tensor:
    """The same tensor as another node."""
    made = alike(source)
    return made_of(made, source.traits.layout, dict(_inner(source))) if source.traits.parts else made


def alike(source: Tensor) -> Tensor:
    """The same tensor as another node, with the very same parts."""
    made = Tensor(source.dtype, source.shape, source.stride, source.storage, source.offset, source.requires_grad)
    made.kind, made.traits = source.kind, source.traits
    return made


def _inner(source: Tensor) -> list[tuple[Any, Any]]:
    """The parts of a tensor by their keys: inner tensors, and what other values hold."""
    return [(part.key, part.value if isinstance(part, Value) else part) for part in source.traits.parts]
