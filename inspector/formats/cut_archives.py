"""A zip of TorchScript, of `torch.package` or of numpy that is cut off, read from its beginning.

In the first two the storages come before the pickles that say what they are, and the code behind those: what can be told
depends on where the cut is. An `.npz` has one array after the other, each with a header of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from inspector.errors import DamagedFile
from inspector.formats import Contents, Format, Found, Opening, numpy_arrays, torch_package, torchscript
from inspector.formats.cut_zip import Cut, header
from inspector.formats.torch_zip import root_of
from inspector.formats.zip_members import STORED
from inspector.formats.zips import LOCAL

if TYPE_CHECKING:
    from inspector.formats.zip_members import Member

FIRST = re.compile(r"(.+\.npy|[^/]+/(data/|constants/|\.data/).+)", re.DOTALL)
"""What the first member of such an archive is called."""


def recognises(found: Found) -> bool:
    """Whether it begins as such a zip, and has no directory."""
    if found.archive is not None or found.source is None or not found.head.startswith(LOCAL):
        return False
    first = header(found.source, 0)
    return first is not None and FIRST.fullmatch(first.name) is not None


def read(found: Found, opening: Opening) -> Contents:
    """What stands before the cut. Raises `DamagedFile` if that is nothing that can be told, `LimitReached`."""
    source = found.source
    assert source is not None
    archive = Cut(source, opening.limits)
    archive.list_members("", {}, opening.tick(source.size))
    _add_the_last(archive)
    archive.problems.append(
        f"the archive is cut off at byte {source.size}: its directory and what else stood behind are missing"
    )
    found.archive = archive
    formats: tuple[Format, ...] = (torch_package, numpy_arrays)
    for format in formats:
        if format.recognises(found):
            contents = format.read(found, opening)
            if contents.root.children or contents.texts:
                return contents
    if root_of(archive) is not None:
        return torchscript.read(found, opening)
    storages = f"before the pickle that says which tensors its {len(archive.members)} storages hold"
    raise DamagedFile(f"the archive is cut off at byte {source.size}, {storages}")


def _add_the_last(archive: Cut) -> None:
    """Of the member that the cut is in there is what is left of it."""
    member: Member | None = archive.unfinished or next(reversed(archive.found.values()), None)
    if member is None:
        return
    left = archive.source.size - member.start
    # A writer that is interrupted has not told the size of its last member yet.
    if member is archive.unfinished or not member.packed or member.packed > left:
        member.packed = left
        if member.method == STORED:
            member.size, member.crc = left, 0
            archive.found[member.name] = member
