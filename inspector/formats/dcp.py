"""`torch.distributed.checkpoint` folders: one logical model of global shapes, whose tensors are read across their pieces.

`.metadata` is a pickle that says of each tensor its size and chunks, and of each chunk in which file, at which byte, it
lies; there it is a whole `torch.save` archive. Source: `torch/distributed/checkpoint/metadata.py`, `filesystem.py`
and `default_planner.py` of PyTorch 2.13.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import DamagedFile, InspectorError, NoValues, brief, visible
from inspector.formats import Call, Contents, Found, Opening, torch_zip
from inspector.formats import read as read_any
from inspector.formats.zips import LOCAL
from inspector.nodes import Tensor
from inspector.pickles.arguments import dtype_name, integers
from inspector.pickles.entries import last_entries
from inspector.pickles.machine import run
from inspector.pickles.objects import Dict, Global, Instance, text
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.sources import LocalFile, Part, Pool
from inspector.storage import Traits, contiguous
from inspector.window.pieces import Piece, lacking

if TYPE_CHECKING:
    from inspector.sources import Source

NAME = "torch.distributed checkpoint"

METADATA = ".metadata"

MARK = b"checkpoint.metadata\x94"
"""What its first bytes name."""

VALUES = 10_000
"""How many entries that are no tensors are read: each is an archive of its own."""

CLASSES = frozenset({
    "torch.distributed.checkpoint.filesystem._StorageInfo", "pathlib.PosixPath", "pathlib.WindowsPath", "torch.Size",
    *(f"torch.distributed.checkpoint.metadata.{name}" for name in (
        "Metadata", "TensorStorageMetadata", "BytesStorageMetadata", "TensorProperties", "ChunkStorageMetadata",
        "MetadataIndex", "StorageMeta", "_MEM_FORMAT_ENCODING",
    )),
})  # fmt: skip
"""Classes that only describe a checkpoint."""


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
        contents = Contents(Tensor("float32", (), (), None), NAME)
        pickled = run(source.read(0, min(source.size, opening.limits.pickle)), builders=BUILDERS, limits=opening.limits)
    finally:
        source.close()
    if type(pickled.value) is Instance:
        chunks = _Reader(folder, opening, contents, None).chunks(pickled.value.attributes().get("storage_data"))
        for path, offset, length in {_place(info) for stored in chunks.values() for _, info in stored}:
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
        entries, places = metadata.get("state_dict_metadata"), metadata.get("planner_data")
        if type(entries) is not Dict:
            raise DamagedFile("the checkpoint's metadata lists no entries")
        chunks = self.chunks(metadata.get("storage_data"))
        paths = {name: path for name, path in last_entries(places) if type(name) is str} if type(places) is Dict else {}
        # The entries come in the order of the ranks that wrote them; the planner's names in that of the model.
        order = {name: place for place, name in enumerate(paths)}
        listed = sorted(last_entries(entries), key=lambda entry: order.get(_text(entry[0]), len(order)))
        self.contents.ordered = bool(order)
        root: Any = Dict()
        values = 0
        for name, about in listed:
            self.opening.clock.check()
            if type(name) is not str or type(about) is not Instance:
                continue
            stored = chunks.get(name, [])
            if self.only is not None and not stored:
                continue
            if about.type.endswith("TensorStorageMetadata"):
                entry: Any = self.tensor(name, about.attributes(), stored)
            else:
                values += 1
                entry = self.value(name, stored) if values <= VALUES else Global("", "not read")
            _put(root, paths.get(name), name, entry)
        return root

    def chunks(self, storage_data: Any) -> dict[str, list[tuple[Any, dict[str, Any]]]]:
        """By name: the offset of each chunk, and where it lies."""
        found: dict[str, list[tuple[Any, dict[str, Any]]]] = {}
        for index, info in last_entries(storage_data) if type(storage_data) is Dict else ():
            if type(index) is not Instance or type(info) is not Instance:
                continue
            about = index.attributes()
            name = about.get("fqn")
            place = info.attributes()
            if type(name) is str and (self.only is None or _place(place)[0] == self.only):
                found.setdefault(name, []).append((about.get("offset"), place))
        return found

    def tensor(self, name: str, about: dict[str, Any], stored: list[tuple[Any, dict[str, Any]]]) -> Any:
        """The tensor of an entry: its global size, and a piece for each of its chunks."""
        shape = _size(about.get("size"))
        properties = about.get("properties")
        state = properties.state if type(properties) is Instance else None
        dtype = dtype_name(state[0]) if type(state) is tuple and state else None
        if shape is None or dtype is None:
            self.contents.problems.append(f"{brief(name)}: what the metadata says of it makes no sense")
            return text(about.get("size"))
        places = {_size(offset) or (0,) * len(shape): info for offset, info in stored}
        pieces: list[Piece] = []
        listed = about.get("chunks")
        for chunk in listed if type(listed) is list else ():
            given = chunk.attributes() if type(chunk) is Instance else {}
            offsets, sizes = _size(given.get("offsets")), _size(given.get("sizes"))
            if offsets is None or sizes is None or len(offsets) != len(shape) or len(sizes) != len(shape):
                continue
            info = places.get(offsets)
            if info is not None and self.present(name, info):
                pieces.append(Piece(offsets, sizes, self.opener(info), _place(info)[0]))
        problems = lacking(shape, pieces)
        if problems and self.only is not None:
            problems = ("sharded: this file has only a part of it",)
        traits = Traits(device="cpu", pieces=tuple(pieces), problems=problems)
        return Tensor(dtype, shape, contiguous(shape), None, traits=traits)

    def value(self, name: str, stored: list[tuple[Any, dict[str, Any]]]) -> Any:
        """What an entry that is no tensor holds."""
        for _, info in stored[:1]:
            if self.present(name, info):
                try:
                    return self.archive(*_place(info))
                except InspectorError as error:
                    self.contents.problems.append(f"{brief(name)}: {error}")
        return Global("", "missing")

    def opener(self, info: dict[str, Any]) -> Any:
        """What opens the tensor that lies at a place."""
        place = _place(info)

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
        self.contents.problems += [f"{brief(path)}, byte {offset}: {problem}" for problem in archive.problems]
        return pickled.value

    def present(self, name: str, info: dict[str, Any]) -> bool:
        """Whether the bytes of a chunk are there; what is missing is noted by file."""
        path, offset, length = _place(info)
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


def _place(info: dict[str, Any]) -> tuple[str, int, int]:
    """File, first byte and length of a chunk; what makes no sense is a place that can't be."""
    path, offset, length = info.get("relative_path"), info.get("offset"), info.get("length")
    if type(path) is str and type(offset) is int and type(length) is int:
        return path, offset, length
    return "", -1, -1


