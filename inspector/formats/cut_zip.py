"""A zip of `torch.save` that is cut off: without the directory at its end, read from its beginning.

`data.pkl` comes first and says what there is and how large; the members behind it are found one after the other. Their
own headers do not say how large they are (`torch` writes sizes behind the bytes), but the pickle does.
Source: PKWARE's APPNOTE.TXT 6.3.10 (4.3.7, 4.3.9), `caffe2/serialize/inline_container.cc` of PyTorch 2.13.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from inspector.errors import DamagedFile, brief
from inspector.formats import Call, Contents, Found, Opening
from inspector.formats.torch_zip import NAME, Storages, records
from inspector.formats.zip_members import STORED, Member, decoded, zip64
from inspector.formats.zips import LOCAL, SIZES_BEHIND, WRONG, Zip
from inspector.pickles.cursor import Cursor
from inspector.pickles.pickled import Pickled
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.sources import Bytes, Source

FIRST = "data.pkl"

SEARCH = 1 << 12
"""Bytes behind a member in which the next one has to begin."""

PIECE = 1 << 20
"""Bytes that are searched at a time for the end of a member whose size nothing says."""

DIRECTORY = 1 << 11
"""Bytes that a member takes at most in the directory of an archive of `torch.save`, the records behind it included."""

END_LENGTH = 22
"""Bytes of the record that ends an archive."""

RECORD = 24
"""Bytes that the record behind a member has at most."""

_END = b"PK\x05\x06"

_LOCAL = struct.Struct("<4s5H3L2H")
_BEHIND = struct.Struct("<4s3L"), struct.Struct("<4sL2Q")
_MARK = b"PK\x07\x08"


def recognises(found: Found) -> bool:
    """Whether it begins as a zip whose first member is a `data.pkl`, and has no directory."""
    if found.archive is not None or found.source is None or not found.head.startswith(LOCAL):
        return False
    first = header(found.source, 0)
    return first is not None and (first.name == FIRST or first.name.endswith("/" + FIRST))


def read(found: Found, opening: Opening) -> Contents:
    """What is left of the object that was saved, as a tree. Raises `DamagedFile` if that is nothing, `LimitReached`."""
    source = found.source
    first = header(source, 0) if source is not None else None
    if source is None or first is None:
        raise DamagedFile("the zip archive is cut off within its first header")
    archive = Cut(source, opening.limits)
    folder = first.name.removesuffix(FIRST)
    storages = Storages(archive, folder + "data/", big=False)
    pickled, end = _object(archive, first, storages, opening)
    problems = archive.problems
    problems.append(f"the archive is cut off at byte {source.size}: its directory and what else stood behind are missing")
    if pickled.broken is None:
        sizes = {storage.key: storage.nbytes for storage in storages.known.values()}
        archive.list_members(folder, sizes | {first.name: end - first.start})
        if archive.verify(first.name):
            problems.append(f"data.pkl: {WRONG}")
    else:
        problems.append(f"data.pkl: {pickled.broken}; what stands before that is shown")
    about = records(archive, folder)
    for storage in storages.known.values():
        storage.big = about.get("byteorder") == "big"
    storages.check()
    root = build(pickled.value, opening.limits, problems)
    metadata: dict[str, Any] = {"folder": folder.rstrip("/"), "pickle protocol": pickled.protocol, **about}
    return Contents(root, NAME, problems, metadata, [Call(instance, FIRST) for instance in pickled.calls])


def end_of_archive(source: Source, opening: Opening) -> int | None:
    """The byte behind the archive that a source begins with, whatever follows; None if it is cut off or can't be read."""
    first = header(source, 0)
    if first is None or not first.name.endswith(FIRST):
        return None
    archive = Cut(source, opening.limits)
    folder = first.name.removesuffix(FIRST)
    storages = Storages(archive, folder + "data/", big=False)
    pickled, end = _object(archive, first, storages, opening)
    if pickled.broken is not None:
        return None
    sizes = {storage.key: storage.nbytes for storage in storages.known.values()}
    archive.list_members(folder, sizes | {first.name: end - first.start})
    # The directory is next; it is as long as it has members, and a record of a fixed size closes it.
    length = min(DIRECTORY * (len(archive.members) + 1), source.size - archive.end)
    behind = source.read(archive.end, length).find(_END)
    at = archive.end + behind + END_LENGTH
    return at if behind >= 0 and at <= source.size else None


