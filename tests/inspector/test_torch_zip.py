"""Tensors as `torch.save` writes them: name, shape, stride, dtype and every bit against `torch.load`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inspector.errors import DamagedFile
from tests.inspector.samples import (
    DTYPES,
    FLOATS,
    PLAIN,
    STORAGE,
    Pickler,
    archive,
    assert_floats,
    assert_same,
    assert_same_file,
    members,
    opened,
    random,
    reference,
    saved,
    zipped,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("protocol", range(2, 6))
def test_every_dtype_is_read_to_the_bit(dtype: torch.dtype, protocol: int, tmp_path: Path) -> None:
    assert_same_file({"t": random(dtype, 3, 5), "long": random(dtype, 300)}, tmp_path, pickle_protocol=protocol)


def test_every_value_of_the_small_dtypes_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    every_byte = torch.arange(256, dtype=torch.uint8)
    every_pair = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16)
    floats = {str(dtype)[6:]: every_byte.clone().view(dtype) for dtype in DTYPES if "float8" in str(dtype)}
    halves = {str(dtype)[6:]: every_pair.clone().view(dtype) for dtype in (torch.float16, torch.bfloat16)}
    with opened(saved(floats | halves), tmp_path) as model:
        for key, tensor in (floats | halves).items():
            read = model[key].numpy()
            assert_floats(np.nan_to_num(read.astype(np.float32)), np.nan_to_num(tensor.float().numpy()))
            assert (np.isnan(read.astype(np.float32)) == np.isnan(tensor.float().numpy())).all()


BASE = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)

LAYOUTS: dict[str, Callable[[], torch.Tensor]] = {
    "0-D": lambda: torch.tensor(1.5),
    "0-D within a storage": lambda: BASE[1, 2, 3, 4],
    "empty": lambda: torch.empty(0),
    "empty with axes": lambda: torch.empty(3, 0, 2),
    "empty slice": lambda: BASE[1:1],
    "one element": lambda: torch.ones(1, 1, 1),
    "transposed": lambda: BASE.transpose(1, 3),
    "permuted": lambda: BASE.permute(3, 0, 2, 1),
    "a slice": lambda: BASE[:, 1:, ::2, 1:4],
    "every third": lambda: torch.arange(1000.0)[1::3],
    "a column": lambda: torch.arange(50_000.0).reshape(1000, 50)[:, 7],
    "far rows": lambda: torch.arange(400_000.0).reshape(4, 100_000)[::3, 5:9],
    "expanded": lambda: torch.arange(3.0).reshape(3, 1).expand(3, 4),
    "expanded from 0-D": lambda: torch.tensor(2.5).expand(2, 3, 4),
    "expanded in the middle": lambda: torch.arange(6.0).reshape(2, 1, 3).expand(2, 5, 3),
    "overlapping windows": lambda: torch.arange(10.0).unfold(0, 4, 1),
    "as strided": lambda: torch.arange(100.0).as_strided((3, 4, 2), (17, 0, 5), 11),
    "channels last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "conj": lambda: torch.randn(3, 4, dtype=torch.complex64).conj(),
    "conj of complex128, transposed": lambda: torch.randn(3, 4, dtype=torch.complex128).conj().T,
    "conj of complex32": lambda: torch.randn(3, 4, dtype=torch.complex64).to(torch.complex32).conj(),
    "neg": lambda: torch.randn(3, 4, dtype=torch.complex64).conj().imag,
    "conj and neg": lambda: torch._neg_view(torch.randn(3, dtype=torch.complex64).conj()),
    "the real part": lambda: torch.randn(3, 4, dtype=torch.complex64).real,
    "the imaginary part of conj, sliced": lambda: torch.randn(5, 6, dtype=torch.complex128).conj().imag[::2, 1:],
    "requires grad": lambda: torch.randn(3, requires_grad=True),
    "a parameter": lambda: nn.Parameter(torch.randn(2, 3)),
    "a frozen parameter": lambda: nn.Parameter(torch.randn(2, 3), requires_grad=False),
    "a buffer": lambda: nn.Buffer(torch.randn(3)),
    "a size of one with an odd stride": lambda: torch.arange(10.0).as_strided((1, 3), (77, 1)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_to_the_bit(layout: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_same_file({"t": LAYOUTS[layout]()}, tmp_path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e4m3fn, torch.bool, torch.uint16])
def test_layouts_do_not_depend_on_the_dtype(dtype: torch.dtype, tmp_path: Path) -> None:
    base = random(dtype, 4, 5, 6)
    views = {"t": base, "T": base.transpose(0, 2), "slice": base[1:, ::2, 3], "expanded": base[:, :1].expand(4, 7, 6)}
    assert_same_file(views, tmp_path)


def test_tensors_that_share_a_storage_share_it_here(tmp_path: Path) -> None:
    base = torch.arange(12.0)
    value = {"base": base, "same": base, "part": base[3:7], "matrix": base.reshape(3, 4).T, "other": base.clone()}
    assert_same_file(value, tmp_path)
    with opened(saved(value), tmp_path) as model:
        nodes = list(model.tensors())
        assert [node.shares.key if node.shares else None for node in nodes] == [None, "base", "base", "base", None]
        assert len({id(node.storage) for node in nodes}) == 2


@pytest.mark.parametrize("device", ["cuda:0", "cuda:7", "mps", "xpu:1", "hpu", "a\x1b[2Jb"])
def test_a_device_that_is_not_here_does_not_matter(device: str, tmp_path: Path) -> None:
    pickled = Pickler.tensor(Pickler.storage("FloatStorage", "0", 3, device), 0, (3,), (1,)) + b"."
    with opened(archive(b"\x80\x02" + pickled, {"0": np.arange(3, dtype="f4").tobytes()}), tmp_path) as model:
        (node,) = model.tensors()
        assert node.device == device
        assert node.numpy().tolist() == [0, 1, 2]


# Big-endian archives: what is saved here, with each storage's bytes turned round, as a big-endian machine writes it.

SWAPPED = {dtype: size for dtype in DTYPES if (size := dtype.itemsize) > 1} | {
    torch.complex128: 8,
    torch.complex64: 4,
    torch.complex32: 2,
}
TORCH_LEAVES = {torch.uint64, torch.uint32, torch.uint16, torch.complex32, torch.bits16}
"""dtypes without a storage class of their own: torch 2.13 takes their bytes as they are, whatever the byte order."""


def big_endian(data: bytes, width: int) -> bytes:
    turned = {}
    for name, contents in members(data).items():
        if "/data/" in name:
            contents = np.frombuffer(contents, f"u{width}").byteswap().tobytes()
        turned[name] = b"big" if name.endswith("/byteorder") else contents
    return zipped(turned)


@pytest.mark.parametrize("dtype", SWAPPED, ids=str)
def test_a_big_endian_archive_has_the_same_values(dtype: torch.dtype, tmp_path: Path) -> None:
    tensor = random(dtype, 4, 6)
    value = {"t": tensor, "part": tensor[1:, ::2].T}
    data = big_endian(saved(value), SWAPPED[dtype])
    with opened(data, tmp_path) as model:
        for key, expected in (reference(data) if dtype not in TORCH_LEAVES else value).items():
            assert_same(model[key], expected)
            assert_same(model[key], value[key])


def test_one_byte_dtypes_have_no_byte_order(tmp_path: Path) -> None:
    value = {str(dtype)[6:]: random(dtype, 7) for dtype in DTYPES if dtype.itemsize == 1}
    data = big_endian(saved(value), 1)
    with opened(data, tmp_path) as model:
        for key, expected in reference(data).items():
            assert_same(model[key], expected)


def test_a_big_endian_quantised_tensor_has_the_same_values(tmp_path: Path) -> None:
    value = {"t": torch.quantize_per_tensor(torch.randn(4, 5), 0.001, 3, torch.qint32)}
    data = big_endian(saved(value), 4)
    with opened(data, tmp_path) as model:
        assert_same(model["t"], reference(data)["t"])


# What is wrong with a file is said, and the rest works.


def broken_tensor(storage: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    inner = Pickler.dict(bad=Pickler.tensor(storage, offset, size, stride), good=PLAIN)
    return archive(b"\x80\x02" + inner + b".", {"0": FLOATS.tobytes()})


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (7,), (1,)), (1, (6,), (1,)), (-1, (2,), (1,)), (0, (2,), (-1,)), (0, (-2,), (1,)), (0, (2, 3), (1,)),
     (1 << 62, (1,), (1,)), (0, (1 << 40,), (1 << 40,))],
)  # fmt: skip
def test_a_tensor_that_leaves_its_storage_does_not_read(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...], tmp_path: Path
) -> None:
    with opened(broken_tensor(STORAGE, offset, size, stride), tmp_path) as model:
        with pytest.raises(DamagedFile):
            model["bad"].numpy()
        assert_floats(model["good"].numpy(), FLOATS.reshape(2, 3))


def test_a_tensor_of_2_to_the_40_elements_over_four_bytes_opens(tmp_path: Path) -> None:
    with opened(broken_tensor(STORAGE, 0, (1 << 20, 1 << 20), (0, 0)), tmp_path) as model:
        node = model["bad"]
        assert node.numel == 1 << 40
        assert node[5, 7:9].tolist() == [0, 0]
        with pytest.raises(Exception, match="memory"):
            node.numpy()


def test_a_storage_that_is_missing_or_of_another_size_is_told(tmp_path: Path) -> None:
    missing = Pickler.tensor(Pickler.storage("FloatStorage", "9", 6), 0, (6,), (1,))
    longer = Pickler.tensor(Pickler.storage("FloatStorage", "1", 3), 0, (3,), (1,))
    shorter = Pickler.tensor(Pickler.storage("FloatStorage", "2", 6), 0, (6,), (1,))
    pickled = b"\x80\x02" + Pickler.dict(missing=missing, longer=longer, shorter=shorter, good=PLAIN) + b"."
    with opened(archive(pickled, {key: FLOATS.tobytes()[: 24 if key != "2" else 12] for key in "012"}), tmp_path) as model:
        told = "; ".join(model.problems)
        assert len(model.problems) == 3
        assert [f"{key}: " in told for key in ("missing", "longer", "shorter", "good")] == [True, True, True, False]
        for key in ("missing", "shorter"):
            with pytest.raises(DamagedFile):
                model[key].numpy()
        assert model["shorter"][:3].tolist() == [0, 1, 2]
        assert model["longer"].numpy().tolist() == [0, 1, 2]
        assert_floats(model["good"].numpy(), FLOATS.reshape(2, 3))
