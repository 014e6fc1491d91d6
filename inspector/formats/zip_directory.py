"""The directory of a zip archive as PyTorch reads it, and what another reader would see in its place.

PyTorch reads archives by miniz (`third_party/miniz-3.0.2/miniz.c` of PyTorch 2.13: `mz_zip_reader_read_central_dir`,
`mz_zip_locate_file_binary_search`), Python by its own zipfile. A file can be made so that they differ: what PyTorch
takes is what is read here, and every difference is told. Where PyTorch refuses an archive, it is read as Python would.

Format: PKWARE's APPNOTE.TXT 6.3.10 (central directory 4.3.12, zip64 4.3.14 to 4.5.3, end record 4.3.16).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from inspector.errors import DamagedFile, brief
from inspector.limits import Limits
from inspector.sources import Source

CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
STORED, DEFLATED = 0, 8

ENCRYPTED, PATCHED, MASKED = 0x41, 0x20, 0x2000
"""Flags of members that neither PyTorch nor this program reads."""

ODD = ENCRYPTED | PATCHED | MASKED

FOLDER = 0x10
"""The attribute of a folder, of which PyTorch reads no bytes."""

_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")

LOCAL_HEADER = 30
"""Bytes of a local header before its name."""

WIDE = 0xFFFFFFFF
"""What stands for a number that 32 bits can't hold."""

NAMED = 10
"""Members that are named for each difference."""

SORTED = 10_000
"""Members up to which it is worked out which of two of one name PyTorch takes."""

REFUSES = "PyTorch refuses the archive"


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


@dataclass(slots=True)
class Directory:
    """The members in their order; `chosen` those that PyTorch finds by name, `last` those that Python's zipfile does.

    The two are the same object unless names come twice. `end` is the byte behind the archive with its comment.
    """

    members: list[Member] = field(default_factory=list)
    chosen: dict[str, Member] = field(default_factory=dict)
    last: dict[str, Member] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    end: int = 0


@dataclass(frozen=True, slots=True)
class _Record:
    """An end record: `count` members in a directory of `size` bytes at `offset`, which ends at byte `end` of the file.

    `behind` is the byte behind the record and its comment. `refused` is why PyTorch would not take it, or empty.
    """

    count: int
    size: int
    offset: int
    end: int
    behind: int
    refused: str


