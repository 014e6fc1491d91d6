"""One pass over a tensor, wherever its elements lie: the figures are those of the values that `numpy()` gives."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import inspector
from inspector import window
from inspector.errors import DamagedFile, NoValues, TooLarge
from inspector.nodes import Tensor
from inspector.statistics import Statistics, cuts, scan, table
from inspector.statistics.scan import Tally
from inspector.statistics.tally import Patterns, Wide
from inspector.storage import Memory, Quantization, Storage, Traits
from inspector.window.pieces import Piece
from tests.inspector.arrays import NAMES, tensor_of
from tests.inspector.test_statistics import figures

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Array = np.ndarray[Any, Any]


def counted(values: Array) -> Statistics:
    tally = Patterns(values.dtype) if values.dtype.itemsize <= 2 else Wide(values.dtype)
    tally.add(np.ascontiguousarray(values))
    return tally.result()


def assert_counts(tensor: Tensor, values: Array) -> None:
    """The figures of a tensor are those of these values; sums in other orders differ in their last digits."""
    found = scan.scan(tensor)
    if values.dtype.kind == "c":
        assert_same(found, counted(np.abs(values)))
        assert_same(found.parts["real"], counted(values.real))
        assert_same(found.parts["imag"], counted(values.imag))
    else:
        assert_same(found, counted(values))


def assert_same(found: Statistics, wanted: Statistics) -> None:
    if found.exact:
        assert figures(found) == figures(wanted)
        return
    for name in ("count", "finite", "nan", "posinf", "neginf", "zero", "denormal", "quantiles"):
        assert getattr(found, name) == getattr(wanted, name)
    for name in ("min", "max", "mean", "std", "norm"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-12, abs=1e-12, nan_ok=True)
    assert (found.histogram.counts == wanted.histogram.counts).all()


def of_torch(tensor: torch.Tensor, tmp_path: Any) -> Tensor:
    torch.save(tensor, tmp_path / "tensor.pt")
    node = inspector.open(tmp_path / "tensor.pt").root
    assert isinstance(node, Tensor)
    return node


@pytest.fixture(params=[1 << 20, 64], ids=["whole", "in many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "BLOCK", request.param)


# Where the elements lie


BYTES = [kind for kind, name in NAMES.items() if not name.startswith(("float4", "float6"))]
"""The dtypes whose elements are whole bytes."""


def odd(kind: np.dtype[Any]) -> list[Any]:
    """Elements that are no plain numbers, or the outermost ones."""
    if kind.kind in "iub":
        return [0, 1] if kind.kind == "b" else [0, np.iinfo(kind).min, np.iinfo(kind).max]
    return [
        0.0,
        -0.0,
        math.nan,
        math.inf,
        -math.inf,
        float(ml_dtypes.finfo(np.zeros(0, kind).real.dtype).smallest_subnormal),
    ]


@st.composite
def strided(draw: st.DrawFn, kinds: Sequence[np.dtype[Any]]) -> tuple[Tensor, Array]:
    """A tensor with any strides, overlapping and repeating ones too, and its values."""
    kind = draw(st.sampled_from(kinds))
    ndim = draw(st.integers(0, 4))
    shape = tuple(draw(st.integers(0, 5)) for _ in range(ndim))
    if draw(st.booleans()):
        order = draw(st.permutations(range(ndim)))
        stride, step = [0] * ndim, 1
        for axis in order:
            stride[axis] = step
            step *= max(shape[axis], 1)
    else:
        stride = [draw(st.integers(0, 12)) for _ in range(ndim)]
    offset = draw(st.integers(0, 3))
    needed = offset + sum(max(size - 1, 0) * step for size, step in zip(shape, stride, strict=True)) + 1
    raw = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, needed * kind.itemsize).astype(np.uint8)
    values = (raw & 1 if kind.kind == "b" else raw).view(kind)
    with np.errstate(all="ignore"):
        for place, element in draw(st.lists(st.tuples(st.integers(0, needed - 1), st.sampled_from(odd(kind))), max_size=9)):
            values[place] = element
    storage = tensor_of(values, big=draw(st.booleans())).storage
    places = np.full(shape, offset)
    for axis, step in enumerate(stride):
        places += (step * np.arange(shape[axis])).reshape(-1, *[1] * (ndim - axis - 1))
    return Tensor(NAMES[kind], shape, tuple(stride), storage, offset), values[places]


@given(strided(BYTES), st.sampled_from([16, 64, 1 << 20]), st.sampled_from([table.FEW, 1 << 20]))
def test_any_dtype_and_strides_count_each_element_as_often_as_it_stands_there(
    case: tuple[Tensor, Array], block: int, few: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(cuts, "BLOCK", block)
        patch.setattr(table, "FEW", few)
        assert_counts(*case)


@pytest.mark.parametrize("kind", BYTES, ids=NAMES.get)
def test_every_dtype_in_either_byte_order(kind: np.dtype[Any], blocks: None) -> None:
    raw = np.random.default_rng(1).integers(0, 256, 999 * kind.itemsize).astype(np.uint8)
    values = raw % 2 == 1 if kind.kind == "b" else raw.view(kind)
    for big in (False, True):
        assert_counts(tensor_of(values, big=big), values)


def test_an_expanded_tensor_of_a_trillion_elements_is_counted_from_its_few_bytes() -> None:
    storage = Storage(Memory(np.array([0.5, -1, math.nan, 0], np.float32).tobytes()), 0, 16)
    tensor = Tensor("float32", (1 << 19, 4, 1 << 19), (0, 1, 0), storage)
    start = time.perf_counter()
    result = scan.scan(tensor)
    assert time.perf_counter() - start < 0.1
    assert result.count == 1 << 40
    assert result.nan == result.zero == 1 << 38
    assert (result.min, result.max, result.mean) == (-1, 0.5, pytest.approx(-1 / 6, rel=1e-15))
    assert result.norm == pytest.approx(math.sqrt(1.25 * 2**38), rel=1e-15)


def test_more_elements_than_an_integer_of_64_bits_holds_are_refused() -> None:
    with pytest.raises(TooLarge, match="2\\^63"):
        scan.scan(Tensor("uint8", (1 << 40, 1 << 40), (0, 0), Storage(Memory(b"1"), 0, 1)))


def test_a_matrix_that_is_part_of_a_wider_one_is_read_where_it_is() -> None:
    wide = np.random.default_rng(0).standard_normal((2000, 1500)).astype(np.float32)
    whole = tensor_of(wide)
    part = Tensor("float32", (700, 2000), (1, 1500), whole.storage, 100)
    assert_counts(part, wide.T[100:800])


# What the elements are


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.complex32])
@pytest.mark.parametrize("conj", [False, True])
def test_complex_numbers_are_counted_by_magnitude_and_by_parts(dtype: torch.dtype, conj: bool, tmp_path: Any) -> None:
    values = torch.randn(50, 20, dtype=torch.complex64).to(dtype)
    values[3, 4] = complex(math.nan, 1)
    values[4, 4] = complex(1, -math.inf)
    node = of_torch(values.conj() if conj else values, tmp_path)
    array = node.numpy()
    result = scan.scan(node)
    assert set(result.parts) == {"real", "imag"}
    for found, part in ((result, np.abs(array)), (result.parts["real"], array.real), (result.parts["imag"], array.imag)):
        wanted = counted(np.ascontiguousarray(part))
        assert (found.count, found.nan, found.inf, found.min) == (1000, wanted.nan, wanted.inf, wanted.min)
        assert (found.max, found.std) == pytest.approx((wanted.max, wanted.std), rel=1e-12)


def test_quantised_elements_count_as_the_numbers_that_they_stand_for(tmp_path: Any) -> None:
    x = torch.randn(30, 40)
    node = of_torch(torch.quantize_per_tensor(x, 0.03, 5, torch.qint8), tmp_path)
    result = scan.scan(node)
    assert result.exact
    values = node.numpy().astype(np.float64)
    assert (result.min, result.max, result.zero) == (values.min(), values.max(), (values == 0).sum())
    assert result.distinct == len(np.unique(values))
    assert result.quantiles[0.5] == np.quantile(values, 0.5, method="inverted_cdf")
    assert (result.mean, result.std) == pytest.approx((values.mean(), values.std(ddof=1)), rel=1e-12)
    scales = torch.rand(30, dtype=torch.float64) + 0.1
    node = of_torch(torch.quantize_per_channel(x, scales, torch.zeros(30, dtype=torch.int64), 0, torch.quint8), tmp_path)
    assert_counts(node, node.numpy())
    node = of_torch(torch.quantize_per_tensor(x, 0.003, 5, torch.qint32), tmp_path)
    assert_counts(node, node.numpy())


QUANTISED = {"int8": "qint8", "uint8": "quint8", "int32": "qint32"}


@given(
    strided([np.dtype(name) for name in QUANTISED]),
    st.sampled_from([0.25, 0.1, 1e-3]),
    st.integers(-3, 130),
    st.sampled_from([16, 1 << 20]),
)
def test_quantised_elements_of_any_strides_count_as_numpy_dequantises_them(
    case: tuple[Tensor, Array], scale: float, zero: int, block: int
) -> None:
    tensor, values = case
    traits = Traits(quantization=Quantization("per_tensor_affine", scale, zero))
    tensor = Tensor(QUANTISED[tensor.dtype], tensor.shape, tensor.stride, tensor.storage, tensor.offset, traits=traits)
    wanted = ((values.astype(np.int64) - zero).astype(np.float32) * np.float32(scale)).astype(np.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuts, "BLOCK", block)
        result = scan.scan(tensor)
    assert (result.count, result.nan, result.inf) == (wanted.size, 0, 0)
    if wanted.size:
        assert (result.min, result.max, result.zero) == (wanted.min(), wanted.max(), (wanted == 0).sum())
        assert result.mean == pytest.approx(wanted.mean(), rel=1e-12, abs=1e-12 * result.abs_max)
        assert result.norm == pytest.approx(np.linalg.norm(wanted), rel=1e-12)


def test_a_quantised_tensor_seen_from_the_side_has_the_same_figures(tmp_path: Any) -> None:
    scales = torch.rand(30, dtype=torch.float64) + 0.1
    x = torch.quantize_per_channel(torch.randn(30, 40), scales, torch.zeros(30, dtype=torch.int64), 0, torch.qint8)
    node = of_torch(x, tmp_path)
    assert_counts(node, x.dequantize().numpy())


def test_packed_quantised_elements_are_unpacked(tmp_path: Any) -> None:
    x = torch.randn(12, 10)
    scales, zeros = torch.rand(12) + 0.1, torch.rand(12)
    for dtype in (torch.quint4x2, torch.quint2x4):
        if dtype == torch.quint2x4:
            continue
        node = of_torch(torch.quantize_per_channel(x, scales, zeros, 0, dtype), tmp_path)
        assert_counts(node, node.numpy())


@pytest.mark.parametrize("dtype", ["INT4", "UINT4", "INT2", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"])
def test_elements_of_few_bits_are_counted_one_by_one(dtype: str, blocks: None) -> None:
    data = np.random.default_rng(2).integers(0, 256, 1200).astype(np.uint8).tobytes()
    block = inspector.dtypes.DTYPES[dtype]
    numel = 1200 // block.bytes * block.block
    tensor = Tensor(dtype, (8, numel // 8), (numel // 8, 1), Storage(Memory(data), 0, 1200))
    assert_counts(tensor, window.read(tensor))


def test_a_byte_of_float4_counts_as_the_two_numbers_that_it_holds() -> None:
    tensor = tensor_of(np.array([0x21, 0xF0, 0x77], np.uint8), dtype="float4_e2m1fn_x2")
    result = scan.scan(tensor)
    values = np.array([1, 2, 0, 15, 7, 7], np.uint8).view(ml_dtypes.float4_e2m1fn)
    assert figures(result) == figures(counted(values))
    assert (result.count, result.denormal, result.max, result.min) == (6, 1, 6, -6)


def test_elements_of_ggml_blocks_count_as_the_numbers_they_are_unpacked_to(blocks: None) -> None:
    pytest.importorskip("gguf")
    data = np.random.default_rng(3).integers(0, 64, 34 * 30).astype(np.uint8)
    data.reshape(-1, 34)[:, 1] = 20
    tensor = Tensor("Q8_0", (10, 96), (96, 1), Storage(Memory(data.tobytes()), 0, data.nbytes))
    assert_counts(tensor, window.read(tensor))


def test_any_byte_but_zero_is_true() -> None:
    result = scan.scan(tensor_of(np.array([0, 1, 2, 255, 0], np.uint8), dtype="bool"))
    assert (result.zero, result.distinct, result.min, result.max, result.mean) == (2, 2, 0, 1, 0.6)


@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr", "to_sparse_csc"])
def test_a_sparse_tensor_has_the_figures_of_the_dense_one(layout: str, tmp_path: Any) -> None:
    dense = torch.where(torch.rand(40, 50) < 0.1, torch.randn(40, 50), 0.0)
    node = of_torch(getattr(dense, layout)(), tmp_path)
    assert_counts(node, dense.numpy())


def test_sparse_elements_of_one_place_are_one_element(tmp_path: Any) -> None:
    x = torch.sparse_coo_tensor([[0, 1, 0], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    assert_counts(of_torch(x, tmp_path), x.to_dense().numpy())
    hybrid = torch.sparse_coo_tensor([[0, 4, 0]], torch.ones(3, 2), (5, 2))
    assert_counts(of_torch(hybrid, tmp_path), hybrid.to_dense().numpy())
    empty = torch.sparse_coo_tensor(torch.zeros(2, 0, dtype=torch.int64), [], (5, 2))
    assert_counts(of_torch(empty, tmp_path), empty.to_dense().numpy())


def test_the_zeros_of_a_huge_sparse_tensor_are_not_made(tmp_path: Any) -> None:
    x = torch.sparse_coo_tensor([[0, 10**9 - 1], [5, 7]], [3.0, -4.0], (10**9, 10**6))
    result = scan.scan(of_torch(x, tmp_path))
    assert (result.count, result.zero, result.norm) == (10**15, 10**15 - 2, 5)


def pieced(pieces: list[tuple[tuple[int, int], Array]], shape: tuple[int, int]) -> Tensor:
    made = tuple(Piece(place, part.shape, lambda part=part: tensor_of(part)) for place, part in pieces)
    return Tensor("float32", shape, (shape[1], 1), None, traits=Traits(pieces=made))


def test_a_tensor_in_pieces_is_counted_piece_by_piece() -> None:
    whole = np.random.default_rng(4).standard_normal((60, 70)).astype(np.float32)
    parts = [((0, 0), whole[:20]), ((20, 0), whole[20:, :30]), ((20, 30), whole[20:, 30:])]
    tensor = pieced(parts, (60, 70))
    assert isinstance(cuts.cut(tensor), cuts.Joined)
    assert_counts(tensor, whole)


def test_pieces_that_overlap_are_not_counted_twice() -> None:
    whole = np.random.default_rng(5).standard_normal((60, 70)).astype(np.float32)
    assert_counts(pieced([((0, 0), whole[:40]), ((30, 0), whole[30:])], (60, 70)), whole)
    twice = [((0, 0), whole[:30]), ((0, 0), whole[:30]), ((30, 0), whole[30:])]
    assert_counts(pieced(twice, (60, 70)), whole)


# Watching and stopping


@pytest.fixture
def large() -> Tensor:
    """Values that grow along the tensor, of 12 MiB."""
    return tensor_of(np.linspace(-1, 1, 3 << 20, dtype=np.float32))


def test_progress_hears_of_every_element_once(large: Tensor) -> None:
    done: list[int] = []
    result = scan.scan(large, lambda elements, _: done.append(elements))
    assert done == sorted(done)
    assert done[-1] == large.numel == result.count
    assert len(done) == 12


def test_the_first_figures_are_of_the_whole_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "BLOCK", 1 << 14)
    tensor = tensor_of(np.linspace(-1, 1, 1 << 20, dtype=np.float32))
    seen: list[Statistics] = []
    scan.scan(tensor, lambda done, tally: seen.append(tally.result()) if done == scan.LOOK << 12 else None)
    (first,) = seen
    assert first.count == 1 << 16
    assert first.mean == pytest.approx(0, abs=0.1)
    assert first.std == pytest.approx(1 / math.sqrt(3), abs=0.1)


def test_the_pass_ends_where_progress_raises(large: Tensor) -> None:
    class Enough(BaseException):
        pass

    heard: list[int] = []

    def stop(done: int, tally: Tally) -> None:
        heard.append(done)
        if len(heard) == 3:
            raise Enough

    with pytest.raises(Enough):
        scan.scan(large, stop)
    assert len(heard) == 3


def test_tallies_of_parts_make_the_figures_of_the_whole(large: Tensor) -> None:
    cut = cuts.cut(large)

    def part(numbers: Iterator[int]) -> Tally:
        tally = Tally(large)
        for number in numbers:
            tally.add(*cut.read(number))
        return tally

    first, second = part(iter(range(5, cut.count))), part(iter(range(5)))
    first.merge(second)
    assert figures(first.result()) == figures(scan.scan(large))


# What can't be counted


def test_a_tensor_without_values_says_so() -> None:
    with pytest.raises(NoValues):
        scan.scan(Tensor("float32", (2, 3), (3, 1), None))
    with pytest.raises(NoValues):
        scan.scan(Tensor("no_such_dtype", (2, 3), (3, 1), Storage(Memory(bytes(24)), 0, 24)))


def test_a_tensor_that_leaves_its_storage_is_damaged() -> None:
    with pytest.raises(DamagedFile):
        scan.scan(Tensor("float32", (2, 300), (300, 1), Storage(Memory(bytes(24)), 0, 24)))
    with pytest.raises(DamagedFile):
        scan.scan(Tensor("float32", (2, 3), (3, 1), Storage(Memory(bytes(20)), 0, 24)))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 1 << 40)])
def test_a_tensor_without_elements_has_figures_of_nothing(shape: tuple[int, ...]) -> None:
    result = scan.scan(Tensor("float32", shape, (1,) * len(shape), Storage(Memory(b""), 0, 0)))
    assert (result.count, result.quantiles) == (0, {})


def test_per_tensor_scales_with_odd_numbers_are_told_as_they_are() -> None:
    traits = Traits(quantization=Quantization("per_tensor_affine", math.inf, 0))
    result = scan.scan(tensor_of(np.array([0, 1, -1], np.int8), traits, "qint8"))
    assert (result.nan, result.posinf, result.neginf) == (1, 1, 1)
