"""Quantised, sparse, nested and meta tensors as `torch.save` writes them, against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import inspector
from inspector.errors import NoValues
from inspector.nodes import Tensor
from tests.inspector.samples import (
    assert_floats,
    assert_same,
    assert_same_file,
    bits,
    opened,
    reference,
    saved,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


# Quantised tensors.

QUANTISED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    f"{dtype}, {kind}": make  # type: ignore[misc]
    for dtype, low, high in ((torch.qint8, -128, 127), (torch.quint8, 0, 255), (torch.qint32, -(2**31), 2**31 - 1))
    for kind, make in {
        "per tensor": lambda t, dtype=dtype: torch.quantize_per_tensor(t, 0.013, 5, dtype),
        "per tensor, transposed": lambda t, dtype=dtype: torch.quantize_per_tensor(t, 0.013, 5, dtype).T,
        "per channel": lambda t, dtype=dtype: torch.quantize_per_channel(
            t, torch.rand(t.shape[0]).double() + 0.01, torch.arange(t.shape[0]), 0, dtype
        ),
        "per column": lambda t, dtype=dtype: torch.quantize_per_channel(
            t, torch.rand(t.shape[1]).double() + 0.01, torch.arange(t.shape[1]), 1, dtype
        ),
    }.items()
} | {
    "float qparams": lambda t: torch.quantize_per_channel(
        t, torch.rand(t.shape[0]) + 0.01, torch.randn(t.shape[0]), 0, torch.quint8
    ),
    "quint4x2": lambda t: torch.quantize_per_channel(
        t, torch.rand(t.shape[0]) + 0.1, torch.randn(t.shape[0]), 0, torch.quint4x2
    ),
    "quint2x4": lambda t: torch.quantize_per_channel(
        t, torch.rand(t.shape[0]) + 0.1, torch.randn(t.shape[0]), 0, torch.quint2x4
    ),
}


@pytest.mark.parametrize("columns", [8, 7, 5])
@pytest.mark.parametrize("kind", QUANTISED)
def test_a_quantised_tensor_has_the_integers_and_the_numbers_of_torch(kind: str, columns: int, tmp_path: Path) -> None:
    torch.manual_seed(columns)
    packed = kind.startswith("quint") and "x" in kind
    tensor = QUANTISED[kind](torch.randn(6, columns))
    loaded = reference(saved({"t": tensor}))["t"]
    with opened(saved({"t": tensor}), tmp_path) as model:
        node = model["t"]
        assert isinstance(node, Tensor)
        assert node.dtype == str(tensor.dtype).removeprefix("torch.")
        assert node.shape == tuple(tensor.shape) and node.stride == tensor.stride()
        numbers = loaded.dequantize()
        assert_floats(node.numpy(), numbers.contiguous().numpy())
        if packed:
            scales = loaded.q_per_channel_scales().numpy()[:, None].astype(np.float32)
            zeros = loaded.q_per_channel_zero_points().numpy()[:, None].astype(np.float32)
            assert_floats((node.int_repr() - zeros) * scales, node.numpy())
        else:
            assert node.int_repr().tobytes() == bits(loaded)
        for index in ((0,), (slice(1, 5, 2), 3), (..., -1), (slice(None), slice(1, 4)), (-1, slice(None, None, -1))):
            expected = numbers.numpy()[index]
            assert_floats(node[index], np.ascontiguousarray(expected))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_float32_cannot_hold_is_infinite_and_nobody_is_warned(tmp_path: Path) -> None:
    scales = torch.tensor([1e300, 0.5], dtype=torch.float64)
    integers = torch.tensor([[1, -1], [3, 4]], dtype=torch.int8)
    tensor = torch._make_per_channel_quantized_tensor(integers, scales, torch.zeros(2).long(), 0)
    torch.save({"weight": tensor}, tmp_path / "model.pt")
    with inspector.open(tmp_path / "model.pt") as checkpoint:
        np.testing.assert_array_equal(checkpoint["weight"].numpy(), tensor.dequantize().numpy())
        assert np.isinf(checkpoint["weight"].numpy()).any()


def test_a_quantised_tensor_of_any_rank_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    value = {
        "4-D per channel": torch.quantize_per_channel(
            torch.randn(2, 3, 4, 5), torch.rand(3).double() + 0.1, torch.tensor([1, -2, 3]), 1, torch.qint8
        ),
        "0-D": torch.quantize_per_tensor(torch.tensor(1.5), 0.1, 0, torch.qint8),
        "empty": torch.quantize_per_tensor(torch.empty(0, 3), 0.1, 0, torch.qint8),
        "a slice": torch.quantize_per_tensor(torch.randn(6, 7), 0.1, 0, torch.quint8)[2:, ::3],
    }
    assert_same_file(value, tmp_path)


# Sparse, nested, meta.

SPARSE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "coo": lambda t: t.to_sparse(),
    "coo with a dense axis": lambda t: t.reshape(4, 3, 2).to_sparse(2),
    "csr": lambda t: t.to_sparse_csr(),
    "csc": lambda t: t.to_sparse_csc(),
    "bsr": lambda t: t.to_sparse_bsr((2, 3)),
    "bsc": lambda t: t.to_sparse_bsc((2, 3)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.complex64, torch.bool], ids=str)
@pytest.mark.parametrize("kind", SPARSE)
def test_a_sparse_tensor_reads_as_its_dense_form(kind: str, dtype: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(0)
    dense = (torch.randint(-3, 3, (4, 6)) * (torch.rand(4, 6) > 0.4)).to(dtype)
    tensor = SPARSE[kind](dense)
    data = saved({"t": tensor})
    loaded = reference(data)["t"]
    with opened(data, tmp_path) as model:
        node = model["t"]
        assert isinstance(node, Tensor) and node.traits.layout == str(tensor.layout).removeprefix("torch.")
        assert_same(node, loaded)
        parts = [part for part in node.children if isinstance(part, Tensor)]
        assert len(parts) == (2 if kind.startswith("coo") else 3)
        for part in parts:
            assert_same(part, eval("loaded" + part.expression, {"loaded": {"t": loaded}}))
        assert_floats(node[1:3, ::2], np.ascontiguousarray(node.numpy()[1:3, ::2]))


def test_an_uncoalesced_sparse_tensor_adds_up_its_values(tmp_path: Path) -> None:
    tensor = torch.sparse_coo_tensor([[0, 0, 1], [1, 1, 2]], [1.5, 2.0, 3.0], (2, 3))
    with opened(saved({"t": tensor}), tmp_path) as model:
        assert_same(model["t"], tensor)


def test_a_sparse_tensor_without_elements_is_all_zero(tmp_path: Path) -> None:
    assert_same_file({"coo": torch.zeros(2, 3).to_sparse(), "csr": torch.zeros(2, 3).to_sparse_csr()}, tmp_path)


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
def test_a_nested_tensor_shows_the_parts_it_is_made_of(layout: torch.layout, tmp_path: Path) -> None:
    tensor = torch.nested.nested_tensor([torch.randn(2, 3), torch.randn(4, 3)], layout=layout)
    data = saved({"t": tensor})
    loaded = reference(data)["t"]
    with opened(data, tmp_path) as model:
        node = model["t"]
        assert isinstance(node, Tensor)
        assert node.shape[0] == loaded.size(0) == 2
        parts = {part.key.strip("_()"): part for part in node.children}
        assert_same(parts["values"], loaded.values())
        if layout == torch.jagged:
            assert_same(parts["offsets"], loaded.offsets())
        for part in node.children:
            if isinstance(part, Tensor):
                assert_same(part, eval("loaded" + part.expression, {"loaded": {"t": loaded}}))
        with pytest.raises(NoValues, match="values"):
            node.numpy()


def test_a_meta_tensor_has_a_shape_and_no_values(tmp_path: Path) -> None:
    value = {
        "t": torch.empty(3, 4, dtype=torch.bfloat16, device="meta").T,
        "large": torch.empty(1 << 50, device="meta"),
        "p": nn.Parameter(torch.empty(2, device="meta")),
    }
    data = saved(value)
    loaded = reference(data)
    with opened(data, tmp_path) as model:
        for key, tensor in loaded.items():
            node = model[key]
            assert isinstance(node, Tensor)
            assert (node.shape, node.stride) == (tuple(tensor.shape), tensor.stride())
            assert (node.device, node.requires_grad) == ("meta", tensor.requires_grad)
            with pytest.raises(NoValues):
                node.numpy()
        assert model["p"].kind == "parameter"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scripted", [False, True])
def test_a_quantised_model_saved_whole_shows_the_weights_that_its_layers_packed(scripted: bool, tmp_path: Path) -> None:
    model = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), {nn.Linear}, dtype=torch.qint8
    )
    path = tmp_path / "model.pt"
    torch.jit.script(model).save(str(path)) if scripted else torch.save(model, path)
    with inspector.open(path) as opened:
        found = [tensor for tensor in opened.tensors() if tensor.dtype == "qint8"]
        for tensor, layer in zip(found, (model[0], model[2]), strict=True):
            assert tensor.int_repr().tobytes() == bits(layer.weight())
            assert_floats(tensor.numpy(), layer.weight().dequantize().numpy())
        assert opened.problems == []


@pytest.mark.filterwarnings("ignore")
def test_so_do_quantised_embeddings_convolutions_and_lstms(tmp_path: Path) -> None:
    lstm = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(3, 2)), {nn.LSTM}, dtype=torch.qint8)
    model = nn.ModuleList([torch.ao.nn.quantized.Embedding(10, 12), torch.ao.nn.quantized.Conv2d(1, 2, 3), lstm])
    torch.save(model, tmp_path / "model.pt")
    with inspector.open(tmp_path / "model.pt") as opened:
        packed = [tensor for tensor in opened.tensors() if tensor.traits.quantization is not None]
        found = {tensor.shape: tensor.int_repr().tobytes() for tensor in packed}
        assert found[10, 12] == bits(model[0].weight())
        assert found[2, 1, 3, 3] == bits(model[1].weight())
        assert {(8, 3), (8, 2)} <= set(found)
