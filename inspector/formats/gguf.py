"""GGUF: typed keys and values, then names and layouts of tensors, then their bytes; versions 1 to 3, either byte order.

Source: `docs/gguf.md` of ggml, and its reader and writer in Python, `gguf` 0.19 (`gguf_reader.py`, `constants.py`).
ggml's quantised types are dtypes of their own: their values come through the package `gguf`, and the packed bytes are
there besides, as a part `blocks` of each tensor, of shape (..., blocks of a row, bytes of a block).
"""

from __future__ import annotations

import struct
from typing import Any

from inspector.dotted_names import join
from inspector.dtypes import DTYPES
from inspector.errors import DamagedFile, LimitReached, brief
from inspector.formats import Contents, Found, Opening
from inspector.nodes import Module, Node, Tensor
from inspector.pickles.cursor import Cursor
from inspector.sources import Flat
from inspector.storage import PLAIN, Storage, Traits, contiguous

MAGIC = b"GGUF"

SHOWN = 1000
"""Elements of an array among the metadata that are kept; a vocabulary has some 100,000."""

DEEPEST = 16
"""How deep arrays among the metadata may be nested."""

ALIGNMENT = 32
"""What the bytes of tensors are aligned to where the file does not say."""

PIECE = 1 << 20
"""Bytes of an array of texts that are read at a time."""

SCALARS = ("B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d")
"""`struct` codes of the types of values, by number; 8 is a text, 9 an array."""

TEXT, ARRAY = 8, 9

TYPES = {
    0: "float32", 1: "float16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "int8", 25: "int16", 26: "int32",
    27: "int64", 28: "float64", 29: "IQ1_M", 30: "bfloat16", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
    34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4",
    41: "Q1_0",
}  # fmt: skip
"""Our names for ggml's types by their numbers (`enum ggml_type`)."""


def recognises(found: Found) -> bool:
    """Whether it begins with `GGUF`."""
    return found.head.startswith(MAGIC)


def read(found: Found, opening: Opening) -> Contents:
    """The tensors by their names, as a tree. Raises `DamagedFile` for metadata that can't be read, `LimitReached`."""
    return _Reader(found, opening).contents()