def read_directory(source: Source, limits: Limits) -> Directory:
    """The directory of the archive in a source. Raises `DamagedFile` if there is none, `LimitReached`."""
    directory = Directory()
    problems = directory.problems
    record = _end_record(source, problems)
    directory.end = record.behind
    # Python takes the directory to end where the end record begins, and what stands before the archive for a shift.
    start = record.end - record.size
    shift = start - record.offset
    if shift and record.count and not record.refused:
        if _is_entry(source, start):
            where = f"PyTorch reads the one at byte {record.offset}, Python's zipfile the one at {start}"
            problems.append(f"the archive has two directories: {where}")
        start, shift = record.offset, 0
    if start < 0:
        raise DamagedFile(f"the zip directory claims {record.size} bytes of a file of {source.size}")
    if min(record.count, record.size // _CENTRAL.size) > limits.members:
        raise limits.reached("members", f"the zip directory lists {record.count} members")
    if shift > 0:
        problems.append(f"{shift} bytes stand before the zip archive: {REFUSES}")
    elif shift:
        problems.append(f"{-shift} bytes are missing before the zip directory: {REFUSES}")
    elif record.refused:
        problems.append(f"{record.refused}: {REFUSES}")
    _parse(source.read(start, record.size), record.count, shift, source.size, directory)
    return directory


def _end_record(source: Source, problems: list[str]) -> _Record:
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
    if (record.refused or not record.count) and not python.refused:
        problems.append(f"what looks like an end record stands in the archive's comment: {REFUSES}")
        return python
    if not record.refused and not python.refused:
        where = f"at byte {tail_at + places[0]}, another reader that at {tail_at + other}"
        problems.append(f"the archive has two end records: PyTorch takes the last, {where}")
    return record


def _places(tail: bytes) -> Iterator[int]:
    """Where end records stand, the last first."""
    at = tail.rfind(END, 0, len(tail) - _END.size + len(END))
    while at >= 0:
        yield at
        at = tail.rfind(END, 0, at + len(END) - 1)


def _record(source: Source, tail: bytes, tail_at: int, at: int) -> _Record:
    _, disk, start_disk, here, count, size, offset, comment = _END.unpack_from(tail, at)
    end, behind = tail_at + at, tail_at + at + _END.size + comment
    refused = ""
    if at >= _LOCATOR64.size and tail[at - _LOCATOR64.size : at - _LOCATOR64.size + 4] == LOCATOR64:
        where = _LOCATOR64.unpack_from(tail, at - _LOCATOR64.size)[2]
        near = end - _LOCATOR64.size - _END64.size
        wide = _wide(source, where)
        if wide is None and not _lies(source, count, size, offset):
            # With bytes before the archive it is not where it says.
            refused, where, wide = "the zip64 end record is not where the archive says", near, _wide(source, near)
        if wide is not None:
            end = where
            _, length, _, _, disk, start_disk, here, count, size, offset = wide
            if length < _END64.size - 12:
                refused = "the zip64 end record claims to be shorter than any"
    if count != here or (disk, start_disk) not in ((0, 0), (1, 1)):
        refused = refused or "the archive is said to be one of several"
    if size < count * _CENTRAL.size:
        refused = refused or f"the zip directory claims {count} members in {size} bytes"
    if not _lies(source, count, size, offset):
        refused = refused or "the zip directory is not where the archive says"
    return _Record(count, size, offset, end, min(behind, source.size), refused)


def _lies(source: Source, count: int, size: int, offset: int) -> bool:
    """Whether a directory of so many members can lie there."""
    return offset + size <= source.size and (not count or _is_entry(source, offset))


def _wide(source: Source, at: int) -> tuple[int, ...] | None:
    """The zip64 end record at a byte, or None if there is none."""
    if not 0 <= at <= source.size - _END64.size:
        return None
    record = _END64.unpack(source.read(at, _END64.size))
    return record if record[0] == END64 else None


def _is_entry(source: Source, at: int) -> bool:
    return 0 <= at <= source.size - _CENTRAL.size and source.read(at, len(CENTRAL)) == CENTRAL


def _parse(data: bytes, count: int, shift: int, there: int, directory: Directory) -> None:
    """Makes the members of a directory's bytes, for an archive of `there` bytes, and tells what is odd about them."""
    at, end = 0, len(data)
    raws: list[bytes] = []
    odd: list[tuple[Member, int, int]] = []
    members, unpack, fixed = directory.members, _CENTRAL.unpack_from, _CENTRAL.size
    seen = 0
    while seen < count and at + fixed <= end:
        magic, _, _, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, attributes, header = (
            unpack(data, at)
        )
        behind = at + fixed + name + extra + comment
        if magic != CENTRAL or behind > end:
            break
        at += fixed
        raw = data[at : at + name]
        if size == WIDE or packed == WIDE or header == WIDE:
            size, packed, header = zip64(data[at + name : at + name + extra], size, packed, header)
        header += shift
        member = Member(raw.decode() if raw.isascii() else decoded(raw, flags), size, packed, method, header, crc, flags)
        raws.append(raw)
        members.append(member)
        if (
            (size != packed and (not method or not packed))
            or header + LOCAL_HEADER + packed > there
            or flags & ODD
            or disk > 1
            or attributes & FOLDER
            or b"\0" in raw
        ):
            odd.append((member, disk, attributes))
        at = behind
        seen += 1
    if seen < count:
        directory.problems.append(f"the zip directory is damaged: it can be read in part, and {REFUSES}")
    elif data[at : at + len(CENTRAL)] == CENTRAL:
        more = f"more members than the {count} of its end record, which are all that PyTorch sees"
        directory.problems.append(f"the zip directory lists {more}")
    elif at != end:
        directory.problems.append(f"{end - at} bytes of the zip directory are no members")
    _tell(directory, odd, there)
    _choose(directory, raws)


class _Told:
    """Adds what is wrong with members to the problems, up to a number."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self.left = NAMED

    def say(self, name: str, what: str, effect: str) -> None:
        """One line for one member."""
        if self.left:
            self.left -= 1
            self.problems.append(f"{brief(name)}: {what}: {effect}")


def _tell(directory: Directory, odd: list[tuple[Member, int, int]], there: int) -> None:
    """Tells of what PyTorch refuses an archive for, or reads otherwise than others do."""
    told = _Told(directory.problems)
    for member, disk, attributes in odd:
        name, size, packed = member.name, member.size, member.packed
        if (member.method == STORED and size != packed) or (size and not packed):
            told.say(name, f"{packed} bytes in the file are said to hold {size}", REFUSES)
        elif member.header + LOCAL_HEADER + packed > there:
            told.say(name, "it is said to reach beyond the end of the file", REFUSES)
        if member.flags & MASKED:
            told.say(name, "its header is encrypted", REFUSES)
        elif member.flags & (ENCRYPTED | PATCHED):
            told.say(name, "it is encrypted, or a patch for another file", "it can't be read")
        if disk > 1:
            told.say(name, "it is said to be in another part of the archive", REFUSES)
        if attributes & FOLDER and size and not name.endswith("/"):
            told.say(name, "it is marked as a folder", "PyTorch reads no bytes of it")
        if "\0" in name:
            told.say(name, "a zero byte stands in its name", "Python's zipfile takes the name to end there")


def _choose(directory: Directory, raws: list[bytes]) -> None:
    """Finds for each name the member that PyTorch finds: it takes names that differ in case only for one."""
    members = directory.members
    directory.last = directory.chosen = {member.name: member for member in members}
    folded = [raw.lower() for raw in raws]
    if len(directory.last) == len(members) and len(set(folded)) == len(folded):
        return
    groups: dict[bytes, list[int]] = {}
    for index, name in enumerate(folded):
        groups.setdefault(name, []).append(index)
    order = _sorted(folded) if len(folded) <= SORTED else None
    directory.chosen = dict(directory.last)
    told = _Told(directory.problems)
    twice = 0
    for name, indices in groups.items():
        if len(indices) == 1:
            continue
        twice += 1
        taken = _found(order, folded, name) if order is not None else indices[-1]
        for index in indices:
            directory.chosen[members[index].name] = members[taken]
        said = f"number {indices.index(taken) + 1}" if order is not None else "any"
        same = len({members[index].name for index in indices}) == 1
        shown = ", ".join(brief(members[index].name) for index in (indices[:1] if same else indices[:3]))
        told.say(
            shown, f"the archive lists it {len(indices)} times", f"PyTorch reads {said} of them, Python's zipfile the last"
        )
    if twice > NAMED:
        directory.problems.append(f"the archive lists {twice - NAMED} more members several times")


def _sorted(names: list[bytes]) -> list[int]:
    """The order into which miniz's heap sort (`mz_zip_reader_sort_central_dir_offsets_by_filename`) brings the names."""
    order = list(range(len(names)))

    def sink(root: int, size: int) -> None:
        while (child := 2 * root + 1) < size:
            if child + 1 < size and names[order[child]] < names[order[child + 1]]:
                child += 1
            if not names[order[root]] < names[order[child]]:
                break
            order[root], order[child] = order[child], order[root]
            root = child

    for start in range((len(order) - 2) // 2, -1, -1):
        sink(start, len(order))
    for end in range(len(order) - 1, 0, -1):
        order[end], order[0] = order[0], order[end]
        sink(0, end)
    return order


def _found(order: list[int], names: list[bytes], name: bytes) -> int:
    """The index that miniz's binary search comes upon first."""
    low, high = 0, len(order) - 1
    while low <= high:
        middle = (low + high) // 2
        found = names[order[middle]]
        if found == name:
            return order[middle]
        if found < name:
            low = middle + 1
        else:
            high = middle - 1
    raise KeyError(name)


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
