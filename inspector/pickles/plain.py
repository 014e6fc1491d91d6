"""Builders for the calls by which a pickle writes plain Python data: dicts, sets, bytes, numbers.

A builder never does what the call would do with unknown arguments: `bytearray(5_000_000_000)` stays a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.pickles.objects import Dict, Set

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspector.pickles.pickled import Builder


def _mapping(type: str) -> Builder:
    """A dict-like class that is made empty, from pairs or from another dict."""

    def build(arguments: Any) -> Dict | None:
        made = Dict(type)
        if type == "defaultdict":
            arguments = arguments[1:]
        if not arguments:
            return made
        if len(arguments) != 1:
            return None
        source = arguments[0]
        if isinstance(source, Dict):
            made.keys.extend(source.keys)
            made.values.extend(source.values)
            return made
        if isinstance(source, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in source):
            made.keys.extend(pair[0] for pair in source)
            made.values.extend(pair[1] for pair in source)
            return made
        return None

    return build


def _set(type: str) -> Builder:
    def build(arguments: Any) -> Set | None:
        if not arguments:
            return Set(type, [])
        if len(arguments) == 1 and isinstance(arguments[0], list | tuple):
            return Set(type, list(arguments[0]))
        return None

    return build


def _encode(arguments: Any) -> bytes | None:
    """`_codecs.encode(text, "latin1")` is how protocols below 3 write bytes."""
    if len(arguments) == 2 and type(arguments[0]) is str and arguments[1] in ("latin1", "latin-1"):
        try:
            return arguments[0].encode("latin1")
        except UnicodeEncodeError:
            return None
    return None


def _bytes(arguments: Any) -> bytes | None:
    if not arguments:
        return b""
    if type(arguments[0]) is bytes and len(arguments) == 1:
        return arguments[0]
    if len(arguments) == 2 and type(arguments[0]) is str and arguments[1] in ("latin-1", "latin1"):
        return _encode(arguments)
    return None


def _complex(arguments: Any) -> complex | None:
    if len(arguments) == 2 and all(type(part) in (int, float) for part in arguments):
        try:
            return complex(*arguments)
        except OverflowError:
            return None
    return None


def _exactly(*types: type) -> Callable[[Callable[[Any], Any]], Builder]:
    """A conversion that is done only for one argument of exactly one of these types."""

    def wrap(convert: Callable[[Any], Any]) -> Builder:
        return lambda arguments: convert(arguments[0]) if len(arguments) == 1 and type(arguments[0]) in types else None

    return wrap


PLAIN: dict[str, Builder] = {
    "collections.OrderedDict": _mapping("OrderedDict"),
    "collections.Counter": _mapping("Counter"),
    "collections.defaultdict": _mapping("defaultdict"),
    "_codecs.encode": _encode,
}
for _module in ("builtins", "__builtin__"):
    PLAIN |= {
        f"{_module}.dict": _mapping("dict"),
        f"{_module}.set": _set("set"),
        f"{_module}.frozenset": _set("frozenset"),
        f"{_module}.bytearray": _bytes,
        f"{_module}.bytes": _bytes,
        f"{_module}.complex": _complex,
        f"{_module}.list": _exactly(list, tuple)(list),
        f"{_module}.tuple": _exactly(list, tuple)(tuple),
        f"{_module}.int": _exactly(int)(int),
        f"{_module}.long": _exactly(int)(int),
        f"{_module}.float": _exactly(float, int)(lambda value: float(value) if abs(value) < 1 << 1000 else None),
        f"{_module}.bool": _exactly(bool, int)(bool),
        f"{_module}.str": _exactly(str)(str),
        f"{_module}.unicode": _exactly(str)(str),
    }
