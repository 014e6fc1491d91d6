"""`torch.distributed.checkpoint` folders: one logical model of global shapes, whose tensors are read across their pieces.

`.metadata` is a pickle that says of each tensor its size and chunks, and of each chunk in which file, at which byte, it
lies; there it is a whole `torch.save` archive. Source: `torch/distributed/checkpoint/filesystem.py` and
`default_planner.py` of PyTorch 2.13.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import DamagedFile, InspectorError, NoValues, brief, visible
from inspector.formats import Call, Contents, Found, Opening, dcp_metadata, torch_zip
from inspector.formats import read as read_any
from inspector.formats.dcp_metadata import CLASSES, MARK, Place
from inspector.formats.zips import LOCAL
from inspector.nodes import Tensor
from inspector.pickles.objects import Dict, Global, Instance, text
from inspector.pickles.running import run
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.sources import LocalFile, Part, Pool
from inspector.storage import Traits, contiguous
from inspector.window.pieces import Piece, lacking

if TYPE_CHECKING:
    from inspector.sources import Source

NAME = "torch.distributed checkpoint"

METADATA = ".metadata"

VALUES = 10_000
"""How many entries that are no tensors are read: each is an archive of its own."""


def recognises(found: Found) -> bool:
    """Whether it is a folder with a `.metadata`, the `.metadata` of one, or a file beside one that names it."""
    if found.source is None:
        return METADATA in found.names
    return MARK in found.head[:200] or _is_named(found)


def _is_named(found: Found) -> bool:
    """Whether a file of archives is one that the metadata beside it speaks of."""
    path = Path(found.path)
    if type(found.source) is not LocalFile or not found.head.startswith(LOCAL) or not path.with_name(METADATA).is_file():
        return False
    try:
        beside = LocalFile(str(path.with_name(METADATA)))
        metadata = beside.read(0, min(beside.size, found.limits.pickle))
        beside.close()
    except InspectorError:
        return False
    return MARK in metadata[:200] and path.name.encode() in metadata


def read(found: Found, opening: Opening) -> Contents:
    """The whole checkpoint as one tree. Raises `DamagedFile` if its metadata can't be read."""
    folder = Path(found.path) if found.source is None else Path(found.path).parent
    only = Path(found.path).name if found.source is not None and MARK not in found.head[:200] else None
    source = found.source if found.source is not None and only is None else LocalFile(str(folder / METADATA))
    contents = Contents(Tensor("float32", (), (), None), NAME if only is None else f"a file of a {NAME}")
    if source is not found.source:
        contents.sources.append(source)
    if source.size > opening.limits.pickle:
        raise opening.limits.reached("pickle", f"the checkpoint's metadata takes {source.size} bytes")
    pickled = run(source.read(0, source.size), builders=BUILDERS, limits=opening.limits, tick=opening.tick(source.size))
    contents.calls = [Call(instance, METADATA) for instance in pickled.calls if instance.type not in CLASSES]
    if pickled.broken is not None:
        contents.problems.append(f"{METADATA}: {pickled.broken}; what stands before that is shown")
    if type(pickled.value) is not Instance:
        raise DamagedFile(f"{visible(str(folder / METADATA))} holds no metadata of a distributed checkpoint")
    reader = _Reader(folder, opening, contents, only)
    if only is not None:
        reader.files[only] = found.source
        reader.used.add(only)
    contents.root = build(reader.whole(pickled.value.attributes()), opening.limits, contents.problems)
    reader.tell()
    version = pickled.value.attributes().get("version")
    contents.metadata = {"files": len(reader.used), **({"version": version} if type(version) is str else {})}
    return contents


def archives(folder: Path, opening: Opening) -> dict[str, list[tuple[int, int]]]:
    """Where archives lie in the files of a checkpoint: first byte and length of each, by the file's name."""
    found: dict[str, list[tuple[int, int]]] = {}
    source = LocalFile(str(folder / METADATA))
    try:
        pickled = run(source.read(0, min(source.size, opening.limits.pickle)), builders=BUILDERS, limits=opening.limits)
    finally:
        source.close()
    if type(pickled.value) is Instance:
        chunks = dcp_metadata.chunks(pickled.value.attributes().get("storage_data"))
        for path, offset, length in {place for stored in chunks.values() for _, place in stored}:
            found.setdefault(path, []).append((offset, length))
    return {path: sorted(places) for path, places in found.items()}


