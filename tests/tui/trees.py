"""Trees of nodes made by hand, for tests that need no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.counting import count
from inspector.inventory import take
from inspector.nodes import Module, Node, Tensor, Value
from inspector.storage import Memory, Storage

Shape = tuple[int, ...]


def tree(entries: Mapping[str, Any], type: str = "dict") -> Module:
    """A module with children: dicts are modules, tuples shapes of float32 tensors, tensors and modules themselves."""
    root = Module(type)
    fill(root, entries)
    count(take(root))
    return root


def fill(module: Module, entries: Mapping[str, Any]) -> None:
    for key, entry in entries.items():
        module.children.append(_node(key, entry, module))


def _node(key: str, entry: Any, parent: Module) -> Node:
    if isinstance(entry, dict):
        module = Module("dict", key=key, parent=parent)
        fill(module, entry)
        return module
    if isinstance(entry, tuple):
        entry = tensor(entry)
    if isinstance(entry, Node):
        entry.key, entry.parent = key, parent
        return entry
    return Value(entry, key=key, parent=parent)


def tensor(shape: Shape, storage: Storage | None = None, **fields: Any) -> Tensor:
    stride: list[int] = []
    size = 1
    for length in reversed(shape):
        stride.append(size)
        size *= length
    return Tensor("float32", shape, tuple(reversed(stride)), storage or memory(4 * size), **fields)


def memory(nbytes: int) -> Storage:
    return Storage(Memory(bytes(nbytes)), "data/0", nbytes)
