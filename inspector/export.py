"""Writes tensors to a file: .npy .npz .safetensors .pt .csv .json. The file is there whole, or not at all.

What is written is what `Tensor.numpy` gives, so a quantised tensor comes as the float32 numbers that it stands for and
a sparse one dense; only `.pt` keeps both as they are. A tensor that has several names is written under each.

.npy and .npz hold numpy's dtypes as numpy writes them. Those that numpy lacks come as records of one field, which is
named as torch names the dtype and holds the bits: `np.load("parm.npz")["fc.weight"]["bfloat16"].view(ml_dtypes.bfloat16)`.
The field `complex32` holds two float16.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from inspector import dtypes
from inspector.blocks import blocks
from inspector.errors import InspectorError, TooLarge, brief, visible
from inspector.nodes import Tensor
from inspector.replacing import AlreadyThere, replacing
from inspector.streams import write_csv, write_json
from inspector.torch_tensors import import_torch, to_torch

__all__ = ["WRITERS", "AlreadyThere", "export", "to_torch"]

Tensors = Mapping[str, Tensor]

Tick = Callable[[int], None]
"""Is told how many bytes were written since it was told last."""

LONGEST_HEADER = 100_000_000
"""Bytes of the longest header that the reference reader of safetensors accepts."""

LONGEST_MEMBER = 0xFFFF
"""Bytes of the longest name of a member that a zip archive can hold."""


def export(
    tensors: Tensors, destination: str, *, replace: bool = False, progress: Callable[[int, int], object] | None = None
) -> int:
    """Writes tensors under their names into a file whose extension says how; gives its size in bytes.

    `.npy` and `.csv` hold one tensor without its name (`write_csv`), `.json` an object of nested lists (`write_json`).
    One block of a tensor is in memory at a time, but `.pt` is written by torch from tensors that are all in memory.

    The file is there whole or not at all, as `replacing` says. `progress` hears the bytes done and in all; what it
    raises ends the export and leaves no file. Raises `AlreadyThere` for a file that is there, unless `replace` is true;
    `MissingExtra` for `.pt` without torch; `TooLarge` if the disk is too small; what reading
    raises; and `InspectorError` for what a format can't hold.
    """
    write = WRITERS.get(Path(destination).suffix.lower())
    if write is None:
        raise InspectorError(f"{visible(destination)} must end in one of {' '.join(WRITERS)}")
    if not tensors:
        raise InspectorError("there is no tensor to write")
    total = sum(_size(tensor) for tensor in tensors.values())
    done = 0

    def tick(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress is not None:
            progress(done, total)

    with replacing(destination, replace) as file:
        write(tensors, file, tick)
        return file.tell()


def _written(tensor: Tensor) -> dtypes.DType:
    """The dtype that a tensor's values are written as: that of `Tensor.numpy`, told from others of the same width."""
    array = dtypes.array_type(tensor.dtype)
    if tensor.traits.quantization is not None:
        return dtypes.DTYPES["float32"]
    dtype = dtypes.DTYPES[tensor.dtype]
    return dtypes.DTYPES[array.name] if dtype.block > 1 else dtype


def _width(dtype: dtypes.DType) -> int:
    """Bytes of an element as it is written."""
    return dtype.bytes if dtype.name == "complex32" else dtypes.array_type(dtype.name).itemsize


def _size(tensor: Tensor) -> int:
    return tensor.numel * _width(_written(tensor))


def _pieces(name: str, tensor: Tensor, tick: Tick) -> Iterator[memoryview]:
    """The bytes of a tensor's values, block by block, in the order of its shape."""
    import numpy as np

    dtype = _written(tensor)
    with _naming(name):
        for _, block in blocks(tensor, dtypes.array_type(dtype.name).itemsize):
            if dtype.name == "complex32":
                block = np.ascontiguousarray(block).reshape(-1).view(np.float32).astype(np.float16)
            piece = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
            yield piece
            tick(piece.nbytes)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Whatever can't be read is said to be of the tensor of this name."""
    try:
        yield
    except InspectorError as error:
        raise type(error)(f"{brief(name)}: {error}") from None


def _only(tensors: Tensors, extension: str) -> tuple[str, Tensor]:
    if len(tensors) > 1:
        raise InspectorError(f"{extension} holds one tensor and here are {len(tensors)}: choose one, or write .npz")
    return next(iter(tensors.items()))


def _require_room(tensors: Tensors, file: IO[bytes]) -> None:
    needed = sum(_size(tensor) for tensor in tensors.values())
    disk = os.fstatvfs(file.fileno())
    free = disk.f_bavail * disk.f_frsize
    if needed > free:
        raise TooLarge(f"{needed} bytes are to be written, and the disk has {free} left")


def _npy(tensors: Tensors, file: IO[bytes], tick: Tick) -> None:
    _require_room(tensors, file)
    _write_npy(*_only(tensors, ".npy"), file, tick)


