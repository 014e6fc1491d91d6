"""The inert objects that stand for what a pickle would make, and `text`, which shows any of them within a bound.

Scalars, bytes, lists and tuples stay Python's own; everything that a real load would look up, call, hash or compare
becomes one of these. A pickle can make them refer to themselves and share parts without end, so whoever walks them uses
a stack, goes by identity, and stops at a bound of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

Opcode = Literal["REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ", "BUILD", "SETITEMS", "APPENDS", "ADDITEMS", "EXT"]
"""The opcodes by which a load calls something."""


class Global:
    """The name of something importable: `torch.nn.modules.linear Linear`. `offset` is the byte where it first stands."""

    __slots__ = ("module", "name", "offset")

    def __init__(self, module: str, name: str, offset: int = -1) -> None:
        self.module = module
        self.name = name
        self.offset = offset

    @property
    def path(self) -> str:
        """Module and name with a dot between them."""
        return f"{self.module}.{self.name}" if self.module else self.name


class Dict:
    """A dict or a class of the standard library that is one (`type`), as parallel lists of keys and values.

    A list of pairs, not a dict: a key may be any object, and hashing one can take for ever. A key that comes twice is
    listed twice; the later one counts. `state` is what a BUILD gave it (`_metadata` of a state_dict).
    """

    __slots__ = ("keys", "state", "type", "values")

    def __init__(self, type: str = "dict") -> None:
        self.type = type
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.state: Any = None

    def get(self, key: str | int) -> Any:
        """The value of the last entry whose key is exactly this text or int, or None."""
        kind = type(key)
        for index in range(len(self.keys) - 1, -1, -1):
            candidate = self.keys[index]
            if type(candidate) is kind and candidate == key:
                return self.values[index]
        return None

    def attributes(self) -> dict[str, Any]:
        """The entries whose keys are texts, as a Python dict."""
        return {key: value for key, value in zip(self.keys, self.values, strict=True) if type(key) is str}


class Set:
    """A set or frozenset (`type`), in the order of the file."""

    __slots__ = ("items", "type")

    def __init__(self, type: str, items: list[Any]) -> None:
        self.type = type
        self.items = items


class Instance:
    """An object that a real load would have made by calling something.

    `callable` with `arguments` (and `keywords`) is the call, `opcode` the way it is made, `offset` the byte of the
    pickle where that stands. `state` is what BUILD would have set, `elements` and `entries` what would have been
    appended or set on it afterwards.
    """

    __slots__ = ("arguments", "callable", "elements", "entries", "keywords", "offset", "opcode", "state")

    def __init__(self, callable: Any, arguments: Any, opcode: Opcode, offset: int, keywords: Any = None) -> None:
        self.callable = callable
        self.arguments = arguments
        self.keywords = keywords
        self.opcode = opcode
        self.offset = offset
        self.state: Any = None
        self.elements: list[Any] = []
        self.entries: Dict | None = None

    @property
    def type(self) -> str:
        """The path of what is called, as far as the file names it; of `copyreg`'s helpers, of the class they make."""
        called = self.callable
        if type(called) is Global:
            if called.name in ("_reconstructor", "__newobj__", "__newobj_ex__") and called.module.startswith("copy"):
                first = self.arguments[0] if type(self.arguments) is tuple and self.arguments else None
                if type(first) is Global:
                    return first.path
            return called.path
        return "object"

    def attributes(self) -> dict[str, Any]:
        """What the object's `__dict__` would hold: a state that is a dict or copyreg's `(dict, slots)` pair."""
        found: dict[str, Any] = {}
        states = self.state if type(self.state) is tuple and len(self.state) == 2 else (self.state,)
        for state in states:
            if type(state) is Dict:
                found.update(state.attributes())
        return found


class Persistent:
    """A persistent id that the file's format gives no meaning to."""

    __slots__ = ("pid",)

    def __init__(self, pid: Any) -> None:
        self.pid = pid


SCALARS = (str, int, float, bool, type(None), complex)
"""The exact types that may be compared, hashed and repr'ed."""

LONGEST_INT = 4000
"""Bits of the largest int that is written out in decimal; Python's own conversion is quadratic."""


def scalar_text(value: Any, limit: int = 1000) -> str:
    """A scalar or bytes as Python writes it, of a long one about the first `limit` characters."""
    kind = type(value)
    if kind is int and value.bit_length() > LONGEST_INT:
        return f"<int of {value.bit_length()} bits>"
    if kind in (bytes, bytearray):
        return repr(bytes(value)) if len(value) <= limit // 16 else f"<{len(value)} bytes: {bytes(value[:32])!r}…>"
    if kind is str and len(value) > limit:
        return repr(value[:limit]) + "…"
    return repr(value)


def text(value: Any, limit: int = 200) -> str:
    """Any inert value as Python would write it, cut at `limit` characters."""
    pieces: list[str] = []
    length = 0
    stack: list[Iterator[Any]] = [iter((value,))]
    while stack:
        item = next(stack[-1], stack)
        if item is stack:
            stack.pop()
            continue
        if type(item) is _Literal:
            piece: str = item.text
        else:
            below = _parts(item)
            if below is not None:
                stack.append(below)
                continue
            piece = _leaf(item, max(limit, 1000))
        pieces.append(piece)
        length += len(piece)
        if length > limit or len(stack) > limit:
            return "".join(pieces)[:limit].rstrip() + "…"
    return "".join(pieces)


class _Literal:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_COMMA, _COLON, _END = _Literal(", "), _Literal(": "), _Literal(")")


def _leaf(item: Any, limit: int) -> str:
    kind = type(item)
    if isinstance(item, Global):
        return item.path
    if kind in SCALARS or kind in (bytes, bytearray):
        return scalar_text(item, limit)
    described = getattr(item, "inert_text", None)
    return str(described()) if described is not None else f"<{kind.__name__}>"


def _parts(item: Any) -> Iterator[Any] | None:
    """The pieces of a container, texts as `_Literal`; None for what has no parts."""
    kind = type(item)
    if kind is list:
        return _between("[", item, "]")
    if kind is tuple:
        return _between("(", item, ",)" if len(item) == 1 else ")")
    if kind is Set:
        return _between("{" if item.type == "set" else f"{item.type}({{", item.items, "}" if item.type == "set" else "})")
    if kind is Dict:
        return _entries(item.type, item.keys, item.values)
    if kind is dict:
        return _entries("dict", item, item.values())
    if kind is Instance:
        return _call(item)
    if kind is Persistent:
        return iter((_Literal("persistent id "), item.pid))
    return None


def _between(opening: str, items: Any, closing: str) -> Iterator[Any]:
    yield _Literal(opening)
    for index, item in enumerate(items):
        if index:
            yield _COMMA
        yield item
    yield _Literal(closing)


def _entries(type: str, keys: Iterable[Any], values: Iterable[Any]) -> Iterator[Any]:
    yield _Literal("{" if type == "dict" else f"{type}({{")
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        if index:
            yield _COMMA
        yield key
        yield _COLON
        yield value
    yield _Literal("}" if type == "dict" else "})")


def _call(item: Instance) -> Iterator[Any]:
    yield _Literal(item.type) if item.type != "object" else item.callable
    if item.opcode in ("NEWOBJ", "NEWOBJ_EX") and item.state is not None and item.arguments == ():
        yield _Literal("(…)")
        return
    yield _Literal("(")
    arguments = item.arguments if type(item.arguments) is tuple else (item.arguments,)
    for index, argument in enumerate(arguments):
        if index:
            yield _COMMA
        yield argument
    yield _END