class _Reader:
    def __init__(self, found: Found, opening: Opening) -> None:
        assert found.source is not None
        self.source = found.source
        self.limits = opening.limits
        self.cursor = Cursor(found.source, len(MAGIC), opening.limits)
        self.tick = opening.tick(found.source.size)
        version = int.from_bytes(self.cursor.take(4), "little")
        # Files of big-endian machines tell by nothing but the version, which then is a multiple of 65,536.
        self.big = version & 0xFFFF == 0
        self.order = ">" if self.big else "<"
        self.version = int.from_bytes(version.to_bytes(4, "little"), "big") if self.big else version
        if self.version not in (1, 2, 3):
            raise DamagedFile(f"version {self.version} of GGUF is not known")
        self.word = "I" if self.version == 1 else "Q"
        self.text_length = struct.Struct(self.order + self.word)
        self.problems: list[str] = []

    def contents(self) -> Contents:
        tensors, pairs = self.number(self.word), self.number(self.word)
        metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self.text()
            if key in metadata:
                self.problems.append(f"the metadata has {brief(key)} twice; the later one is shown")
            metadata[key] = self.value(self.number("I"))
            if self.cursor.position > self.limits.header:
                raise self.limits.reached("header", "its metadata take more bytes")
        if tensors > self.limits.members:
            raise self.limits.reached("members", f"it lists {tensors} tensors")
        infos: dict[str, tuple[tuple[int, ...], int, int]] = {}
        for _ in range(tensors):
            name = self.text()
            shape = self.cursor.unpack(f"{self.order}{self.axes()}{self.word}")
            if name in infos:
                self.problems.append(f"{brief(name)} is listed twice; the later one is shown")
            infos[name] = shape[::-1], self.number("I"), self.number("Q")
        alignment = metadata.get("general.alignment", ALIGNMENT)
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            self.problems.append(f"general.alignment is no power of two; {ALIGNMENT} is taken")
            alignment = ALIGNMENT
        start = -(-self.cursor.position // alignment) * alignment
        home = Flat(self.source)
        root = Module("dict")

        def make(parent: Module, key: Any, info: tuple[tuple[int, ...], int, int]) -> Node:
            shape, kind, offset = info
            return self.tensor(home, parent, key, shape, kind, start + offset)

        join(root, infos.items(), make)
        about = {"version": self.version, "byte order": "big" if self.big else "little"}
        return Contents(root, f"GGUF version {self.version}", self.problems, about | metadata)

    def tensor(self, home: Flat, parent: Module, key: str, shape: tuple[int, ...], kind: int, start: int) -> Tensor:
        """A tensor whose bytes begin at byte `start` of the file."""
        name = TYPES.get(kind, f"ggml type {kind}")
        dtype = DTYPES.get(name)
        made = Tensor(name, shape, contiguous(shape), None, traits=PLAIN, key=key, parent=parent)
        if dtype is None:
            made.traits = Traits(problems=("its type is not known, so neither its size nor its values are",))
            return made
        made.storage = Storage(home, start, made.nbytes, "cpu", self.big, name)
        if start + made.nbytes > self.source.size:
            made.storage.problem = "its bytes lie behind the end of the file"
        if dtype.block > 1:
            row = shape[-1] if shape else 1
            inner = (*shape[:-1], row // dtype.block, dtype.bytes)
            blocks = Tensor("uint8", inner, contiguous(inner), made.storage, key="blocks", parent=made)
            problems = (f"its rows of {row} elements are no blocks of {dtype.block}",) if row % dtype.block else ()
            made.traits = Traits(parts=(blocks,), problems=problems)
        return made

    def axes(self) -> int:
        """How many axes a tensor has."""
        count: int = self.number("I")
        if count * 4 > self.source.size:
            raise DamagedFile(f"a tensor claims {count} axes")
        return count

    def number(self, code: str) -> Any:
        return self.cursor.unpack(self.order + code)[0]

    def text(self) -> str:
        length = self.number(self.word)
        self.check(length)
        if length > self.limits.header:
            raise self.limits.reached("header", f"a text of {length} bytes stands in the metadata")
        return self.cursor.take(length).decode("utf-8", "replace")

    def check(self, length: int) -> None:
        """Raises `DamagedFile` if fewer bytes follow."""
        if length > self.source.size - self.cursor.position:
            message = f"it ends at byte {self.source.size}, and {length} bytes are wanted from {self.cursor.position}"
            raise DamagedFile(message)

    def value(self, kind: int) -> Any:
        self.tick(self.cursor.position)
        if kind == ARRAY:
            return self.array()
        return self.text() if kind == TEXT else self.number(_code(kind))

    def array(self) -> Any:
        """A list; of one that is long, how long it is and its beginning. Lists of lists are read without recursion."""
        kind, count = self.number("I"), self.number(self.word)
        if kind != ARRAY:
            return self.elements(kind, count)
        whole: list[Any] = []
        stack = [(whole, count)]
        while stack:
            made, left = stack.pop()
            if not left:
                continue
            stack.append((made, left - 1))
            kind, count = self.number("I"), self.number(self.word)
            if kind != ARRAY:
                made.append(self.elements(kind, count))
            elif len(stack) == DEEPEST:
                raise LimitReached(f"arrays in the metadata are nested deeper than {DEEPEST}")
            else:
                inner: list[Any] = []
                made.append(inner)
                stack.append((inner, count))
        return whole

    def elements(self, kind: int, count: int) -> Any:
        """`count` texts or numbers."""
        kept: list[Any]
        if kind == TEXT:
            kept = self.texts(count)
        else:
            code = _code(kind)
            size = struct.calcsize(code)
            self.check(count * size)
            behind = self.cursor.position + count * size
            kept = list(self.cursor.unpack(f"{self.order}{min(count, SHOWN)}{code}"))
            self.cursor.position = behind
        return kept if count <= SHOWN else {"length": count, "first": kept}

    def texts(self, count: int) -> list[str]:
        """The first of `count` texts; the cursor moves behind the last."""
        kept = [self.text() for _ in range(min(count, SHOWN))]
        left, unpack, head = count - len(kept), self.text_length.unpack_from, self.text_length.size
        while left:
            at = self.cursor.position
            piece = self.source.read(at, min(PIECE, max(0, self.source.size - at)))
            place = 0
            while left and place + head <= len(piece):
                place += head + unpack(piece, place)[0]
                left -= 1
            self.check(max(place, head))
            self.cursor.position = at + place
        return kept


def _code(kind: int) -> str:
    code = SCALARS[kind] if kind < len(SCALARS) else ""
    if not code:
        raise DamagedFile(f"a value in the metadata is of type {kind}, which is not known")
    return code
