"""`torch.package` archives: their pickles as trees, their Python sources and texts to read, nothing imported.

Pickles lie anywhere as `.pkl`, their storages in `.data/N.storage`. Source: `torch/package/package_exporter.py` and
`package_importer.py` of PyTorch 2.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.errors import DamagedFile, InspectorError, brief
from inspector.formats import Call, Contents, Found, Opening
from inspector.formats.torch_zip import Storages, records, unpickled
from inspector.nodes import Module, Node, Value
from inspector.pickles.tree import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspector.formats.zips import Zip

NAME = "torch.package archive"

TEXTS = (".py", ".txt", ".md", ".json", ".yaml", ".yml", ".cfg", ".toml")


def recognises(found: Found) -> bool:
    """Whether it is a zip with `.data/extern_modules`, which every package has."""
    return found.archive is not None and _root(found.archive) is not None


def read(found: Found, opening: Opening) -> Contents:
    """Every pickle of the package below its path, and every other resource by its size. Raises `DamagedFile`."""
    archive = found.archive
    folder = _root(archive) if archive is not None else None
    if archive is None or folder is None:
        raise DamagedFile("the zip archive holds no package")
    root = Module("package", "bundle")
    contents = Contents(root, NAME, archive.problems, {"folder": folder.rstrip("/"), **records(archive, folder)})
    storages = Storages(archive, folder + ".data/", contents.metadata.get("byteorder") == "big", ending=".storage")
    for member in archive.members:
        path = member.removeprefix(folder)
        if path.endswith(TEXTS) or path == ".data/extern_modules":
            contents.texts[path] = _reader(archive, member)
        elif not path.startswith(".data/") and "/" in path:
            node = _resource(archive, member, path, storages, contents, opening)
            node.key, node.parent = path, root
            root.children.append(node)
    return contents


def _resource(archive: Zip, member: str, path: str, storages: Storages, contents: Contents, opening: Opening) -> Node:
    """A pickle as its tree, anything else as a text of its size."""
    size = archive.members[member].size
    if not path.endswith(".pkl"):
        return Value(f"<{size} bytes>")
    try:
        pickled = unpickled(archive, member, storages, opening)
    except InspectorError as error:
        contents.problems.append(f"{brief(path)}: {error}")
        return Value(f"<{size} bytes>")
    if pickled.broken is not None:
        contents.problems.append(f"{brief(path)}: {pickled.broken}; what stands before that is shown")
    contents.calls += [Call(instance, path) for instance in pickled.calls]
    return build(pickled.value, opening.limits, contents.problems)


def _reader(archive: Zip, member: str) -> Callable[[], str]:
    return lambda: archive.contents(member).decode("utf-8", "replace")


def _root(archive: Zip) -> str | None:
    """The folder, with its slash, of `.data/extern_modules`, or of the first storage where that is cut off."""
    for ending in (".data/extern_modules", ".data/0.storage"):
        for name in archive.ending(ending):
            return name.removesuffix(ending)
    return None
