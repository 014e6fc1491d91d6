"""A `.distcp` file without the `.metadata` of its checkpoint: what `torch.distributed.checkpoint` put into it, one by one.

It is a row of whole `torch.save` archives, a tensor (or another object) in each; their names, and where the parts of
sharded tensors belong, stand only in `.metadata`. So each is called by the byte at which it begins.
Source: `_write_item` in `torch/distributed/checkpoint/filesystem.py` of PyTorch 2.13.
"""

from __future__ import annotations

import re
from pathlib import Path

from inspector.errors import DamagedFile, InspectorError, visible
from inspector.formats import Contents, Found, Opening, cut_zip, torch_zip
from inspector.formats.zips import LOCAL
from inspector.nodes import Module
from inspector.sources import Part

NAME = "a file of a torch.distributed checkpoint"

FIRST = b"/data.pkl"

HEADER = 80
"""Bytes in which the name of the first member stands."""

CALLED = re.compile(r"__\d+_\d+\.distcp")
"""What the files of a checkpoint are called."""


def recognises(found: Found) -> bool:
    """Whether it is called as such a file is and begins with an archive of `torch.save`.

    Here the name counts: of archives behind each other under any other name `torch.load` reads the last.
    """
    named = CALLED.fullmatch(Path(found.path).name) is not None
    return named and found.source is not None and found.head.startswith(LOCAL) and FIRST in found.head[:HEADER]


def read(found: Found, opening: Opening) -> Contents:
    """Every entry under the byte at which it begins, and what is left of one that is cut off. Raises `LimitReached`."""
    source = found.source
    if source is None:
        raise DamagedFile("there is no file")
    contents = Contents(Module("checkpoint", "bundle"), NAME)
    at = count = 0
    tick = opening.tick(source.size)
    while at < source.size:
        tick(at)
        rest = Part(source, at, source.size - at)
        length = cut_zip.end_of_archive(rest, opening.quietly())
        item = Found(found.path, Part(source, at, length or rest.size), limits=opening.limits)
        try:
            inner = (torch_zip if length else cut_zip).read(item, opening.quietly())
        except InspectorError as error:
            contents.problems.append(f"byte {at}: {error}")
            break
        _hang(contents, f"byte {at}", inner)
        count += 1
        if count > opening.limits.members:
            raise opening.limits.reached("members", "it has more entries")
        at += length or rest.size
    beside = visible(str(Path(found.path).with_name(".metadata")))
    told = f"it would say what these {count} entries are called, and where the parts of sharded tensors belong"
    contents.problems.insert(0, f"{beside} is missing: {told}")
    contents.metadata = {"entries": count}
    return contents


def _hang(contents: Contents, key: str, inner: Contents) -> None:
    """Hangs what an archive holds below the root."""
    assert isinstance(contents.root, Module)
    inner.root.key, inner.root.parent = key, contents.root
    contents.root.children.append(inner.root)
    contents.problems += [f"{key}: {problem}" for problem in inner.problems]
    contents.calls += inner.calls
