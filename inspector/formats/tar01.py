"""What `torch.save` of PyTorch 0.1 wrote: a tar of `pickle`, `tensors`, `storages` and `sys_info`.

`storages` and `tensors` are pickles in a row with numbers and bytes between them; the object in `pickle` names tensors
and storages by persistent ids. Source: `_legacy_load.legacy_load` in `torch/serialization.py` of PyTorch 2.13, and
`torch/csrc/generic/serialization.cpp` of PyTorch 0.1.
"""

from __future__ import annotations

import re
from typing import Any

from inspector.dtypes import BY_STORAGE, DTYPES
from inspector.errors import DamagedFile
from inspector.formats import Call, Contents, Found, Opening
from inspector.formats.class_sources import ClassSources
from inspector.nodes import Tensor
from inspector.pickles.cursor import Cursor
from inspector.pickles.objects import Global, Persistent, text
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.sources import Bytes, Flat, Part, Source
from inspector.storage import Storage, Traits

NAME = "PyTorch 0.1 tar"

MEMBERS = frozenset({"pickle", "tensors"})
"""What such a tar has before the bytes of the storages, in which it may be cut off."""

BLOCK = 512
"""Bytes of a tar header; members begin at its multiples."""

ENTRIES = 64
"""Headers that are looked at; such a tar has four members and one further header for each."""

AXES = 64
"""Axes that a tensor may have, as in torch."""

LOST = "the storage is missing from the file"

_SIZE = re.compile(rb"\d+ size=(\d{1,19})\n")


def recognises(found: Found) -> bool:
    """Whether it is a tar that has the members of `torch.save`."""
    return found.source is not None and found.head[257:262] == b"ustar" and members(found.source).keys() >= MEMBERS


def read(found: Found, opening: Opening) -> Contents:
    """The object that was saved, as a tree. Raises `DamagedFile` if nothing of it is there, `LimitReached`."""
    if found.source is None:
        raise DamagedFile("there is no tar")
    parts = members(found.source)
    reader = Reader(opening)
    for name, step in (("storages", reader.storages), ("tensors", reader.tensors)):
        part = parts.get(name, Bytes(b""))
        try:
            step(Cursor(part, 0, opening.limits, opening.tick(part.size)))
        except DamagedFile as error:
            reader.problems.append(f"{name}: {error}")
    pickled = Cursor(parts["pickle"], 0, opening.limits, opening.tick(parts["pickle"].size)).pickle(BUILDERS, reader.load)
    if pickled.broken is not None:
        reader.problems.append(f"pickle: {pickled.broken}; what stands before that is shown")
    root = build(pickled.value, opening.limits, reader.problems)
    calls = [Call(instance, "pickle") for instance in pickled.calls]
    metadata = {"pickle protocol": pickled.protocol, **reader.sources.about()}
    return Contents(root, NAME, reader.problems, metadata, calls, texts=reader.sources.texts)


