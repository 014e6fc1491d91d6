"""Blocks of tensors against torch's and numpy's own indexing, and how little is read for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inspector import window
from inspector.errors import DamagedFile, NoValues, TooLarge
from inspector.nodes import Tensor
from inspector.storage import Storage, Traits

ITEM = 4


class Counting:
    """A home that notes what is asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    def read(self, key: Any, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        assert offset >= 0 and offset + length <= len(self.data)
        return self.data[offset : offset + length]

    @property
    def touched(self) -> int:
        return sum(length for _, length in self.reads)


def strided(
    numel: int, shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> tuple[Tensor, torch.Tensor, Counting]:
    """A tensor over the numbers 0, 1, 2, ... and the same in torch."""
    base = torch.arange(numel, dtype=torch.float32)
    home = Counting(base.numpy().tobytes())
    return (
        Tensor("float32", shape, stride, Storage(home, None, numel * ITEM), offset),
        base.as_strided(shape, stride, offset),
        home,
    )


layouts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40)), max_size=5)
slices = st.slices(7) | st.slices(7).map(lambda s: slice(s.start, s.stop, abs(s.step) if s.step else None))


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Tensor, torch.Tensor, Counting]:
    layout = draw(layouts)
    shape, stride = tuple(size for size, _ in layout), tuple(step for _, step in layout)
    offset = draw(st.integers(0, 30))
    needed = offset + sum((size - 1) * step for size, step in layout if size) + 1
    return strided(needed + draw(st.integers(0, 5)), shape, stride, offset)


@given(tensors())
@settings(max_examples=300, deadline=None)
def test_a_whole_tensor_is_what_torch_has(made: tuple[Tensor, torch.Tensor, Counting]) -> None:
    tensor, expected, _ = made
    read = tensor.numpy()
    assert read.flags.c_contiguous and read.flags.writeable
    assert read.dtype == np.float32 and read.shape == tensor.shape
    np.testing.assert_array_equal(read, expected.numpy())


@given(tensors(), st.data())
@settings(max_examples=500, deadline=None)
def test_an_index_gives_what_numpy_gives(made: tuple[Tensor, torch.Tensor, Counting], data: st.DataObject) -> None:
    tensor, expected, home = made
    index: Any = data.draw(
        st.lists(st.integers(-8, 8) | slices, max_size=6).flatmap(
            lambda items: st.just(tuple(items)) | st.integers(0, len(items)).map(lambda at: (*items[:at], ..., *items[at:]))
        )
        | st.integers(-8, 8)
        | slices
    )
    array = expected.numpy()
    try:
        wanted = array[index]
    except IndexError:
        with pytest.raises(IndexError):
            tensor[index]
        assert home.reads == []
        return
    np.testing.assert_array_equal(tensor[index], wanted)
    assert np.shape(tensor[index]) == wanted.shape


@given(tensors())
@settings(max_examples=300, deadline=None)
def test_no_more_is_read_than_the_bytes_between_the_first_and_last_element(
    made: tuple[Tensor, torch.Tensor, Counting],
) -> None:
    tensor, _, home = made
    tensor.numpy()
    if tensor.numel == 0:
        assert home.reads == []
        return
    low = tensor.offset * ITEM
    high = (
        tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True)) + 1
    ) * ITEM
    assert min(offset for offset, _ in home.reads) == low
    assert max(offset + length for offset, length in home.reads) == high


@pytest.mark.parametrize(
    "bad",
    [(0, 0, 0, 0), (..., ...), "x", None, 1.5, True, (True,), [0], (slice(None), None), np.array([0, 1]), (0, [1, 2]),
     (np.array([True]), ...)],
    ids=str,
)  # fmt: skip
def test_what_is_no_index_here_is_refused_before_anything_is_read(bad: Any) -> None:
    tensor, _, home = strided(24, (2, 3, 4), (12, 4, 1), 0)
    with pytest.raises(IndexError):
        tensor[bad]
    assert home.reads == []


def test_an_index_may_be_numpys_ints() -> None:
    tensor, expected, _ = strided(24, (2, 3, 4), (12, 4, 1), 0)
    assert tensor[np.int64(1), np.uint8(2)].tolist() == expected[1, 2].tolist()
    assert tensor[-1, -1, -1] == 23


# How little is read.

ROWS, COLUMNS = 2000, 4096


def matrix(stride: tuple[int, int] = (COLUMNS, 1)) -> tuple[Tensor, Counting]:
    home = Counting(np.arange(ROWS * COLUMNS, dtype=np.float32).tobytes())
    shape = (ROWS, COLUMNS) if stride[1] == 1 else (COLUMNS, ROWS)
    return Tensor("float32", shape, stride, Storage(home, None, ROWS * COLUMNS * ITEM)), home