def _object(archive: Cut, first: Member, storages: Storages, opening: Opening) -> tuple[Pickled, int]:
    """What the first member holds, and the byte behind it."""
    source = archive.source
    if first.method == STORED:
        cursor = Cursor(source, first.start, opening.limits, opening.tick(source.size))
        return cursor.pickle(BUILDERS, storages), cursor.position
    if first.flags & SIZES_BEHIND:
        raise DamagedFile(f"the archive is cut off, and how large its packed {brief(first.name)} is stood at its end")
    archive.found[first.name] = first
    cursor = Cursor(Bytes(archive.contents(first.name)), 0, opening.limits)
    return cursor.pickle(BUILDERS, storages), first.start + first.packed


class Cut(Zip):
    """An archive whose members are found from the front."""

    end = 0
    """The byte behind the last member that was found."""

    found: dict[str, Member]

    def _read_directory(self) -> None:
        """There is none."""
        self.members = self.found = {}

    unfinished: Member | None = None
    """The member whose end is not there, if nothing says where that was."""

    def as_python(self) -> None:
        """Where nothing says which members there were, no name counts twice."""

    def list_members(
        self, folder: str, sizes: Mapping[str, int], tick: Callable[[int], None] = lambda position: None
    ) -> None:
        """Lists the members of `folder`, which follow each other, of the sizes that are known of them."""
        cursor = Cursor(self.source)
        for _ in range(self.limits.members):
            member = self._next(cursor, folder)
            known = self.members.get(member.name) if member is not None else None
            if member is None or (known is not None and known.header != member.header):
                # What comes again belongs to another archive, behind this one.
                break
            if member.flags & SIZES_BEHIND and not self._measure(member, sizes.get(member.name), tick):
                self.unfinished = member
                break
            cursor.position = self.end = member.start + member.packed
            self.found[member.name] = member

    def _measure(self, member: Member, known: int | None, tick: Callable[[int], None]) -> bool:
        """Finds out how large a member is, if that is not known, and its checksum; whether its size is known now.

        Behind it stands a record of them. Where it ends is found by that: it says itself how many bytes stand before it.
        """
        if known is not None and member.method == STORED:
            member.size = member.packed = known
            at = member.start + known
            if at < self.source.size:
                _take_record(member, self.source.read(at, min(RECORD, self.source.size - at)), 0, known)
            return True
        at = member.start
        while at < self.source.size:
            tick(at)
            data = self.source.read(at, min(PIECE, self.source.size - at))
            place = data.find(_MARK)
            while place >= 0:
                if _take_record(member, data, place, at + place - member.start):
                    return True
                place = data.find(_MARK, place + 1)
            # A record may stand across the end of what was read.
            at += max(len(data) - RECORD + 1, 1)
        return False

    def _next(self, cursor: Cursor, folder: str) -> Member | None:
        """The next member of the folder, near the cursor's position."""
        near = cursor.peek(SEARCH)
        at = near.find(LOCAL)
        while at >= 0:
            found = header(self.source, cursor.position + at)
            if found is not None and found.name.startswith(folder):
                return found
            at = near.find(LOCAL, at + 1)
        return None


def _take_record(member: Member, data: bytes, at: int, behind: int) -> bool:
    """Takes the sizes and the checksum of a member from a record, if that stands so many bytes behind its start."""
    for record in _BEHIND:
        if len(data) - at >= record.size:
            mark, crc, packed, size = record.unpack_from(data, at)
            if mark == _MARK and packed == behind and (size == packed or member.method != STORED):
                member.crc, member.packed, member.size = crc, packed, size
                return True
    return False


def header(source: Source, at: int) -> Member | None:
    """The member whose local header stands at a byte; None if there is none, or not all of it."""
    fixed = source.read(at, min(_LOCAL.size, source.size - at))
    if len(fixed) < _LOCAL.size or not fixed.startswith(LOCAL):
        return None
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack(fixed)
    start = at + _LOCAL.size + name + extra
    if start > source.size:
        return None
    texts = source.read(at + _LOCAL.size, name + extra)
    size, packed, _ = zip64(texts[name:], size, packed, 0)
    return Member(decoded(texts[:name], flags), size, packed, method, at, crc, flags, start)
