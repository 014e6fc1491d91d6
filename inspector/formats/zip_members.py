"""The members that the directory of a zip archive lists: read by columns, each made when somebody asks for it.

The entries of a large model's directory are alike, but for names, places and sizes: what has to be the same in all of them
is compared by slices of the bytes, and what differs is unpacked for many at once.

Format: PKWARE's APPNOTE.TXT 6.3.10 (central directory 4.3.12, zip64 extra field 4.5.3).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import overload

from inspector.formats.zip_end import CENTRAL, ENTRY

STORED, DEFLATED = 0, 8

ENCRYPTED, PATCHED, MASKED = 0x41, 0x20, 0x2000
"""Flags of members that neither PyTorch nor this program reads."""

ODD = ENCRYPTED | PATCHED | MASKED

FOLDER = 0x10
"""The attribute of a folder, of which PyTorch reads no bytes."""

LOCAL_HEADER = 30
"""Bytes of a local header before its name."""

WIDE = 0xFFFFFFFF
"""What stands for a number that 32 bits can't hold."""

_ALIKE = (*range(4), *range(8, 12), *range(28, 36), *range(38, 42))
"""The bytes of an entry that say of what kind it is: magic, flags, method, lengths, disk, attributes."""

_MOST = 1 << 13
"""Entries that are looked at together."""


@dataclass(slots=True)
class Member:
    """One entry of the directory. `size` is what it holds, `packed` what it takes in the file, in bytes.

    `header` is the byte of its local header; `start` that of its data, once somebody asked.
    """

    name: str
    size: int
    packed: int
    method: int
    header: int
    crc: int
    flags: int
    start: int = -1


class Entries(Sequence[Member]):
    """The members in the order of the directory whose bytes are `data`, for an archive of `there` bytes.

    `names` are theirs, `sizes` what they hold, `end` is the byte of the data behind the last one that can be read. `odd`
    are the numbers of those that PyTorch might refuse, `plain` is 1 for those that are stored, whole and in no way odd.
    `simple` is whether all names are ASCII without a capital: then those that PyTorch takes for one are one text. `first`
    is the smallest of the bytes at which a local header is said to begin, 0 if there is none. Places in the file are moved
    by `shift`.
    """

    def __init__(self, data: bytes = b"", count: int = 0, shift: int = 0, there: int = 0) -> None:
        self.data = data
        self.shift = shift
        self.names: list[str] = []
        self.sizes = array("Q")
        self.odd: list[int] = []
        self.first = 0
        self.end = 0
        self.simple = True
        self._places = array("Q")
        self.plain = bytearray()
        self._made: dict[int, Member] = {}
        while len(self) < count and self.end + ENTRY.size <= len(data):
            magic, *_, name, extra, comment, _, _, _ = ENTRY.unpack_from(data, self.end)
            length = ENTRY.size + name + extra + comment
            fitting = min(count - len(self), (len(data) - self.end) // length, _MOST)
            if magic != CENTRAL or not fitting:
                break
            self._read(_alike(data, self.end, length, fitting), length, name, there)

    def _read(self, count: int, length: int, name: int, there: int) -> None:
        """Reads the next `count` entries, which are alike and have `length` bytes."""
        at, data, number = self.end, memoryview(self.data), len(self)
        _, flags, method, _, _, _, _, _, _, disk, attributes, _ = ENTRY.unpack_from(data, at)
        rows = struct.iter_unpack(f"<20x2L14xL{name}s{length - ENTRY.size - name}x", data[at : at + count * length])
        packed, sizes, headers, raws = zip(*rows, strict=True)
        joined = b"".join(raws)
        self.names += [raw.decode() for raw in raws] if joined.isascii() else [decoded(raw, flags) for raw in raws]
        self.simple = self.simple and joined.isascii() and joined.lower() == joined
        self._places.extend(range(at, at + count * length, length))
        self.end = at + count * length
        if WIDE in packed or WIDE in sizes or WIDE in headers:
            extras = [self.data[place + ENTRY.size + name : place + length] for place in range(at, self.end, length)]
            sizes, packed, headers = zip(*map(zip64, extras, sizes, packed, headers), strict=True)
        self.sizes.extend(sizes)
        first = min(headers) + self.shift
        self.first = min(self.first, first) if number else first
        room = there - LOCAL_HEADER - self.shift
        whole = sizes == packed and max(map(add, headers, packed)) <= room
        if whole and not flags & ODD and disk <= 1 and not attributes & FOLDER and b"\0" not in joined:
            self.plain += bytes([method == STORED]) * count
            return
        self.plain += bytes(count)
        for own, (size, taken, header, raw) in enumerate(zip(sizes, packed, headers, raws, strict=True), number):
            if (
                (size != taken and (not method or not taken))
                or header + taken > room
                or flags & ODD
                or disk > 1
                or attributes & FOLDER
                or b"\0" in raw
            ):
                self.odd.append(own)

    def __len__(self) -> int:
        return len(self.plain)

    @overload
    def __getitem__(self, number: int) -> Member: ...
    @overload
    def __getitem__(self, number: slice) -> list[Member]: ...
    def __getitem__(self, number: int | slice) -> Member | list[Member]:
        """The member of this number."""
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        found = self._made.get(number)
        if found is None:
            at = self._places[number]
            _, flags, method, crc, packed, size, name, extra, _, _, _, header = ENTRY.unpack_from(self.data, at)
            behind = at + ENTRY.size + name
            size, packed, header = zip64(self.data[behind : behind + extra], size, packed, header)
            member = Member(self.names[number], size, packed, method, header + self.shift, crc, flags)
            found = self._made.setdefault(number, member)
        return found

    def kind(self, number: int) -> tuple[int, int]:
        """The disk that a member is said to be on, and its attributes."""
        disk, attributes = ENTRY.unpack_from(self.data, self._places[number])[9:11]
        return disk, attributes

    def raw(self, number: int) -> bytes:
        """The bytes of a member's name."""
        at = self._places[number] + ENTRY.size
        return self.data[at : at + ENTRY.unpack_from(self.data, at - ENTRY.size)[6]]


class Members(Mapping[str, Member]):
    """Members by name: `numbers` say which of the `entries` each is."""

    def __init__(self, entries: Entries, numbers: dict[str, int]) -> None:
        self.entries = entries
        self.numbers = numbers

    def __getitem__(self, name: str) -> Member:
        return self.entries[self.numbers[name]]

    def __contains__(self, name: object) -> bool:
        return name in self.numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def _alike(data: bytes, at: int, length: int, most: int) -> int:
    """How many entries of `length` bytes follow each other from `at` on that are of the kind of the first, up to `most`."""
    count, step = 1, 8
    while count < most:
        step = min(step, most - count)
        block = data[at + count * length : at + (count + step) * length]
        same = step
        for place in _ALIKE:
            column = block[place::length]
            same = min(same, len(column) - len(column.lstrip(data[at + place : at + place + 1])))
        count += same
        if same < step:
            break
        step *= 2
    return count


def decoded(raw: bytes, flags: int) -> str:
    """A member's name. PyTorch compares bytes, and writes UTF-8; other writers without that flag mean code page 437."""
    if raw.isascii():
        return raw.decode("ascii")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape") if flags & 0x800 else raw.decode("cp437")


def zip64(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Sizes and offset with those that 32 bits can't hold taken from the zip64 extra field (id 1)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            size = next(wide, size) if size == WIDE else size
            packed = next(wide, packed) if packed == WIDE else packed
            header = next(wide, header) if header == WIDE else header
            break
        at += 4 + length
    return size, packed, header
