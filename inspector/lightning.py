"""Says that a checkpoint is PyTorch Lightning's, and reads its hyperparameters, whatever classes they are of."""

from __future__ import annotations

from typing import Any

from inspector.errors import brief
from inspector.formats import Contents
from inspector.naming import LIGHTNING
from inspector.nodes import Module, Node, Tensor, Value

TOLD = ("epoch", "global_step", "hparams_name")
"""What of its entries belongs to what the file says of itself."""

PARAMETERS = "hyper_parameters"

MOST = 10_000
"""Hyperparameters that are read for that."""


def tell(contents: Contents) -> None:
    """Adds to the name of the format and to the metadata what Lightning has written about the checkpoint."""
    root = contents.root
    if not isinstance(root, Module) or root.role != "container":
        return
    children = {child.key: child for child in root.children if type(child.key) is str}
    values = {key: child.value for key, child in children.items() if isinstance(child, Value)}
    version = values.get(LIGHTNING)
    if type(version) is not str:
        return
    contents.format = f"PyTorch Lightning {brief(version)} checkpoint, {contents.format}"
    contents.metadata |= {key: values[key] for key in TOLD if type(values.get(key)) in (int, str)}
    if PARAMETERS in children:
        contents.metadata[PARAMETERS] = plain(children[PARAMETERS])


def plain(node: Node) -> Any:
    """What lies below a node as plain lists and dicts; of an object its public attributes."""
    whole: dict[str, Any] = {}
    stack: list[tuple[Node, Any, Any]] = [(node, whole, "")]
    count = 0
    while stack and count < MOST:
        item, into, key = stack.pop()
        count += 1
        made, below = _opened(item)
        if type(into) is list:
            into.append(made)
        else:
            into[key] = made
        stack.extend((child, made, child.label) for child in reversed(below))
    return whole[""]


def _opened(node: Node) -> tuple[Any, list[Node]]:
    """A node as a value, or as an empty list or dict with the nodes that belong into it."""
    if isinstance(node, Module) and node.role == "object":
        return {}, [child for child in _readable(node) if child.label[:1] not in ("_", "(")]
    if isinstance(node, Module):
        return ([] if node.type in ("list", "tuple", "set", "frozenset") else {}), _readable(node)
    return (node.value if isinstance(node, Value) else None), []


def _readable(node: Node) -> list[Node]:
    return [child for child in node.children if not isinstance(child, Tensor)]
