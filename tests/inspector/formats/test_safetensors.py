"""safetensors files as the reference package writes them, and headers that it refuses or barely takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import inspector
from inspector.formats import safetensors
from inspector.sources import Bytes
from tests.hostile.headers import GOOD, file, filled
from tests.inspector.samples import assert_same, opened

DTYPES = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
    "bool",
    "complex64",
]


def info(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def saved(tensors: dict[str, torch.Tensor], folder: Path, **options: Any) -> Path:
    path = folder / "model.safetensors"
    save_file(tensors, path, **options)
    return path


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_of_torch_reads_to_the_bit(name: str, tmp_path: Path) -> None:
    raw = torch.arange(96 * 8, dtype=torch.int64).to(torch.uint8).reshape(4, -1)
    if name == "bool":
        raw = raw % 2
    tensor = raw.view(getattr(torch, name)).contiguous()
    path = saved({"a": tensor}, tmp_path)
    with inspector.open(str(path)) as model:
        assert model.problems == []
        assert_same(model["a"], load_file(path)["a"])


def test_scalars_and_empty_tensors(tmp_path: Path) -> None:
    tensors = {"scalar": torch.tensor(3.5), "none": torch.zeros(0), "flat": torch.zeros(3, 0, 2)}
    with inspector.open(str(saved(tensors, tmp_path))) as model:
        for name, tensor in tensors.items():
            assert_same(model[name], tensor)


def test_names_make_a_tree_in_the_order_of_the_bytes(tmp_path: Path) -> None:
    tensors = {f"layers.{i}.{leaf}": torch.full((2,), float(i)) for i in range(12) for leaf in ("weight", "bias")}
    tensors["norm.weight"] = torch.ones(3, dtype=torch.float64)
    path = saved(tensors, tmp_path)
    with inspector.open(str(path)) as model:
        assert set(model.state_dict()) == set(tensors)
        assert [child.key for child in model.root.children] == ["norm", "layers"]
        assert [child.key for child in model["layers"].children] == [str(i) for i in range(12)]
        assert model["layers.7.bias"].expression == "['layers.7.bias']"
        for name, tensor in load_file(path).items():
            assert_same(model[name], tensor)
    shuffled = {"b": info("U8", [1], 1, 2), "c": info("U8", [1], 2, 3), "a": info("U8", [1], 0, 1)}
    with opened(file(shuffled, b"\1\2\3"), tmp_path, "shuffled") as model:
        assert list(model.state_dict()) == ["a", "b", "c"]


def test_metadata_is_shown_and_json_in_it_as_a_tree(tmp_path: Path) -> None:
    texts = {
        "format": "pt",
        "config": '{"layers": [1, 2], "name": "x"}',
        "odd": "{not json",
        "number": "12",
        "nan": "[NaN]",
        "deep": "[" * 300 + "]" * 300,
    }
    with inspector.open(str(saved({"a": torch.zeros(1)}, tmp_path, metadata=texts))) as model:
        assert model.metadata == texts | {"config": {"layers": [1, 2], "name": "x"}}


@pytest.mark.parametrize(("word", "name"), [("F6_E2M3", "float6_e2m3fn"), ("F6_E3M2", "float6_e3m2fn")])
@pytest.mark.parametrize("shape", [(6, 8), (8, 6), (4, 3, 1), (64,)])
def test_elements_of_six_bits_read_in_whole_and_in_part(
    word: str, name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    count = int(np.prod(shape))
    codes = [(i * 7 + 3) % 64 for i in range(count)]
    stream = sum(code << (6 * place) for place, code in enumerate(codes)).to_bytes(count * 6 // 8, "little")
    expected = np.array(codes, np.uint8).view(vars(ml_dtypes)[name]).reshape(shape)
    with opened(file({"a": info(word, list(shape), 0, len(stream))}, stream), tmp_path) as model:
        tensor = model["a"]
        assert (tensor.dtype, tensor.shape, tensor.nbytes) == (name, shape, len(stream))
        assert tensor.numpy().dtype == expected.dtype
        assert tensor.numpy().tobytes() == expected.tobytes()
        inner = (slice(1, 3),) * len(shape) if min(shape) > 2 else (slice(1, 3), slice(1, 3), 0)
        assert tensor[inner].tobytes() == np.ascontiguousarray(expected[inner]).tobytes()


def test_four_bits_along_an_odd_axis_are_counted_one_by_one(tmp_path: Path) -> None:
    with opened(file({"a": info("F4", [2, 3], 0, 3)}, b"\x21\x43\x65"), tmp_path) as model:
        expected = np.array([[1, 2, 3], [4, 5, 6]], np.uint8).view(ml_dtypes.float4_e2m1fn)
        assert model["a"].shape == (2, 3)
        assert model["a"].numpy().tobytes() == expected.tobytes()
        assert model["a"][1, 1:].tobytes() == expected[1, 1:].tobytes()


def test_keys_that_come_twice_are_told(tmp_path: Path) -> None:
    header = (
        '{"__metadata__":{"x":"1","x":"2"},"a":<one>,"\\u001bb":<one>,'
        '"\\u001bb":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}'
    )
    with opened(file(filled(header), bytes(5)), tmp_path) as model:
        assert model["\x1bb"].dtype == "uint8"
        assert model.metadata == {"x": "2"}
        assert sorted(model.problems) == [
            "\\x1bb comes several times in the header; the last one counts",
            "__metadata__: x comes several times in the header; the last one counts",
        ]


def test_a_file_that_is_cut_off_shows_everything_and_reads_what_is_there(tmp_path: Path) -> None:
    tensors = {f"layer.{i}.weight": torch.full((4, 4), float(i)) for i in range(5)}
    data = saved(tensors, tmp_path).read_bytes()
    with opened(data[:-100], tmp_path) as model:
        assert list(model.state_dict()) == list(tensors)
        for i in range(3):
            assert_same(model[f"layer.{i}.weight"], tensors[f"layer.{i}.weight"])
        for i in (3, 4):
            with pytest.raises(inspector.DamagedFile):
                model[f"layer.{i}.weight"].numpy()
            assert model[f"layer.{i}.weight"].storage.problem
        assert any("cut off: 100 of 320 bytes" in problem for problem in model.problems)


def test_bytes_behind_the_last_tensor_are_told(tmp_path: Path) -> None:
    with opened(file(GOOD, b"\0" * 9), tmp_path) as model:
        assert model.problems == ["5 bytes stand behind the last tensor; safetensors refuses such a file"]
        assert model["a"].numpy().tolist() == [0.0]


def test_opening_reads_the_header_and_nothing_else(tmp_path: Path) -> None:
    class Watched(Bytes):
        furthest = 0

        def read(self, offset: int, length: int) -> bytes:
            self.furthest = max(self.furthest, offset + length)
            return super().read(offset, length)

    header = '{"a":{"dtype":"U8","shape":[100000],"data_offsets":[0,100000]}}'
    source = Watched(file(header, bytes(100_000)))
    from inspector.formats import Found, Opening

    found = Found("x", source)
    source.furthest = 0
    safetensors.read(found, Opening())
    assert source.furthest <= 8 + len(header)


def test_a_text_is_not_taken_for_safetensors(tmp_path: Path) -> None:
    with pytest.raises(inspector.NotAModel, match="text file"):
        opened(b'[[[[[[[[{"a": 1}]]]]]]]]', tmp_path)
