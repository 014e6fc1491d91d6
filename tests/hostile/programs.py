"""Random pickles that Python's own unpickler gets far with, and a list of what it calls and imports on its way."""

from __future__ import annotations

import io
import pickle
import random
import struct
from typing import Any

NAMES = [("os", "system"), ("evil", "run"), ("builtins", "exec"), ("a.b", "C.d"), ("collections", "deque"), ("é", "x")]


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(raw)]) + raw


def name(module: str, path: str, chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return f"c{module}\n{path}\n".encode()
    return text(module) + text(path) + b"\x93"


def leaf(chance: random.Random) -> bytes:
    """Something that pushes one object."""
    return chance.choice([
        b"N", b"\x88", b"\x89", b"K\x05", b"M\x01\x02", b"J\xff\xff\xff\xff", b"I7\n", b"I0x1F\n", b"I017\n", b"I00\n", b"I01\n", b"I1\x00junk\n",
        b"I 5\n", b"L12L\n", b"L0x10L\n", b"L0b11\n", b"F1.5\n", b"F1.5\x00zz\n", b"G?\xf0\0\0\0\0\0\0", b"S'ab'\n", b"S\"c\"\n", b"Vtext\n",
        b"X\x01\0\0\0a", text("b"), b"\x8d\x01\0\0\0\0\0\0\0c", b"U\x02de", b"T\x02\0\0\0fg", b"C\x01x", b"B\x01\0\0\0y", b"\x8e\x01\0\0\0\0\0\0\0z",
        b"\x96\x02\0\0\0\0\0\0\0pq", b"\x8a\x01\x07", b"\x8a\0", b"\x8b\x01\0\0\0\x07", b")", b"]", b"}", b"\x8f", b"(t", b"(l", b"(d", b"(\x91",
        b"(K\x01K\x02t", b"(K\x01K\x02l", b"(K\x01K\x02d", b"K\x01K\x02\x86", b"K\x01\x85", b"K\x01K\x02K\x03\x87", b"C\x01b\x98",
        b"\x95\x02\0\0\0\0\0\0\0N0N", b"\x80\x04N",
    ])  # fmt: skip


def thing(chance: random.Random, depth: int) -> bytes:
    """Something that pushes one object, made of others, mostly as it should be and sometimes not."""
    if depth == 0 or chance.random() < 0.25:
        return leaf(chance) if chance.random() < 0.6 else name(*chance.choice(NAMES), chance)
    one, two = thing(chance, depth - 1), thing(chance, depth - 1)
    called = name(*chance.choice(NAMES), chance)
    inst = b"i%s\n%s\n" % tuple(part.encode() for part in chance.choice(NAMES))
    return chance.choice([
        called + one + b"\x85R", called + b"(" + one + two + b"tR", called + one + b"\x85\x81", called + one + b"\x85}\x92",
        called + b")" + b"}" + text("k") + one + b"s" + b"\x92", b"(" + called + one + b"o", b"(" + one + two + inst,
        called + b")R" + one + b"b", called + b")\x81" + one + b"b", one + two + b"b", one + b"}b", one + b"Nb", one + b"NN\x86b", called + two + b"b",
        b"]" + one + b"a", b"](" + one + two + b"e", one + two + b"a", one + b"(" + two + b"e", one + b"(e", called + two + b"a",
        b"}K\x01" + one + b"s", b"}(K\x01" + one + b"K\x02" + two + b"u", one + text("k") + two + b"s", one + b"(u", called + text("k") + two + b"s",
        b"]K\x01aK\x00" + one + b"s", b"\x8f(" + leaf(chance) + b"\x90", one + b"(\x90", called + b"(" + one + b"\x90",
        b"(" + one + two + b"t", b"(" + one + two + b"l", one + b"\x85", one + two + b"\x86", one + two + leaf(chance) + b"\x87", one + b"2\x86",
        one + b"0" + two, b"(" + one + b"1" + two, one + b"q\x05h\x05\x86", one + b"p7\n0g7\n", one + b"p7\x00x\n0g7\n", one + b"\x940h\x00",
        one + b"r\x09\0\0\0j\x09\0\0\0\x86", one + b"Q", b"Pabc\n", b"\x82\x05" + one + b"\x85R", called + b"(" + one + b"t" + b"\x81",
        b"ccopyreg\nadd_extension\n(" + text("os") + text("system") + b"K\x05tR",
    ])  # fmt: skip


def program(chance: random.Random) -> bytes:
    """A pickle; one in three is damaged at a byte."""
    made = b"".join(thing(chance, chance.randint(0, 4)) + chance.choice([b"", b"0"]) for _ in range(chance.randint(1, 4)))
    if chance.random() < 0.33:
        return b"\x80\x05\x95" + struct.pack("<Q", len(made) + 1) + made + b"."
    data = bytearray(chance.choice([b"\x80\x02", b"\x80\x04", b""]) + made + b".")
    if chance.random() < 0.5:
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data) + 1)
            how = chance.randrange(3)
            if how == 0:
                data[at : at + 1] = bytes([chance.choice(b"()]}.0a" + bytes([chance.randrange(256)]))])
            elif how == 1:
                del data[at : at + chance.randint(1, 3)]
            else:
                data[at:at] = data[at : at + chance.randint(1, 6)]
    return bytes(data)


class Watched(type):
    """A class whose calls are noted."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        cls.events.append(cls.path)
        return object.__new__(cls)


def harm(data: bytes) -> tuple[list[str], set[str]]:
    """What Python's unpickler calls, in order, and what it would import, until it ends or fails."""
    events: list[str] = []
    imported: set[str] = set()

    class Recorder(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            path = f"{module}.{name}"
            imported.add(path)

            def new(cls: Any, *arguments: Any, **keywords: Any) -> Any:
                events.append(path)
                return object.__new__(cls)

            def does(method: str) -> Any:
                return lambda self, *arguments: None

            methods = {key: does(key) for key in ("append", "extend", "__setitem__", "add", "update", "__setstate__")}
            return Watched("thing", (), {"path": path, "events": events, "__new__": new, **methods})

        def persistent_load(self, pid: Any) -> Any:
            return ("pid", id(pid))

        def get_extension(self, code: int) -> Any:
            return self.find_class("copyreg", f"extension {code}")

    try:
        Recorder(io.BytesIO(data), encoding="utf-8").load()
    except RecursionError:
        raise
    except Exception:
        # Whatever it was called before it failed counts.
        pass
    return events, imported
