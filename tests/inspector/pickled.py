"""Plain data as Hypothesis makes it, and inert objects turned back into it."""

from __future__ import annotations

import collections
import pickle
import struct
from typing import Any

from hypothesis import strategies as st

from inspector.pickles.objects import Dict, Set
from inspector.pickles.plain import PLAIN
from inspector.pickles.running import run

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

MAKERS = {"dict": dict, "OrderedDict": collections.OrderedDict, "Counter": collections.Counter}


def plain(value: Any) -> Any:
    """The Python object that a small acyclic inert one stands for."""
    if type(value) is Dict:
        entries = ((plain(key), plain(item)) for key, item in zip(value.keys, value.values, strict=True))
        return MAKERS[value.type](dict(entries))
    if type(value) is Set:
        return {"set": set, "frozenset": frozenset}[value.type](plain(item) for item in value.items)
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return value


def loaded(data: bytes, **options: Any) -> Any:
    result = run(data, builders=PLAIN, **options)
    assert result.broken is None, result.broken
    assert result.end == len(data)
    return plain(result.value)


def exact(value: Any) -> Any:
    """Something equal for two objects only if they are of the same types and bits; a bytearray counts as bytes."""
    kind = type(value)
    if kind is float:
        return struct.pack(">d", value)
    if kind is complex:
        return (exact(value.real), exact(value.imag))
    if kind in (list, tuple):
        return (kind.__name__, [exact(item) for item in value])
    if kind in (set, frozenset):
        return (kind.__name__, sorted(repr(exact(item)) for item in value))
    if isinstance(value, dict):
        return (kind.__name__, [(exact(key), exact(item)) for key, item in value.items()])
    if kind in (bytes, bytearray):
        return ("bytes", bytes(value))
    return (kind.__name__, repr(value))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**33), 2**33)
    | st.integers(-(2**2100), 2**2100)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.binary().map(bytearray)
)
keys = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.tuples(st.integers())
data = st.recursive(
    scalars,
    lambda below: (
        st.lists(below)
        | st.lists(below).map(tuple)
        | st.dictionaries(keys, below)
        | st.dictionaries(keys, below).map(collections.OrderedDict)
        | st.sets(keys)
        | st.frozensets(keys)
    ),
    max_leaves=30,
)