def members(source: Source) -> dict[str, Source]:
    """The members of a tar (POSIX 1003.1, `pax` Interchange Format) by name, those beyond the source's end cut off."""
    found: dict[str, Source] = {}
    at, size_of_next = 0, None
    for _ in range(ENTRIES):
        if at + BLOCK > source.size:
            break
        header = source.read(at, BLOCK)
        if header[257:262] != b"ustar":
            break
        size = _number(header[124:136])
        start = at + BLOCK
        if header[156:157] in (b"x", b"g"):
            # A size that is too long for the header stands in an entry of its own before it.
            match = _SIZE.search(source.read(start, min(size, BLOCK, source.size - start)))
            size_of_next = int(match[1]) if match is not None else None
        else:
            size = size if size_of_next is None else size_of_next
            size_of_next = None
            name = header[:100].split(b"\0")[0].decode("utf-8", "replace").removeprefix("./")
            found[name] = Part(source, start, min(size, source.size - start))
        at = start + -(-size // BLOCK) * BLOCK
    return found


def _number(field: bytes) -> int:
    """A number of a header: octal, or binary behind a byte 0x80."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    return int(digits, 8) if re.fullmatch(b"[0-7]+", digits) else 0


class Reader:
    """Collects storages and tensors by the ids that the pickle names them by."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.sources = ClassSources()
        self.problems: list[str] = []
        self.known: dict[int, Storage | Tensor] = {}

    def storages(self, cursor: Cursor) -> None:
        """How many, then of each a pickle of `(id, location, class)`, an int64 and the bytes; then parts of them."""
        home = Flat(cursor.source)
        for _ in range(_count(cursor)):
            key, location, cls = _tuple(cursor, 3)
            (numel,) = cursor.unpack("<q")
            if type(cls) is not Global or numel < 0:
                raise DamagedFile(f"what stands before byte {cursor.position} is no storage")
            dtype = BY_STORAGE.get(cls.name, DTYPES["uint8"])
            device = location if type(location) is str else text(location, 40)
            made = Storage(home, cursor.position, numel * dtype.bytes, device, dtype=dtype.name)
            there = cursor.source.size - cursor.position
            if made.nbytes > there:
                made.problem = f"the file ends within the storage: {max(there, 0)} of its {made.nbytes} bytes are there"
            self.known[_key(key)] = made
            cursor.position += made.nbytes
        views = cursor.pickle().value
        for view in views if type(views) is list else []:
            if type(view) is tuple and len(view) == 4 and all(type(part) is int for part in view):
                self._view(*view)

    def _view(self, key: int, root: int, offset: int, numel: int) -> None:
        """A part of a storage that is a storage of its own, in elements."""
        whole = self.known.get(root)
        if type(whole) is not Storage:
            return
        width = DTYPES[whole.dtype].bytes
        part = Storage(whole.home, whole.key + offset * width, numel * width, whole.device, dtype=whole.dtype)
        part.problem = whole.problem
        if offset < 0 or numel < 0 or (offset + numel) * width > whole.nbytes:
            part.problem = f"the storage is a part of another one, which has {whole.nbytes} bytes, and leaves it"
        self.known[key] = part

    def tensors(self, cursor: Cursor) -> None:
        """How many, then of each a pickle of `(id, storage's id, class)`, its axes, sizes, strides and offset."""
        for _ in range(_count(cursor)):
            key, storage, cls = _tuple(cursor, 3)
            (axes, _) = cursor.unpack("<2i")
            if not 0 <= axes <= AXES:
                raise DamagedFile(f"a tensor of {axes} axes stands before byte {cursor.position}")
            *numbers, offset = cursor.unpack(f"<{2 * axes + 1}q")
            lies_in = self.known.get(_key(storage))
            shape, stride = tuple(numbers[:axes]), tuple(numbers[axes:])
            if type(lies_in) is Storage:
                made = Tensor(lies_in.dtype, shape, stride, lies_in, offset)
            else:
                dtype = _dtype(cls)
                made = Tensor(dtype, shape, stride, None, offset, traits=Traits(problems=(LOST,)))
            self.known[_key(key)] = made

    def load(self, pid: Any) -> Any:
        """What `"id"` or `(class, file, source)` stands for."""
        if type(pid) is tuple and len(pid) == 3:
            return self.sources.keep(*pid)
        return self.known.get(_key(pid)) or Persistent(pid)


def _count(cursor: Cursor) -> int:
    count = cursor.pickle().value
    if type(count) is not int:
        raise DamagedFile("it does not begin with a number")
    return count


def _tuple(cursor: Cursor, length: int) -> tuple[Any, ...]:
    at = cursor.position
    pickled = cursor.pickle()
    if pickled.broken is not None or type(pickled.value) is not tuple or len(pickled.value) != length:
        raise DamagedFile(f"what stands at byte {at} can't be read; what stands before is shown")
    return pickled.value


def _dtype(cls: Any) -> str:
    """The dtype of a tensor by its class, `torch.FloatTensor`."""
    name = cls.name.replace("Tensor", "Storage") if type(cls) is Global else ""
    return BY_STORAGE.get(name, DTYPES["uint8"]).name


def _key(key: Any) -> int:
    """An id as a number; -1 for what is none."""
    if type(key) is int:
        return key
    return int(key) if type(key) is str and re.fullmatch(r"-?\d{1,30}", key, re.ASCII) else -1
