"""Whether the values of a file are still those that were written: every checksum that it carries, against the bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

from inspector.errors import DamagedFile
from inspector.nodes import Node, Tensor
from inspector.soundness import told
from inspector.storage import Checked, Storage

READ = 1 << 12
"""Bytes whose reading takes as long as beginning to read."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at all checksums gave.

    `problems` name the tensors whose bytes are missing or not those that were written; `checked` storages had a
    checksum, `unchecked` ones have none in this file, so that nothing can be said of them.
    """

    problems: list[str]
    checked: int
    unchecked: int


def verify(root: Node, progress: Callable[[float], None] | None = None) -> Verified:
    """Reads every storage from `root` down that has a checksum, piece by piece, and compares.

    `progress` hears how much is read, from 0 to 1, and may raise to stop.
    """
    lying = _storages(root)
    total = _checked_bytes(lying)
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
    return Verified(told(troubled), checked, len(lying) - checked)


def verify_small(root: Node, limit: int) -> list[str]:
    """What `verify` finds if there are at most `limit` bytes to read, without what is known already; else nothing.

    Many small storages count for more than their bytes, as each takes reads of its own.
    """
    lying = _storages(root)
    if _checked_bytes(lying) + len(lying) * READ > limit:
        return []
    troubled: dict[str, list[Tensor]] = {}
    for storage, tensors in lying.items():
        wrong = "" if storage.problem else _verify(storage, lambda length: None)
        if wrong:
            troubled.setdefault(wrong, []).extend(tensors)
    return told(troubled)


def _storages(root: Node) -> dict[Storage, list[Tensor]]:
    """The storages from `root` down, and the tensors that lie in each."""
    lying: dict[Storage, list[Tensor]] = {}
    for node in root.walk():
        if isinstance(node, Tensor) and node.storage is not None:
            lying.setdefault(node.storage, []).append(node)
    return lying


def _checked_bytes(lying: dict[Storage, list[Tensor]]) -> int:
    return sum(storage.nbytes for storage in lying if _has_checksums(type(storage.home)))


def _verify(storage: Storage, tick: Callable[[int], None]) -> str | None:
    """What is wrong with a storage, by its checksum or as it was noticed before; None if nothing can be said."""
    wrong: str | None = None
    if _has_checksums(type(storage.home)):
        try:
            wrong = cast(Checked, storage.home).verify(storage.key, tick)
        except DamagedFile as error:
            return storage.problem or str(error)
    return wrong or storage.problem or wrong


@cache
def _has_checksums(kind: type) -> bool:
    """Whether homes of this class are `Checked`: asked of each of 100,000 storages, Python's own answer takes a second."""
    return issubclass(kind, Checked)
