"""What `torch.save` wrote before 1.6: five pickles in a row, then the bytes of each storage.

The pickles are a magic number, the version of the layout, facts about the machine, the object, and the storages' keys.
Each storage is an int64, how many elements it has, and the elements, always little-endian: a big-endian machine turned
them round as it wrote, but until 2018 not the int64.
Source: `_legacy_save` and `_legacy_load` in `torch/serialization.py`, `torch/csrc/serialization.cpp` of PyTorch 2.13.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inspector.dtypes import DTYPES
from inspector.errors import DamagedFile
from inspector.formats import Call, Contents, Found, Opening
from inspector.formats.class_sources import ClassSources, written_out
from inspector.formats.zips import LOCAL
from inspector.pickles.cursor import Cursor
from inspector.pickles.objects import Dict
from inspector.pickles.opcodes import Cut
from inspector.pickles.pickled import Builder, Pickled
from inspector.pickles.running import run
from inspector.pickles.storages import Named
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.sources import Source
from inspector.storage import Storage

NAME = "PyTorch legacy"

NUMBER, LAYOUT = 0x1950A86A20F9469CFC6C, 1001
"""The magic number, and the only version of the layout there has ever been."""

MAGIC = re.compile(
    rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\.|L119547037146038801333356L\n\.",
    re.DOTALL,
)
"""The pickle of the magic number, in any protocol."""

STOP, PROTO = 0x2E, 0x80

COUNT = 8
"""Bytes of the number in front of a storage's elements."""


def recognises(found: Found) -> bool:
    """Whether the magic number stands at the beginning, or not far behind it."""
    return beginning(found.head) is not None


def read(found: Found, opening: Opening) -> Contents:
    """The object that `torch.load` would give, as a tree. Raises `DamagedFile`, `LimitReached`."""
    source, start = found.source, beginning(found.head)
    if source is None or start is None:
        raise DamagedFile("the magic number of torch.save is missing")
    saved = load(Cursor(source, start, opening.limits, opening.tick(source.size)))
    problems = saved.problems
    if start:
        problems.insert(0, f"{start} bytes stand before what torch.save wrote")
    root = build(saved.pickled.value, opening.limits, problems)
    metadata = {"pickle protocol": saved.pickled.protocol, **saved.about, **saved.sources.about()}
    calls = [Call(instance, "the pickle of the object") for instance in saved.pickled.calls]
    return Contents(root, NAME, problems, metadata, calls, texts=saved.sources.texts)


def beginning(head: bytes) -> int | None:
    """The byte of the magic number, or None. What stands before it may be anything but what holds it as its own."""
    match = MAGIC.search(head)
    if match is None or head.startswith(LOCAL) or head[257:262] == b"ustar":
        return None
    position = 0
    # A pickle of tensors holds whole torch.save files; one that merely stands before ends before.
    while position < match.start() and head[position] == PROTO:
        leading = run(head, position)
        if isinstance(leading.broken, Cut):
            return None
        if leading.broken is not None:
            break
        position = leading.end
    return match.start() if position <= match.start() else None


@dataclass(slots=True)
class Saved:
    """One file of `torch.save`: its object as inert values, the sources of its classes, what it says of itself."""

    pickled: Pickled
    sources: ClassSources
    about: dict[str, Any]
    problems: list[str] = field(default_factory=list)


def load(cursor: Cursor, builders: Mapping[str, Builder] = BUILDERS) -> Saved:
    """The file that begins at the cursor, which moves behind the last storage that is known.

    Raises `DamagedFile` if not even its first pickles are there.
    """
    source = cursor.source
    number, layout, machine = cursor.pickle(), cursor.pickle(), cursor.pickle()
    if type(number.value) is not int or number.value != NUMBER:
        raise DamagedFile("the magic number of torch.save is missing")
    if layout.broken is not None or machine.broken is not None:
        raise DamagedFile("the file is cut off or damaged within its first bytes: nothing of its object is there")
    about = machine.value.attributes() if type(machine.value) is Dict else {}
    storages = Storages(source, foreign=about.get("little_endian") is False)
    # Since protocol 2 each pickle begins with its protocol: so does the list of the storages, behind the object.
    then = bytes([STOP, PROTO, number.protocol]) if number.protocol else b""
    pickled = cursor.pickle(builders, storages, then=then)
    saved = Saved(pickled, storages.sources, {"little endian": about.get("little_endian")})
    if type(layout.value) is not int or layout.value != LAYOUT:
        saved.problems.append(f"the layout is not version {LAYOUT}, the only one that is known")
    if saved.pickled.broken is not None:
        saved.problems.append(f"the pickle of the object: {saved.pickled.broken}; what stands before that is shown")
    else:
        keys = cursor.pickle()
        if keys.broken is not None:
            saved.problems.append(f"the list of storages: {keys.broken}")
        storages.locate(keys.value if type(keys.value) is list else [], cursor)
        rest = source.size - cursor.position
        if rest > 0:
            saved.problems.append(f"{rest} bytes follow behind the last storage that is known; they are not shown")
    storages.check()
    return saved


