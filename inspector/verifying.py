"""Whether the values of a file are still those that were written: every checksum that it carries, against the bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from inspector import dtypes
from inspector.errors import DamagedFile, InspectorError, brief
from inspector.inventory import Inventory
from inspector.nodes import Node, Tensor
from inspector.soundness import LISTED, told
from inspector.storage import Storage, is_checked

if TYPE_CHECKING:
    from inspector.formats.zip_members import Member
    from inspector.formats.zips import Zip

READ = 1 << 12
"""Bytes whose reading takes as long as beginning to read."""

OPENED = 8 * READ
"""The same for a piece of a tensor, whose own file has to be opened for it."""


class Verified(NamedTuple):
    """What a look at all checksums gave.

    `problems` name the tensors whose bytes are missing or not those that were written; `checked` storages had a
    checksum, `unchecked` ones have none in this file, so that nothing can be said of them.
    """

    problems: list[str]
    checked: int
    unchecked: int


def verify(root: Node, archive: Zip | None = None, progress: Callable[[float], None] | None = None) -> Verified:
    """Reads every storage from `root` down that has a checksum, piece by piece, and compares.

    Then the other members of the `archive` that the file is. `progress` hears how much is read, from 0 to 1, and may
    raise to stop.
    """
    lying = _storages(root)
    others = _others(archive, lying)
    total = _checked_bytes(lying) + sum(member.size for member in others)
    done = checked = 0

    def tick(length: int) -> None:
        nonlocal done
        done += length
        if progress is not None:
            progress(min(done / max(total, 1), 1.0))

    troubled: dict[str, list[Tensor]] = {}
    for storage, tensors in lying.items():
        wrong = _verify(storage, tick)
        if wrong is not None:
            checked += 1
        if wrong:
            troubled.setdefault(wrong, []).extend(tensors)
    return Verified(told(troubled) + _wrong(archive, others, tick), checked, len(lying) - checked)


def verify_small(inventory: Inventory, archive: Zip | None, limit: int) -> list[str]:
    """What `verify` finds if there are at most `limit` bytes to read, without what is known already; else nothing.

    Many small storages count for more than their bytes, as each takes reads of its own.
    """
    if _is_large(inventory, limit):
        return []
    lying = _storages(inventory.root)
    others = _others(archive, lying)
    size = _checked_bytes(lying) + sum(member.size for member in others)
    if size + (len(lying) + len(others)) * READ > limit:
        return []
    troubled: dict[str, list[Tensor]] = {}
    for storage, tensors in lying.items():
        wrong = "" if storage.problem else _verify(storage, lambda length: None)
        if wrong:
            troubled.setdefault(wrong, []).extend(tensors)
    known = archive.problems if archive is not None else []
    return told(troubled) + [text for text in _wrong(archive, others, lambda length: None) if text not in known]


def _is_large(inventory: Inventory, limit: int) -> bool:
    """Whether there is more to read than `limit`, as far as a short look tells; it ends where it is."""
    seen: set[Storage] = set()
    cost = 0
    for tensor in inventory.tensors_and_parts():
        storage = tensor.storage
        if storage is None:
            cost += len(tensor.traits.pieces) * OPENED
        elif storage not in seen:
            seen.add(storage)
            cost += READ + (storage.nbytes if is_checked(storage.home) else 0)
        if cost > limit:
            return True
    return False


def _others(archive: Zip | None, lying: dict[Storage, list[Tensor]]) -> list[Member]:
    """The members of an archive that are no storage of a tensor's."""
    if archive is None:
        return []
    keys = {storage.key[0] if type(storage.key) is tuple else storage.key for storage in lying}
    return [member for name, member in archive.members.items() if name not in keys]


def _wrong(archive: Zip | None, members: list[Member], tick: Callable[[int], None]) -> list[str]:
    """The members whose checksums are wrong, as the archive itself tells of those that it reads."""
    found: list[str] = []
    for member in members if archive is not None else ():
        try:
            wrong = archive.verify(member.name, tick) if archive is not None else None
        except InspectorError as error:
            wrong = str(error)
        if wrong:
            found.append(f"{brief(member.name)}: {wrong}")
    return found[:LISTED]


def _storages(root: Node) -> dict[Storage, list[Tensor]]:
    """The storages from `root` down, and the tensors that lie in each; pieces are opened, and what can't be is left out."""
    lying: dict[Storage, list[Tensor]] = {}
    for node in root.walk():
        if not isinstance(node, Tensor):
            continue
        if node.storage is not None:
            width = dtypes.DTYPES[node.dtype].bytes if node.dtype in dtypes.DTYPES else 1
            for storage, _, _ in node.storage.runs(node.offset * width, node.nbytes):
                lying.setdefault(storage, []).append(node)
            continue
        for piece in node.traits.pieces:
            with suppress(InspectorError):
                inner = piece.open().storage
                if inner is not None:
                    lying.setdefault(inner, []).append(node)
    return lying


def _checked_bytes(lying: dict[Storage, list[Tensor]]) -> int:
    return sum(storage.nbytes for storage in lying if is_checked(storage.home))


def _verify(storage: Storage, tick: Callable[[int], None]) -> str | None:
    """What is wrong with a storage, by its checksum or as it was noticed before; None if nothing can be said."""
    wrong: str | None = None
    if is_checked(storage.home):
        try:
            wrong = storage.home.verify(storage.key, tick)
        except DamagedFile as error:
            return storage.problem or str(error)
    return wrong or storage.problem or wrong
