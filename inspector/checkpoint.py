"""The opened file as one tree, with `nn.Module`'s own words for walking it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from inspector import formats, lightning, optimizers, wrappers
from inspector.counting import count
from inspector.formats import Call, Contents, Found, Opening
from inspector.grouping import group, may_group
from inspector.inventory import take
from inspector.limits import DEFAULT, Clock, Limits
from inspector.nodes import Module, Node, Tensor
from inspector.soundness import survey
from inspector.sources import LocalFile, Source, is_folder, refused
from inspector.verifying import Verified, verify, verify_small
from inspector.walks import Walks

if TYPE_CHECKING:
    from inspector.loading import Scan

SMALL = 4 << 20
"""Bytes of values up to which a file's checksums are looked at when it is opened."""


class Checkpoint(Walks):
    """A model file that was opened. Close it, or use it in a `with`.

    `root` is the tree; `format` says what kind of file it is; `nbytes` is the size of its files; `problems` are texts
    about damage; `metadata` is what the file says of itself; `calls` is what really loading it would call outside
    plain data; `texts` are functions that read what the file carries to be read (source code), by name;
    `misnamed` is the ending of the file's name if it is one of other formats (`.safetensors` on what `torch.save` wrote).
    """

    def __init__(self, path: str, found: Found, contents: Contents) -> None:
        self.path = path
        self.limits = found.limits
        self.sources: list[Source] = [*([found.source] if found.source is not None else []), *contents.sources]
        self._archive = found.archive
        self.root: Node = contents.root
        self.format = contents.format
        self.nbytes = sum(part.size for part in self.sources)
        self.problems = contents.problems
        self.metadata = contents.metadata
        self.calls: list[Call] = contents.calls
        self.texts = contents.texts
        self._text_of = contents.text_of
        self.misnamed = contents.misnamed

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor in the file's order, under each of its names."""
        return self.root.tensors()

    @property
    def _top(self) -> Node:
        """The root, where its walks begin."""
        return self.root

    def __getattr__(self, name: str) -> Any:
        """What the saved object has under this name: a layer, a parameter, another attribute."""
        if name.startswith("__") or name == "root":
            raise AttributeError(name)
        return getattr(self.root, name)

    def __repr__(self) -> str:
        """What `print(model)` says in torch."""
        return repr(self.root)

    def verify(self, progress: Callable[[float], None] | None = None) -> Verified:
        """Compares all values with the checksums that the file carries, as `verifying.verify` says; reads all of it."""
        return verify(self.root, self._archive, progress)

    def scan(self, progress: Callable[[float], None] | None = None) -> Scan:
        """What really loading the file would call and import outside plain data, as `loading.scan` says; read anew."""
        from inspector.loading import scan

        return scan(self.path, self.limits, progress)

    def text_of(self, node: Node) -> str:
        """Which of `texts` is about a node: the source of its class, a program's graph; the empty text if there is none."""
        if isinstance(node, Module):
            path = node.type.rpartition(".")[0].replace(".", "/")
            of_node = self._text_of.get(node.twin or node, "")
            for name in (of_node, node.type, f"{path}.py", f"{path}/__init__.py"):
                if name in self.texts:
                    return name
        return next(iter(self.texts)) if node is self.root and len(self.texts) == 1 else ""

    def changed(self) -> str:
        """What became of the file since it was opened: one line, or the empty text while it is the same.

        Reads nothing. Values of a file that was written to can't be read any more (`ChangedFile`); those of one that was
        replaced or deleted can: they are the ones that were opened.
        """
        return next((what for source in self.sources if (what := source.changed())), "")

    def close(self) -> None:
        """Closes the file; values can't be read any more."""
        for source in self.sources:
            source.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_checkpoint(
    path: str | os.PathLike[str],
    limits: Limits = DEFAULT,
    progress: Callable[[float], None] | None = None,
    preview: Callable[[Module], None] | None = None,
) -> Checkpoint:
    """Opens a model file, or a folder that holds one model, and reads its structure, no values.

    `progress` hears how much of the structure is read, from 0 to 1, and may raise to stop. `preview` gets the beginning of
    a large tree once, where the format can tell it early: names, dtypes and shapes as they will stand in the whole one, no
    totals, and values are not to be read. Raises `NotAModel` for what
    is no model file, `DamagedFile` and `LimitReached` for one that can't be shown at all, `InspectorError` else.
    """
    path = os.fspath(path)
    found = look(path, limits)
    # Millions of small objects are made and none is garbage: the collector would look at them over and over.
    collecting = gc.isenabled()
    gc.disable()
    try:
        opening = Opening(limits, progress, Clock(limits), _honest(preview))
        contents = formats.read(found, opening)
        inventory = take(contents.root)
        count(inventory)
        group(inventory, contents, opening, path)
        optimizers.join(inventory, contents.ordered)
        lightning.tell(contents)
        wrappers.tell(inventory, contents)
        contents.problems.extend(survey(inventory.tensors_and_parts()))
        contents.problems.extend(verify_small(inventory, found.archive, SMALL))
        return Checkpoint(path, found, contents)
    except BaseException:
        if found.source is not None:
            found.source.close()
        raise
    finally:
        if collecting:
            gc.enable()


def _honest(preview: Callable[[Module], None] | None) -> Callable[[Module], None] | None:
    """The same, but for trees of which rows may turn out to be parts of others."""
    if preview is None:
        return None

    def show(root: Module) -> None:
        if not may_group(take(root)):
            preview(root)

    return show


def look(path: str, limits: Limits = DEFAULT) -> Found:
    """What lies at a path, ready to be recognised. Raises `InspectorError` if nothing can be read there."""
    if is_folder(path):
        try:
            return Found(path, None, frozenset(entry.name for entry in os.scandir(path)), limits)
        except OSError as error:
            raise refused(path, error) from None
    return Found(path, LocalFile(path), limits=limits)
