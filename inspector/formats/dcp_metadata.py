"""What the `.metadata` of a `torch.distributed` checkpoint says: which entries there are, where their chunks lie.

Source: `torch/distributed/checkpoint/metadata.py` and `_nested_dict.py` of PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.errors import DamagedFile
from inspector.pickles.arguments import dtype_name, integers
from inspector.pickles.entries import last_entries
from inspector.pickles.objects import Dict, Instance

MARK = b"checkpoint.metadata\x94"
"""What its first bytes name."""

CLASSES = frozenset({
    "torch.distributed.checkpoint.filesystem._StorageInfo", "pathlib.PosixPath", "pathlib.WindowsPath", "torch.Size",
    *(f"torch.distributed.checkpoint.metadata.{name}" for name in (
        "Metadata", "TensorStorageMetadata", "BytesStorageMetadata", "TensorProperties", "ChunkStorageMetadata",
        "MetadataIndex", "StorageMeta", "_MEM_FORMAT_ENCODING",
    )),
})  # fmt: skip
"""Classes that only describe a checkpoint."""

Place = tuple[str, int, int]
"""File, first byte and length of a chunk."""

Box = tuple[tuple[int, ...], tuple[int, ...]]
"""The first index of a chunk along each axis, and its sizes."""


class Entry(NamedTuple):
    """An entry of the object that was saved: its dotted name, what is known of it, and where the planner had it.

    `stored` are its chunks: the index of the first element as the file has it, and where the chunk lies.
    """

    name: str
    about: Instance
    path: Any
    stored: list[tuple[Any, Place]]


def entries(metadata: dict[str, Any]) -> tuple[list[Entry], bool]:
    """The entries, and whether they come in the order of the object. Raises `DamagedFile` where none are listed.

    The metadata itself has them in the order of the ranks that wrote them, the planner's names in that of the object.
    """
    listed, places = metadata.get("state_dict_metadata"), metadata.get("planner_data")
    if type(listed) is not Dict:
        raise DamagedFile("the checkpoint's metadata lists no entries")
    stored = chunks(metadata.get("storage_data"))
    paths = {name: path for name, path in last_entries(places) if type(name) is str} if type(places) is Dict else {}
    order = {name: place for place, name in enumerate(paths)}
    found = [
        Entry(name, about, paths.get(name), stored.get(name, []))
        for name, about in last_entries(listed)
        if type(name) is str and type(about) is Instance
    ]
    return sorted(found, key=lambda entry: order.get(entry.name, len(order))), bool(order)


def chunks(storage_data: Any) -> dict[str, list[tuple[Any, Place]]]:
    """By name: the offset of each chunk, and where it lies."""
    found: dict[str, list[tuple[Any, Place]]] = {}
    for index, info in last_entries(storage_data) if type(storage_data) is Dict else ():
        if type(index) is Instance and type(info) is Instance:
            about = index.attributes()
            name = about.get("fqn")
            if type(name) is str:
                found.setdefault(name, []).append((about.get("offset"), _place(info.attributes())))
    return found


def _place(info: dict[str, Any]) -> Place:
    """File, first byte and length of a chunk; what makes no sense is a place that can't be."""
    path, offset, length = info.get("relative_path"), info.get("offset"), info.get("length")
    if type(path) is str and type(offset) is int and type(length) is int:
        return path, offset, length
    return "", -1, -1


def tensor(about: dict[str, Any]) -> tuple[str, tuple[int, ...]] | None:
    """The dtype and global shape of an entry; None where what the metadata says of it makes no sense."""
    shape, properties = size(about.get("size")), about.get("properties")
    state = properties.state if type(properties) is Instance else None
    dtype = dtype_name(state[0]) if type(state) is tuple and state else None
    return (dtype, shape) if dtype is not None and shape is not None else None


def boxes(about: dict[str, Any], axes: int) -> Iterator[Box]:
    """The chunks that the tensor of an entry was cut into, those that make no sense left out."""
    listed = about.get("chunks")
    for chunk in listed if type(listed) is list else ():
        given = chunk.attributes() if type(chunk) is Instance else {}
        offsets, sizes = size(given.get("offsets")), size(given.get("sizes"))
        if offsets is not None and sizes is not None and len(offsets) == len(sizes) == axes:
            yield offsets, sizes


def size(given: Any) -> tuple[int, ...] | None:
    """A `torch.Size` of sizes that are not negative, as ints."""
    found = integers(given)
    return found if found is not None and all(number >= 0 for number in found) else None


def put(root: Dict, path: Any, name: str, entry: Any) -> None:
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
