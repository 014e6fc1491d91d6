"""The end record of a zip archive: which one PyTorch takes, whether it would accept it, and where the directory lies.

The rules are those of miniz (`mz_zip_reader_locate_header_sig` and `mz_zip_reader_read_central_dir` in
`third_party/miniz-3.0.2/miniz.c` of PyTorch 2.13). Format: PKWARE's APPNOTE.TXT 6.3.10 (4.3.14 to 4.3.16).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from inspector.errors import DamagedFile
from inspector.sources import Source

CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"

ENTRY = struct.Struct("<4s4x2H4x3L4H2x2L")
"""An entry of the directory before its name."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")

REFUSES = "PyTorch refuses the archive"


class EndRecord(NamedTuple):
    """An end record: so many `members` in a directory of `size` bytes at `offset`, which ends at byte `end` of the file.

    `behind` is the byte behind the record and its comment. `refused` is why PyTorch would not take it, or empty; `there`
    is whether such a directory can lie at the offset, `note` what else is odd.
    """

    members: int
    size: int
    offset: int
    end: int
    behind: int
    refused: str
    there: bool
    note: str


def end_record(source: Source, problems: list[str]) -> EndRecord:
    """The end record that PyTorch takes, the last one; if it refuses that, the one whose comment reaches to the end."""
    tail_at = max(0, source.size - (1 << 16) - _END.size)
    tail = source.read(tail_at, source.size - tail_at)
    places = list(_places(tail))
    if not places:
        raise DamagedFile("the zip directory at its end is missing: the file is cut off")
    record = _record(source, tail, tail_at, places[0])
    fitting = (at for at in places if at + _END.size + _END.unpack_from(tail, at)[7] == len(tail))
    other = next(fitting, places[0])
    if other == places[0]:
        return record
    python = _record(source, tail, tail_at, other)
    if (record.refused or not record.members) and not python.refused:
        problems.append(f"what looks like an end record stands in the archive's comment: {REFUSES}")
        return python
    if not record.refused and not python.refused:
        where = f"at byte {tail_at + places[0]}, another reader that at {tail_at + other}"
        problems.append(f"the archive has two end records: PyTorch takes the last, {where}")
    return record


def _places(tail: bytes) -> Iterator[int]:
    """Where end records stand, the last first."""
    at = tail.rfind(END, 0, max(0, len(tail) - _END.size + len(END)))
    while at >= 0:
        yield at
        at = tail.rfind(END, 0, at + len(END) - 1)


def _record(source: Source, tail: bytes, tail_at: int, at: int) -> EndRecord:
    _, disk, start_disk, here, count, size, offset, comment = _END.unpack_from(tail, at)
    end, behind = tail_at + at, tail_at + at + _END.size + comment
    refused = note = ""
    if at >= _LOCATOR64.size and tail[at - _LOCATOR64.size : at - _LOCATOR64.size + 4] == LOCATOR64:
        where = _LOCATOR64.unpack_from(tail, at - _LOCATOR64.size)[2]
        near = end - _LOCATOR64.size - _END64.size
        wide = _wide(source, where)
        if wide is None and where > source.size - _END64.size:
            refused = "the zip64 end record is said to be beyond the end of the file"
        elif wide is None and _lies(source, count, size, offset):
            note = "the zip64 end record is not where the archive says: PyTorch goes by the older one"
        if wide is None and not _lies(source, count, size, offset):
            # With bytes before the archive it is not where it says.
            refused = refused or "the zip64 end record is not where the archive says"
            where, wide = near, _wide(source, near)
        if wide is not None:
            end = where
            _, length, _, _, disk, start_disk, here, count, size, offset = wide
            if length < _END64.size - 12:
                refused = "the zip64 end record claims to be shorter than any"
    if count != here or (disk, start_disk) not in ((0, 0), (1, 1)):
        refused = refused or "the archive is said to be one of several"
    if size < count * ENTRY.size:
        refused = refused or f"the zip directory claims {count} members in {size} bytes"
    there = _lies(source, count, size, offset)
    if not there:
        refused = refused or "the zip directory is not where the archive says"
    return EndRecord(count, size, offset, end, min(behind, source.size), refused, there, note)


def _lies(source: Source, count: int, size: int, offset: int) -> bool:
    """Whether a directory of so many members can lie there."""
    return offset + size <= source.size and (not count or is_entry(source, offset))


def _wide(source: Source, at: int) -> tuple[int, ...] | None:
    """The zip64 end record at a byte, or None if there is none."""
    if not 0 <= at <= source.size - _END64.size:
        return None
    record = _END64.unpack(source.read(at, _END64.size))
    return record if record[0] == END64 else None


def is_entry(source: Source, at: int) -> bool:
    """Whether an entry of a directory begins at a byte."""
    return 0 <= at <= source.size - ENTRY.size and source.read(at, len(CENTRAL)) == CENTRAL
