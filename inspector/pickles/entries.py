"""The entries of a pickled dict as Python would have them, without hashing or comparing what a file made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.pickles.objects import SCALARS, Dict

LARGEST = 1 << 60
"""Ints below this have hashes of their own."""


def last_entries(value: Dict) -> Iterator[tuple[Any, Any]]:
    """The entries of a dict; of those with the same scalar key the last one's value, in the place of the first."""
    if set(map(type, value.keys)) <= {str} and len(set(value.keys)) == len(value.keys):
        yield from zip(value.keys, value.values, strict=True)
        return
    last: dict[Any, Any] = {}
    given: dict[Any, Any] = {}
    for key, item in zip(value.keys, value.values, strict=True):
        if type(key) is not str:
            comparable = _comparable(key)
            given.setdefault(comparable, key)
            key = comparable
        last[key] = item
    for key, item in last.items():
        yield (given[key] if given and key in given else key), item


def _comparable(key: Any) -> Any:
    """Something that is equal for two dict keys if Python takes them for one (1, 1.0 and True), and quick to hash.

    What may not be hashed is equal to nothing else; nor are numbers hashed for which a file can choose the hash.
    """
    kind = type(key)
    if kind is complex and key.imag == 0:
        key, kind = key.real, float
    if kind is float and -LARGEST < key < LARGEST and key.is_integer():
        key, kind = int(key), int
    if kind is int and not -LARGEST < key < LARGEST:
        return (kind, hex(key))
    if kind in (float, complex):
        return (kind, repr(key)) if key == key else object()
    return key if kind in SCALARS or kind is bytes else object()