class Storages(Named):
    """The storages of a file: by its key, the byte where each begins and the bytes that it really has.

    `foreign` is whether a big-endian machine wrote the file.
    """

    def __init__(self, source: Source, foreign: bool) -> None:
        super().__init__()
        self.source = source
        self.foreign = foreign
        self.sources = ClassSources()
        self.places: dict[Any, tuple[int, int]] = {}
        self.unconfirmed: set[Any] = set()
        self.views: dict[str, tuple[Storage, Storage]] = {}

    def __call__(self, pid: Any) -> Any:
        """What `("storage", class, key, location, numel, view)` or `("module", class, file, source)` stands for."""
        pid = written_out(pid) if type(pid) is str else pid
        if type(pid) is tuple and len(pid) == 4 and type(pid[0]) is str and pid[0] == "module":
            return self.sources.keep(*pid[1:])
        found = super().__call__(pid)
        view = pid[5] if type(found) is Storage and len(pid) > 5 else None
        return found if view is None else self._view(found, view)

    def _view(self, whole: Storage, view: Any) -> Storage:
        """A part of a storage, `(key, offset, size)` in elements: until 0.4 such a part was a storage of its own."""
        if type(view) is not tuple or len(view) != 3 or type(view[0]) is not str:
            return whole
        key, offset, size = view
        if type(offset) is not int or type(size) is not int:
            return whole
        if key not in self.views:
            width = DTYPES[whole.dtype].bytes
            part = Storage(self, (whole.key, offset * width), size * width, whole.device, whole.big, whole.dtype)
            if offset < 0 or size < 0 or (offset + size) * width > whole.nbytes:
                part.problem = f"the storage is a part of another one, which has {whole.nbytes} bytes, and leaves it"
            self.views[key] = whole, part
        return self.views[key][1]

    def locate(self, keys: list[Any], cursor: Cursor) -> None:
        """Finds each storage: they follow each other from the cursor's position, which moves behind the last one."""
        listed = [self.known.get(key) if type(key) in (str, int) else None for key in keys]
        named = [storage for storage in listed if storage is not None]
        end = cursor.position + sum(COUNT + storage.nbytes for storage in named)
        if end == self.source.size and len(named) == len(keys):
            # They fill the file exactly: the number in front of each is looked at when the storage is read, not now.
            for storage in named:
                self.places[storage.key] = cursor.position + COUNT, storage.nbytes
                self.unconfirmed.add(storage.key)
                cursor.position += COUNT + storage.nbytes
            return
        for known in listed:
            head = cursor.peek(COUNT)
            # Of a storage that no tensor names nobody knows how wide its elements are, nor where the next one begins.
            if known is None or len(head) < COUNT:
                break
            held = self._held(known, head, cursor.position + COUNT)
            self.places[known.key] = cursor.position + COUNT, held
            cursor.position += COUNT + held

    def _held(self, storage: Storage, head: bytes, start: int) -> int:
        """The bytes that a storage has by the number in front of it, if that can be; else those that it should have."""
        held = [count * DTYPES[storage.dtype].bytes for count in self._counts(head)]
        if storage.nbytes in held:
            return max(0, storage.nbytes)
        storage.problem = f"the storage should hold {storage.nbytes} bytes, and the number before it says {held[0]}"
        return held[0] if 0 <= held[0] <= self.source.size - start else max(0, storage.nbytes)

    def _counts(self, head: bytes) -> list[int]:
        """The number in front of a storage, in the byte orders that it may have."""
        orders: tuple[Any, ...] = ("little", "big") if self.foreign else ("little",)
        return [int.from_bytes(head, order, signed=True) for order in orders]

    def check(self) -> None:
        """Notes which storages are not there, or not whole."""
        for storage in self.known.values():
            start, held = self.places.get(storage.key, (self.source.size, 0))
            there = max(0, min(held, self.source.size - start))
            if storage.key not in self.places:
                storage.problem = "the storage is missing: the file ends before it"
            elif there < min(held, storage.nbytes):
                storage.problem = f"the file ends within the storage: {there} of its {storage.nbytes} bytes are there"
        for whole, part in self.views.values():
            part.problem = part.problem or whole.problem

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes of a storage, or of a part of one, from byte `offset`."""
        whole, first = key if type(key) is tuple else (key, 0)
        if whole not in self.places:
            raise DamagedFile("the storage is missing: the file ends before it")
        start, held = self.places[whole]
        if whole in self.unconfirmed:
            self._confirm(whole, start)
        if first + offset < 0 or first + offset + length > held:
            raise DamagedFile(f"bytes {first + offset} to {first + offset + length} are wanted of a storage of {held}")
        return self.source.read(start + first + offset, length)

    def _confirm(self, key: Any, start: int) -> None:
        """Compares the number in front of a storage with what the pickle says. Raises `DamagedFile`."""
        storage = self.known[key]
        counts = self._counts(self.source.read(start - COUNT, COUNT))
        expected = storage.nbytes // DTYPES[storage.dtype].bytes
        if expected not in counts:
            raise DamagedFile(f"the storage should hold {expected} elements, and the number before it says {counts[0]}")
        self.unconfirmed.discard(key)
