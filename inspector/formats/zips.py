"""The zip container: its members, stored or deflated, read by name or from their beginning, and their checksums.

Format: PKWARE's APPNOTE.TXT 6.3.10 (local file header 4.3.7). The archive is read by `struct` rather than by the standard
library's `zipfile`: that takes three times as long for the 100,000 members of a large model, and hides what two readers
could see differently.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

from inspector.errors import DamagedFile, brief
from inspector.formats.zip_directory import NAMED, read_directory
from inspector.formats.zip_members import DEFLATED, ENCRYPTED, LOCAL_HEADER, PATCHED, STORED, WIDE, Member, Members, decoded
from inspector.limits import DEFAULT, Limits
from inspector.sources import Bytes, Part, Source

LOCAL = b"PK\x03\x04"

_LOCAL = struct.Struct("<4s5H3L2H")

SIZES_BEHIND = 8
"""The flag of a member whose sizes stand behind its bytes, and not in its local header."""

PIECE = 1 << 20
"""Bytes that are inflated or checked at a time."""

HARMLESS = 32 << 20
"""Bytes that may be inflated from however few."""

SHORT = 1 << 12
"""Bytes that are inflated at a time where only the beginning of a member is wanted."""

WRONG = "the checksum is wrong: the bytes are not those that were written"


class Zip:
    """A zip archive in a source: `members` by name, of those of one name the one that PyTorch reads.

    Raises `DamagedFile` if the source has no directory or one that can't be, `LimitReached` beyond `limits.members`.
    """

    def __init__(self, source: Source, limits: Limits = DEFAULT) -> None:
        self.source = source
        self.limits = limits
        self.members: Mapping[str, Member] = {}
        self.problems: list[str] = []
        self._folded: dict[str, str] = {}
        self._inflated: tuple[Member | None, bytes] = (None, b"")
        self._otherwise = 0
        self._read_directory()

    def _read_directory(self) -> None:
        self.directory = read_directory(self.source, self.limits)
        self.members = self.directory.chosen
        self.problems = self.directory.problems

    def as_python(self) -> None:
        """From now on, of members of one name the last one counts, as for formats that Python's zipfile reads."""
        self.members = self.directory.last

    def find(self, name: str) -> Member | None:
        """The member of this name, or, as in PyTorch, one whose name differs in case only; None if there is none."""
        members = self.members
        found = members.get(name)
        if found is None and isinstance(members, Members) and members.entries.simple:
            return members.get(_folded(name))
        if found is None and not self._folded:
            self._folded = {_folded(key): key for key in members}
        return found or members.get(self._folded.get(_folded(name), name))

    def ending(self, letters: str) -> Iterator[str]:
        """The names that end with these letters of ASCII."""
        members = self.members
        if isinstance(members, Members) and letters.encode() not in members.entries.data:
            return iter(())
        return (name for name in members if name.endswith(letters))

    def name_if_whole(self, name: str, size: int) -> str:
        """A member's name as the archive keeps it, if a quick look shows that it is stored, whole and of this size."""
        members = self.members
        if not isinstance(members, Members) or name not in members.numbers:
            return ""
        entries, number = members.entries, members.numbers[name]
        return entries.names[number] if entries.sizes[number] == size and entries.plain[number] else ""

    def read(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes of the member `key` from byte `offset` of its contents."""
        member = self.member(key)
        if offset < 0 or length < 0 or offset + length > member.size:
            raise DamagedFile(
                f"{brief(key)} holds {member.size} bytes, and bytes {offset} to {offset + length} are wanted of it"
            )
        if member.method == STORED:
            return self.source.read(self.start(member) + offset, length)
        return self.inflate(member)[offset : offset + length]

    def contents(self, key: str) -> bytes:
        """All of a member's bytes; a wrong checksum is noted among the problems.

        Raises `DamagedFile`, and `LimitReached` for one that is packed beyond reason.
        """
        member = self.member(key)
        if member.size > self.limits.pickle:
            raise self.limits.reached("pickle", f"{brief(key)} holds {member.size} bytes")
        data = self.read(key, 0, member.size)
        self._inflated = (None, b"")
        if member.crc and zlib.crc32(data) != member.crc:
            problem = f"{brief(key)}: {WRONG}"
            if problem not in self.problems:
                self.problems.append(problem)
        return data

    def beginning(self, key: str, length: int) -> bytes:
        """The first `length` bytes of a member, with no more of it inflated. Raises `DamagedFile` if it is shorter."""
        member = self.member(key)
        if member.method == STORED or self._inflated[0] is member:
            return self.read(key, 0, length)
        inflater = zlib.decompressobj(-15)
        made = b""
        at, end = self.start(member), self.start(member) + member.packed
        try:
            while len(made) < length and at < end and not inflater.eof:
                piece = self.source.read(at, min(SHORT, end - at))
                at += len(piece)
                made += inflater.decompress(piece, length - len(made))
        except zlib.error:
            raise DamagedFile(f"{brief(key)} is damaged: its compressed bytes make no sense") from None
        if len(made) < length:
            raise DamagedFile(f"{brief(key)} holds {len(made)} bytes, and {length} are wanted of it")
        return made

    def verify(self, key: str, tick: Callable[[int], None] = lambda length: None) -> str | None:
        """What a member's checksum says of its bytes, as `storage.Checked.verify`; writers that make none write 0."""
        member = self.member(key)
        if member.size and not member.crc:
            return None
        made = 0
        for at in range(0, member.size, PIECE):
            piece = self.read(key, at, min(PIECE, member.size - at))
            made = zlib.crc32(piece, made)
            tick(len(piece))
        return "" if made == member.crc else WRONG

    def member(self, key: str) -> Member:
        """The member of this name. Raises `DamagedFile` if there is none or it can't be read at all."""
        found = self.find(key)
        if found is None:
            raise DamagedFile(f"the archive has no member {brief(key)}")
        _expect_readable(found)
        return found

    def part(self, member: Member) -> Source:
        """A member as a source of its own: a part of the file, or its inflated bytes. Raises as `contents` does."""
        _expect_readable(member)
        if member.method == STORED:
            return Part(self.source, self.start(member), member.size)
        made = self.inflate(member)
        self._inflated = (None, b"")
        return Bytes(made)

    def start(self, member: Member) -> int:
        """The byte of the source where a member's data begins: behind its local header, whose length only it knows."""
        if member.start < 0:
            wanted = LOCAL_HEADER + len(member.name) * (1 if member.name.isascii() else 4)
            header = self.source.read(member.header, min(wanted, max(LOCAL_HEADER, self.source.size - member.header)))
            if header[:4] != LOCAL:
                raise DamagedFile(f"there is no header for {brief(member.name)} at byte {member.header}")
            name, extra = struct.unpack_from("<2H", header, 26)
            member.start = member.header + LOCAL_HEADER + name + extra
            self._compare(member, header, name)
        return member.start

    def _compare(self, member: Member, header: bytes, length: int) -> None:
        """Tells what a member's local header says otherwise than the directory does."""
        _, _, flags, method, _, _, crc, packed, size, _, _ = _LOCAL.unpack_from(header)
        raw = header[LOCAL_HEADER : LOCAL_HEADER + length]
        others = []
        if len(raw) < length:
            others.append("a longer name")
        elif decoded(raw, flags) != member.name:
            others.append(f"the name {brief(decoded(raw, flags))}")
        if method != member.method:
            others.append(f"the method {method}")
        if (flags ^ member.flags) & (ENCRYPTED | PATCHED):
            others.append("that it is encrypted" if flags & (ENCRYPTED | PATCHED) else "that it is not encrypted")
        known = not flags & SIZES_BEHIND
        if known and size not in (member.size, WIDE):
            others.append(f"{size} bytes")
        if known and packed not in (member.packed, WIDE):
            others.append(f"{packed} bytes in the file")
        if known and crc != member.crc:
            others.append("another checksum")
        if others:
            self._otherwise += 1
            if self._otherwise <= NAMED:
                said = f"its local header says {', '.join(others)}"
                self.problems.append(f"{brief(member.name)}: {said}: PyTorch goes by the directory, other readers may not")

    def inflate(self, member: Member) -> bytes:
        """The contents of a deflated member, within the limits; the last one is kept."""
        if self._inflated[0] is member:
            return self._inflated[1]
        if member.size > self.limits.inflated:
            raise self.limits.reached("inflated", f"{brief(member.name)} would inflate to {member.size} bytes")
        if member.size > max(self.limits.ratio * member.packed, HARMLESS):
            raise self.limits.reached("ratio", f"{brief(member.name)} would inflate {member.packed} bytes to {member.size}")
        inflater = zlib.decompressobj(-15)
        made = bytearray()
        at, end = self.start(member), self.start(member) + member.packed
        try:
            while not inflater.eof and len(made) <= member.size:
                piece = inflater.unconsumed_tail
                if not piece:
                    if at >= end:
                        break
                    piece = self.source.read(at, min(PIECE, end - at))
                    at += len(piece)
                made += inflater.decompress(piece, PIECE)
        except zlib.error:
            raise DamagedFile(f"{brief(member.name)} is damaged: its compressed bytes make no sense") from None
        if len(made) != member.size:
            raise DamagedFile(f"{brief(member.name)} is damaged: {len(made)} bytes where {member.size} are declared")
        self._inflated = (member, bytes(made))
        return self._inflated[1]


def _expect_readable(member: Member) -> None:
    if member.flags & (ENCRYPTED | PATCHED):
        raise DamagedFile(f"{brief(member.name)} is encrypted, or a patch for another file")
    if member.method not in (STORED, DEFLATED):
        raise DamagedFile(f"{brief(member.name)} is packed by a method ({member.method}) that model files do not use")


def _folded(name: str) -> str:
    """A name with the letters of ASCII in lower case."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
