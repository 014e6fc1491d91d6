"""Results that are kept for as long as a file is the same, within a bound of memory, and in this process only."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from inspector.nodes import Tensor

if TYPE_CHECKING:
    from inspector.checkpoint import Checkpoint

MOST = 32 << 20
"""Bytes of results that are kept."""

Result = TypeVar("Result")

Identity = tuple[Any, ...]


def identity(checkpoint: Checkpoint) -> Identity:
    """What tells this content of a file from any other: device, inode, size and time of change of each of its files."""
    return tuple(getattr(source, "identity", source.size) for source in checkpoint.sources)


def place(tensor: Tensor) -> Identity:
    """What tells a tensor of a file from all others: dotted names may be alike, as of `{"a.b": x, "a": {"b": y}}`."""
    labels = tuple(node.label for node in tensor.path)
    storage = tensor.storage
    key = storage.key if storage is not None and type(storage.key) in (str, int) else None
    return labels, key, tensor.dtype, tensor.offset, tensor.shape, tensor.stride


class Remembered(Generic[Result]):
    """Results by a key (an `identity` and a `place`, say); what was not asked for the longest goes first."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.size = 0
        self._results: OrderedDict[Identity, tuple[Result, int]] = OrderedDict()

    def get(self, key: Identity) -> Result | None:
        """What is known, or None."""
        found = self._results.get(key)
        if found is None:
            return None
        self._results.move_to_end(key)
        return found[0]

    def keep(self, key: Identity, result: Result, size: int) -> None:
        """Remembers a result that takes about `size` bytes."""
        self._drop(key)
        self._results[key] = result, size
        self.size += size
        while self.size > self.most and self._results:
            self._drop(next(iter(self._results)))

    def _drop(self, key: Identity) -> None:
        found = self._results.pop(key, None)
        if found is not None:
            self.size -= found[1]
