"""The directory of a zip archive as PyTorch reads it, and what another reader would see in its place.

PyTorch reads archives by miniz (`third_party/miniz-3.0.2/miniz.c` of PyTorch 2.13: `mz_zip_reader_read_central_dir`,
`mz_zip_locate_file_binary_search`), Python by its own zipfile. A file can be made so that they differ: what PyTorch
takes is what is read here, and every difference is told. Where PyTorch refuses an archive, it is read as Python would.

Format: PKWARE's APPNOTE.TXT 6.3.10 (central directory 4.3.12).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.errors import DamagedFile, brief
from inspector.formats.zip_end import CENTRAL, ENTRY, REFUSES, EndRecord, end_record, is_entry
from inspector.formats.zip_members import ENCRYPTED, FOLDER, LOCAL_HEADER, MASKED, PATCHED, STORED, Entries, Members
from inspector.limits import Limits
from inspector.sources import Source

NAMED = 10
"""Members that are named for each difference."""

SORTED = 10_000
"""Members up to which it is worked out which of two of one name PyTorch takes."""


@dataclass(slots=True)
class Directory:
    """The members in their order; `chosen` those that PyTorch finds by name, `last` those that Python's zipfile does.

    The two are the same object unless names come twice. `start` is the byte of the directory, `end` that behind the
    archive with its comment.
    """

    members: Entries
    chosen: Members
    last: Members
    problems: list[str] = field(default_factory=list)
    start: int = 0
    end: int = 0


def read_directory(source: Source, limits: Limits) -> Directory:
    """The directory of the archive in a source. Raises `DamagedFile` if there is none, `LimitReached`."""
    told: list[str] = []
    record = end_record(source, told)
    if min(record.members, record.size // ENTRY.size) > limits.members:
        raise limits.reached("members", f"the zip directory lists {record.members} members")
    # Python takes the directory to end where the end record begins, and what stands before the archive for a shift.
    near = record.end - record.size
    shift = near - record.offset
    if shift and record.members and record.there:
        directory = _parsed(source, record, record.offset, 0)
        if len(directory.members) == record.members or near < 0:
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
    data = source.read(start, record.size)
    entries = Entries(data, record.members, shift, source.size)
    last = Members(entries, dict(zip(entries.names, range(len(entries)), strict=True)))
    directory = Directory(entries, last, last, [], start, record.behind)
    if len(entries) < record.members:
        directory.problems.append(f"the zip directory is damaged: it can be read in part, and {REFUSES}")
    elif data.startswith(CENTRAL, entries.end):
        more = f"more members than the {record.members} of its end record, which are all that PyTorch sees"
        directory.problems.append(f"the zip directory lists {more}")
    elif entries.end != len(data):
        directory.problems.append(f"{len(data) - entries.end} bytes of the zip directory are no members")
    _tell(directory, source.size)
    if len(last) < len(entries) or not entries.simple:
        _choose(directory)
    return directory


def _with(directory: Directory, told: list[str]) -> Directory:
    directory.problems[:0] = told
    return directory


def _around(source: Source, record: EndRecord, directory: Directory) -> list[str]:
    """What is odd about an archive that lies where it says."""
    told = [f"{record.refused}: {REFUSES}"] if record.refused else []
    told += [record.note] if record.note else []
    if directory.members.first > 0:
        told.append(f"{directory.members.first} bytes stand before the first member of the zip archive")
    if record.behind < source.size:
        told.append(f"{source.size - record.behind} bytes stand behind the zip archive")
    return told


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


def _tell(directory: Directory, there: int) -> None:
    """Tells of what PyTorch refuses an archive for, or reads otherwise than others do."""
    told = _Told(directory.problems)
    for number in directory.members.odd:
        member = directory.members[number]
        disk, attributes = directory.members.kind(number)
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


def _choose(directory: Directory) -> None:
    """Finds for each name the member that PyTorch finds: it takes names that differ in case only for one."""
    members = directory.members
    folded = [members.raw(number).lower() for number in range(len(members))]
    if len(set(folded)) == len(folded):
        return
    groups: dict[bytes, list[int]] = {}
    for index, name in enumerate(folded):
        groups.setdefault(name, []).append(index)
    order = _sorted(folded) if len(folded) <= SORTED else None
    chosen = dict(directory.last.numbers)
    directory.chosen = Members(members, chosen)
    told = _Told(directory.problems)
    twice = 0
    for name, indices in groups.items():
        if len(indices) == 1:
            continue
        twice += 1
        taken = _found(order, folded, name) if order is not None else indices[-1]
        for index in indices:
            chosen[members.names[index]] = taken
        said = f"number {indices.index(taken) + 1}" if order is not None else "any"
        same = len({members.names[index] for index in indices}) == 1
        shown = ", ".join(brief(members.names[index]) for index in (indices[:1] if same else indices[:3]))
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
