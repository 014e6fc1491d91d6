"""A block copied as text gives the same values when it is pasted: in torch, numpy, Python, JSON and CSV."""

import csv
import io
import json
import math

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from inspector import dtypes
from inspector.describe import literals
from inspector.errors import TooLarge

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

lightly = settings(max_examples=50, deadline=None)

FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
          "float8_e5m2fnuz", "float8_e8m0fnu")  # fmt: skip
INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex128", "complex64")


def same(one, other):
    """Whether two arrays have the same shape, dtype and values, the sign of zeros included; every NaN is one NaN."""
    assert (one.shape, one.dtype) == (other.shape, other.dtype)
    raw = [np.ascontiguousarray(array).reshape(-1) for array in (one, other)]
    if one.dtype.kind == "c":
        return same(one.real, other.real) and same(one.imag, other.imag)
    with np.errstate(invalid="ignore"):
        wide = [array.astype(np.float64) if array.dtype.kind not in "iub" else array for array in raw]
    np.testing.assert_array_equal(*wide)
    return bool(np.array_equal(*[np.signbit(array[array == 0]) for array in wide])) if one.dtype.kind in "fV" else True


@st.composite
def blocks(draw, dtype):
    """Arrays of any shape whose elements have any bits of that dtype."""
    kind = dtypes.array_type(dtype)
    shape = draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    size = math.prod(shape) * kind.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    return (raw & 1 if dtype == "bool" else raw).view(kind).reshape(shape)


def as_array(tensor):
    """A torch tensor's values as numpy and ml_dtypes have them."""
    kind = dtypes.array_type(str(tensor.dtype).removeprefix("torch."))
    if tensor.dtype == torch.complex32:
        return tensor.to(torch.complex64).numpy()
    raw = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist()) if tensor.numel() else b""
    return np.frombuffer(raw, kind).reshape(tensor.shape)


@lightly
@given(data=st.data())
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, *COMPLEX, "bool"])
def test_a_torch_literal_gives_the_tensor_again(dtype, data):
    block = data.draw(blocks(dtype))
    tensor = eval(literals.torch_literal(block, dtype))
    assert tensor.dtype == getattr(torch, dtype)
    assert same(as_array(tensor), block)


@lightly
@given(data=st.data())
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, *COMPLEX, "bool"])
def test_a_numpy_literal_gives_the_array_again(dtype, data):
    block = data.draw(blocks(dtype))
    assert same(eval(literals.numpy_literal(block), {"np": np, "ml_dtypes": ml_dtypes}), block)


@lightly
@given(data=st.data())
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, *COMPLEX, "bool"])
def test_a_python_list_gives_the_values_again(dtype, data):
    block = data.draw(blocks(dtype))
    assert same(np.array(eval(literals.python_list(block)), block.dtype).reshape(block.shape), block)


def numbers(value):
    """JSON's texts for what is no number in JSON turned into floats."""
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return float(value) if isinstance(value, str) else value


@lightly
@given(data=st.data())
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_json_gives_the_values_again(dtype, data):
    block = data.draw(blocks(dtype))

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    values = numbers(json.loads(literals.json_text(block), parse_constant=refuse))
    assert same(np.array(values, block.dtype).reshape(block.shape), block)


@lightly
@given(data=st.data())
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, *COMPLEX])
def test_csv_gives_the_values_again(dtype, data):
    block = data.draw(blocks(dtype))
    read = int if block.dtype.kind in "iu" else complex if block.dtype.kind == "c" else float
    rows = [[read(cell) for cell in row] for row in csv.reader(io.StringIO(literals.csv_text(block)))]
    assert same(np.array(rows, block.dtype).reshape(block.shape), block)