def _text(name: Any) -> str:
    """A name as something to look up; what is no text is no name."""
    return name if type(name) is str else ""


def _size(size: Any) -> tuple[int, ...] | None:
    """A `torch.Size` of sizes that are not negative, as ints."""
    found = integers(size)
    return found if found is not None and all(number >= 0 for number in found) else None


def _put(root: Dict, path: Any, name: str, entry: Any) -> None:
    """Puts an entry where the planner says that it was: dicts by text keys, lists by numbers; else under its name."""
    steps = path if type(path) is tuple and path and all(type(step) in (str, int) for step in path) else (name,)
    target: Any = root
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        below = entry if following is None else [] if type(following) is int else Dict()
        target = _entered(target, step, below, last=following is None)
        if target is None:
            root.keys.append(name)
            root.values.append(entry)
            return


def _entered(target: Any, step: Any, below: Any, last: bool) -> Any:
    """What lies under a step of the target, `below` if nothing does; None where the step does not fit the target."""
    if type(target) is Dict:
        found = None if last else target.get(step)
        if found is None:
            target.keys.append(step)
            target.values.append(below)
            found = below
        return found
    if type(target) is list and type(step) is int and 0 <= step <= len(target):
        if step == len(target):
            target.append(below)
        elif last:
            target[step] = below
        return target[step]
    return None
