"""The opcodes that torch.save seldom or never writes, one function each, and what a pickle can do wrong."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inspector.pickles.objects import SCALARS, Dict, Global, Instance, Set

if TYPE_CHECKING:
    from inspector.pickles.machine import Machine
    from inspector.pickles.objects import Opcode


class Broken(Exception):
    """The pickle can't go on. `offset` is the byte where; the text says what is wrong there."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Cut(Broken):
    """The bytes end before the pickle does; `needed` is how many there should be at least, as far as it says."""

    def __init__(self, offset: int, message: str, needed: int = 0) -> None:
        super().__init__(offset, message)
        self.needed = needed


class AtLimit(Broken):
    """A limit was reached: what follows may be right, and is not read."""


FIXED = (*SCALARS, tuple)
"""Types whose objects nothing can be set on or put into."""


def set_items(m: Machine, target: Any, items: list[Any], at: int) -> None:
    """Puts alternating keys and values into a dict or onto an object. Raises TypeError where Python would."""
    if len(items) % 2:
        raise IndexError
    kind = type(target)
    if kind is Instance:
        if target.entries is None:
            target.entries = Dict()
        target = target.entries
    elif kind is list and items:
        _replace(target, items)
        return
    elif kind is not Dict:
        _touch(m, target, "__setitem__", items, "SETITEMS", at)
        return
    target.keys.extend(items[0::2])
    target.values.extend(items[1::2])


def _replace(target: list[Any], items: list[Any]) -> None:
    """`target[key] = value` for a list."""
    for key, value in zip(items[0::2], items[1::2], strict=True):
        if type(key) in (int, bool):
            target[key] = value
        elif type(key) in FIXED:
            raise TypeError


def append_items(m: Machine, target: Any, items: list[Any], at: int) -> None:
    """Appends to a list, or to an object that would take it. Raises TypeError where Python would."""
    kind = type(target)
    if kind is list:
        target.extend(items)
    elif kind is Instance:
        target.elements.extend(items)
    elif kind is Dict and items:
        raise TypeError
    else:
        _touch(m, target, "extend", items, "APPENDS", at)


def set_state(m: Machine, target: Any, state: Any, at: int) -> None:
    """What BUILD does: the state of an object, or attributes. Raises TypeError where Python would."""
    kind = type(target)
    if kind is Instance or kind is Dict:
        target.state = state
    elif state is not None and not (type(state) is Dict and not state.keys):
        _touch(m, target, "__setstate__", [state], "BUILD", at)


def _touch(m: Machine, target: Any, method: str, items: list[Any], opcode: Opcode, at: int) -> None:
    """Notes that a load would change what the pickle only names (`os.environ`), by a method of its own."""
    kind = type(target)
    if not items:
        return
    if kind is Global:
        m.note(Global(target.module, f"{target.name}.{method}", at), tuple(items), opcode, at)
    elif kind in FIXED or kind in (list, Set):
        raise TypeError


def _proto(m: Machine, at: int) -> int:
    m.result.protocol = m.data[at]
    if m.result.protocol > 5:
        raise Broken(at, f"the pickle says protocol {m.result.protocol}; Python knows up to 5")
    return at + 1


def _frame(m: Machine, at: int) -> int:
    return at + 8


def _pop(m: Machine, at: int) -> int:
    if m.stack:
        m.stack.pop()
    else:
        m.close_mark()
    return at


def _pop_mark(m: Machine, at: int) -> int:
    m.close_mark()
    return at


def _dup(m: Machine, at: int) -> int:
    m.stack.append(m.stack[-1])
    return at


