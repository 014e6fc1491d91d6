"""numpy's files as numpy and our own export write them, and headers that are none."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import inspector
from inspector import export
from inspector.formats.npy_header import literal
from inspector.nodes import Value
from inspector.pickles.objects import text
from tests.inspector.samples import assert_same, opened, saved, zipped

NUMBERS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", "c16"]


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def sample(code: str) -> np.ndarray[Any, Any]:
    numbers = np.arange(-30, 30).reshape(3, 4, 5)
    return (numbers % 2 if code == "?" else numbers + (0.5j if code[0] == "c" else 0)).astype(code)


@pytest.mark.parametrize("code", NUMBERS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("axes", ["C", "F"])
def test_an_array_of_numbers_in_either_order_of_bytes_and_axes(code: str, order: str, axes: str, tmp_path: Path) -> None:
    dtype = np.dtype(code).newbyteorder(order)
    array = np.array(sample(code), dtype, order=axes)  # type: ignore[call-overload]
    with opened(npy(array), tmp_path, "a.npy") as model:
        assert_same(model.root, array)
        assert model.root.stride == tuple(step // array.itemsize for step in array.strides)
        assert model.root[1, ::2, 3:].tolist() == array[1, ::2, 3:].tolist()


@pytest.mark.parametrize("array", [np.float32(2.5), np.zeros((0, 3)), np.arange(7), np.ones((1,) * 12)])
def test_shapes_of_every_kind(array: Any, tmp_path: Path) -> None:
    with opened(npy(array), tmp_path) as model:
        assert_same(model.root, np.asarray(array))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_arrays_is_a_tree_by_their_names(save: Any, tmp_path: Path) -> None:
    arrays = {f"layers.{i}.weight": np.full((3, i), i, np.float32) for i in range(12)} | {"bias": np.arange(5.0)}
    save(tmp_path / "a.npz", **arrays)
    with inspector.open(str(tmp_path / "a.npz")) as model:
        assert model.problems == []
        assert [child.key for child in model["layers"].children] == [str(i) for i in range(12)]
        assert model["layers.3.weight"].expression == "['layers.3.weight']"
        for name, array in arrays.items():
            assert_same(model[name], array)


def test_a_packed_archive_is_opened_without_unpacking_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros((1000, 1000)))
    monkeypatch.setattr("inspector.formats.zips.Zip.inflate", None)
    with inspector.open(str(tmp_path / "a.npz")) as model:
        assert model["a"].shape == (1000, 1000)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "complex32", "uint16"])
def test_our_own_export_reads_back_to_the_bit(name: str, tmp_path: Path) -> None:
    tensor = torch.arange(48, dtype=torch.uint8).view(getattr(torch, name)).reshape(3, -1)
    with opened(saved({"a.b": tensor}), tmp_path) as model:
        for file in ("a.npz", "a.npy"):
            export.export({"a.b": model["a.b"]}, str(tmp_path / file))
            with inspector.open(str(tmp_path / file)) as again:
                assert_same(again["a.b"] if file == "a.npz" else again.root, tensor)


def test_what_numpy_writes_for_dtypes_of_ml_dtypes(tmp_path: Path) -> None:
    numbers = np.arange(6.0).reshape(2, 3)
    for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2):
        with opened(npy(numbers.astype(dtype)), tmp_path) as model:
            assert_same(model.root, numbers.astype(dtype))
    with opened(npy(numbers.astype(ml_dtypes.float8_e4m3fn)), tmp_path) as model:
        assert model.root.dtype == "uint8"
        assert model.root.numpy().tobytes() == numbers.astype(ml_dtypes.float8_e4m3fn).tobytes()
    with opened(npy(np.array([b"abcd" * 4] * 3, "V16")), tmp_path) as model:
        assert (model.root.dtype, model.root.shape) == ("uint8", (3, 16))
        assert model.root.numpy().tobytes() == b"abcd" * 12


def test_texts_are_shown_if_they_are_few(tmp_path: Path) -> None:
    arrays = {
        "one": np.array("héllo"), "some": np.array(["a", "bc\x00", ""]), "big": np.array(["x"], ">U3"),
        "bytes": np.array([b"ab", b""]), "many": np.full(70_000, "a"), "grid": np.array([["a"]]),
    }  # fmt: skip
    np.savez(tmp_path / "a.npz", **arrays)
    with inspector.open(str(tmp_path / "a.npz")) as model:
        assert model["one"].value == "héllo"
        assert model["some"].value == ["a", "bc", ""]
        assert model["big"].value == ["x"]
        assert model["bytes"].value == [b"ab", b""]
        assert text(model["many"].value) == "<array of '<U1', shape (70000,)>"
        assert text(model["grid"].value) == "<array of '<U1', shape (1, 1)>"


def test_dates_records_and_wide_floats_are_named(tmp_path: Path) -> None:
    records = np.zeros(2, [("x", "<f4"), ("y", "<i8", (2,))])
    for array, said in (
        (np.zeros(3, "M8[ns]"), "<array of '<M8[ns]', shape (3,)>"),
        (np.zeros(3, "longdouble"), "<array of '<f16', shape (3,)>"),
        (records, "<array of [('x', '<f4'), ('y', '<i8', (2,))], shape (2,)>"),
    ):
        with opened(npy(array), tmp_path) as model:
            assert isinstance(model.root, Value)
            assert text(model.root.value) == said


class Runs:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('it ran')",)


def test_an_array_of_objects_runs_nothing_and_says_what_it_would(tmp_path: Path) -> None:
    array = np.array([{"lr": 0.1}, Runs(), None], dtype=object)
    np.savez(tmp_path / "a.npz", a=array, b=np.zeros(2))
    with inspector.open(str(tmp_path / "a.npz")) as model:
        assert [call.member for call in model.calls if call.instance.type.endswith("exec")] == ["a.npy"]
        assert model["b"].numpy().tolist() == [0, 0]
    with opened(npy(array, allow_pickle=True), tmp_path) as model:
        assert any(call.instance.type.endswith("exec") for call in model.calls)


def test_headers_of_python_2_and_of_other_writers_are_read(tmp_path: Path) -> None:
    for said in (
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
        "{'shape':(2,3),'fortran_order':False,'descr':'<f4'}",
        '{"descr": "<f4", "fortran_order": False, "shape": (2, 3)}\n',
    ):
        for version, length in ((b"\1\0", "<H"), (b"\2\0", "<I"), (b"\3\0", "<I")):
            raw = b"\x93NUMPY" + version + struct.pack(length, len(said)) + said.encode()
            with opened(raw + np.arange(6, dtype="<f4").tobytes(), tmp_path) as model:
                assert model.root.numpy().tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("value", [{}, {"a": [(1, ("b",), [])], "c": None}, (), (1,), [True, False], "x", {"k": ((),)}])
def test_a_literal_reads_as_python_reads_it(value: Any) -> None:
    assert literal(repr(value)) == value


BAD = [
    "", "{", "}", "{'descr'}", "{'descr': '<f4'", "[1]]", "(1]", "{1: 2}", "exec", "1 2", "-1", "'a", "{'a': b()}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (4)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': ('a',)}", "{'descr': '<f4', 'fortran_order': False}",
    "{[]: 1}", "[" * 100_000, "(" * 100_000 + ")" * 100_000, "1+1",
]  # fmt: skip


@pytest.mark.parametrize("said", BAD, ids=lambda said: said[:30])
def test_a_header_that_is_none_is_refused(said: str, tmp_path: Path) -> None:
    raw = b"\x93NUMPY\2\0" + struct.pack("<I", len(said)) + said.encode()
    with pytest.raises(inspector.DamagedFile, match="header"):
        opened(raw + bytes(100), tmp_path)


def test_a_header_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(inspector.DamagedFile, match="claims"):
        opened(b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(100), tmp_path)
    with pytest.raises(inspector.DamagedFile, match="version 9"):
        opened(b"\x93NUMPY\x09\0\xff\xff\xff\xff" + bytes(100), tmp_path)


def test_an_array_larger_than_anything_is_shown_and_not_read(tmp_path: Path) -> None:
    said = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}"
    with opened(b"\x93NUMPY\1\0" + struct.pack("<H", len(said)) + said, tmp_path) as model:
        assert model.root.shape == (2**62, 2**62)
        assert model.problems
        with pytest.raises(inspector.InspectorError):
            model.root[0, :3]


def test_every_cut_of_an_array_or_archive_ends_clean(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.arange(40.0), b=np.array(["x"]), c=np.array([None], object))
    for whole in (
        npy(np.arange(20)),
        npy(np.array(["ab", "c"])),
        npy(np.array([{}], object), allow_pickle=True),
        stream.getvalue(),
    ):
        for length in range(len(whole)):
            try:
                with opened(whole[:length], tmp_path) as model:
                    for tensor in model.tensors():
                        tensor.numpy()
            except inspector.InspectorError:
                pass


def test_a_cut_array_is_told(tmp_path: Path) -> None:
    with opened(npy(np.arange(20))[:-8], tmp_path) as model:
        assert any("cut off" in problem for problem in model.problems)
        assert model.root[:19].tolist() == list(range(19))
    with opened(npy(np.arange(20)) + b"more", tmp_path) as model:
        assert model.problems == ["4 bytes follow behind the array; they are not shown"]


def test_a_damaged_member_does_not_hide_the_others(tmp_path: Path) -> None:
    archive = zipped({"bad.npy": b"\x93NUMPY\1\0\x05\0nope!", "good.npy": npy(np.arange(3)), "notes.txt": b"hello"})
    with opened(archive, tmp_path) as model:
        assert list(model.state_dict()) == ["good"]
        assert model["notes.txt"].value == "5 bytes"
        assert len(model.problems) == 1
        assert model.problems[0].startswith("bad.npy: ")


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_an_array_of_objects_holds_is_reached_by_its_index(shape: tuple[int, ...], order: Any, tmp_path: Path) -> None:
    array = np.empty(shape, object, order)
    for index in np.ndindex(shape):
        array[index] = {"weight": np.full((2, 2), sum(index), np.float32)}
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    loaded = np.load(tmp_path / "a.npy", allow_pickle=True)
    with inspector.open(tmp_path / "a.npy") as model:
        tensors = list(model.tensors())
        assert len(tensors) == array.size
        for tensor in tensors:
            found = eval("obj" + tensor.expression, {"obj": loaded})
            assert found.tobytes() == tensor.numpy().tobytes()
