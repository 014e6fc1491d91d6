"""Where in the object that a pickle holds something lies, by the names that the tree has for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from inspector.naming import key_text
from inspector.nodes import Tensor
from inspector.pickles.looks import LAYER_TABLES
from inspector.pickles.objects import Dict, Instance, Set

LONGEST = 20
"""Steps of a name that are written out."""

Step = tuple[str, Any]
"""The name of a part, empty where the tree shows no level for it, and the part."""


def places(root: Any, wanted: Iterable[Instance]) -> dict[int, str]:
    """The names of some objects below `root`, by their `id`; those that are not part of it are left out."""
    ids = {id(instance) for instance in wanted}
    found: dict[int, str] = {}
    above: dict[int, tuple[int, str]] = {}
    stack: list[tuple[int, str, Any]] = [(0, "", root)]
    while stack and len(found) < len(ids):
        parent, label, value = stack.pop()
        if id(value) in above or not isinstance(value, Dict | Instance | Set | Tensor | list | tuple):
            continue
        above[id(value)] = parent, label
        if id(value) in ids:
            found[id(value)] = _name(id(value), above)
        stack.extend((id(value), name, part) for name, part in reversed(list(_parts(value))))
    return found


def _name(at: int, above: dict[int, tuple[int, str]]) -> str:
    labels: list[str] = []
    while at in above:
        at, label = above[at]
        if label:
            labels.append(label)
        if len(labels) > LONGEST:
            labels[-1] = "…"
            break
    return ".".join(reversed(labels))


def _parts(value: Any) -> Iterator[Step]:
    """The parts of an object, by the names that `pickles.tree` gives them."""
    kind = type(value)
    if kind is Dict:
        yield from _entries(value)
        yield "(state)", value.state
    elif kind is Instance:
        yield from _of_instance(value)
    elif kind is Tensor:
        yield from value.traits.attributes.items()
    else:
        yield from ((str(index), item) for index, item in enumerate(value.items if kind is Set else value))


def _entries(value: Dict) -> Iterator[Step]:
    for key, item in zip(value.keys, value.values, strict=True):
        yield key_text(key), item
        if isinstance(key, Instance | tuple):
            yield f"(key {key_text(key)})", key


def _of_instance(value: Instance) -> Iterator[Step]:
    attributes = value.attributes()
    for name, item in attributes.items():
        yield "" if name in LAYER_TABLES else name, item
    if not attributes:
        yield "(state)", value.state
    yield "(arguments)", value.arguments
    yield "(keywords)", value.keywords
    yield "(called)", value.callable
    yield from ((str(index), item) for index, item in enumerate(value.elements))
    if value.entries is not None:
        yield from _entries(value.entries)
