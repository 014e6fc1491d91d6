"""safetensors files as the reference package writes them, and headers that it refuses or barely takes."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors import SafetensorError, deserialize
from safetensors.torch import load_file, save_file

import inspector
from inspector.formats import safetensors
from inspector.sources import Bytes
from tests.inspector.samples import aged, assert_same, opened

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


def file(header: str | bytes | dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    """A file of this header and data."""
    text = json.dumps(header) if isinstance(header, dict) else header
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


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


ONE = json.dumps(info("F32", [1], 0, 4))
FIELDS = ONE[1:-1]
GOOD = f'{{"a":{ONE}}}'

HEADERS = [
    "",
    "{}",
    "{}  ",
    "null",
    "[]",
    "1",
    '"a"',
    "{",
    "{]",
    "\x00",
    "{}\x00",
    "\ufeff{}",
    "\x0c{}",
    " \n\t\r{}",
    '{"a":<one>}',
    ' {"a":<one>}\n',
    '{"a":<one>,}',
    '{"a":<one>}//',
    '{"a":<one>}{}',
    "{'a':<one>}",
    '{"a":["F32",[1],[0,4]]}',
    '{"a":["F32",[1],[0,4],1]}',
    '{"a":["F32",[1]]}',
    '{"a":[[1],"F32",[0,4]]}',
    '{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":[{"F32":null},[1],[0,4]]}',
    '{"a":{"dtype":{"F32":{}},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":{"F32":null,"F32":null},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":{},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":9,"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F3","shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"x":1,<fields>}}',
    '{"a":{"x":1,"x":2,<fields>}}',
    '{"a":{"dtype":"F32",<fields>}}',
    '{"a":{"shape":[1],<fields>}}',
    '{"a":{"data_offsets":[0,4],<fields>}}',
    '{"a":{"dtype":"F32","shape":[1]}}',
    '{"a":{"dtype":"F32","data_offsets":[0,4]}}',
    '{"a":{"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{}}',
    '{"a":null}',
    '{"a":1}',
    '{"a":<one>,"a":<one>}',
    '{"a":1,"a":<one>}',
    '{"a":<one>,"a":1}',
    '{"a":{"shape":[9],<fields>},"a":<one>}',
    '{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]},"a":<one>}',
    '{"a":<one>,"b":<one>}',
    '{"a":<one>,"\\u0061":<one>}',
    '{"__metadata__":null,"a":<one>}',
    '{"__metadata__":{},"a":<one>}',
    '{"__metadata__":{"a":1},"a":<one>}',
    '{"__metadata__":{"a":null},"a":<one>}',
    '{"__metadata__":"","a":<one>}',
    '{"__metadata__":[],"a":<one>}',
    '{"__metadata__":{"x":"1","x":"2"},"a":<one>}',
    '{"__metadata__":{"x":1,"x":"2"},"a":<one>}',
    '{"__metadata__":{},"__metadata__":{},"a":<one>}',
    '{"__metadata__":null,"__metadata__":null,"a":<one>}',
    '{"__metadata__":{"\\u0000":"\\u001b"},"a":<one>}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[-0,4]}}',
    '{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}',
    '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":{"0":0,"1":4}}}',
    '{"block-0":<one>}',
    '{"a":{"y":-0,<fields>}}',
    '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
    '{"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
    '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}',
    '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
    '{"z":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":<one>,"e":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}',
    '{"z":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"a":<one>}',
    '{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]},"b":<one>}',
    '{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]},"b":<one>}',
    '{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}',
    '{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,18446744073709551616]}}',
    '{"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F4","shape":[7],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F4","shape":[],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F6_E3M2","shape":[5],"data_offsets":[0,4]}}',
    '{"\\ud800":<one>}',
    '{"\\ud83d\\ude00":<one>}',
    '{"\\udc00":<one>}',
    '{"\\\\ud800":<one>}',
    '{"\\x":<one>}',
    '{"a":{"x":"\\udc00",<fields>}}',
    '{"a":{"x":"\\ud83d",<fields>}}',
    '{"a\x01":<one>}',
    '{"\x7f":<one>}',
    '{"":<one>}',
    '{"a":{"x":1e400,<fields>}}',
    '{"a":{"x":-1e400,<fields>}}',
    '{"a":{"x":1e-400,<fields>}}',
    '{"a":{"x":NaN,<fields>}}',
    '{"a":{"x":Infinity,<fields>}}',
    '{"a":{"x":[{"y":[]}],<fields>}}',
    *('{"a":{"x":1' + "0" * zeros + ",<fields>}}" for zeros in (300, 400, 5000)),
    *('{"a":{"x":' + "[" * depth + "]" * depth + ",<fields>}}" for depth in (124, 125, 126, 127, 5000)),
    *('{"a":{"x":' + '{"y":' * depth + "1" + "}" * depth + ",<fields>}}" for depth in (125, 126)),
]


def filled(header: str) -> str:
    """A header with a tensor of one float32 for `<one>`, and what would stand in its braces for `<fields>`."""
    return header.replace("<one>", ONE).replace("<fields>", FIELDS)


def verdict_of_safetensors(data: bytes) -> bool:
    try:
        deserialize(data)
    except SafetensorError:
        return False
    return True


def verdict(data: bytes, path: Path) -> bool:
    """Whether a file opens as one that nothing is wrong with; a key that comes twice is told besides."""
    path.write_bytes(data)
    try:
        with inspector.open(str(aged(path))) as model:
            return all("several times" in problem for problem in model.problems)
    except inspector.InspectorError:
        return False


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header[:60])
def test_a_header_gets_the_verdict_of_safetensors(header: str, tmp_path: Path) -> None:
    for data in (b"\1\2\3\4", b""):
        whole = file(filled(header), data)
        assert verdict(whole, tmp_path / "a") == verdict_of_safetensors(whole)


def test_bytes_that_are_no_text_and_lying_lengths_get_its_verdict_too(tmp_path: Path) -> None:
    cases = [
        file(GOOD, b"\0" * 4, length)
        for length in (0, 1, len(GOOD) - 1, len(GOOD) + 1, 10**8, 10**8 + 1, 2**40, 2**63, 2**64 - 1)
    ]
    cases += [
        file(raw, b"\0" * 4)
        for raw in (b'{"\xff":1}', b'{"\xed\xa0\x80":1}', b"{}\xff", GOOD.encode().replace(b"a", b"\xc3", 1))
    ]
    cases += [file(GOOD, b"\0" * length) for length in range(8)]
    cases += [file(GOOD, b"\0" * 4)[:length] for length in range(len(GOOD) + 12)]
    for whole in cases:
        assert verdict(whole, tmp_path / "a") == verdict_of_safetensors(whole), whole[:80]


TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "0",
    "1",
    "4",
    "-",
    ".",
    "e",
    "null",
    "true",
    "\\",
    "\\u0041",
    " ",
    '"dtype"',
    '"F32"',
    '"a"',
    "[0,4]",
    "{}",
]


def test_three_thousand_mutants_of_headers_get_its_verdict(tmp_path: Path) -> None:
    dice = random.Random(3)
    base = (
        '{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        '"b":{"dtype":"U8","shape":[2,2],"data_offsets":[4,8]}}'
    )
    accepted = 0
    for _ in range(3000):
        header = base
        for _ in range(dice.choice((1, 1, 2, 3))):
            at = dice.randrange(len(header))
            kind = dice.randrange(4)
            if kind == 0:
                header = header[:at] + header[at + dice.randint(1, 6) :]
            elif kind == 1:
                header = header[:at] + dice.choice(TOKENS) + header[at:]
            elif kind == 2:
                header = header[:at] + dice.choice(TOKENS) + header[at + 1 :]
            else:
                piece = header[at : at + dice.randint(1, 60)]
                to = dice.randrange(len(header))
                header = header[:to] + piece + header[to:]
        whole = file(header, bytes(8))
        wanted = verdict_of_safetensors(whole)
        accepted += wanted
        assert verdict(whole, tmp_path / "a") == wanted, header
    assert accepted > 30


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
