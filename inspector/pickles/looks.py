"""What an unpickled object looks like from outside: by that `tree` decides how it is shown."""

from __future__ import annotations

from collections import deque
from typing import Any

from inspector.nodes import Tensor
from inspector.pickles.arrays import Scalar
from inspector.pickles.objects import SCALARS, Dict, Global, Instance, Set
from inspector.pickles.variables import completed

LAYER_TABLES = ("_parameters", "_buffers", "_modules")

LOOK = 200
"""How many objects are looked at to tell whether a container holds a tensor."""


def holds_tensor(value: Any) -> bool:
    """Whether a tensor or layer is found among the first `LOOK` objects of a container, or of an object's state."""
    # Level by level: what is nearest is most likely what it is about.
    waiting, seen = deque([value]), 0
    while waiting and seen < LOOK:
        item = waiting.popleft()
        seen += 1
        kind = type(item)
        if kind is Tensor:
            return True
        if kind in (list, tuple):
            waiting.extend(item[:LOOK])
        elif kind is Dict:
            waiting.extend(item.values[:LOOK])
        elif kind is Instance:
            attributes = item.attributes()
            if completed(item) is not None or type(attributes.get("_modules")) is Dict:
                return True
            # Not what it was called with: a bound method was called with its whole module.
            waiting.extend([*attributes.values()][:LOOK])
            # What torch packed natively (a quantised layer's weight and bias) has a tuple for a state.
            waiting.extend(item.state[:LOOK] if type(item.state) is tuple else ())
            waiting.extend(item.elements[:LOOK])
            waiting.extend(item.entries.values[:LOOK] if item.entries is not None else ())
    return False


def width(value: Any) -> int:
    """How many nodes stand directly below an object, at least."""
    kind = type(value)
    if kind is Dict:
        return len(value.keys)
    if kind is not Instance:
        return len(value.items if kind is Set else value)
    attributes = value.attributes()
    tables = [attributes.get(table) for table in LAYER_TABLES]
    inner = sum(len(table.keys) for table in tables if type(table) is Dict)
    items = len(value.elements) + (len(value.entries.keys) if value.entries is not None else 0)
    return len(attributes) + inner + items + (len(value.arguments) if type(value.arguments) is tuple else 0)


def is_state_dict(value: Dict) -> bool:
    """Whether a dict's keys are dotted names of tensors: an `nn.Module`'s state_dict says so itself."""
    if type(value.state) is Dict and type(value.state.get("_metadata")) is Dict:
        return True
    return any(
        type(key) is str and "." in key and type(item) in (Tensor, Instance) and _tensor_like(item)
        for key, item in zip(value.keys, value.values, strict=True)
    )


def _tensor_like(item: Any) -> bool:
    return type(item) is Tensor or completed(item) is not None


def fits_a_line(value: Any) -> bool:
    """Whether one line can show a list, tuple or call."""
    return _is_text(value) if type(value) is Instance else _flat(value)


def _flat(value: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list or tuple holds only what one line can show."""
    return all(type(item) in SCALARS or type(item) in (bytes, Scalar, Global) for item in value)


def _is_text(value: Instance) -> bool:
    """Whether a call is shown as one line: no state, nothing put into it, only plain arguments."""
    if value.state is not None or value.elements or value.entries is not None or value.keywords is not None:
        return False
    return not holds_tensor(value.arguments) and not holds_tensor(value.callable)
