"""What the containers and leaves of omegaconf hold, which are pickled with all that they know about themselves.

Source: `BaseContainer.__getstate__` and `Node` of omegaconf 2.3 (2.0 and 2.1 had the same names): a container has what
it holds in `_content`, a leaf in `_val`; where a whole container is missing or interpolated, `_content` is None or a text.
"""

from __future__ import annotations

from typing import Any

from inspector.pickles.objects import Dict, Instance

PACKAGE = "omegaconf."

HELD = ("_content", "_val")


def held(value: Instance) -> Any:
    """What an object of omegaconf holds, as a dict or list of that class, or a scalar; any other object itself."""
    found = _held(value)
    if type(found) is Dict:
        made = Dict(value.type)
        made.keys, made.values = found.keys, [_leaf(item) for item in found.values]
        return made
    return [_leaf(item) for item in found] if type(found) is list else found


def _held(value: Instance) -> Any:
    if value.type.startswith(PACKAGE):
        attributes = value.attributes()
        for name in HELD:
            if name in attributes:
                return attributes[name]
    return value


def _leaf(value: Any) -> Any:
    """What a leaf holds; a container, which is opened when it is come to, and anything else, as it is."""
    found = _held(value) if type(value) is Instance else value
    return value if type(found) in (Dict, list) else found
