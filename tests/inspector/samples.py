"""What tests of reading share: files as torch writes them, and tensors compared to the bit with torch's."""

from __future__ import annotations

import io
import os
import struct
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import inspector
from inspector.nodes import Tensor

PICKLE_OPTIONS: dict[str, Any] = {"weights_only": False}


def saved(thing: Any, **options: Any) -> bytes:
    """What `torch.save` writes."""
    stream = io.BytesIO()
    torch.save(thing, stream, **options)
    return stream.getvalue()


def opened(data: bytes, folder: Path, name: str = "model.pt") -> inspector.Checkpoint:
    """A file of these bytes, opened."""
    path = folder / name
    path.write_bytes(data)
    return inspector.open(str(aged(path)))


def aged(path: Path) -> Path:
    """A file as if it had been written an hour ago: one just written is given a moment before it is read."""
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    return path


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members in this order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    """The members of a zip, in its order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(data_pkl: bytes, storages: dict[str, bytes] | None = None, byteorder: str = "little") -> bytes:
    """An archive of torch's around a pickle made by hand."""
    inner = {f"archive/data/{key}": data for key, data in (storages or {}).items()}
    records = {"archive/byteorder": byteorder.encode(), "archive/version": b"3\n"}
    return zipped({"archive/data.pkl": data_pkl} | records | inner)


def reference(data: bytes) -> Any:
    """What `torch.load` makes of it."""
    return torch.load(io.BytesIO(data), weights_only=False)


def bits(tensor: torch.Tensor) -> bytes:
    """The elements of a torch tensor in the order of the shape, as `Tensor.numpy` promises them."""
    tensor = tensor.detach()
    if tensor.is_sparse or tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        return tensor.int_repr().contiguous().numpy().tobytes()
    tensor = tensor.resolve_conj().resolve_neg()
    if tensor.dtype == torch.complex32:
        tensor = torch.view_as_real(tensor).to(torch.float32).contiguous()
    shape_of_bytes = tensor.clone(memory_format=torch.contiguous_format).reshape(-1)
    return shape_of_bytes.view(torch.uint8).numpy().tobytes()


def assert_same(node: Any, tensor: Any) -> None:
    """Dtype, shape, stride, offset, requires_grad and every bit of a node are the torch tensor's (or numpy array's)."""
    if isinstance(tensor, np.ndarray):
        assert node.shape == tensor.shape
        assert node.dtype == str(tensor.dtype.newbyteorder("="))
        assert node.numpy().tobytes() == np.ascontiguousarray(tensor).astype(tensor.dtype.newbyteorder("=")).tobytes()
        return
    assert isinstance(node, Tensor), node
    assert node.dtype == str(tensor.dtype).removeprefix("torch.")
    assert node.shape == tuple(tensor.shape)
    assert node.requires_grad == tensor.requires_grad
    assert node.kind == ("parameter" if isinstance(tensor, torch.nn.Parameter) else node.kind)
    if tensor.layout == torch.strided:
        assert node.stride == tensor.stride()
        assert node.offset == tensor.storage_offset()
        assert node.traits.conj == tensor.is_conj()
        assert node.traits.neg == tensor.is_neg()
    values = node.int_repr() if tensor.is_quantized else node.numpy()
    assert values.shape == node.shape
    if tensor.dtype == torch.complex32:
        # Wider NaNs are whatever the conversion makes of them.
        expected = np.frombuffer(bits(tensor), np.float32)
        found = values.reshape(-1).view(np.float32)
        assert np.where(np.isnan(found), 0, found).tobytes() == np.where(np.isnan(expected), 0, expected).tobytes()
        assert (np.isnan(found) == np.isnan(expected)).all()
    else:
        assert values.tobytes() == bits(tensor)
    if tensor.is_quantized:
        assert_floats(node.numpy(), tensor.dequantize().numpy())