class _Reader:
    """Turns the metadata into the object that was saved, with tensors that know their pieces.

    With `only` the name of a file, of that object what lies in this file.
    """

    def __init__(self, folder: Path, opening: Opening, contents: Contents, only: str | None) -> None:
        self.folder = folder
        self.only = only
        self.opening = opening
        self.contents = contents
        self.pool = Pool()
        self.files: dict[str, Source | None] = {}
        self.used: set[str] = set()
        self.missing: dict[str, list[str]] = {}
        self.archive = lru_cache(maxsize=256)(self._archive)

    def whole(self, metadata: dict[str, Any]) -> Any:
        """The saved object: entries by their dotted names, at the places that the planner noted for them."""
        listed, self.contents.ordered = dcp_metadata.entries(metadata)
        root: Any = Dict()
        values = 0
        for entry in listed:
            self.opening.clock.check()
            stored = [(offset, place) for offset, place in entry.stored if self.only in (None, place[0])]
            if self.only is not None and not stored:
                continue
            if entry.about.type.endswith("TensorStorageMetadata"):
                found: Any = self.tensor(entry.name, entry.about.attributes(), stored)
            else:
                values += 1
                found = self.value(entry.name, stored) if values <= VALUES else Global("", "not read")
            dcp_metadata.put(root, entry.path, entry.name, found)
        return root

    def tensor(self, name: str, about: dict[str, Any], stored: list[tuple[Any, Place]]) -> Any:
        """The tensor of an entry: its global size, and a piece for each of its chunks."""
        described = dcp_metadata.tensor(about)
        if described is None:
            self.contents.problems.append(f"{brief(name)}: what the metadata says of it makes no sense")
            return text(about.get("size"))
        dtype, shape = described
        places = {dcp_metadata.size(offset) or (0,) * len(shape): place for offset, place in stored}
        pieces: list[Piece] = []
        for offsets, sizes in dcp_metadata.boxes(about, len(shape)):
            place = places.get(offsets)
            if place is not None and self.present(name, place):
                pieces.append(Piece(offsets, sizes, self.opener(place), place[0]))
        problems = lacking(shape, pieces)
        if problems and self.only is not None:
            problems = ("sharded: this file has only a part of it",)
        traits = Traits(device="cpu", pieces=tuple(pieces), problems=problems)
        return Tensor(dtype, shape, contiguous(shape), None, traits=traits)

    def value(self, name: str, stored: list[tuple[Any, Place]]) -> Any:
        """What an entry that is no tensor holds."""
        for _, place in stored[:1]:
            if self.present(name, place):
                try:
                    return self.archive(*place)
                except InspectorError as error:
                    self.contents.problems.append(f"{brief(name)}: {error}")
        return Global("", "missing")

    def opener(self, place: Place) -> Any:
        """What opens the tensor that lies at a place."""

        def open_piece() -> Tensor:
            found = self.archive(*place)
            if type(found) is not Tensor:
                raise NoValues(f"{brief(place[0])} holds no tensor at byte {place[1]}")
            return found

        return open_piece

    def _archive(self, path: str, offset: int, length: int) -> Any:
        """The object in the archive of `length` bytes that lies at `offset` of a file."""
        source = self.file(path)
        if source is None:
            raise NoValues(f"the file {brief(path)} is missing from the checkpoint")
        found = Found(path, Part(source, offset, length), limits=self.opening.limits)
        archive, root = found.archive, torch_zip.root_of(found.archive) if found.archive is not None else None
        if archive is None or root is None:
            inner = read_any(found, self.opening.quietly())
            return inner.root
        storages = torch_zip.Storages(archive, root + "data/", big=False)
        pickled = torch_zip.unpickled(archive, root + "data.pkl", storages, self.opening.quietly())
        self.contents.calls += [Call(instance, path) for instance in pickled.calls]
        problems = [f"{brief(path)}, byte {offset}: {problem}" for problem in archive.problems]
        # What is not looked at for long is opened again.
        self.contents.problems += [problem for problem in problems if problem not in self.contents.problems]
        return pickled.value

    def present(self, name: str, place: Place) -> bool:
        """Whether the bytes of a chunk are there; what is missing is noted by file."""
        path, offset, length = place
        source = self.file(path)
        if source is None or offset < 0 or length < 0 or offset + length > source.size:
            self.missing.setdefault(path, []).append(name)
            return False
        return True

    def file(self, path: str) -> Source | None:
        """The file of the folder that chunks lie in; None if it is missing. A path out of the folder is not followed."""
        if path not in self.files:
            self.files[path] = None
            if Path(path).name == path and path not in ("", ".", ".."):
                try:
                    self.files[path] = opened = self.pool.file(str(self.folder / path))
                    self.contents.sources.append(opened)
                    self.used.add(path)
                except InspectorError:
                    pass
        return self.files[path]

    def tell(self) -> None:
        """Notes for each file that is missing or short what it should hold."""
        for path, names in self.missing.items():
            state = "is missing" if self.files.get(path) is None else "is too short"
            shown = ", ".join(brief(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
            self.contents.problems.append(f"the file {brief(path)} {state}: it should hold {shown}")
