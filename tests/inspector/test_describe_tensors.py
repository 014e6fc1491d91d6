"""`print(tensor)` says what torch prints, to the letter, whatever the dtype, shape and values."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import inspector
from inspector.nodes import Module, Tensor
from inspector.storage import Memory, Quantization, Storage, Traits

pytestmark = pytest.mark.filterwarnings("ignore")

FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
          "float8_e5m2fnuz", "float8_e8m0fnu")  # fmt: skip
INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool")
COMPLEX = ("complex128", "complex64", "complex32")
SIZES = (0, 1, 1, 2, 2, 3, 3, 4, 6, 7)
LONG = (200, 334, 500, 999, 1000, 1001, 1200)


def random_shape(chance):
    """Up to five axes; of a third of all shapes more than 1000 elements, so that torch prints them in part."""
    shape = [chance.choice(SIZES) for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 3, 4, 5)))]
    if shape and chance.random() < 0.35:
        shape = [size or 1 for size in shape]
        shape[chance.randrange(len(shape))] = chance.choice(LONG)
    return shape


def random_floats(chance, shape):
    """Doubles of one magnitude or of many, whole or not, with zeros, infinities and NaN among them or not."""
    values = torch.randn(shape, dtype=torch.float64)
    kind = chance.randrange(5)
    if kind == 0:
        values *= 10.0 ** chance.randint(-8, 8)
    elif kind == 1:
        values *= 10.0 ** torch.randint(-8, 9, shape).double()
    elif kind == 2:
        values = (values * 10.0 ** chance.randint(0, 9)).round()
    elif kind == 3 and chance.random() < 0.3:
        values *= 0
    if chance.random() < 0.3:
        special = torch.tensor([0.0, -0.0, float("nan"), float("inf"), -float("inf")], dtype=torch.float64)
        values = torch.where(torch.rand(shape) < 0.3, special[torch.randint(0, 5, shape)], values)
    return values


def random_tensor(chance, dtype):
    shape = random_shape(chance)
    if dtype in COMPLEX:
        return torch.complex(random_floats(chance, shape), random_floats(chance, shape)).to(getattr(torch, dtype))
    if dtype in FLOATS:
        return random_floats(chance, shape).to(getattr(torch, dtype))
    values = (torch.randint(-(2**62), 2**62, shape) >> chance.randrange(62)) * torch.randint(0, 2, shape)
    return values.to(getattr(torch, dtype))


def node_of(tensor):
    """The node that a reader makes of a contiguous tensor, with its bytes in memory."""
    raw = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    storage = Storage(Memory(raw), None, len(raw))
    name = str(tensor.dtype).removeprefix("torch.")
    return Tensor(name, tuple(tensor.shape), tensor.contiguous().stride(), storage, 0, tensor.requires_grad)


def prints_as_in_torch(saved, path, loaded=True):
    """Whether each value of a dict has the text here that it has after `torch.load`, or before `torch.save`."""
    torch.save(saved, path)
    reference = torch.load(path, weights_only=False) if loaded else saved
    with inspector.open(str(path)) as checkpoint:
        assert {name: str(checkpoint[name]) for name in saved} == {name: str(reference[name]) for name in saved}
    return True


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tensors.pt"


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS + COMPLEX)
def test_random_tensors_print_as_in_torch(dtype, path):
    chance = random.Random(dtype)
    torch.manual_seed(len(dtype))
    tensors = {f"t{number}": random_tensor(chance, dtype) for number in range(120)}
    assert prints_as_in_torch(tensors, path)


@pytest.mark.filterwarnings("error")
@settings(max_examples=400, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(FLOATS + INTEGERS + COMPLEX))
def test_tensors_of_any_bits_print_as_in_torch(data, dtype):
    kind = getattr(torch, dtype)
    shape = data.draw(st.lists(st.integers(0, 8), max_size=4).filter(lambda sizes: np.prod(sizes, dtype=int) <= 400))
    count = int(np.prod(shape, dtype=int)) * kind.itemsize
    raw = bytearray(data.draw(st.binary(min_size=count, max_size=count)))
    if dtype == "bool":
        raw = bytearray(byte & 1 for byte in raw)
    tensor = torch.frombuffer(raw, dtype=torch.uint8).view(kind).reshape(shape) if raw else torch.empty(shape, dtype=kind)
    assert str(node_of(tensor)) == str(tensor)


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=12), st.sampled_from([torch.float64, torch.float32]))
def test_any_floats_print_as_in_torch(values, dtype):
    tensor = torch.tensor(values, dtype=torch.float64).to(dtype)
    assert str(node_of(tensor)) == str(tensor)


def test_views_print_as_in_torch(path):
    base = torch.arange(4800).reshape(40, 120) * 0.5
    numbers, others = (torch.complex(torch.arange(4.0), -torch.arange(4.0)) for _ in range(2))
    tensors = {
        "transposed": base.t(),
        "sliced": base[3:20:2, 5:50:7],
        "expanded": torch.tensor([1.5, -2]).expand(3, 2000, 2),
        "conjugated": numbers.conj(),
        "negated": others.conj().imag,
        "reversed axes": base.reshape(4, 10, 120).permute(2, 0, 1),
    }
    assert prints_as_in_torch(tensors, path)


def test_gradients_and_parameters_are_told_as_in_torch(path):
    model = nn.Sequential(nn.Linear(4, 1), nn.BatchNorm1d(3), nn.Conv2d(2, 4, 30)).double()
    model[0].bias.requires_grad_(False)
    torch.save({"model": model, "leaf": torch.ones(2, requires_grad=True)}, path)
    with inspector.open(str(path)) as checkpoint:
        opened = checkpoint["model"]
        assert str(checkpoint["leaf"]) == "tensor([1., 1.], requires_grad=True)"
        for name, parameter in model.named_parameters():
            assert str(opened[name]) == str(parameter)
        for name, buffer in model.named_buffers():
            assert str(opened[name]) == str(buffer)


def test_meta_tensors_print_as_in_torch(path):
    tensors = {
        "a": torch.empty(2, 3, device="meta"),
        "b": torch.empty(2, 3, device="meta", dtype=torch.int64, requires_grad=False),
        "c": torch.empty((), device="meta", dtype=torch.bfloat16, requires_grad=True),
    }
    assert prints_as_in_torch(tensors, path)


def test_sparse_tensors_print_as_in_torch(path):
    dense = torch.randn(6, 4) * (torch.rand(6, 4) < 0.4)
    tensors = {
        "coo": dense.to_sparse(),
        "hybrid": torch.randn(2, 3, 4).to_sparse(1),
        "int8": dense.to(torch.int8).to_sparse(),
        "empty": torch.zeros(2, 2).to_sparse(),
        "0-D": torch.zeros(()).to_sparse(),
        "large": torch.eye(2000).to_sparse(),
        "uncoalesced": torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,)),
        "csr": dense.to_sparse_csr(),
        "csc": dense.half().to_sparse_csc(),
        "empty csr": torch.zeros(2, 2).to_sparse_csr(),
        "batch": torch.stack([torch.eye(3)] * 2).to_sparse_csr(),
        "bsr": torch.eye(4).to_sparse_bsr((2, 2)),
        "bsc": torch.eye(6).to_sparse_bsc((3, 2)),
        "gradient": dense.to_sparse().requires_grad_(),
    }
    assert prints_as_in_torch(tensors, path)


def test_quantised_tensors_print_as_in_torch(path):
    values = torch.randn(3, 4) * 3
    scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2])
    tensors = {
        **{
            f"{dtype}": torch.quantize_per_tensor(values, 0.1, 3, dtype)
            for dtype in (torch.qint8, torch.quint8, torch.qint32)
        },
        "scalar": torch.quantize_per_tensor(torch.tensor(3.0), 0.5, 1, torch.qint8),
        "empty": torch.quantize_per_tensor(torch.zeros(0, 3), 0.5, 1, torch.qint8),
        "empty vector": torch.quantize_per_tensor(torch.zeros(0), 0.5, 1, torch.qint8),
        "large": torch.quantize_per_tensor(torch.randn(60, 70), 0.25, 0, torch.qint8),
        "channels": torch.quantize_per_channel(values, scales, zeros, 0, torch.qint8),
        "many channels": torch.quantize_per_channel(torch.randn(2, 40), torch.rand(40), torch.arange(40), 1, torch.quint8),
        "float zero points": torch.quantize_per_channel(values, scales, scales * 3, 0, torch.quint8),
        "4 bits": torch.quantize_per_channel(values, scales, zeros.float(), 0, torch.quint4x2),
    }
    assert prints_as_in_torch(tensors, path)


def test_nested_tensors_print_as_in_torch(path):
    parts = [torch.arange(6.0).reshape(2, 3), torch.arange(1200.0).reshape(3, 400), torch.zeros(0, 2)]
    tensors = {
        "nested": torch.nested.nested_tensor(parts),
        "of ints": torch.nested.nested_tensor([torch.arange(3), torch.arange(5)]),
        "with gradients": torch.nested.nested_tensor([torch.ones(3)], requires_grad=True),
        "empty": torch.nested.nested_tensor([]),
    }
    # Loaded, the one with gradients is the result of a computation; the empty one torch saves, but does not load.
    assert prints_as_in_torch(tensors, path, loaded=False)


def test_a_jagged_tensor_prints_as_in_torch_but_for_the_number_of_its_varying_size(path):
    tensor = torch.nested.nested_tensor([torch.ones(3, 2), torch.ones(5, 2)], layout=torch.jagged)
    torch.save(tensor, path)
    with inspector.open(str(path)) as checkpoint:
        text = str(checkpoint)
    assert text == "NestedTensor(size=(2, j1, 2), offsets=tensor([0, 3, 8]), contiguous=True)"
    assert str(tensor).partition("j")[2].partition(",")[2] == text.partition("j")[2].partition(",")[2]


class Marked(torch.Tensor):
    """A subclass that changes nothing."""


def test_a_subclass_prints_under_its_name_as_in_torch(path):
    tensors = {
        "plain": torch.ones(2, 3).as_subclass(Marked),
        "parameter": nn.Parameter(torch.ones(2).half().as_subclass(Marked)),
    }
    # Loaded, the parameter is the result of a computation.
    assert prints_as_in_torch(tensors, path, loaded=False)


def test_the_place_where_a_tensor_was_is_told_as_in_torch():
    storage = Storage(Memory(bytes(8)), None, 8, device="cuda:1")
    assert str(Tensor("float32", (2,), (1,), storage)) == "tensor([0., 0.], device='cuda:1')"
    assert str(Tensor("float16", (0,), (1,), storage)) == "tensor([], device='cuda:1', dtype=torch.float16)"


def test_a_lazy_layers_parameter_prints_as_in_torch():
    tensor = Tensor("float32", (), (), None, traits=Traits(type="torch.nn.parameter.UninitializedParameter"))
    assert str(tensor) == str(nn.LazyLinear(3).weight)


def test_numpys_arrays_print_as_in_numpy(path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros((40, 50), np.int8), "c": np.array(1 + 2j)}
    torch.save(arrays, path)
    with inspector.open(str(path)) as checkpoint:
        assert {name: str(checkpoint[name]) for name in arrays} == {name: repr(array) for name, array in arrays.items()}


class Counting:
    """A home of zeros of any size that counts what is read of it."""

    def __init__(self):
        self.bytes = 0

    def read(self, key, offset, length):
        self.bytes += length
        return bytes(length)


def test_of_a_large_tensor_only_the_corners_are_read():
    home = Counting()
    storage = Storage(home, None, 4 * 10**12)
    assert str(Tensor("float32", (10**6, 10**6), (10**6, 1), storage)) == str(torch.zeros(1000, 1000))
    assert home.bytes <= 36 * 4


def test_more_corners_than_can_be_shown_are_not_read():
    home = Counting()
    tensor = Tensor("int8", (8,) * 30, (0,) * 30, Storage(home, None, 8))
    assert str(tensor).startswith("tensor(...,\n       size=(8, 8, 8, ")
    assert "elements, more than" in str(tensor)
    assert home.bytes == 0


def test_more_axes_than_numpy_knows_are_not_printed():
    tensor = Tensor("float32", (1,) * 900 + (2,), (0,) * 900 + (1,), Storage(Counting(), None, 8))
    assert str(tensor).startswith("tensor(...,\n       size=(1, 1, 1, ")
    assert str(tensor).endswith("  # it has 901 axes, more than the 32 that can be printed")


@settings(deadline=None)
@given(st.lists(st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.none(), max_size=3))
def test_quantisation_by_lists_of_anything_is_printed(numbers):
    quantization = Quantization("per_channel_affine", numbers, numbers, 0)
    tensor = Tensor("qint8", (0,), (1,), None, traits=Traits(quantization=quantization), offset=0)
    tensor.storage = Storage(Memory(b""), None, 0)
    assert str(tensor).startswith("tensor([], size=(0,), dtype=torch.qint8,")


def test_quantisation_by_lists_as_in_old_files_is_printed_like_that_by_tensors():
    def described(scales, zeros):
        storage = Storage(Memory(bytes([1, 2, 3, 4])), None, 4)
        traits = Traits(quantization=Quantization("per_channel_affine", scales, zeros, 0))
        return str(Tensor("qint8", (2, 2), (2, 1), storage, traits=traits))

    by_tensors = described(node_of(torch.tensor([0.5, 0.25], dtype=torch.float64)), node_of(torch.tensor([0, 3])))
    assert described([0.5, 0.25], [0, 3]) == by_tensors


def test_what_can_not_be_read_is_said_after_the_rest():
    tensor = Tensor("float16", (5, 7), (7, 1), Storage(Memory(bytes(8)), None, 70), kind="parameter")
    text = str(tensor)
    assert text.startswith("Parameter containing:\ntensor(..., size=(5, 7), dtype=torch.float16)  # ")
    assert "8" in text.partition("#")[2]


@pytest.mark.parametrize("shape", [(-1,), (-2, -600), (3, -1), (2**4000,), (2**70, 0, 2**70)])
def test_impossible_sizes_are_printed_as_they_are(shape):
    tensor = Tensor("float32", shape, (1,) * len(shape), Storage(Memory(bytes(8)), None, 8))
    assert str(tensor).startswith("tensor(")
    assert "size=(" in str(tensor)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(-5, 2**40), max_size=3), max_size=4), st.sampled_from([torch.int64, torch.float32]))
def test_a_nested_tensor_of_impossible_sizes_is_printed(sizes, dtype):
    width = max(map(len, sizes), default=0)
    plan = node_of(torch.tensor([row + [0] * (width - len(row)) for row in sizes], dtype=torch.int64).to(dtype))
    buffer, offsets = node_of(torch.ones(9)), node_of(torch.zeros(len(sizes), dtype=torch.int64))
    nested = Tensor(
        "float32", (len(sizes),), (1,), None, traits=Traits(layout="nested", parts=(buffer, plan, plan, offsets))
    )
    assert str(nested).startswith(("tensor(...", "nested_tensor(["))


def test_a_hostile_name_reaches_nobody_raw():
    storage = Storage(Memory(bytes(8)), None, 8, device="cuda\x1b]52;c;eA==\x07")
    tensor = Tensor("float32", (2,), (1,), storage, traits=Traits(type="evil.\u202eclass"))
    assert str(tensor).isprintable()


def test_a_module_shows_its_tensors_without_values():
    root = Module("collections.OrderedDict")
    root.children.append(Tensor("bfloat16", (4, 1), (1, 1), None, key="weight", parent=root))
    assert str(root) == "OrderedDict(\n  (weight): tensor [4, 1] bfloat16\n)"
