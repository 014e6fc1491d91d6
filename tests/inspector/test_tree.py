"""The tree of a saved module against the object that torch loads: names, order, kinds, values, expressions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from inspector.nodes import Module
from inspector.pickles.objects import text
from tests.inspector.modules import MODULES, Cyclic, Net, assert_expressions, same_tensor, shared, tensors_in
from tests.inspector.modules import __name__ as HERE
from tests.inspector.samples import opened, reference, saved, without

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_has_the_names_kinds_and_values_that_torch_says(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = saved(MODULES[kind]())
    loaded = reference(data)
    with without(HERE), opened(data, tmp_path) as model:
        assert model.problems == []
        assert [name for name, _ in model.named_modules()] == [name for name, _ in loaded.named_modules()]
        for walk in ("named_parameters", "named_buffers"):
            if kind == "quantised dynamically":
                continue
            found, expected = list(getattr(model, walk)()), list(getattr(loaded, walk)())
            assert [name for name, _ in found] == [name for name, _ in expected]
            for (_, node), (_, tensor) in zip(found, expected, strict=True):
                same_tensor(node, tensor)
                assert node.kind == walk.removeprefix("named_").removesuffix("s")
        expected = loaded.state_dict() if kind != "cyclic" else loaded.fc.state_dict(prefix="fc.")
        if kind != "quantised dynamically":
            expected = {name: value for name, value in expected.items() if isinstance(value, torch.Tensor)}
            assert list(model.state_dict()) == list(expected)
        for layer, (_, module) in zip(model.modules(), loaded.named_modules(), strict=True):
            assert layer.type == f"{type(module).__module__}.{type(module).__qualname__}"
            assert layer.role == "layer"
        assert_expressions(model.root, loaded)


@pytest.mark.parametrize("kind", [kind for kind in MODULES if kind not in ("quantised dynamically",)])
def test_no_tensor_of_a_module_is_left_out(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = saved(MODULES[kind]())
    with opened(data, tmp_path) as model:
        shown = {(id(node.storage), node.offset, node.shape, node.stride) for node in model.tensors()}
        expected = {(tensor.data_ptr(), tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
                    for tensor in tensors_in(reference(data))
                    if not isinstance(tensor, nn.parameter.UninitializedTensorMixin) and not tensor.is_meta
                   }  # fmt: skip
        assert len({place for place in shown if place[0] != id(None)}) == len(expected)


def test_a_module_shows_its_attributes(tmp_path: Path) -> None:
    with opened(saved(Net()), tmp_path) as model:
        assert model.fc1.in_features == 4 and model.fc1.out_features == 3
        assert model.norm.eps == 1e-5
        assert model.training is True
        assert model.fc2.bias is None
        assert "_private" not in model.root.attributes
        assert text(model.root.attributes["config"]) == "{'a': 1, 'b': [1, 2, (3, 'four')]}"
        assert model.plain.kind == "tensor" and model.alias.kind == "tensor"
        assert model["history.1.deep"].expression == ".history[1]['deep']"
        assert {node.label for node in model.root.children} >= {"fc1", "scale", "plain", "kept", "passing", "history"}
        assert not {"missing", "no_parameter", "nothing"} & {node.label for node in model.root.children}


def test_what_contains_itself_is_shown_once_and_named_where_it_comes_again(tmp_path: Path) -> None:
    with opened(saved(Cyclic()), tmp_path) as model:
        assert [name for name, _ in model.named_modules()] == ["", "fc"]
        assert sum(1 for _ in model.root.walk()) < 20


def test_a_shared_module_is_shown_under_each_name_and_is_one_object(tmp_path: Path) -> None:
    with opened(saved(shared()), tmp_path) as model:
        first, again, inner = model["0"], model["2"], model["3.0"]
        assert again.twin is first and inner.twin is first
        assert [name for name, _ in model.named_modules()] == ["", "0", "1", "3", "3.1"]
        assert model["3.0.weight"].twin is model["0.weight"]
        assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "3.1.weight", "3.1.bias"]


def test_modules_are_known_by_their_classes(tmp_path: Path) -> None:
    with opened(saved(Net()), tmp_path) as model:
        assert [layer.short_type for layer in model.modules() if layer.isinstance("nn.Linear")] == ["Linear", "Linear"]
        assert model.root.isinstance(f"{HERE}.Net") and model.root.isinstance("nn.Module")


def test_a_traced_module_is_a_layer_with_its_code(tmp_path: Path) -> None:
    class Traced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)
            self.scale = nn.Parameter(torch.ones(3))
            self.register_buffer("shift", torch.arange(3.0))

        def forward(self, x):  # Annotations that are texts can't be traced.
            return self.fc(x) * self.scale + self.shift

    traced = torch.fx.symbolic_trace(Traced())
    data = saved({"model": traced})
    with opened(data, tmp_path) as checkpoint:
        model = checkpoint["model"]
        assert isinstance(model, Module)
        assert repr(model) == repr(reference(data)["model"])
        assert list(model.state_dict()) == list(traced.state_dict())
        for name, expected in traced.state_dict().items():
            assert model.state_dict()[name].torch().equal(expected)
        assert [name for name, _ in model.named_parameters()] == [name for name, _ in traced.named_parameters()]
        assert "fc = self.fc(x)" in model.attributes["_code"]
        assert any(call.instance.type.endswith("reduce_graph_module") for call in checkpoint.calls)
