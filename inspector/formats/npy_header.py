"""The header of a .npy file: magic, version, and a Python dict written out, which is read here without Python's parser.

Source: `numpy/lib/_format_impl.py` of numpy 2 (versions 1.0, 2.0 and 3.0 of the format).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inspector.errors import DamagedFile

MAGIC = b"\x93NUMPY"

LONGEST = 1 << 20
"""Bytes of a header; a plain array's takes some hundred, one of records with thousands of fields more."""

DEEPEST = 100
"""Brackets that stand in each other; records within records are not deeper."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>[ub]?(?:'[^'\\\n]*'|"[^"\\\n]*"))|(?P<number>[0-9]{1,19})L?|(?P<word>True|False|None)"""
    r"""|(?P<mark>[][(){},:]))"""
)
_WORDS = {"True": True, "False": False, "None": None}
_CLOSED = {"]": "[", ")": "(", "}": "{"}


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says: numpy's description of the dtype, the sizes, which axis runs fastest; `length` is its bytes."""

    descr: Any
    shape: tuple[int, ...]
    fortran: bool
    version: str
    length: int


def read(source: Callable[[int, int], bytes]) -> Header:
    """The header of an array whose bytes `source(offset, length)` gives. Raises `DamagedFile`."""
    start = source(0, 10)
    if start[:6] != MAGIC:
        raise DamagedFile("it does not begin as a .npy file does")
    major, minor = start[6], start[7]
    if major not in (1, 2, 3):
        raise DamagedFile(f"version {major}.{minor} of .npy is not known")
    prefix = 10 if major == 1 else 12
    length = int.from_bytes(source(8, prefix - 8), "little")
    if length > LONGEST:
        raise DamagedFile(f"its header claims {length} bytes, more than any has")
    said = literal(source(prefix, length).decode("utf-8" if major == 3 else "latin1", "replace"))
    if type(said) is not dict or not {"descr", "shape", "fortran_order"} <= said.keys():
        raise DamagedFile("its header does not say descr, shape and fortran_order")
    shape = said["shape"]
    if type(shape) is not tuple or not all(type(size) is int for size in shape):
        raise DamagedFile("its header gives no shape")
    return Header(said["descr"], shape, said["fortran_order"] is True, f"{major}.{minor}", prefix + length)


def literal(text: str) -> Any:
    """A Python literal of dicts with texts for keys, lists, tuples, texts, natural numbers, True, False and None.

    As far as headers need it: commas and colons may stand anywhere, but a tuple of one needs its comma. Raises
    `DamagedFile` for anything else.
    """
    outer: list[tuple[str, list[Any], bool]] = []
    items: list[Any] = []
    opened, comma = "", False
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise DamagedFile(f"its header is no Python dict (from character {at} on)")
        at = token.end()
        mark = token["mark"]
        if len(outer) > DEEPEST:
            raise DamagedFile(f"its header is no Python dict: brackets stand in each other more than {DEEPEST} deep")
        if mark is None:
            items.append(_scalar(token))
        elif mark in "[({":
            outer.append((opened, items, comma))
            opened, items, comma = mark, [], False
        elif mark == ",":
            comma = True
        elif mark != ":":
            if _CLOSED[mark] != opened:
                raise DamagedFile("its header is no Python dict: a bracket is closed that was not opened")
            value = _container(opened, items, comma)
            opened, items, comma = outer.pop()
            items.append(value)
    if outer or len(items) != 1:
        raise DamagedFile("its header is no Python dict: it is cut off, or more than one")
    return items[0]


def _scalar(token: re.Match[str]) -> Any:
    if token["text"] is not None:
        return token["text"].lstrip("ub")[1:-1]
    return int(token["number"]) if token["number"] is not None else _WORDS[token["word"]]


def _container(opened: str, items: list[Any], comma: bool) -> Any:
    if opened == "[":
        return items
    if opened == "(":
        return items[0] if len(items) == 1 and not comma else tuple(items)
    keys = items[::2]
    if len(items) % 2 or not all(type(key) is str for key in keys):
        raise DamagedFile("its header is no Python dict: keys and values do not match")
    return dict(zip(keys, items[1::2], strict=True))
