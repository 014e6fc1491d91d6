"""Zip archives that two readers see differently, each with the tensor `w` of torch.save in several versions."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import inspector
from tests.hostile.files import lay
from tests.hostile.runner import Case


def values(number: int) -> bytes:
    return struct.pack("<3f", number, number, number)


def object_of(key: str = "0") -> bytes:
    """The pickle of `{"w": tensor}` whose storage has this key."""
    hooks = b"ccollections\nOrderedDict\n)R"
    raw = key.encode()
    pid = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX" + struct.pack("<I", len(raw)) + raw + b"X\x03\0\0\0cpuK\x03tQ"
    return (
        b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n("
        + pid
        + b"K\x00K\x03\x85K\x01\x85\x89"
        + hooks
        + b"tRs."
    )


@dataclass(frozen=True)
class Entry:
    """A member: what its local header says besides what the directory does, where that differs."""

    name: str
    data: bytes
    method: int = 0
    flags: int = 0
    attributes: int = 0
    disk: int = 0
    size: int | None = None
    local_name: str | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_size: int | None = None
    local_crc: int | None = None

    @property
    def packed(self) -> bytes:
        return zlib.compress(self.data, wbits=-15) if self.method == 8 else self.data

    def local(self) -> bytes:
        name = (self.local_name or self.name).encode()
        method = self.method if self.local_method is None else self.local_method
        flags = self.flags if self.local_flags is None else self.local_flags
        size = len(self.data) if self.local_size is None else self.local_size
        crc = zlib.crc32(self.data) if self.local_crc is None else self.local_crc
        return (
            struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0, crc, len(self.packed), size, len(name), 0)
            + name
            + self.packed
        )

    def central(self, offset: int) -> bytes:
        name = self.name.encode()
        size = len(self.data) if self.size is None else self.size
        return struct.pack(
            "<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, self.flags, self.method, 0, 0, zlib.crc32(self.data), len(self.packed),
            size, len(name), 0, 0, self.disk, 0, self.attributes, offset) + name  # fmt: skip


def end(count: int, size: int, offset: int, comment: bytes = b"", disk: int = 0) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, count, count, size, offset, len(comment)) + comment


def archive(*entries: Entry, base: int = 0, comment: bytes = b"", count: int | None = None, disk: int = 0) -> bytes:
    """An archive whose offsets count from `base` bytes before it."""
    body, directory = b"", b""
    for entry in entries:
        directory += entry.central(base + len(body))
        body += entry.local()
    return body + directory + end(len(entries) if count is None else count, len(directory), base + len(body), comment, disk)


PICKLE, VERSION, ONE, TWO = (
    Entry("a/data.pkl", object_of()),
    Entry("a/version", b"3\n"),
    Entry("a/data/0", values(1)),
    Entry("a/data/0", values(2)),
)
PLAIN = (PICKLE, VERSION, ONE)
OTHER = archive(PICKLE, VERSION, TWO)
OTHER_PICKLE = Entry("a/data.pkl", object_of("1"))
FILLERS = tuple(Entry(f"a/x{number}", b"-") for number in range(7))


def two_directories() -> bytes:
    """One that the end record names by its offset, and one that stands before the end record."""
    body = b"".join(entry.local() for entry in (*PLAIN, TWO))
    starts = [0]
    for entry in (*PLAIN, TWO):
        starts.append(starts[-1] + len(entry.local()))
    named = b"".join(entry.central(start) for entry, start in zip(PLAIN, starts, strict=False))
    near = b"".join(
        entry.central(start) for entry, start in zip((PICKLE, VERSION, TWO), (starts[0], starts[1], starts[3]), strict=True)
    )
    # Python counts what stands before the end record as shift: its offsets are as much smaller.
    shift = len(named)
    near = b"".join(
        entry.central(start - shift) if start >= shift else entry.central(start)
        for entry, start in zip((PICKLE, VERSION, TWO), (starts[0], starts[1], starts[3]), strict=True)
    )
    return body + named + near + end(3, len(named), len(body))


def zip64(where: int) -> bytes:
    """An archive with a zip64 end record, whose place is given wrong by `where` bytes."""
    whole = archive(*PLAIN)
    body, record = whole[: whole.index(b"PK\5\6")], whole[whole.index(b"PK\5\6") :]
    size, offset = struct.unpack_from("<2L", record, 12)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 3, 3, size, offset)
    return body + wide + struct.pack("<4sLQL", b"PK\6\7", 0, len(body) + where, 1) + record


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "two storages of one name": lambda: archive(*PLAIN, TWO),
    "two storages of one name, the other first": lambda: archive(PICKLE, VERSION, TWO, ONE),
    "three storages of one name": lambda: archive(*PLAIN, TWO, Entry("a/data/0", values(3))),
    "two storages of one name among others": lambda: archive(*PLAIN, *FILLERS, TWO),
    "two pickles of one name": lambda: archive(PICKLE, OTHER_PICKLE, VERSION, ONE, Entry("a/data/1", values(2))),
    "two pickles of one name, the other first": lambda: archive(OTHER_PICKLE, PICKLE, VERSION, ONE, Entry("a/data/1", values(2))),
    "names that differ in case": lambda: archive(PICKLE, VERSION, ONE, Entry("a/DATA/0", values(2))),
    "a pickle in capitals beside the other": lambda: archive(Entry("a/DATA.PKL", object_of("1")), PICKLE, VERSION, ONE, Entry("a/data/1", values(2))),
    "a pickle in capitals": lambda: archive(Entry("a/DATA.PKL", object_of()), VERSION, ONE),
    "two folders, the first without a pickle": lambda: archive(Entry("b/readme", b"x"), *PLAIN),
    "two folders, each with a pickle": lambda: archive(*PLAIN, *(replace(entry, name="b" + entry.name[1:]) for entry in (PICKLE, VERSION, TWO))),
    "no folder": lambda: archive(*(replace(entry, name=entry.name[2:]) for entry in PLAIN)),
    "two archives, one behind the other": lambda: archive(*PLAIN) + OTHER,
    "two archives, the second by its place": lambda: archive(*PLAIN) + archive(PICKLE, VERSION, TWO, base=len(archive(*PLAIN))),
    "an end record in the comment": lambda: archive(*PLAIN, comment=b"see " + end(0, 0, 0) + b"."),
    "another directory in the comment": lambda: archive(*PLAIN, comment=b"x" * 50) [: -50] + (lambda inner: inner + b" " * 0)(OTHER),
    "bytes before the archive": lambda: Entry("junk", b"x" * 99).local() + archive(*PLAIN),
    "bytes before the archive that are counted": lambda: Entry("junk", b"x" * 99).local() + archive(*PLAIN, base=len(Entry("junk", b"x" * 99).local())),
    "bytes behind the archive": lambda: archive(*PLAIN) + b"x" * 30,
    "another name in the local header": lambda: archive(PICKLE, VERSION, replace(ONE, local_name="a/data/9")),
    "a longer name in the local header": lambda: archive(PICKLE, VERSION, replace(ONE, local_name="a/data/0" + "x" * 200)),
    "another method in the local header": lambda: archive(PICKLE, VERSION, replace(ONE, local_method=8)),
    "another size in the local header": lambda: archive(PICKLE, VERSION, replace(ONE, local_size=4)),
    "another checksum in the local header": lambda: archive(PICKLE, VERSION, replace(ONE, local_crc=1)),
    "encrypted, by the directory": lambda: archive(PICKLE, VERSION, replace(ONE, flags=1)),
    "encrypted, by the local header": lambda: archive(PICKLE, VERSION, replace(ONE, local_flags=1)),
    "a masked header": lambda: archive(PICKLE, VERSION, replace(ONE, flags=0x2000)),
    "an unknown method": lambda: archive(PICKLE, VERSION, replace(ONE, method=12)),
    "marked as a folder": lambda: archive(PICKLE, VERSION, replace(ONE, attributes=16)),
    "more members than are counted": lambda: archive(*PLAIN, *FILLERS, count=3),
    "fewer members than are counted": lambda: archive(*PLAIN, count=9),
    "another size than is stored": lambda: archive(PICKLE, VERSION, replace(ONE, size=8)),
    "one of several disks": lambda: archive(*PLAIN, disk=3),
    "a member on another disk": lambda: archive(PICKLE, VERSION, replace(ONE, disk=7)),
    "two directories": two_directories,
    "a zip64 record elsewhere": lambda: zip64(5),
    "a zip64 record beyond the end": lambda: zip64(1 << 40),
    "a zero byte in a name": lambda: archive(*PLAIN, Entry("a/data/0\0x", values(2))),
    "a pickle whose name goes on behind a zero byte": lambda: archive(Entry("a/data.pkl\0x", object_of("1")), *PLAIN),
}  # fmt: skip
"""By name, the bytes of each; the storage that a plain reader finds first holds ones."""


def by_torch() -> dict[str, Any]:
    """What `torch.load` makes of the tensor in each, None where it refuses the file. torch stays in a process of its own."""
    made = subprocess.run([sys.executable, "-W", "ignore", "-m", __name__], capture_output=True, check=True)
    verdicts: dict[str, Any] = json.loads(made.stdout)
    return verdicts


def by_us(data: bytes, path: Path) -> tuple[Any, list[str]]:
    """What is shown of it, and the problems that are told."""
    lay(path, {"": data})
    try:
        with inspector.open(path) as model:
            try:
                values = model["w"].numpy().tolist()
            except inspector.InspectorError as error:
                values = str(error)
            return values, model.problems
    except inspector.InspectorError as error:
        return str(error), [str(error)]


def cases() -> Iterator[Case]:
    """All of them."""
    folder = Path(tempfile.mkdtemp(prefix="archives-"))
    verdicts = by_torch()
    for title, make in ARCHIVES.items():
        yield title, partial(look_at, title, make(), verdicts[title], folder / "model.pt")


def look_at(title: str, data: bytes, expected: Any, path: Path) -> str:
    """PyTorch's reading is shown and the difference named, every time alike."""
    values, problems = by_us(data, path)
    assert problems, "nothing is told"
    assert by_us(data, path) == (values, problems)
    if title == "marked as a folder":
        # torch gives memory that it never wrote to.
        assert "PyTorch reads no bytes of it" in problems[0]
    elif expected is not None:
        assert values == expected, (values, expected)
    elif type(values) is not str:
        assert any(word in problem for problem in problems for word in ("refuses", "another data.pkl")), problems
    return problems[0]


def main() -> None:
    """Writes what torch makes of each."""
    import torch

    verdicts: dict[str, Any] = {}
    for title, make in ARCHIVES.items():
        try:
            verdicts[title] = torch.load(io.BytesIO(make()), weights_only=False)["w"].tolist()
        except Exception:
            verdicts[title] = None
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main()
