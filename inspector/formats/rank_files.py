"""Folders in which each rank of a distributed run saved its own file: one logical model, put together from their parts.

The files are called alike but for the number of the rank (`model_world_size_8_rank_0.pt`), and hold `DTensor` or
`ShardedTensor` objects that say which part of the whole they are. Several such rows of files (a model, its optimizer)
are hung under what they are called.
"""

from __future__ import annotations

import re
from pathlib import Path

from inspector.errors import InspectorError, brief
from inspector.formats import Contents, Found, Opening
from inspector.formats.ranks import Ranks
from inspector.nodes import Node
from inspector.window.pieces import lacking

NAME = "files of the ranks of a distributed run"

RANK = re.compile(r"(.*rank[_-]?)(\d{1,6})(\D*\.(?:pt|pth|bin|ckpt))")

WORLD = re.compile(r"world_size[_-]?(\d{1,6})")

Rows = dict[tuple[str, str], dict[int, str]]


def recognises(found: Found) -> bool:
    """Whether it is a folder of files that are called alike but for the rank."""
    return found.source is None and any(len(ranks) > 1 for ranks in rows(found.names).values())


def rows(names: frozenset[str]) -> Rows:
    """The files of each row by rank; a row is known by what its names have before and behind the number."""
    found: Rows = {}
    for name in sorted(names):
        match = RANK.fullmatch(name)
        if match:
            found.setdefault((match[1], match[3]), {})[int(match[2])] = name
    return found


def read(found: Found, opening: Opening) -> Contents:
    """The whole of each row. Raises what opening its first file does."""
    reader = _Reader(Path(found.path), opening, NAME)
    known = {row: ranks for row, ranks in rows(found.names).items() if len(ranks) > 1}
    reader.count = sum(map(len, known.values()))
    try:
        for row, ranks in known.items():
            root = reader.whole(row, ranks)
            root.key, root.parent = called(row[0]), reader.root
            reader.root.children.append(root)
    except BaseException:
        reader.pool.close()
        raise
    contents = reader.contents
    if len(known) == 1:
        contents.root = reader.root.children[0]
        contents.root.key, contents.root.parent = "", None
    contents.metadata["ranks"] = max(map(len, known.values()))
    return contents


def called(before: str) -> str:
    """What a row is called without what tells of ranks: `model` of `model_world_size_8_rank_`."""
    return re.sub(r"[_-]?rank[_-]?$", "", WORLD.sub("", before)).strip("_-.") or "model"


class _Reader(Ranks):
    """Puts the files of a row together."""

    def whole(self, row: tuple[str, str], ranks: dict[int, str]) -> Node:
        """The tree of the first rank's file, its sharded tensors with the pieces of all."""
        first, *others = sorted(ranks)
        root = self.file(ranks[first])
        tensors = {tensor.name: tensor for tensor in root.tensors()}
        other: list[str] = []
        for rank in others:
            self.opening.clock.check()
            try:
                held = {tensor.name: tensor for tensor in self.file(ranks[rank]).tensors()}
            except InspectorError as error:
                self.contents.problems.append(f"{brief(ranks[rank])}: {error}")
                continue
            for name, tensor in held.items():
                whole = tensors.get(name)
                if whole is None or (whole.shape, whole.dtype) != (tensor.shape, tensor.dtype):
                    other.append(f"{name} of rank {rank}")
                elif tensor.traits.pieces:
                    pieces = (*whole.traits.pieces, *tensor.traits.pieces)
                    whole.traits = whole.traits._replace(pieces=pieces)
        for tensor in tensors.values():
            # A part of one rank is no part of what all have together.
            if tensor.traits.pieces:
                problems = lacking(tensor.shape, tensor.traits.pieces)
                tensor.traits = tensor.traits._replace(type="", parts=(), problems=problems)
        self.tell(row, ranks, other)
        return root

    def tell(self, row: tuple[str, str], ranks: dict[int, str], other: list[str]) -> None:
        """Notes the ranks whose files are missing, and what is not the same thing in the files of all."""
        said = WORLD.search(row[0])
        self.tell_missing(ranks, max(int(said[1]) if said else 0, max(ranks) + 1))
        if other:
            shown = ", ".join(map(brief, other[:3])) + (", …" if len(other) > 3 else "")
            self.contents.problems.append(
                f"{shown}: not as in rank {min(ranks)}'s file, and nothing says how they belong together;"
                " the file can be opened by itself"
            )