def _int(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    if raw in (b"00", b"01"):
        m.stack.append(raw == b"01")
    else:
        # C takes no digits at all for 0.
        m.stack.append(number(raw) if raw.partition(b"\0")[0] else 0)
    return end


def _long(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    m.stack.append(number(raw.removesuffix(b"L")))
    return end


def number(raw: bytes) -> int:
    """An int as C reads it for the unpickler: also hexadecimal, octal behind a 0, and no further than a zero byte."""
    written = raw.partition(b"\0")[0]
    try:
        return int(written, 0)
    except ValueError:
        return int(written, 8)


def _float(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    m.stack.append(float(raw.partition(b"\0")[0]))
    return end


def _string(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    if len(raw) < 2 or raw[0] != raw[-1] or raw[0] not in b"'\"":
        raise Broken(at, f"the text at byte {at} of the pickle has no quotes")
    m.stack.append(m.python2(codecs.escape_decode(raw[1:-1])[0]))
    return end


def _unicode(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    m.stack.append(raw.decode("raw-unicode-escape"))
    return end


def _sized(width: int, signed: bool, make: Callable[[Machine, bytes], Any]) -> Callable[[Machine, int], int]:
    """An opcode whose argument is a length of `width` bytes and so many bytes."""

    def handler(m: Machine, at: int) -> int:
        length = m.integer(at, width, signed)
        if length < 0:
            raise Broken(at, f"the pickle gives a negative length at byte {at}")
        end = at + width + length
        m.stack.append(make(m, m.slice(at + width, end)))
        return end

    return handler


def _text(m: Machine, raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _bytes(m: Machine, raw: bytes) -> bytes:
    return raw


def _integer(m: Machine, raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _dict(m: Machine, at: int) -> int:
    items = m.close_mark()
    made = Dict()
    set_items(m, made, items, at - 1)
    m.stack.append(made)
    return at


def _list(m: Machine, at: int) -> int:
    items = m.close_mark()
    m.stack.append(items)
    return at


def _empty_set(m: Machine, at: int) -> int:
    m.stack.append(Set("set", []))
    return at


def _add_items(m: Machine, at: int) -> int:
    items = m.close_mark()
    target = m.stack[-1]
    kind = type(target)
    if kind is Set:
        target.items.extend(items)
    elif kind is Instance:
        target.elements.extend(items)
    elif kind in (Dict, bytes) and items:
        raise TypeError
    else:
        _touch(m, target, "update", items, "ADDITEMS", at - 1)
    return at


def _frozenset(m: Machine, at: int) -> int:
    items = m.close_mark()
    m.stack.append(Set("frozenset", items))
    return at


def _stack_global(m: Machine, at: int) -> int:
    name, module = m.stack.pop(), m.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise Broken(at, f"the importable name at byte {at} of the pickle is no text")
    m.stack.append(m.name(module, name, at - 1))
    return at


def _inst(m: Machine, at: int) -> int:
    module, end = m.line(at)
    name, end = m.line(end)
    items = m.close_mark()
    m.stack.append(m.call(m.name(module.decode(), name.decode(), at - 1), tuple(items), "INST", at - 1))
    return end


def _obj(m: Machine, at: int) -> int:
    items = m.close_mark()
    m.stack.append(m.call(items[0], tuple(items[1:]), "OBJ", at - 1))
    return at


def _newobj_ex(m: Machine, at: int) -> int:
    keywords, arguments = m.stack.pop(), m.stack.pop()
    m.stack[-1] = m.call(m.stack[-1], arguments, "NEWOBJ_EX", at - 1, keywords)
    return at


def _persid(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    m.stack.append(m.load_persistent(raw.decode("ascii")))
    return end


def _put(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    m.memo[int(raw.partition(b"\0")[0])] = m.stack[-1]
    return end


def _get(m: Machine, at: int) -> int:
    raw, end = m.line(at)
    m.stack.append(m.memo[int(raw.partition(b"\0")[0])])
    return end


def _extension(m: Machine, at: int) -> int:
    op = m.data[at - 1]
    name, width = {0x82: ("EXT1", 1), 0x83: ("EXT2", 2), 0x84: ("EXT4", 4)}[op]
    code = m.integer(at, width)
    made = m.note(Global("copyreg", f"extension {code}", at - 1), (), "EXT", at - 1)
    if not m.beyond:
        raise Broken(at - 1, f"{name} at byte {at - 1} calls on copyreg's extension registry, which no file can carry")
    m.stack.append(made)
    return at + width


def _buffer(m: Machine, at: int) -> int:
    raise Broken(at - 1, f"the pickle wants a buffer from outside of itself at byte {at - 1}")


def _readonly(m: Machine, at: int) -> int:
    if type(m.stack[-1]) in FIXED:
        raise TypeError
    return at


RARE: dict[int, Callable[[Machine, int], int]] = {
    0x80: _proto,
    0x95: _frame,
    0x30: _pop,
    0x31: _pop_mark,
    0x32: _dup,
    0x49: _int,
    0x4C: _long,
    0x46: _float,
    0x53: _string,
    0x56: _unicode,
    0x54: _sized(4, True, lambda m, raw: m.python2(raw)),  # BINSTRING
    0x55: _sized(1, False, lambda m, raw: m.python2(raw)),  # SHORT_BINSTRING
    0x8D: _sized(8, False, _text),  # BINUNICODE8
    0x42: _sized(4, False, _bytes),  # BINBYTES
    0x43: _sized(1, False, _bytes),  # SHORT_BINBYTES
    0x8E: _sized(8, False, _bytes),  # BINBYTES8
    0x96: _sized(8, False, _bytes),  # BYTEARRAY8
    0x8A: _sized(1, False, _integer),  # LONG1
    0x8B: _sized(4, True, _integer),  # LONG4
    0x64: _dict,
    0x6C: _list,
    0x8F: _empty_set,
    0x90: _add_items,
    0x91: _frozenset,
    0x93: _stack_global,
    0x69: _inst,
    0x6F: _obj,
    0x92: _newobj_ex,
    0x50: _persid,
    0x70: _put,
    0x67: _get,
    0x82: _extension,
    0x83: _extension,
    0x84: _extension,
    0x97: _buffer,
    0x98: _readonly,
}
