"""Where a tensor's bytes lie, and what few tensors have besides: plain data under `nodes`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard

from inspector.errors import DamagedFile, NoValues

if TYPE_CHECKING:
    import numpy as np

    from inspector.nodes import Module, Node, Tensor
    from inspector.window.pieces import Piece


class Home(Protocol):
    """Where storages live: a zip archive, a flat file, bytes in memory."""

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes of the storage `key` from byte `offset`; raises `DamagedFile` if they are not all there."""
        ...


class Checked(Home, Protocol):
    """A home that can tell whether a storage's bytes are still those that were written."""

    def verify(self, key: Any, tick: Callable[[int], None]) -> str | None:
        """What is wrong with the storage `key`, the empty text if nothing is, None where the file has no checksum for it.

        All its bytes are read; `tick` hears how many at a time, and may raise to stop.
        """
        ...


def is_checked(home: Home) -> TypeGuard[Checked]:
    """Whether a home can tell that."""
    return hasattr(home, "verify")


class Storage:
    """A run of bytes that one or several tensors look into, as `torch.UntypedStorage`.

    `nbytes` is what the file declares; `device` is where the saving program had it (`cuda:0`); `big` is true when the
    bytes are big-endian; `dtype` is the one its class names, for tensors that name none. `first` is the first tensor
    of the tree that lies in it. `problem` is what is wrong with it in the file ("the storage is missing"), or empty.
    """

    __slots__ = ("big", "device", "dtype", "first", "home", "key", "nbytes", "problem")

    def __init__(
        self, home: Home, key: Any, nbytes: int, device: str = "cpu", big: bool = False, dtype: str = "uint8"
    ) -> None:
        self.home = home
        self.key = key
        self.nbytes = nbytes
        self.device = device
        self.big = big
        self.dtype = dtype
        self.first: Tensor | None = None
        self.problem = ""

    @property
    def file(self) -> str:
        """The path of the file in which the bytes lie as they are; empty where they do not, or nobody knows."""
        return getattr(getattr(self.home, "source", None), "path", "")

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from byte `offset`. Raises `DamagedFile` if they are not all there."""
        if offset < 0 or offset + length > self.nbytes:
            raise DamagedFile(f"bytes {offset} to {offset + length} are wanted of a storage of {self.nbytes}")
        return self.home.read(self.key, offset, length)

    def runs(self, offset: int, length: int) -> list[Run]:
        """The storages that some bytes lie in: this one, or those that it is joined from."""
        return self.home.runs(offset, length) if isinstance(self.home, Joined) else [(self, offset, length)]


Run = tuple[Storage, int, int]
"""Some bytes of a storage: it, the first one, and how many."""


class Joined(NamedTuple):
    """A home for a storage that lies in runs of others: `starts` are the bytes at which each begins in the whole.

    A run is another storage, which is not joined itself, and the first byte there.
    """

    parts: Sequence[tuple[Storage, int]]
    starts: Sequence[int]

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes from byte `offset` of the whole; the key is not looked at."""
        return b"".join(storage.read(first, count) for storage, first, count in self.runs(offset, length))

    def runs(self, offset: int, length: int) -> list[Run]:
        """Where some bytes of the whole lie."""
        found: list[Run] = []
        place = max(bisect_right(self.starts, offset) - 1, 0)
        while length > 0 and self.parts:
            storage, first = self.parts[place]
            within = offset - self.starts[place]
            end = self.starts[place + 1] if place + 1 < len(self.starts) else offset + length
            count = min(length, end - offset)
            found.append((storage, first + within, count))
            offset, length, place = offset + count, length - count, place + 1
        return found


class Nowhere:
    """A home for what is missing, and why."""

    def __init__(self, why: str) -> None:
        self.why = why

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """Raises `NoValues`."""
        raise NoValues(self.why)


class Quantization(NamedTuple):
    """What turns the integers of a quantised tensor into numbers: `(q - zero_point) * scale`.

    `scheme` is torch's name (`per_tensor_affine`, `per_channel_affine`, ...). Per tensor, `scale` and `zero_point` are
    numbers and `axis` is None; per channel they are 1-D tensors (or lists, in old files) along `axis`.
    """

    scheme: str
    scale: float | Tensor | Sequence[float]
    zero_point: float | Tensor | Sequence[float]
    axis: int | None = None


class Computed(NamedTuple):
    """Values that are no bytes of the file but follow from other tensors: a packed weight's, an adapter's.

    `scheme` is what made the file so ("GPTQ"); `origin` says how the values follow; `facts` are what they depend on
    (bits, group size). `read` gives the elements of a box, one span (first, length) for each axis, and raises what
    `window.read` raises.
    """

    scheme: str
    origin: str
    facts: Mapping[str, Any]
    read: Callable[[Sequence[tuple[int, int]]], np.ndarray[Any, Any]]

    @property
    def brief(self) -> str:
        """Scheme, bits and group size, or rank, in some words: `GPTQ 4-bit g128`, `LoRA r8`."""
        bits, size, rank = (self.facts.get(fact) for fact in ("bits", "group size", "rank"))
        size = f"g{size}" if type(size) is int else ""
        return " ".join(filter(None, (self.scheme, f"{bits}-bit" if bits else "", size, f"r{rank}" if rank else "")))


class Traits(NamedTuple):
    """What few tensors have; the many share one `PLAIN`.

    `type` is the class where it is not torch's own (`torch.distributed.tensor.DTensor`); `layout` as torch names it;
    `conj` and `neg` are the lazy bits still to be applied; `parts` are inner tensors and values (a wrapper subclass's,
    a sparse tensor's indices and values); `pieces` are the boxes of a tensor that is stored in several; `computed` tells
    how its values follow from others where they do not lie in the file; `moments` are what optimizers keep for it;
    `attributes` are Python attributes set on the tensor; a buffer that is not `persistent` is in no state_dict.
    """

    type: str = ""
    layout: str = "strided"
    device: str = ""
    conj: bool = False
    neg: bool = False
    quantization: Quantization | None = None
    parts: tuple[Node, ...] = ()
    pieces: tuple[Piece, ...] = ()
    computed: Computed | None = None
    moments: tuple[Module, ...] = ()
    attributes: Mapping[str, Any] = MappingProxyType({})
    persistent: bool = True
    problems: tuple[str, ...] = ()


PLAIN = Traits()


def contiguous(shape: Sequence[int], fortran: bool = False) -> tuple[int, ...]:
    """The strides, in elements, of an array of this shape without gaps; `fortran` has the first axis run fastest."""
    strides: list[int] = []
    step = 1
    for size in shape if fortran else reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(strides if fortran else reversed(strides))


class Memory:
    """A home for bytes that the file's own structure carried (numpy arrays in a pickle), by their key."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`; the key is not looked at. Raises `DamagedFile` if they are not all there."""
        if offset < 0 or offset + length > len(self.data):
            raise DamagedFile(f"bytes {offset} to {offset + length} are wanted of an array that holds {len(self.data)}")
        return self.data[offset : offset + length]
