"""Files made to do harm, and files damaged at random: all open or are refused in a line, none hangs or crashes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import inspector
from inspector.errors import visible
from inspector.nodes import Module, Tensor, Value
from inspector.pickles.objects import text
from tests.inspector.samples import HOOKS, Pickler, archive, members, saved, zipped

pytestmark = pytest.mark.filterwarnings("ignore")


def look_at_everything(path: Path) -> int:
    """Opens a file, asks all there is to ask of it, and counts the tensors that could be read."""
    read = 0
    try:
        with inspector.open(path) as model:
            model.state_dict(), list(model.named_parameters()), list(model.named_modules())
            for node in model.root.walk():
                assert type(node.name) is str and type(node.expression) is str
                if isinstance(node, Value):
                    assert len(text(node.value)) <= 201
                elif isinstance(node, Module):
                    repr(node)
                elif isinstance(node, Tensor):
                    assert node.nbytes >= 0 and node.numel >= 0
                    node.contiguous, node.device, node.shares  # noqa: B018
                    for ask in (node.numpy, node.int_repr, lambda node=node: node[..., ::-1], lambda node=node: repr(node)):
                        try:
                            read += ask() is not None
                        except IndexError:
                            assert node.shape == ()
                        except inspector.InspectorError as error:
                            assert visible(str(error)) == str(error)
            assert all(visible(problem) == problem for problem in model.problems)
    except inspector.InspectorError as error:
        assert visible(str(error)) == str(error)
    return read


# Calls that make tensors, of parts that do not fit together.

KINDS = ["FloatStorage", "LongStorage", "ByteStorage", "BoolStorage", "HalfStorage", "QInt8Storage", "QInt32Storage", "QUInt4x2Storage",
         "QUInt2x4Storage", "ComplexFloatStorage", "BFloat16Storage", "UntypedStorage", "ComplexHalfStorage", "NoStorage"]  # fmt: skip
DTYPES = ["float32", "int64", "bool", "qint8", "quint4x2", "float8_e4m3fn", "float8_e8m0fnu", "complex32", "bits8", "uint16", "int4",
          "float4_e2m1fn_x2", "nonsense", "quint8"]  # fmt: skip
SCHEMES = ["per_tensor_affine", "per_channel_affine", "per_channel_affine_float_qparams"]
LAYOUTS = ["sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"]
ONE, INF = b"G\x3f\xf0\0\0\0\0\0\0", b"G\x7f\xf0\0\0\0\0\0\0"

numbers = st.sampled_from([0, 0, 0, 1, 2, -1, 1 << 40]).map(Pickler.integer)
flags = st.sampled_from([b"\x88", b"\x89"])
storages = st.builds(
    Pickler.storage, st.sampled_from(KINDS), st.sampled_from("012"), st.sampled_from([0, 4, 6, 12, 24, 24, 48])
)
names = st.sampled_from(DTYPES).map(lambda name: Pickler.name("torch", name))
sizes = st.lists(st.sampled_from([0, 1, 1, 2, 2, 3, 4, -1, 1 << 40, 1 << 62]), max_size=3).map(
    lambda items: Pickler.sizes(*items)
)
likely = st.lists(st.integers(0, 3), max_size=3).map(
    lambda items: (
        Pickler.sizes(*items),
        Pickler.sizes(*(int(np.prod([max(item, 1) for item in items[axis + 1 :]])) for axis in range(len(items)))),
    )
)
layouts = likely | st.tuples(sizes, sizes)
scalars = st.sampled_from(
    [b"K\x01", b"N", ONE, INF, Pickler.integer(1 << 70), b"\x88", b"]", b"}", b")", Pickler.text("x")]
)


def plain(storage: bytes, offset: bytes, layout: tuple[bytes, bytes], grad: bytes, bits: list[bytes]) -> bytes:
    extra = (Pickler.dict(conj=bits[0], neg=bits[-1]),) if bits else ()
    return Pickler.call("torch._utils", "_rebuild_tensor_v2", storage, offset, *layout, grad, HOOKS, *extra)


def typed(storage: bytes, offset: bytes, layout: tuple[bytes, bytes], dtype: bytes) -> bytes:
    return Pickler.call("torch._utils", "_rebuild_tensor_v3", storage, offset, *layout, b"\x89", HOOKS, dtype)


def sparse(layout: str, parts: list[bytes], size: bytes) -> bytes:
    kind = Pickler.call("torch.serialization", "_get_layout", Pickler.text(f"torch.{layout}"))
    return Pickler.call("torch._utils", "_rebuild_sparse_tensor", kind, Pickler.tuple(*parts, size))


def quantised(storage: bytes, layout: tuple[bytes, bytes], scheme: str, scale: bytes, zero: bytes, axis: bytes) -> bytes:
    quantizer = Pickler.tuple(Pickler.name("torch", scheme), scale, zero, axis)
    return Pickler.call("torch._utils", "_rebuild_qtensor", storage, b"K\x00", *layout, quantizer, b"\x89", HOOKS)


def wrapper(dtype: bytes, layout: tuple[bytes, bytes], a: bytes, b: bytes) -> bytes:
    made = Pickler.tuple(Pickler.name("m", "W"), dtype, *layout, b"K\x00", b"N", Pickler.text("cpu"), b"\x89")
    function = Pickler.name("torch._utils", "_rebuild_wrapper_subclass")
    state = Pickler.dict(_values=a, _offsets=b, **{"a b": a})
    return Pickler.call("torch._tensor", "_rebuild_from_type_v2", function, Pickler.name("m", "W"), made, state)


def array(code: str, order: str, size: bytes, fortran: bytes) -> bytes:
    said = Pickler.tuple(
        b"K\x03", Pickler.text(order), b"N", b"N", b"N", Pickler.integer(-1), Pickler.integer(-1), b"K\x00"
    )
    dtype = Pickler.call("numpy", "dtype", Pickler.text(code), b"\x89", b"\x88") + said + b"b"
    empty = Pickler.call("numpy.core.multiarray", "_reconstruct", Pickler.name("numpy", "ndarray"), b")", b"C\x01b")
    return empty + Pickler.tuple(b"K\x01", size, dtype, fortran, b"C\x18" + bytes(24)) + b"b"


tensors = st.builds(plain, storages, numbers, layouts, flags, st.lists(flags, max_size=2)) | st.builds(
    typed, storages, numbers, layouts, names
)
anything = st.recursive(
    tensors | tensors | scalars,
    lambda below: (
        st.builds(quantised, storages, layouts, st.sampled_from(SCHEMES), below, below | st.just(b"K\x01"), numbers)
        | st.builds(sparse, st.just("sparse_coo"), st.lists(below, min_size=2, max_size=2), sizes)
        | st.builds(sparse, st.sampled_from(LAYOUTS), st.lists(below, min_size=3, max_size=3), sizes)
        | st.lists(below, min_size=4, max_size=4).map(lambda parts: Pickler.call("torch._utils", "_rebuild_nested_tensor", *parts))
        | st.builds(wrapper, names, layouts, below, below)
        | st.builds(array, st.sampled_from(["f8", "f4", "?", "O", "c8", "V8", ">f8"]), st.sampled_from("<>|"), sizes, flags)
        | st.tuples(below, below).map(lambda pair: Pickler.made("torch.nn.parameter", "Parameter", Pickler.tuple(pair[0], b"\x88", HOOKS), pair[1]))
        | below.map(lambda part: Pickler.call("torch._utils", "_rebuild_parameter", part, b"\x88", HOOKS))
    ),
    max_leaves=6,
)  # fmt: skip


@given(
    calls=st.lists(anything, min_size=1, max_size=12), order=st.sampled_from(["little", "big"]), byte=st.integers(0, 255)
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_tensors_of_parts_that_do_not_fit_together(calls: list[bytes], order: str, byte: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(archive(b"\x80\x02(" + b"".join(calls) + b"l.", {key: bytes([byte]) * 192 for key in "012"}, order))
    look_at_everything(path)


# Files of torch's with bytes changed, left out, doubled.


def of_everything() -> dict[str, Any]:
    dense = torch.tensor([[0, 1.0, 0], [2, 0, 3]])
    return {
        "module": nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2), nn.LazyLinear(2)),
        "state_dict": nn.Sequential(nn.BatchNorm1d(3)).state_dict(),
        "per tensor": torch.quantize_per_tensor(dense, 0.1, 2, torch.qint8),
        "per channel": torch.quantize_per_channel(dense, torch.ones(2).double(), torch.arange(2), 0, torch.quint8),
        "coo": dense.to_sparse(),
        "csr": dense.to_sparse_csr(),
        "numpy": [np.arange(6.0), np.float32(3), np.array([1, "a"], dtype=object)],
        "small": [
            torch.ones(3).to(torch.float8_e4m3fn),
            torch.ones(3, dtype=torch.uint16),
            torch.randn(2, dtype=torch.complex64).conj(),
        ],
        1: (2, [3], {4}, b"5"),
    }


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    FILES = [members(saved(of_everything(), pickle_protocol=protocol)) for protocol in (2, 5)]
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["set", "copy", "leave out", "double", "number"]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edits: list[tuple[float, str, int]]) -> bytes:
    changed = bytearray(data)
    for place, how, value in edits:
        at = int(place * len(changed))
        if how == "set":
            changed[at] = value
        elif how == "copy":
            changed[at] = changed[value * 7 % len(changed)]
        elif how == "leave out":
            del changed[at : at + value % 20]
        elif how == "double":
            changed[at:at] = changed[at : at + value % 60]
        else:
            changed[at : at + 4] = (value * 0x1010101).to_bytes(4, "little")
    return bytes(changed)


@given(file=st.sampled_from(FILES), edits=EDITS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_model_whose_pickle_is_damaged(
    file: dict[str, bytes], edits: list[tuple[float, str, int]], tmp_path: Path
) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(zipped(file | {"archive/data.pkl": edited(file["archive/data.pkl"], edits)}))
    look_at_everything(path)


@given(file=st.sampled_from(FILES), edits=EDITS, cut=st.floats(0, 1) | st.just(1.0))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_model_file_that_is_damaged_anywhere(
    file: dict[str, bytes], edits: list[tuple[float, str, int]], cut: float, tmp_path: Path
) -> None:
    data = edited(zipped(file), edits)
    path = tmp_path / "model.pt"
    path.write_bytes(data[: int(cut * len(data))])
    look_at_everything(path)


@pytest.mark.parametrize("file", FILES, ids=["protocol 2", "protocol 5"])
def test_the_undamaged_file_is_read_whole(file: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(zipped(file))
    assert look_at_everything(path) > 90
