"""TorchScript archives against `torch.jit.load`: names, kinds, values, classes, code, all without running any of it."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

import inspector

pytestmark = pytest.mark.filterwarnings("ignore")


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.bn = nn.BatchNorm1d(2)
        self.stack = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
        self.scale = 3.5
        self.plain = torch.ones(2)
        self.names = ["a", "b"]
        self.register_buffer("seen", torch.arange(2.0))

    def forward(self, x):
        return self.stack(self.bn(self.fc(x))) * self.scale + self.plain + self.seen


@pytest.fixture(scope="module")
def scripted():
    torch.manual_seed(0)
    return torch.jit.script(Scaled().eval())


@pytest.fixture
def opened(scripted, tmp_path):
    path = tmp_path / "scripted.pt"
    scripted.save(str(path))
    with inspector.open(str(path)) as checkpoint:
        yield checkpoint


def test_parameters_and_buffers_are_told_apart_as_torch_does(opened, scripted):
    assert opened.format == "TorchScript"
    assert [name for name, _ in opened.named_parameters()] == [name for name, _ in scripted.named_parameters()]
    assert [name for name, _ in opened.named_buffers()] == [name for name, _ in scripted.named_buffers()]


def test_every_tensor_has_torchs_shape_stride_dtype_and_bits(opened, scripted):
    reference = scripted.state_dict()
    ours = opened.state_dict()
    assert list(ours) == list(reference)
    for name, expected in reference.items():
        assert ours[name].shape == tuple(expected.shape)
        assert ours[name].stride == expected.stride()
        assert f"torch.{ours[name].dtype}" == str(expected.dtype)
        assert ours[name].numpy().tobytes() == expected.numpy().tobytes()


def test_modules_have_their_original_classes(opened):
    types = {name: module.type for name, module in opened.named_modules()}
    assert types["fc"] == "torch.nn.modules.linear.Linear"
    assert types["stack.2"] == "torch.nn.modules.linear.Linear"
    assert types["bn"] == "torch.nn.modules.batchnorm.BatchNorm1d"
    assert opened["fc"].isinstance("nn.Linear")
    assert opened.root.attributes["scale"] == 3.5


def test_a_plain_tensor_attribute_is_neither_parameter_nor_buffer(opened):
    assert opened["plain"].kind == "tensor"
    assert "plain" not in opened.state_dict()


def test_the_expression_of_each_tensor_reaches_it_in_a_loaded_module(opened, scripted):
    stream = io.BytesIO()
    torch.jit.save(scripted, stream)
    loaded = torch.jit.load(io.BytesIO(stream.getvalue()))
    for tensor in opened.tensors():
        found = eval("loaded" + tensor.expression, {"loaded": loaded})
        assert found.detach().numpy().tobytes() == tensor.numpy().tobytes()
    assert opened["stack.0.weight"].expression == ".stack._modules['0'].weight"


def test_each_module_prints_as_a_loaded_one_does(opened, scripted):
    stream = io.BytesIO()
    torch.jit.save(scripted, stream)
    loaded = torch.jit.load(io.BytesIO(stream.getvalue()))
    assert [str(module) for module in opened.modules()] == [str(module) for module in loaded.modules()]
    assert str(opened) == str(loaded)


def test_the_code_can_be_read_as_text(opened):
    assert "def forward" in opened.texts["code/__torch__.py" if "code/__torch__.py" in opened.texts else _own(opened)]()


def _own(opened):
    return next(name for name in opened.texts if "Scaled" in opened.texts[name]())


def test_what_was_frozen_into_the_code_are_constants_under_the_names_that_the_code_has_for_them(scripted, tmp_path):
    path = tmp_path / "frozen.pt"
    torch.jit.freeze(scripted).save(str(path))
    with inspector.open(str(path)) as frozen:
        assert frozen["CONSTANTS.c0"].kind == "tensor"
        assert frozen["CONSTANTS.c0"].expression == ""
        assert "CONSTANTS.c0" in "".join(read() for read in frozen.texts.values())
        unfused = scripted.state_dict()["stack.2.weight"].numpy()
        assert any(np.array_equal(constant.numpy(), unfused) for constant in frozen.tensors())


def test_a_mobile_archive_is_named_as_one_and_has_the_same_tree(opened, scripted, tmp_path):
    path = tmp_path / "mobile.ptl"
    scripted._save_for_lite_interpreter(str(path))
    with inspector.open(str(path)) as mobile:
        assert mobile.format == "TorchScript for mobile"
        ours, reference = mobile.state_dict(), scripted.state_dict()
        assert list(ours) == list(opened.state_dict()) == list(reference)
        for name, expected in reference.items():
            assert (ours[name].shape, ours[name].stride) == (tuple(expected.shape), expected.stride())
            assert f"torch.{ours[name].dtype}" == str(expected.dtype)
            assert ours[name].numpy().tobytes() == expected.detach().numpy().tobytes()


def test_a_traced_module_opens_too(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh()).eval()
    path = tmp_path / "traced.pt"
    torch.jit.trace(model, torch.zeros(1, 1, 5, 5)).save(str(path))
    with inspector.open(str(path)) as traced:
        assert {name: tensor.numpy().tobytes() for name, tensor in traced.named_parameters()} == {
            name: tensor.detach().numpy().tobytes() for name, tensor in model.named_parameters()
        }


def test_extra_files_are_listed_with_their_sizes(scripted, tmp_path):
    path = tmp_path / "extra.pt"
    torch.jit.save(scripted, str(path), _extra_files={"labels.txt": b"cat\ndog\n"})
    with inspector.open(str(path)) as checkpoint:
        assert checkpoint.metadata["extra file labels.txt"] == "8 bytes"


def test_code_that_is_missing_is_told_and_the_tensors_are_there_all_the_same(scripted, tmp_path):
    buffer = io.BytesIO()
    torch.jit.save(scripted, buffer)
    path = tmp_path / "codeless.pt"
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(path, "w") as less:
        for name in whole.namelist():
            if "/code/" not in name:
                less.writestr(name, whole.read(name))
    with inspector.open(str(path)) as checkpoint:
        assert any("code" in problem for problem in checkpoint.problems)
        assert sum(1 for _ in checkpoint.tensors()) == len(scripted.state_dict()) + 1
