"""The files that the ranks of a distributed run left in a folder, each read as a tree of its own."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from inspector.errors import brief
from inspector.formats import Contents, Found, Opening
from inspector.formats import read as read_any
from inspector.nodes import Module, Node
from inspector.sources import Pool

NAMED = 8
"""Ranks that are named where files are missing."""


class Ranks:
    """Reads the files of a folder; `contents` is what they are put together to, below `root`. Few are open at a time."""

    def __init__(self, folder: Path, opening: Opening, name: str) -> None:
        self.folder = folder
        self.opening = opening
        self.pool = Pool()
        self.root = Module("checkpoint", "bundle")
        self.contents = Contents(self.root, name)
        self.count = 0

    def file(self, name: str) -> Node:
        """The tree of one file of the folder; it is one of `count` for whoever hears of progress."""
        self.opening.tick(max(self.count, len(self.contents.sources) + 1))(len(self.contents.sources))
        path = str(self.folder / name)
        source = self.pool.file(path)
        self.contents.sources.append(source)
        inner = read_any(Found(path, source, limits=self.opening.limits), self.opening.quietly())
        self.contents.problems += [f"{brief(name)}: {problem}" for problem in inner.problems]
        self.contents.calls += inner.calls
        return inner.root

    def tell_missing(self, there: Container[int], count: int) -> None:
        """Notes the ranks, of so many, whose files are not there."""
        missing = [str(rank) for rank in range(count) if rank not in there]
        if missing:
            shown = ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
            self.contents.problems.append(f"the files of {len(missing)} of {count} ranks are missing: {shown}")