def _npz(tensors: Tensors, file: IO[bytes], tick: Tick) -> None:
    import zipfile

    _require_room(tensors, file)
    taken: set[str] = set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, tensor in tensors.items():
            member = zipfile.ZipInfo(_member(name, taken) + ".npy")
            if len(member.filename.encode()) > LONGEST_MEMBER:
                raise InspectorError(f"{brief(name)} is too long for a name in .npz; write .safetensors or .pt")
            with archive.open(member, "w", force_zip64=True) as entry:
                _write_npy(name, tensor, entry, tick)


def _write_npy(name: str, tensor: Tensor, file: IO[bytes], tick: Tick) -> None:
    """numpy's format 1.0: magic, the length of a Python dict, the dict, the data (`numpy/lib/_format_impl.py`)."""
    description = {"descr": _descr(_written(tensor)), "fortran_order": False, "shape": tuple(tensor.shape)}
    header = repr(description).encode("ascii")
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    if len(header) > 0xFFFF:
        raise InspectorError(f"{brief(name)} has {tensor.ndim} axes, too many for numpy")
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    for piece in _pieces(name, tensor, tick):
        file.write(piece)


def _descr(dtype: dtypes.DType) -> Any:
    """numpy's description of a dtype, as the top of this file says."""
    import numpy as np

    kind = dtypes.array_type(dtype.name)
    if dtype.array == dtype.name and kind.type.__module__ == "numpy":
        return kind.str
    if dtype.name == "complex32":
        return [(dtype.name, "<f2", (2,))]
    bits = dtype.array if dtype.family == "integer" else f"u{_width(dtype)}"
    return [(dtype.name, np.dtype(bits).str)]


def _member(name: str, taken: set[str]) -> str:
    """The name of an archive's member for a tensor's: unpacked, it leads nowhere else; and none comes twice."""
    leads_away = name.startswith("/") or ".." in name.split("/")
    escaped = "\0\\/" if leads_away else "\0\\"
    unique = kept = "".join(
        f"%{ord(character):02x}" if character in escaped or _is_surrogate(character) else character for character in name
    )
    count = 1
    while unique in taken:
        count += 1
        unique = f"{kept}#{count}"
    taken.add(unique)
    return unique


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _safetensors(tensors: Tensors, file: IO[bytes], tick: Tick) -> None:
    """The length of a JSON header, the header, the data without gaps: wide elements first, so that all lie aligned."""
    _require_room(tensors, file)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    ordered = sorted(tensors.items(), key=lambda item: -_width(_written(item[1])))
    at = 0
    for name, tensor in ordered:
        dtype = _written(tensor)
        if not dtype.safetensors or dtype.block > 1:
            raise InspectorError(f"{brief(name)}: safetensors has no {dtype.name}; write .npz or .pt")
        if name == "__metadata__" or any(map(_is_surrogate, name)):
            raise InspectorError(f"{brief(name)} can't be a name in safetensors; write .npz or .pt")
        shape = list(tensor.shape)
        if dtype.packed > 1 and shape:
            # torch counts bytes in the last axis, safetensors elements.
            shape[-1] *= dtype.packed
        size = _size(tensor)
        header[name] = {"dtype": dtype.safetensors, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise TooLarge(f"the header of {len(tensors)} tensors is longer than safetensors allows; write .npz or .pt")
    file.write(struct.pack("<Q", len(text)) + text)
    for name, tensor in ordered:
        for piece in _pieces(name, tensor, tick):
            file.write(piece)


def _pt(tensors: Tensors, file: IO[bytes], tick: Tick) -> None:
    """A dict of tensors by `torch.save`; what is one tensor under several names in the file is one again."""
    torch = import_torch()
    made: dict[Any, Any] = {}
    state: dict[str, Any] = {}
    for name, tensor in tensors.items():
        place = id(tensor.storage or tensor), tensor.offset, tensor.shape, tensor.stride, tensor.dtype, id(tensor.traits)
        if place not in made:
            with _naming(name):
                made[place] = to_torch(tensor)
        state[name] = made[place]
        tick(_size(tensor))
    try:
        torch.save(state, file)
    except RuntimeError as error:
        # When the disk is full, torch can't end its archive either, and complains of that.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _csv(tensors: Tensors, file: IO[bytes], tick: Tick) -> None:
    name, tensor = _only(tensors, ".csv")
    with _naming(name):
        write_csv(tensor, _encoded(file, tick))
    tick(_size(tensor))


def _json(tensors: Tensors, file: IO[bytes], tick: Tick) -> None:
    write = _encoded(file, tick)
    write("{")
    for number, (name, tensor) in enumerate(tensors.items()):
        write((",\n" if number else "") + json.dumps(name) + ": ")
        with _naming(name):
            write_json(tensor, write)
        tick(_size(tensor))
    write("}\n")


def _encoded(file: IO[bytes], tick: Tick) -> Callable[[str], None]:
    def write(text: str) -> None:
        file.write(text.encode("ascii"))
        # Nothing more is done of the tensor, but whoever listens may want to stop here.
        tick(0)

    return write


WRITERS: dict[str, Callable[[Tensors, IO[bytes], Tick], None]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".pt": _pt,
    ".csv": _csv,
    ".json": _json,
}
"""What writes each kind of file, by extension."""
