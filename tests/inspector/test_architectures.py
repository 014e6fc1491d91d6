"""Whole models of published architectures, saved by a process that is gone with their classes: as torch saw them there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import inspector
from inspector.nodes import Module
from inspector.pickles.objects import text
from tests.inspector.samples import assert_same

SCRIPT = Path(__file__).with_name("architectures.py")

MODELS = (
    "resnet", "resnet of bottlenecks", "transformer", "tagger", "detector", "gan", "resnet in parallel",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("architectures")
    subprocess.run([sys.executable, "-W", "ignore", str(SCRIPT), str(made)], check=True)
    return made


@pytest.fixture(params=["", " of old"], ids=["zip", "legacy"])
def age(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(folder: Path, name: str, age: str) -> Iterator[inspector.Checkpoint]:
    with inspector.open(folder / f"{name}{age}.pt") as opened:
        yield opened


@pytest.fixture
def said(folder: Path, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(folder / f"{name}.said", weights_only=True)
    return loaded


def only(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names, indirect=True)


def test_the_modules_are_torchs_by_name_class_and_order(model: inspector.Checkpoint, said: dict[str, Any]) -> None:
    assert model.problems == []
    assert [(name, module.type) for name, module in model.named_modules()] == said["modules"]


def test_the_parameters_and_buffers_are_torchs_to_the_bit(model: inspector.Checkpoint, said: dict[str, Any]) -> None:
    for kind, ours in (("parameters", model.named_parameters()), ("buffers", model.named_buffers())):
        found = list(ours)
        assert [name for name, _ in found] == [name for name, _ in said[kind]]
        for (_, node), (_, tensor) in zip(found, said[kind], strict=True):
            assert_same(node, tensor)
            assert node.kind == kind.removesuffix("s")


def test_the_state_dict_has_torchs_names_in_torchs_order(model: inspector.Checkpoint, said: dict[str, Any]) -> None:
    ours = model.state_dict()
    assert list(ours) == [name for name, _ in said["state_dict"]]
    for name, tensor in said["state_dict"]:
        # A state_dict's tensors are detached.
        assert_same(ours[name], tensor.requires_grad_(ours[name].requires_grad))


def test_the_model_and_each_layer_print_as_torch_printed_them(model: inspector.Checkpoint, said: dict[str, Any]) -> None:
    assert str(model) == said["texts"][0]
    assert [str(module) for module in model.modules()] == said["texts"]


def test_each_layer_counts_its_parameters_as_torch_does(model: inspector.Checkpoint, said: dict[str, Any]) -> None:
    assert [module.numel for module in model.modules()] == said["counts"]


@pytest.mark.parametrize("age", [" of old"], indirect=True, ids=["legacy"])
def test_an_old_file_carries_the_source_of_its_classes(model: inspector.Checkpoint, said: dict[str, Any]) -> None:
    sources = "\n".join(read() for read in model.texts.values())
    for _, path in said["modules"]:
        package, _, name = path.rpartition(".")
        assert package != "__main__" or f"class {name}(nn.Module):" in sources


@only("transformer")
def test_what_is_tied_is_one_tensor_under_two_names(model: inspector.Checkpoint) -> None:
    embedding, head = model["wte.weight"], model["lm_head.weight"]
    assert head.twin is embedding
    assert "lm_head.weight" in model.state_dict()
    assert "lm_head.weight" not in dict(model.named_parameters())
    assert model["h.0.attn.bias"].kind == "buffer"
    assert "h.0.attn.bias" not in model.state_dict()
    assert model["h.0.attn.masked_bias"].numpy() == -1e4
    assert text(model.root.attributes["config"]).startswith("__main__.Config")


@only("tagger")
def test_a_weight_norm_of_old_keeps_its_two_parameters_and_the_weight_made_of_them(model: inspector.Checkpoint) -> None:
    assert [(child.key, child.kind) for child in model["char_cnn"].children] == [
        ("bias", "parameter"), ("weight_g", "parameter"), ("weight_v", "parameter"), ("weight", "tensor"),
    ]  # fmt: skip
    lstm = model["lstm"]
    assert isinstance(lstm, Module)
    assert len(lstm.children) == 16
    assert all(child.label.startswith(("weight_", "bias_")) for child in lstm.children)
    assert text(model.word_to_ix) == "{'<pad>': 0, '<unk>': 1, 'the': 2, 'dog': 3}"
    assert [model[f"hidden.{number}"].expression for number in (0, 1)] == [".hidden[0]", ".hidden[1]"]


@only("detector")
def test_a_detector_shows_its_anchors_and_what_else_it_was_given(model: inspector.Checkpoint) -> None:
    anchors = model["anchor_generator.cell_anchors.1"]
    assert (anchors.kind, anchors.shape) == ("buffer", (3, 4))
    assert anchors[1].tolist() == [-32, -32, 32, 32]
    assert anchors.expression == ".anchor_generator.cell_anchors._buffers['1']"
    coder = model["box_coder"]
    assert isinstance(coder, Module)
    assert (coder.role, coder.type) == ("object", "__main__.BoxCoder")
    assert model["box_coder.mean"].expression == ".box_coder.mean"
    assert (model.nms_thresh, text(model.root.attributes["names"])) == (0.5, "['person', 'bicycle', 'car', 'dog']")
    assert [parameter.requires_grad for parameter in model["backbone.stem"].parameters()] == [False, False]
    assert not model["pixel_mean"].traits.persistent


@only("gan")
def test_spectral_norm_and_the_noise_beside_the_networks_are_told_apart(model: inspector.Checkpoint) -> None:
    assert {child.key: child.kind for child in model["discriminator.main.0"].children} == {
        "weight_orig": "parameter", "weight": "tensor", "weight_u": "buffer", "weight_v": "buffer",
    }  # fmt: skip
    assert model["fixed_noise"].kind == "tensor"
    assert "fixed_noise" not in model.state_dict()
    assert not any(parameter.requires_grad for parameter in model["ema"].parameters())
    assert text(model.losses) == "{'g': [0.7, 0.6], 'd': [1.2]}"


@only("resnet", "resnet in parallel")
def test_a_used_batch_norm_has_counted(model: inspector.Checkpoint, name: str) -> None:
    inside = "module." if name == "resnet in parallel" else ""
    assert model[f"{inside}layer1.0.bn1.num_batches_tracked"].numpy() == 1
    assert model[f"{inside}layer1.0"].short_type == "BasicBlock"
    assert model[f"{inside}layer1.0"].attributes["stride"] == 1
