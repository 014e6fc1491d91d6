"""What `torch.save` has written since 1.6: a zip of `data.pkl` and one member for each storage.

Source: `torch/serialization.py` (`_save`, `_load`) and `caffe2/serialize/inline_container.cc` of PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from inspector.errors import DamagedFile, InspectorError, brief
from inspector.formats import Call, Contents, Found, Opening
from inspector.formats.zip_end import REFUSES
from inspector.formats.zip_members import DEFLATED, ENCRYPTED, LOCAL_HEADER, PATCHED, STORED
from inspector.formats.zips import Zip
from inspector.pickles import beginning
from inspector.pickles.pickled import Builder, Pickled
from inspector.pickles.running import run
from inspector.pickles.storages import Named
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.storage import Storage

NAME = "PyTorch zip"

RECORDS = ("version", ".format_version", ".storage_alignment", "byteorder", ".data/serialization_id")
"""Small members that say how the file was written."""

SMALL = 100
"""Bytes of such a member."""


def recognises(found: Found) -> bool:
    """Whether it is a zip with a `data.pkl`."""
    return found.archive is not None and root_of(found.archive) is not None


def read(found: Found, opening: Opening) -> Contents:
    """The object that `torch.load` would give, as a tree. Raises `DamagedFile`, `LimitReached`."""
    archive = found.archive
    folder = root_of(archive) if archive is not None else None
    if archive is None or folder is None:
        raise DamagedFile("the zip archive holds no data.pkl")
    about = records(archive, folder)
    storages = Storages(archive, folder + "data/", big=about.get("byteorder") == "big")
    pickled = unpickled(archive, folder + "data.pkl", storages, opening, preview=True)
    # No other pickle asks for one by its key, and there may be a million.
    storages.known.clear()
    problems = archive.problems
    _tell_roots(archive, folder)
    if pickled.broken is not None:
        problems.append(f"data.pkl: {pickled.broken}; what stands before that is shown")
    root = build(pickled.value, opening.limits, problems)
    metadata: dict[str, Any] = {"folder": folder.rstrip("/"), "pickle protocol": pickled.protocol, **about}
    calls = [Call(instance, "data.pkl") for instance in pickled.calls]
    return Contents(root, NAME, problems, metadata, calls)


def records(archive: Zip, folder: str) -> dict[str, str]:
    """What the small members of an archive say of how it was written."""
    return {name: _record(archive, folder + name) for name in RECORDS if archive.find(folder + name) is not None}


def unpickled(
    archive: Zip,
    member: str,
    storages: Storages,
    opening: Opening,
    builders: Mapping[str, Builder] = BUILDERS,
    preview: bool = False,
) -> Pickled:
    """What the pickle in a member holds, with its storages in other members; with `preview` it makes the whole tree."""
    data = archive.contents(member)
    tick = opening.tick(len(data))
    look = None
    if preview and opening.preview is not None and len(data) >= beginning.LARGE:
        look = beginning.Beginning(opening.preview, opening.limits).look
    pickled = run(data, builders=builders, persistent=storages, limits=opening.limits, tick=tick, look=look)
    storages.check()
    return pickled


class Storages(Named):
    """The storages of an archive, each a member in its `folder` with its key and `ending` for a name."""

    def __init__(self, archive: Zip, folder: str, big: bool, ending: str = "") -> None:
        super().__init__(big)
        self.archive = archive
        self.folder = folder
        self.ending = ending

    def place(self, key: str | int) -> str:
        """The member that a storage is."""
        return f"{self.folder}{key}{self.ending}"

    def check(self) -> None:
        """Notes which storages the archive lacks, or holds at another size than the pickle says."""
        whole = self.archive.name_if_whole
        for storage in self.known.values():
            # One text for both: there may be a million.
            name = whole(storage.key, storage.nbytes)
            if name:
                storage.key = name
            else:
                storage.problem = storage.problem or self._problem(storage)

    def read(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes of a storage from byte `offset`."""
        return self.archive.read(key, offset, length)

    def verify(self, key: str, tick: Callable[[int], None]) -> str | None:
        """What its checksum says of a storage, as `storage.Checked.verify`."""
        return self.archive.verify(key, tick)

    def _problem(self, storage: Storage) -> str:
        member = self.archive.find(storage.key)
        if member is None:
            return "the storage is missing from the archive"
        if member.flags & (ENCRYPTED | PATCHED):
            return "the storage is encrypted"
        if member.method not in (STORED, DEFLATED):
            return f"the storage is packed by a method ({member.method}) that model files do not use"
        if member.size != storage.nbytes:
            return f"the storage should hold {storage.nbytes} bytes and holds {member.size}"
        there = self.archive.source.size - max(member.start, member.header + LOCAL_HEADER)
        if member.packed > there:
            return f"the file ends within the storage: {max(there, 0)} of its {member.packed} bytes are there"
        return ""


def root_of(archive: Zip) -> str | None:
    """The folder, with its slash, that holds `data.pkl`: the first member's, as torch has it, else any; None if none."""
    first = next(iter(archive.members), "")
    deeper = (name.removesuffix("data.pkl") for name in archive.ending("/data.pkl"))
    candidates = chain((first.partition("/")[0] + "/", ""), deeper)
    return next((folder for folder in candidates if archive.find(folder + "data.pkl") is not None), None)


def _tell_roots(archive: Zip, folder: str) -> None:
    """Tells of a `data.pkl` that PyTorch does not read, and of a root folder where it would look in vain."""
    first, slash, _ = next(iter(archive.members), "").partition("/")
    if not slash:
        archive.problems.append(f"the first member, {brief(first)}, is in no folder: {REFUSES}")
    elif folder != first + slash:
        archive.problems.append(f"PyTorch looks for data.pkl in {brief(first)}/, where the first member is: {REFUSES}")
    read = archive.find(folder + "data.pkl")
    if read is not None and read.name != folder + "data.pkl":
        archive.problems.append(f"PyTorch takes {brief(read.name)} for data.pkl, Python's zipfile does not")
    others = [name for name in archive.ending("/data.pkl") if archive.members[name] is not read]
    if others:
        archive.problems.append(f"{brief(others[0])} is another data.pkl, which PyTorch does not read")


def _record(archive: Zip, name: str) -> str:
    try:
        size = archive.member(name).size
        data = archive.contents(name) if size <= SMALL else archive.read(name, 0, SMALL)
        return data[:SMALL].decode("ascii", "replace").strip()
    except InspectorError as error:
        return str(error)
