"""`torch.export` archives against the program that was exported: names, kinds, values, classes and the graph as text."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import torch
from torch import nn

import inspector

pytestmark = pytest.mark.filterwarnings("ignore")


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.bn = nn.BatchNorm1d(2)
        self.seq = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.again = nn.Linear(2, 2)
        self.again.weight = self.seq[0].weight
        self.plain = torch.ones(2)
        self.register_buffer("passing", torch.zeros(2), persistent=False)
        self.register_buffer("view", torch.arange(10.0)[2:8:2])

    def forward(self, x):
        return self.again(self.seq(self.bn(self.fc(x)))) + self.plain + self.passing + self.view.sum()


@pytest.fixture(scope="module")
def program():
    torch.manual_seed(0)
    return torch.export.export(Tied().eval(), (torch.ones(4, 3),))


@pytest.fixture(scope="module")
def path(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("pt2") / "tied.pt2"
    torch.export.save(program, path)
    return path


@pytest.fixture
def opened(path):
    with inspector.open(str(path)) as checkpoint:
        yield checkpoint


def test_every_parameter_buffer_and_constant_is_there_bit_for_bit(opened, program):
    assert opened.format == "torch.export archive"
    expected = {f"state_dict.{name}": tensor for name, tensor in program.state_dict.items()}
    expected |= {f"constants.{name}": tensor for name, tensor in program.constants.items()}
    assert {tensor.name for tensor in opened.tensors()} == set(expected)
    for tensor in opened.tensors():
        reference = expected[tensor.name].detach()
        assert tensor.shape == tuple(reference.shape)
        assert tensor.numpy().tobytes() == reference.contiguous().numpy().tobytes(), tensor.name


def test_kinds_are_those_of_the_signature(opened, program):
    kinds = {tensor.name.partition(".")[2]: tensor.kind for tensor in opened.tensors()}
    assert {name for name, kind in kinds.items() if kind == "parameter"} == set(program.graph_signature.parameters)
    assert {name for name, kind in kinds.items() if kind == "buffer"} == set(program.graph_signature.buffers)
    assert kinds["plain"] == "tensor"
    assert not opened["constants.passing"].traits.persistent


def test_tensors_come_in_the_order_of_the_modules_and_modules_have_their_classes(opened):
    modules = [(child.label, child.short_type) for child in opened["state_dict"].children if child.children]
    assert modules == [("fc", "Linear"), ("bn", "BatchNorm1d"), ("seq", "Sequential"), ("again", "Linear")]


def test_tied_weights_are_one_storage(opened):
    assert opened["state_dict.again.weight"].shares is opened["state_dict.seq.0.weight"]


def test_each_expression_reaches_its_tensor_in_the_loaded_program(opened, path):
    loaded = torch.export.load(path)
    for tensor in opened.tensors():
        reached = eval("loaded" + tensor.expression, {"loaded": loaded})
        assert reached.shape == tensor.shape


def test_the_graph_is_text(opened):
    text = opened.texts["graph of model"]()
    assert "linear: f32[4, 2] = aten.linear.default(x, p_fc_weight, p_fc_bias)" in text
    assert text.startswith("def forward(p_fc_weight: f32[2, 3]")


def test_native_code_is_listed_and_not_loaded(path, tmp_path):
    with_code = tmp_path / "native.pt2"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(with_code, "w") as more:
        for name in whole.namelist():
            more.writestr(name, whole.read(name))
        more.writestr("tied/data/aotinductor/model/kernel.so", b"\x7fELF" + bytes(60))
    with inspector.open(str(with_code)) as checkpoint:
        assert checkpoint.metadata["native code (never loaded)"] == {"data/aotinductor/model/kernel.so": "64 bytes"}


def test_a_weight_whose_data_is_missing_is_told_by_name(path, tmp_path):
    less = tmp_path / "less.pt2"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(less, "w") as part:
        for name in whole.namelist():
            if not name.endswith("weights/weight_0"):
                part.writestr(name, whole.read(name))
    with inspector.open(str(less)) as checkpoint:
        assert any("fc.weight" in problem for problem in checkpoint.problems)
        with pytest.raises(inspector.DamagedFile):
            checkpoint["state_dict.fc.weight"].numpy()
        assert checkpoint["state_dict.fc.bias"].numpy().shape == (2,)


def saved(value) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("ending", ["pt", "json"])
def test_the_flat_layout_of_2_6_and_older_is_what_torch_loads(path, program, tmp_path, ending):
    """No current torch writes it: laid out as `torch/export/__init__.py` of 2.6 did (`.json` before 2.2), read by ours."""
    with zipfile.ZipFile(path) as new:
        described = json.loads(new.read("tied/models/model.json"))
    version = described["schema_version"]
    old = tmp_path / "old.pt2"
    with zipfile.ZipFile(old, "w") as archive:
        archive.writestr("version", f"{version['major']}.{version['minor']}")
        archive.writestr("serialized_exported_program.json", json.dumps(described))
        archive.writestr(f"serialized_state_dict.{ending}", saved(dict(program.state_dict)))
        archive.writestr(f"serialized_constants.{ending}", saved(dict(program.constants)))
        archive.writestr("serialized_example_inputs.pt", saved(((torch.ones(4, 3),), {})))
    loaded = torch.export.load(old)
    expected = {f"state_dict.{name}": tensor for name, tensor in loaded.state_dict.items()}
    expected |= {f"constants.{name}": tensor for name, tensor in loaded.constants.items()}
    with inspector.open(str(old)) as checkpoint:
        assert "2.6" in checkpoint.format
        assert not checkpoint.problems
        found = {tensor.name: tensor for tensor in checkpoint.tensors()}
        assert set(found) == set(expected)
        for name, tensor in expected.items():
            assert (found[name].shape, found[name].stride) == (tuple(tensor.shape), tensor.stride())
            assert found[name].torch().equal(tensor)
        assert checkpoint["state_dict.fc.weight"].kind == "parameter"
        assert checkpoint["state_dict.bn.running_mean"].kind == "buffer"
        assert checkpoint["state_dict.fc"].short_type == "Linear"
        assert checkpoint["constants.plain"].numpy().tolist() == [1.0, 1.0]
        assert "aten.linear" in checkpoint.texts["graph"]()
