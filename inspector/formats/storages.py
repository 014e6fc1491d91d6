"""The storages that a pickle of torch's names: what its persistent ids stand for."""

from __future__ import annotations

from typing import Any

from inspector.dtypes import BY_STORAGE, DTYPES
from inspector.pickles.objects import Global, Persistent, text
from inspector.storage import Storage

BYTES = DTYPES["uint8"]
"""What a storage of an unknown class is taken for."""


class Named:
    """The storages by the keys that persistent ids give them, each made once. Who derives from it says where they lie."""

    def __init__(self, big: bool = False) -> None:
        self.big = big
        self.known: dict[str | int, Storage] = {}

    def load(self, pid: Any) -> Any:
        """What `("storage", class, key, location, numel)` stands for."""
        if type(pid) is not tuple or len(pid) < 5 or pid[0] != "storage":
            return Persistent(pid)
        cls, key, location, numel = pid[1:5]
        if type(key) not in (str, int) or type(numel) is not int or type(cls) is not Global:
            return Persistent(pid)
        dtype = BY_STORAGE.get(cls.name, BYTES)
        nbytes = numel * dtype.bytes
        found = self.known.get(key)
        if found is None:
            device = location if type(location) is str else text(location, 40)
            found = self.known[key] = Storage(self, self.place(key), nbytes, device, self.big, dtype.name)
        elif found.nbytes != nbytes or found.dtype != dtype.name:
            found.problem = (
                f"the storage is said to be {found.nbytes} bytes of {found.dtype} and {nbytes} bytes of {dtype.name}"
            )
        return found

    def place(self, key: str | int) -> Any:
        """What `read` is to be told of a storage."""
        return key

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes of a storage from byte `offset`. Raises `DamagedFile` if they are not all there."""
        raise NotImplementedError