def assert_floats(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    """Two arrays are of one dtype, shape and the same bits."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@contextmanager
def without(module: str) -> Iterator[None]:
    """Within, nobody could import `module`."""
    kept = sys.modules.pop(module)
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules[module] = kept


class Pickler:
    """Writes pickles by hand, in protocol 2, one call for each thing."""

    @staticmethod
    def name(module: str, name: str) -> bytes:
        return f"c{module}\n{name}\n".encode()

    @staticmethod
    def text(value: str) -> bytes:
        raw = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(raw)) + raw

    @staticmethod
    def integer(value: int) -> bytes:
        raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(raw)]) + raw

    @classmethod
    def tuple(cls, *items: bytes) -> bytes:
        return b"(" + b"".join(items) + b"t"

    @classmethod
    def sizes(cls, *items: int) -> bytes:
        return cls.tuple(*(cls.integer(item) for item in items))

    @classmethod
    def dict(cls, **items: bytes) -> bytes:
        return b"}(" + b"".join(cls.text(key) + item for key, item in items.items()) + b"u"

    @classmethod
    def storage(cls, kind: str, key: str, numel: int, device: str = "cpu") -> bytes:
        pid = (cls.text("storage"), cls.name("torch", kind), cls.text(key), cls.text(device), cls.integer(numel))
        return cls.tuple(*pid) + b"Q"

    @classmethod
    def call(cls, module: str, name: str, *arguments: bytes) -> bytes:
        return cls.name(module, name) + cls.tuple(*arguments) + b"R"

    @classmethod
    def made(cls, module: str, name: str, state: bytes, *arguments: bytes) -> bytes:
        """NEWOBJ and BUILD."""
        return cls.name(module, name) + cls.tuple(*arguments) + b"\x81" + state + b"b"

    @classmethod
    def tensor(cls, storage: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
        hooks = cls.name("collections", "OrderedDict") + b")R"
        arguments = (storage, cls.integer(offset), cls.sizes(*size), cls.sizes(*stride), b"\x89", hooks)
        return cls.call("torch._utils", "_rebuild_tensor_v2", *arguments)


HOOKS = Pickler.name("collections", "OrderedDict") + b")R"
"""The empty dict of hooks that every tensor is written with."""


FLOATS = np.arange(6, dtype="f4")
STORAGE = Pickler.storage("FloatStorage", "0", 6)
PLAIN = Pickler.tensor(STORAGE, 0, (2, 3), (3, 1))
SIZES = (Pickler.sizes(2, 3), Pickler.sizes(3, 1))


def random(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """Every bit at random: NaNs, infinities, denormals and all."""
    generator = torch.Generator().manual_seed(len(str(dtype)) + sum(shape))
    size = dtype.itemsize
    raw = torch.randint(0, 256, (*shape[:-1], shape[-1] * size), dtype=torch.uint8, generator=generator)
    return (raw & 1).bool() if dtype == torch.bool else raw.view(dtype)


DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
    torch.float4_e2m1fn_x2,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool,
    torch.complex128, torch.complex64, torch.complex32,
    torch.bits1x8, torch.bits2x4, torch.bits4x2, torch.bits8, torch.bits16,
]  # fmt: skip


def assert_same_file(value: Any, folder: Path, **options: Any) -> None:
    """A dict of tensors, saved: each node is what `torch.load` gives under its key."""
    data = saved(value, **options)
    loaded = reference(data)
    with opened(data, folder) as model:
        assert model.problems == []
        assert [node.key for node in model.root.children] == list(loaded)
        for key, tensor in loaded.items():
            assert_same(model[key], tensor)
        assert list(model.state_dict()) == list(loaded)


def look_through(data: bytes, tmp_path: Path) -> None:
    """Do with a damaged file all that a person does; it may end only by an error of one line."""
    try:
        with opened(data, tmp_path) as checkpoint:
            repr(checkpoint)
            checkpoint.verify()
            for tensor in checkpoint.tensors():
                if tensor.numel < 1 << 20:
                    tensor.numpy()
    except inspector.InspectorError as error:
        assert "\n" not in str(error)