@pytest.mark.parametrize("dtype", [name for name in FLOATS if dtypes.DTYPES[name].bytes <= 2])
def test_every_value_of_a_narrow_float_survives_torch_and_numpy(dtype):
    kind = dtypes.array_type(dtype)
    block = np.arange(256**kind.itemsize).astype(f"u{kind.itemsize}").view(kind)
    assert same(as_array(eval(literals.torch_literal(block, dtype))), block)
    assert same(eval(literals.numpy_literal(block), {"np": np, "ml_dtypes": ml_dtypes}), block)


def test_floats_have_no_more_digits_than_their_dtype():
    assert (
        literals.python_list(np.array([0.1, 1e-8, 16777216.0, 3.4e38], np.float32)) == "[0.1, 1e-08, 16777216.0, 3.4e+38]"
    )
    assert literals.python_list(np.array([0.1, 1 / 3], np.float16)) == "[0.1, 0.3333]"
    assert literals.python_list(np.array([0.1, 1 / 3])) == "[0.1, 0.3333333333333333]"


def test_literals_are_written_as_people_write_them():
    block = np.array([[0.5, np.nan], [-np.inf, 2]], np.float32)
    assert literals.torch_literal(block, "float32") == (
        "torch.tensor([[0.5, float('nan')],\n              [float('-inf'), 2.0]], dtype=torch.float32)"
    )
    assert literals.numpy_literal(block.astype(ml_dtypes.bfloat16)) == (
        "np.array([[0.5, float('nan')],\n          [float('-inf'), 2.0]], dtype=ml_dtypes.bfloat16)"
    )
    assert literals.json_text(block) == '[[0.5, "NaN"],\n ["-Infinity", 2.0]]'
    assert literals.csv_text(block) == "0.5,nan\n-inf,2.0"
    assert literals.python_list(np.array(True)) == "True"
    assert literals.json_text(np.array([True, False])) == "[true, false]"
    assert literals.torch_literal(np.zeros((0, 3)), "float64") == "torch.empty((0, 3), dtype=torch.float64)"
    assert literals.json_text(np.array([1 + 2j, complex(-0.0, 1)])) == "[[1.0, 2.0], [-0.0, 1.0]]"


def test_complex_numbers_of_half_precision_survive():
    tensor = torch.tensor([1 / 3 + 0.1j, complex(-0.0, float("nan")), 65504 - 6e-8j], dtype=torch.complex32)
    again = eval(literals.torch_literal(tensor.to(torch.complex64).numpy(), "complex32"))
    assert again.dtype == torch.complex32
    assert same(as_array(again), as_array(tensor))


@pytest.mark.parametrize("dtype", ["float4_e2m1fn_x2", "bits8", "bits1x8", "bits2x4", "bits4x2", "bits16", "uint4", "int4"])
def test_what_torch_makes_of_no_numbers_is_made_of_its_bytes(dtype):
    block = np.array([[1, 2, 77]], dtypes.array_type(dtype))
    tensor = eval(literals.torch_literal(block, dtype))
    assert tensor.dtype == getattr(torch, dtype)
    assert tensor.view(getattr(torch, block.dtype.name)).tolist() == [[1, 2, 77]]


def test_a_quantised_block_is_written_as_the_numbers_it_holds():
    assert literals.torch_literal(np.array([0.5], np.float32), "qint8") == "torch.tensor([0.5], dtype=torch.float32)"
    assert literals.torch_literal(np.array([5], np.int8), "qint8") == "torch.tensor([5], dtype=torch.int8)"


def test_a_block_without_elements_but_with_endless_axes_is_refused():
    with pytest.raises(TooLarge):
        literals.python_list(np.empty((10**9, 0)))
    assert literals.json_text(np.empty((2, 1, 0, 5))) == "[[[]], [[]]]"
    assert literals.numpy_literal(np.empty((10**9, 0), np.int8)) == "np.empty((1000000000, 0), dtype=np.int8)"


@lightly
@given(arrays(np.uint32, 200))
def test_the_digits_of_float32_are_the_shortest_that_read_back(bits):
    block = bits.view(np.float32)
    block = block[np.isfinite(block)]
    assert eval(literals.python_list(block)) == [float(str(value)) for value in block]
