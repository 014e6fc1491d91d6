"""Tensors of subclasses, with attributes, made of others, or never initialised, against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inspector.errors import NoValues
from inspector.nodes import Tensor, Value
from tests.inspector.samples import (
    assert_same,
    bits,
    opened,
    reference,
    saved,
    without,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


class Tagged(torch.Tensor):
    """A subclass without anything of its own."""


class Named(nn.Parameter):
    """A subclass of Parameter."""


def tagged(**attributes: Any) -> torch.Tensor:
    tensor = torch.arange(6.0).reshape(2, 3).as_subclass(Tagged)
    for name, value in attributes.items():
        setattr(tensor, name, value)
    return tensor


def parameter_with_state() -> nn.Parameter:
    parameter = nn.Parameter(torch.arange(6.0))
    parameter.note = "mine"  # type: ignore[attr-defined]
    parameter.sizes = [1, 2]  # type: ignore[attr-defined]
    return parameter


def tensor_with_attributes() -> torch.Tensor:
    tensor = torch.arange(6.0)
    tensor.note = "mine"  # type: ignore[attr-defined]
    return tensor


SUBCLASSES: dict[str, tuple[Callable[[], torch.Tensor], str, set[str]]] = {
    "a subclass": (lambda: tagged(), "tests.inspector.test_subclasses.Tagged", set()),
    "a subclass with attributes": (lambda: tagged(a=1, b="two"), "tests.inspector.test_subclasses.Tagged", {"a", "b"}),
    # torch itself saves it as a Parameter.
    "a subclass of Parameter": (lambda: Named(torch.arange(3.0)), "", set()),
    "a parameter with attributes": (parameter_with_state, "", {"note", "sizes"}),
    "a tensor with attributes": (tensor_with_attributes, "", {"note"}),
    "a buffer": (lambda: nn.Buffer(torch.arange(3.0)), "", set()),
    "a buffer that is not persistent": (lambda: nn.Buffer(torch.arange(3.0), persistent=False), "", set()),
}


@pytest.mark.parametrize("kind", SUBCLASSES)
def test_a_subclass_shows_its_class_and_attributes(kind: str, tmp_path: Path) -> None:
    make, class_name, attributes = SUBCLASSES[kind]
    data = saved({"t": make()})
    loaded = reference(data)["t"]
    with without("tests.inspector.test_subclasses"), opened(data, tmp_path) as model:
        node = model["t"]
        assert_same(node, loaded)
        assert node.traits.type == class_name
        assert attributes <= node.traits.attributes.keys()
        if "Parameter" in kind:
            assert node.kind == "parameter"


class Affine(torch.Tensor):
    """A wrapper as torchao makes them: no storage, two inner tensors, a number and a text."""

    @staticmethod
    def __new__(cls, data: torch.Tensor, scale: torch.Tensor, bits: int, name: str) -> torch.Tensor:
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=scale.dtype, device=data.device)

    def __init__(self, data: torch.Tensor, scale: torch.Tensor, bits: int, name: str) -> None:
        self.qdata = data
        self.scale = scale
        self.bits = bits
        self.name_of_it = name

    def __tensor_flatten__(self) -> Any:
        return ["qdata", "scale"], [self.bits]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == torch.ops.aten.detach.default:
            return args[0]
        raise NotImplementedError(str(func))


def affine() -> Affine:
    return Affine(torch.arange(6, dtype=torch.int8).reshape(2, 3), torch.tensor([0.5, 0.25]), 8, "mine")


def test_a_wrapper_shows_its_inner_tensors(tmp_path: Path) -> None:
    data = saved({"t": affine(), "p": nn.Parameter(affine(), requires_grad=False)})
    loaded = reference(data)
    with without("tests.inspector.test_subclasses"), opened(data, tmp_path) as model:
        for key in ("t", "p"):
            node = model[key]
            assert isinstance(node, Tensor)
            assert node.traits.type == "tests.inspector.test_subclasses.Affine"
            assert (node.shape, node.dtype) == ((2, 3), "float32")
            assert [part.key for part in node.children if isinstance(part, Tensor)] == ["qdata", "scale"]
            for part in node.children:
                expected = eval("loaded" + part.expression, {"loaded": loaded})
                if isinstance(part, Tensor):
                    assert_same(part, expected)
                else:
                    assert isinstance(part, Value) and part.value == expected
            with pytest.raises(NoValues, match="qdata, scale"):
                node.numpy()
            assert node.nbytes == 6 + 8


def test_two_tensors_in_one_are_shown_with_both(tmp_path: Path) -> None:
    from torch.testing._internal.two_tensor import TwoTensor

    value = {"t": TwoTensor(torch.randn(2, 3), torch.randn(2, 3))}
    nested = {"t": TwoTensor(TwoTensor(torch.randn(2), torch.randn(2)), TwoTensor(torch.randn(2), torch.randn(2)))}
    for data in (saved(value), saved(nested)):
        loaded = reference(data)
        with opened(data, tmp_path) as model:
            parts = [node for node in model.root.walk() if isinstance(node, Tensor)]
            assert len(parts) == (3 if loaded["t"].shape == (2, 3) else 7)
            for part in parts:
                expected = eval("loaded" + part.expression, {"loaded": loaded})
                assert part.shape == tuple(expected.shape)
                if type(expected) is torch.Tensor:
                    assert_same(part, expected)


def test_a_dtensor_shows_its_local_part(tmp_path: Path) -> None:
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        tensor = distribute_tensor(torch.arange(12.0).reshape(3, 4), mesh, [Shard(0)])
        data = saved({"t": tensor, "p": nn.Parameter(tensor)})
        local = tensor.to_local()
    finally:
        dist.destroy_process_group()
    with opened(data, tmp_path) as model:
        for key in ("t", "p"):
            node = model[key]
            assert isinstance(node, Tensor)
            assert node.traits.type == "torch.distributed.tensor.DTensor"
            assert node.shape == (3, 4)
            (part,) = [part for part in node.children if isinstance(part, Tensor)]
            assert part.key == "_local_tensor"
            assert part.numpy().tobytes() == bits(local)
            assert node.numpy().tobytes() == bits(local)


def test_a_parameter_that_was_never_initialised_says_so(tmp_path: Path) -> None:
    value = {"lazy": nn.UninitializedParameter(requires_grad=False), "buffer": nn.UninitializedBuffer(), "t": torch.ones(2)}
    data = saved(value)
    loaded = reference(data)
    with opened(data, tmp_path) as model:
        for key, kind in (("lazy", "parameter"), ("buffer", "buffer")):
            node = model[key]
            assert isinstance(node, Tensor)
            assert (node.kind, node.requires_grad) == (kind, loaded[key].requires_grad)
            assert node.traits.type == f"torch.nn.parameter.{type(value[key]).__name__}"
            with pytest.raises(NoValues, match="initiali"):
                node.numpy()
        assert_same(model["t"], loaded["t"])


def test_a_part_whose_name_only_ends_like_a_method_is_no_expression_to_run() -> None:
    whole = Tensor("float32", (1,), (1,), None)
    part = Tensor("float32", (1,), (1,), None, key="x and print()", parent=whole)
    assert part.expression == ".__dict__['x and print()']"
    part.key = "local_tensor()"
    assert part.expression == ".local_tensor()"
