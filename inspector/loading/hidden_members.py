"""What an archive holds besides the members of its directory: deleted ones, what stands before and behind it.

No load reads these, but readers that go from local header to local header do. Format: PKWARE's APPNOTE.TXT 6.3.10 (4.3.7).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from inspector.errors import DamagedFile
from inspector.formats.zip_members import LOCAL_HEADER, STORED, decoded
from inspector.formats.zips import HARMLESS, LOCAL, Zip
from inspector.sources import Bytes, Part, Source

SMALLEST = LOCAL_HEADER
"""Bytes that something hidden takes at least; shorter are the sizes that stand behind a member's bytes."""

LOOKED = 1 << 20
"""Bytes of a gap in which members are looked for."""

_LOCAL = struct.Struct("<4s5H3L2H")

Hidden = tuple[str, Callable[[], Source]]
"""What it is called, and what opens it."""


def between(archive: Zip) -> Iterator[Hidden]:
    """What stands in the gaps of an archive. Every local header is read."""
    spans = []
    for member in archive.directory.members:
        try:
            spans.append((member.header, archive.start(member) + member.packed))
        except DamagedFile:
            continue
    spans.append((archive.directory.start, archive.directory.end))
    at = 0
    for begin, end in [*sorted(spans), (archive.source.size, 0)]:
        if begin - at >= SMALLEST:
            yield from within(archive.source, at, begin)
        at = max(at, end)


def within(source: Source, start: int, end: int) -> Iterator[Hidden]:
    """The members that begin in a range of a source; all of it as one, if none begins where it does."""
    data = source.read(start, min(end - start, LOOKED))
    found = data.find(LOCAL)
    if found != 0:
        yield f"bytes {start} to {end}", lambda: Part(source, start, end - start)
    while found >= 0:
        member = _member(source, data, found, start, end)
        if member is not None:
            yield member
        found = data.find(LOCAL, found + 1)


def _member(source: Source, data: bytes, at: int, start: int, end: int) -> Hidden | None:
    """The member whose local header stands at a place of the data, whose first byte is `start` in the source."""
    if at + LOCAL_HEADER > len(data):
        return None
    _, _, flags, method, _, _, _, packed, _, name, extra = _LOCAL.unpack_from(data, at)
    begin = start + at + LOCAL_HEADER + name + extra
    if begin >= end:
        return None
    # Where the header says no length, it may be all that is left.
    length = packed if 0 < packed <= end - begin else end - begin
    title = decoded(data[at + LOCAL_HEADER : at + LOCAL_HEADER + name], flags)
    if method == STORED:
        return title, lambda: Part(source, begin, length)
    return title, lambda: Bytes(_inflated(source.read(begin, min(length, HARMLESS))))


def _inflated(data: bytes) -> bytes:
    """As much as inflates without harm."""
    try:
        return zlib.decompressobj(-15).decompress(data, HARMLESS)
    except zlib.error:
        return b""
