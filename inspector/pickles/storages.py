"""The storages that a pickle of torch's names: what its persistent ids stand for."""

from __future__ import annotations

from typing import Any

from inspector.dtypes import BY_STORAGE, DTYPES
from inspector.pickles.objects import Global, Persistent, text
from inspector.storage import Storage

BYTES = DTYPES["uint8"]
"""What a storage of an unknown class is taken for."""


def described(cls: Global, location: Any, numel: int) -> tuple[str, int, str]:
    """The dtype, bytes and device that a persistent id gives a storage."""
    dtype = BY_STORAGE.get(cls.name, BYTES)
    return dtype.name, numel * dtype.bytes, location if type(location) is str else text(location, 40)


class Named:
    """The storages by the keys that persistent ids give them, each made once. Who derives from it says where they lie.

    It is called with a persistent id, and gives what that stands for.
    """

    def __init__(self, big: bool = False) -> None:
        self.big = big
        self.known: dict[str | int, Storage] = {}

    def __call__(self, pid: Any) -> Any:
        """What `("storage", class, key, location, numel)` stands for."""
        if type(pid) is not tuple or len(pid) < 5 or pid[0] != "storage":
            return Persistent(pid)
        cls, key, location, numel = pid[1:5]
        if type(key) not in (str, int) or type(numel) is not int or type(cls) is not Global:
            return Persistent(pid)
        return self.named(key, *described(cls, location, numel))

    def named(self, key: str | int, dtype: str, nbytes: int, device: str) -> Storage:
        """The storage of a key, of which a pickle says that it is so."""
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = Storage(self, self.place(key), nbytes, device, self.big, dtype)
        elif found.nbytes != nbytes or found.dtype != dtype:
            found.problem = f"the storage is said to be {found.nbytes} bytes of {found.dtype} and {nbytes} bytes of {dtype}"
        return found

    def place(self, key: str | int) -> Any:
        """What `read` is to be told of a storage."""
        return key

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes of a storage from byte `offset`. Raises `DamagedFile` if they are not all there."""
        raise NotImplementedError
