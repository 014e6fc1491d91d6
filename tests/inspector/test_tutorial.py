"""The tutorial this project grew from, line by line, on a file whose class does not exist; torch is the reference."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import inspector


class Reference(nn.Module):
    """The tutorial's `PolynomialRegression`; the class that the file names can be imported nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 1)
        self.fc2 = nn.Linear(2, 8)
        self.fc3 = nn.Conv2d(in_channels=2, out_channels=4, kernel_size=2)

    def _get_name(self) -> str:
        return "PolynomialRegression"


@pytest.fixture
def reference(tutorial: Path) -> Reference:
    model = Reference()
    model.load_state_dict(torch.load(tutorial / "state_dict.pt"))
    return model


@pytest.fixture
def model(tutorial: Path) -> Iterator[inspector.Checkpoint]:
    with inspector.open(str(tutorial / "model.pt")) as opened:
        yield opened


@pytest.fixture
def state_dict(tutorial: Path) -> Iterator[inspector.Checkpoint]:
    with inspector.open(str(tutorial / "state_dict.pt")) as opened:
        yield opened


def printed(*things: Any) -> str:
    """What `print` writes for each."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        for thing in things:
            print(thing)
    return stream.getvalue()


def test_a_path_may_be_a_text_or_a_path(tutorial: Path) -> None:
    for path in (tutorial / "model.pt", str(tutorial / "model.pt")):
        with inspector.open(path) as model:
            assert model.path == str(tutorial / "model.pt")
    for missing in (tutorial / "no.pt", str(tutorial / "no.pt")):
        with pytest.raises(inspector.InspectorError, match="there is no file"):
            inspector.open(missing)


def test_torch_itself_needs_the_class(tutorial: Path) -> None:
    with pytest.raises(AttributeError, match="PolynomialRegression"):
        torch.load(tutorial / "model.pt", weights_only=False)


def test_the_names_in_the_state_dict_are_listed(model: inspector.Checkpoint, reference: Reference) -> None:
    assert printed(*model.state_dict()) == printed(*reference.state_dict())


def test_a_weight_is_taken_by_its_name(model: inspector.Checkpoint, reference: Reference) -> None:
    for name in reference.state_dict():
        # A state_dict's tensors are detached; the file says that these are parameters, and so they are shown.
        assert printed(model.state_dict()[name]) == printed(dict(reference.named_parameters())[name])


def test_a_weight_is_taken_by_its_name_from_a_saved_state_dict(
    state_dict: inspector.Checkpoint, reference: Reference
) -> None:
    for name, tensor in reference.state_dict().items():
        assert printed(state_dict.state_dict()[name]) == printed(tensor)


def test_the_model_is_printed(model: inspector.Checkpoint, reference: Reference, tutorial: Path) -> None:
    assert printed(model) == printed(reference) == (tutorial / "printed.txt").read_text()


def test_each_layer_of_modules_is_printed(model: inspector.Checkpoint, reference: Reference) -> None:
    assert printed(*model.modules()) == printed(*reference.modules())


def test_the_layers_that_are_linear_are_picked_and_their_weights_printed(
    model: inspector.Checkpoint, reference: Reference
) -> None:
    found, expected = [], []
    for layer in model.modules():
        if layer.isinstance("nn.Linear"):
            found += [layer.weight, layer.bias]
    for module in reference.modules():
        if isinstance(module, nn.Linear):
            expected += [module.weight, module.bias]
    assert len(found) == 4
    assert printed(*found) == printed(*expected)
    assert printed(found[0]).startswith("Parameter containing:\ntensor([[")


def test_a_parameter_is_looked_up_as_a_numpy_array(model: inspector.Checkpoint, reference: Reference) -> None:
    found = {name: parameter.numpy() for name, parameter in model.named_parameters() if name == "fc3.weight"}
    expected = {
        name: parameter.detach().numpy() for name, parameter in reference.named_parameters() if name == "fc3.weight"
    }
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(found["fc3.weight"], expected["fc3.weight"], strict=True)
    assert printed(found["fc3.weight"]) == printed(expected["fc3.weight"])


def test_a_saved_state_dict_is_loaded_again(state_dict: inspector.Checkpoint, reference: Reference) -> None:
    pytest.importorskip("torch")
    again = Reference()
    again.load_state_dict({name: tensor.torch() for name, tensor in state_dict.state_dict().items()})
    for (name, one), (_, other) in zip(again.named_parameters(), reference.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_a_dict_of_arrays_by_name_is_saved_and_opened_again(
    model: inspector.Checkpoint, reference: Reference, tmp_path: Path
) -> None:
    parm = {name: parameter.numpy() for name, parameter in model.named_parameters()}
    expected = {name: parameter.detach().numpy() for name, parameter in reference.named_parameters()}
    assert list(parm) == list(expected)
    np.savez(tmp_path / "parm.npz", **parm)
    torch.save(parm, tmp_path / "parm.pt")
    for path in (tmp_path / "parm.npz", tmp_path / "parm.pt"):
        with inspector.open(str(path)) as again:
            assert list(again.state_dict()) == list(expected)
            for name, array in expected.items():
                np.testing.assert_array_equal(again.state_dict()[name].numpy(), array, strict=True)


def test_elements_are_read_by_an_index(model: inspector.Checkpoint, reference: Reference) -> None:
    weight = dict(reference.named_parameters())["fc3.weight"].detach().numpy()
    np.testing.assert_array_equal(model["fc3.weight"][0, :, 1], weight[0, :, 1], strict=True)


def test_attributes_are_reached_as_in_python(model: inspector.Checkpoint, reference: Reference) -> None:
    assert model.fc1.in_features == reference.fc1.in_features
    assert model.fc3.kernel_size == reference.fc3.kernel_size
    assert printed(model.fc3.weight) == printed(reference.fc3.weight)
    assert model.training is True
