"""GGUF files as the package gguf writes them, and such as it no longer writes, byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFEndian, GGUFReader, GGUFWriter

import inspector
from inspector import dtypes
from inspector.formats import Found, Opening
from inspector.formats.gguf import TYPES, read
from inspector.sources import Bytes
from tests.inspector.samples import opened, without

NATIVE = {"float32": "f4", "float16": "f2", "float64": "f8", "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8"}
KINDS = [kind for kind in GGMLQuantizationType if gguf.GGML_QUANT_SIZES[kind][0] > 1]


def written(path: Path, tensors: dict[str, Any], metadata: dict[str, Any] | None = None, **options: Any) -> Path:
    """A file of arrays, or of pairs of packed bytes and their ggml type."""
    writer = GGUFWriter(path, "llama", **options)
    for key, value in (metadata or {}).items():
        if isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value[0], value[1])
    for name, tensor in tensors.items():
        if isinstance(tensor, tuple):
            writer.add_tensor(name, tensor[0], raw_dtype=tensor[1])
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def packed(kind: GGMLQuantizationType, rows: int = 5, blocks: int = 3) -> np.ndarray[Any, Any]:
    """Rows of blocks of a type: of numbers where the package can pack them, else bytes that stand for finite ones."""
    size, width = gguf.GGML_QUANT_SIZES[kind]
    numbers = np.sin(np.arange(rows * blocks * size, dtype=np.float32)).reshape(rows, -1)
    try:
        return gguf.quants.quantize(numbers, kind)
    except NotImplementedError:
        return np.random.default_rng(kind).integers(0, 60, (rows, blocks * width), np.uint8)


@pytest.mark.parametrize("order", [GGUFEndian.LITTLE, GGUFEndian.BIG])
@pytest.mark.parametrize("name", NATIVE)
def test_plain_numbers_read_to_the_bit_in_either_order(name: str, order: GGUFEndian, tmp_path: Path) -> None:
    array = np.arange(-30, 30).reshape(3, 4, 5).astype(NATIVE[name])
    path = written(tmp_path / "a.gguf", {"blk.0.attn.weight": array, "flat": array.ravel()}, endianess=order)
    with inspector.open(str(path)) as model:
        assert model.problems == []
        tensor = model["blk.0.attn.weight"]
        assert (tensor.dtype, tensor.shape) == (name, (3, 4, 5))
        assert tensor.numpy().tobytes() == array.tobytes()
        assert model["flat"][7:9].tolist() == array.ravel()[7:9].tolist()


def test_bfloat16_is_read_without_the_package(tmp_path: Path) -> None:
    numbers = np.arange(64, dtype=np.float32).reshape(2, 32)
    raw = gguf.quants.quantize(numbers, GGMLQuantizationType.BF16)
    path = written(tmp_path / "a.gguf", {"a": (raw, GGMLQuantizationType.BF16)})
    with without("gguf"), inspector.open(str(path)) as model:
        assert (model["a"].dtype, model["a"].shape) == ("bfloat16", (2, 32))
        assert model["a"].numpy().astype(np.float32).tolist() == numbers.tolist()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_quantised_type_has_its_size_and_its_values(kind: GGMLQuantizationType, tmp_path: Path) -> None:
    raw = packed(kind)
    path = written(tmp_path / "a.gguf", {"first": np.ones(3, np.float32), "a": (raw, kind)})
    reference = GGUFReader(path).tensors[1]
    size = gguf.GGML_QUANT_SIZES[kind][0]
    with inspector.open(str(path)) as model:
        tensor = model["a"]
        assert model.problems == []
        assert (tensor.dtype, tensor.shape) == (kind.name, tuple(int(n) for n in reference.shape[::-1]))
        assert tensor.nbytes == reference.n_bytes
        blocks = tensor.children[0]
        assert blocks.shape == (5, 3, gguf.GGML_QUANT_SIZES[kind][1])
        assert blocks.numpy().tobytes() == raw.tobytes()
        try:
            expected = gguf.quants.dequantize(reference.data, kind)
        except NotImplementedError:
            with pytest.raises(inspector.NoValues, match=kind.name):
                tensor.numpy()
            return
        assert tensor.numpy().dtype == np.float32
        assert tensor.numpy().tobytes() == expected.tobytes()
        part = (slice(1, 4), slice(size - 3, size + 5))
        assert tensor[part].tobytes() == np.ascontiguousarray(expected[part]).tobytes()
        assert tensor[2, -1] == expected[2, -1]


def test_the_table_of_types_is_that_of_the_package() -> None:
    for kind in GGMLQuantizationType:
        dtype = dtypes.DTYPES[TYPES[kind]]
        assert (dtype.block, dtype.bytes) == gguf.GGML_QUANT_SIZES[kind]


class Counted(Bytes):
    """Bytes that count what is read of them."""

    count = 0

    def read(self, offset: int, length: int) -> bytes:
        self.count += length
        return super().read(offset, length)


def test_a_window_unpacks_only_the_rows_that_it_shows(tmp_path: Path) -> None:
    raw = packed(GGMLQuantizationType.Q4_K, rows=400, blocks=4)
    source = Counted(written(tmp_path / "a.gguf", {"a": (raw, GGMLQuantizationType.Q4_K)}).read_bytes())
    tensor = next(read(Found("a", source), Opening()).root.tensors())
    source.count = 0
    shown = tensor[200:210, 300:310]
    assert shown.tobytes() == gguf.quants.dequantize(raw[200:210], GGMLQuantizationType.Q4_K)[:, 300:310].tobytes()
    assert source.count <= 10 * raw.shape[1]


def test_without_the_package_the_packed_bytes_are_shown(tmp_path: Path) -> None:
    raw = packed(GGMLQuantizationType.Q8_0)
    path = written(tmp_path / "a.gguf", {"a": (raw, GGMLQuantizationType.Q8_0)})
    with without("gguf"), inspector.open(str(path)) as model:
        with pytest.raises(inspector.MissingExtra, match=r"pip install 'torchtui\[gguf\]'"):
            model["a"].numpy()
        assert model["a"].children[0].numpy().tobytes() == raw.tobytes()


def test_metadata_of_every_type_is_shown(tmp_path: Path) -> None:
    kinds = gguf.GGUFValueType
    numbers = {
        "u8": (7, kinds.UINT8),
        "i8": (-7, kinds.INT8),
        "u16": (7, kinds.UINT16),
        "i16": (-7, kinds.INT16),
        "u32": (7, kinds.UINT32),
        "i32": (-7, kinds.INT32),
        "u64": (1 << 40, kinds.UINT64),
        "i64": (-1 << 40, kinds.INT64),
        "f32": (0.5, kinds.FLOAT32),
        "f64": (0.1, kinds.FLOAT64),
        "yes": (True, kinds.BOOL),
        "text": ("h\u00e9\x1b", kinds.STRING),
    }
    lists = {"ints": [1, 2, 3], "texts": ["a", "b\u00e9", ""], "floats": [0.5, 1.5]}
    vocabulary = [f"token {i}" for i in range(50_000)]
    path = written(
        tmp_path / "a.gguf", {"a": np.zeros(1)}, numbers | lists | {"vocabulary": vocabulary, "ids": list(range(5000))}
    )
    with inspector.open(str(path)) as model:
        assert {key: model.metadata[key] for key in numbers} == {key: value for key, (value, _) in numbers.items()}
        assert {key: model.metadata[key] for key in lists} == lists
        assert model.metadata["vocabulary"] == {"length": 50_000, "first": vocabulary[:1000]}
        assert model.metadata["ids"] == {"length": 5000, "first": list(range(1000))}
        assert model.metadata["general.architecture"] == "llama"
        assert model["a"].numpy().tolist() == [0]


def by_hand(
    version: int, tensors: list[tuple[str, tuple[int, ...], int, bytes]], pairs: bytes = b"", count: int = 0
) -> bytes:
    """A file of any version: tensors as (name, shape, type, bytes), metadata ready made."""
    word = "<I" if version == 1 else "<Q"

    def text(value: str) -> bytes:
        return struct.pack(word, len(value.encode())) + value.encode()

    made = b"GGUF" + struct.pack("<I", version) + struct.pack(word, len(tensors)) + struct.pack(word, count) + pairs
    data = b""
    for name, shape, kind, raw in tensors:
        made += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack(word, size) for size in reversed(shape))
        made += struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % 32)
    return made + bytes(-len(made) % 32) + data


@pytest.mark.parametrize("version", [1, 2, 3])
def test_versions_one_to_three(version: int, tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32)
    word = "<I" if version == 1 else "<Q"
    pair = struct.pack(word, 1) + b"k" + struct.pack("<I", 8) + struct.pack(word, 5) + b"value"
    data = by_hand(version, [("a.b", (2, 3), 0, array.tobytes()), ("a.c", (), 24, b"\7")], pair, 1)
    with opened(data, tmp_path) as model:
        assert model.metadata["k"] == "value"
        assert model["a.b"].numpy().tolist() == array.reshape(2, 3).tolist()
        assert model["a.c"].numpy().tolist() == 7


def test_lists_of_lists_are_read_however_deep_they_claim_to_be(tmp_path: Path) -> None:
    key = struct.pack("<Q", 1) + b"k" + struct.pack("<I", 9)
    grid = struct.pack("<IQ", 9, 2) + struct.pack("<IQ2i", 5, 2, 1, 2) + struct.pack("<IQ1i", 5, 1, 3)
    with opened(by_hand(3, [], key + grid, 1), tmp_path) as model:
        assert model.metadata["k"] == [[1, 2], [3]]
    with pytest.raises(inspector.LimitReached, match="deeper"):
        opened(by_hand(3, [], key + struct.pack("<IQ", 9, 1) * 5000, 1), tmp_path)


def test_types_that_are_gone_or_unknown_are_named(tmp_path: Path) -> None:
    data = by_hand(3, [("gone", (2, 32), 31, bytes(36)), ("new", (4,), 99, bytes(8)), ("odd", (2, 20), 8, bytes(68))])
    with opened(data, tmp_path) as model:
        assert (model["gone"].dtype, model["gone"].nbytes) == ("Q4_0_4_4", 36)
        with pytest.raises(inspector.NoValues):
            model["gone"].numpy()
        assert model["new"].dtype == "ggml type 99"
        with pytest.raises(inspector.InspectorError):
            model["new"].numpy()
        assert any(problem.startswith("new: its type") for problem in model.problems)
        assert any(problem.startswith("odd: its rows of 20") for problem in model.problems)


def test_more_axes_than_numpy_has_and_sizes_beyond_all_memory_are_shown_not_read(tmp_path: Path) -> None:
    data = by_hand(3, [("axes", (1,) * 1000, 24, b"\1"), ("huge", (0, 1 << 62, 1 << 62), 24, b"")])
    with opened(data, tmp_path) as model:
        assert model["axes"].shape == (1,) * 1000
        for name in ("axes", "huge"):
            with pytest.raises(inspector.TooLarge):
                model[name].numpy()


def test_what_is_listed_twice_is_told(tmp_path: Path) -> None:
    pair = struct.pack("<Q", 1) + b"k" + struct.pack("<IB", 0, 1)
    data = by_hand(3, [("a", (1,), 24, b"\1"), ("a", (1,), 24, b"\2")], pair + pair, 2)
    with opened(data, tmp_path) as model:
        assert model["a"].numpy().tolist() == [2]
        assert len(model.problems) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF",
        b"GGUF" + struct.pack("<I", 7) + bytes(40),
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62) + b"k",
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 61),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 6, 1 << 61),
        b"GGUF"
        + struct.pack("<IQQQ", 3, 0, 1, 1)
        + b"k"
        + struct.pack("<IIQ", 9, 8, 3000)
        + struct.pack("<QB", 1, 65) * 2500,
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"a" + struct.pack("<I", 1 << 31),
    ],
)
def test_headers_that_claim_what_is_not_there_are_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises((inspector.DamagedFile, inspector.LimitReached)):
        opened(data, tmp_path)


def test_every_cut_ends_clean_and_names_what_is_missing(tmp_path: Path) -> None:
    kinds = gguf.GGUFValueType
    raw = packed(GGMLQuantizationType.Q4_0, 2, 1)
    tensors = {"a": np.arange(8, dtype=np.float32), "b": (raw, GGMLQuantizationType.Q4_0)}
    whole = written(tmp_path / "a.gguf", tensors, {"s": ("text", kinds.STRING), "l": ["x"] * 1100}).read_bytes()
    for length in [*range(600), *range(len(whole) - 600, len(whole))]:
        try:
            with opened(whole[:length], tmp_path) as model:
                for tensor in model.tensors():
                    tensor.numpy()
        except inspector.InspectorError:
            pass
    with opened(whole[:-40], tmp_path) as model:
        assert model["a"].numpy().tolist() == list(range(8))
        assert any(problem.startswith("b, ") and "behind the end" in problem for problem in model.problems)