@pytest.mark.parametrize(
    ("index", "most_bytes", "most_reads"),
    [
        ((slice(0, 50), slice(0, 20)), 50 * window.SMALL, 50),
        ((slice(1900, 1950), slice(4000, 4020)), 50 * window.SMALL, 50),
        ((1234,), COLUMNS * ITEM, 1),
        ((1234, 1000), ITEM, 1),
        ((slice(3, 5),), 2 * COLUMNS * ITEM, 1),
        ((slice(None), 7), ROWS * window.SMALL, ROWS),
        ((slice(None), slice(0, COLUMNS // 2 + 1)), ROWS * COLUMNS * ITEM, 1),
        ((..., slice(0, 0)), 0, 0),
        ((slice(None, None, 500), slice(0, 10)), 4 * window.SMALL, 4),
        ((slice(1999, None, -500), slice(0, 10)), 4 * window.SMALL, 4),
    ],
)
def test_a_block_reads_little_more_than_itself(index: Any, most_bytes: int, most_reads: int) -> None:
    tensor, home = matrix()
    block = tensor[index]
    assert home.touched <= most_bytes
    assert len(home.reads) <= most_reads
    assert home.touched <= max(block.nbytes * window.OVERREAD, window.SMALL * max(len(home.reads), 1))


def test_a_block_of_a_transposed_matrix_reads_little_too() -> None:
    tensor, home = matrix((1, COLUMNS))
    block = tensor[100:120, 10:60]
    assert block[3, 4] == 14 * COLUMNS + 103
    assert home.touched <= 50 * window.SMALL


def test_an_expanded_axis_is_read_once() -> None:
    tensor, expected, home = strided(10, (1000, 10), (0, 1), 0)
    np.testing.assert_array_equal(tensor.numpy(), expected.numpy())
    assert home.touched == 40
    home.reads.clear()
    assert tensor[500:510, 3].tolist() == [3.0] * 10
    assert home.touched <= 4


def test_a_contiguous_tensor_is_never_in_memory_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "PIECE", 1024)
    tensor, expected, home = strided(10_000, (100, 100), (100, 1), 0)
    np.testing.assert_array_equal(tensor.numpy(), expected.numpy())
    assert max(length for _, length in home.reads) == 1024


# What can't be read.


def test_more_than_the_memory_is_refused_and_a_part_of_it_is_not() -> None:
    tensor, _, home = strided(4, (1 << 30, 1 << 20), (0, 0), 0)
    with pytest.raises(TooLarge, match="part of it"):
        tensor.numpy()
    assert home.reads == []
    assert tensor[5, :3].tolist() == [0, 0, 0]


@given(
    shape=st.lists(st.integers(-3, 50), max_size=4),
    stride=st.lists(st.integers(-3, 1 << 62), max_size=4),
    offset=st.integers(-5, 1 << 62),
)
@settings(max_examples=300, deadline=None)
def test_a_tensor_that_leaves_its_storage_reads_nothing(shape: list[int], stride: list[int], offset: int) -> None:
    home = Counting(bytes(400))
    tensor = Tensor("float32", tuple(shape), tuple(stride), Storage(home, None, 400), offset)
    inside = (
        len(shape) == len(stride)
        and min([0, offset, *shape, *stride]) >= 0
        and (0 in shape or offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) < 100)
    )
    if inside:
        assume(math.prod(shape) < 1_000_000)
        assert tensor.numpy().shape == tensor.shape
    else:
        with pytest.raises(DamagedFile):
            tensor.numpy()
        assert home.reads == []


def test_the_stride_of_an_axis_of_one_element_does_not_matter() -> None:
    tensor, expected, _ = strided(20, (1, 3, 1, 2), (1 << 62, 5, 1 << 60, 2), 1)
    np.testing.assert_array_equal(tensor.numpy(), expected.numpy())
    np.testing.assert_array_equal(tensor[0, ::2, :, 1], expected.numpy()[0, ::2, :, 1])


def test_what_has_no_values_says_so() -> None:
    with pytest.raises(NoValues, match="meta"):
        Tensor("float32", (2,), (1,), None).numpy()
    with pytest.raises(NoValues, match="float7"):
        Tensor("float7", (2,), (1,), Storage(Counting(bytes(8)), None, 8)).numpy()


@pytest.mark.parametrize(
    "dtype", ["float32", "bool", "uint8", "bfloat16", "float8_e4m3fn", "float8_e8m0fnu", "int64", "complex32"]
)
def test_bits_that_make_no_sense_for_a_dtype_do_no_harm(dtype: str) -> None:
    home = Counting(bytes(range(64)))
    for traits in (Traits(conj=True), Traits(neg=True), Traits(conj=True, neg=True)):
        read = Tensor(dtype, (4,), (1,), Storage(home, None, 64), traits=traits).numpy()
        assert read.shape == (4,)
