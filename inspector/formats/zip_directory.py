"""The directory of a zip archive as PyTorch reads it, and what another reader would see in its place.

PyTorch reads archives by miniz (`third_party/miniz-3.0.2/miniz.c` of PyTorch 2.13: `mz_zip_reader_read_central_dir`,
`mz_zip_locate_file_binary_search`), Python by its own zipfile. A file can be made so that they differ: what PyTorch
takes is what is read here, and every difference is told. Where PyTorch refuses an archive, it is read as Python would.

Format: PKWARE's APPNOTE.TXT 6.3.10 (central directory 4.3.12, zip64 extra field 4.5.3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from inspector.errors import DamagedFile, brief
from inspector.formats.zip_end import CENTRAL, ENTRY, REFUSES, EndRecord, end_record, is_entry
from inspector.limits import Limits
from inspector.sources import Source

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

NAMED = 10
"""Members that are named for each difference."""

SORTED = 10_000
"""Members up to which it is worked out which of two of one name PyTorch takes."""


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

    The two are the same object unless names come twice. `start` is the byte of the directory, `end` that behind the
    archive with its comment.
    """

    members: list[Member] = field(default_factory=list)
    chosen: dict[str, Member] = field(default_factory=dict)
    last: dict[str, Member] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    start: int = 0
    end: int = 0


def read_directory(source: Source, limits: Limits) -> Directory:
    """The directory of the archive in a source. Raises `DamagedFile` if there is none, `LimitReached`."""
    told: list[str] = []
    record = end_record(source, told)
    if min(record.count, record.size // ENTRY.size) > limits.members:
        raise limits.reached("members", f"the zip directory lists {record.count} members")
    # Python takes the directory to end where the end record begins, and what stands before the archive for a shift.
    near = record.end - record.size
    shift = near - record.offset
    if shift and record.count and record.there:
        directory = _parsed(source, record, record.offset, 0)
        if len(directory.members) == record.count or near < 0:
            if is_entry(source, near):
                where = f"PyTorch reads the one at byte {record.offset}, Python's zipfile the one at {near}"
                told.append(f"the archive has two directories: {where}")
            return _with(directory, told + _around(source, record, directory))
    if near < 0:
        raise DamagedFile(f"the zip directory claims {record.size} bytes of a file of {source.size}")
    if shift > 0:
        whose = ", which begin as another archive," if source.read(0, 2) == b"PK" else ""
        told.append(f"{shift} bytes{whose} stand before the zip archive: {REFUSES}")
    elif shift:
        told.append(f"{-shift} bytes are missing before the zip directory: {REFUSES}")
    directory = _parsed(source, record, near, shift)
    return _with(directory, told + (_around(source, record, directory) if not shift else []))


def _parsed(source: Source, record: EndRecord, start: int, shift: int) -> Directory:
    """The directory that begins at a byte, with its members' places shifted."""
    directory = Directory(start=start, end=record.behind)
    _parse(source.read(start, record.size), record.count, shift, source.size, directory)
    return directory


def _with(directory: Directory, told: list[str]) -> Directory:
    directory.problems[:0] = told
    return directory


def _around(source: Source, record: EndRecord, directory: Directory) -> list[str]:
    """What is odd about an archive that lies where it says."""
    told = [f"{record.refused}: {REFUSES}"] if record.refused else []
    told += [record.note] if record.note else []
    first = min((member.header for member in directory.members), default=0)
    if first > 0:
        told.append(f"{first} bytes stand before the first member of the zip archive")
    if record.behind < source.size:
        told.append(f"{source.size - record.behind} bytes stand behind the zip archive")
    return told


def _parse(data: bytes, count: int, shift: int, there: int, directory: Directory) -> None:
    """Makes the members of a directory's bytes, for an archive of `there` bytes, and tells what is odd about them."""
    at, end = 0, len(data)
    raws: list[bytes] = []
    odd: list[tuple[Member, int, int]] = []
    members, unpack, fixed = directory.members, ENTRY.unpack_from, ENTRY.size
    seen = 0
    while seen < count and at + fixed <= end:
        magic, flags, method, crc, packed, size, name, extra, comment, disk, attributes, header = unpack(data, at)
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
