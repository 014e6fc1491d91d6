"""A training run's folder: the model and what lies beside it are one checkpoint."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import inspector
from inspector.errors import InspectorError
from inspector.nodes import Module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `Trainer` leaves after a step of a small model."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save_file(model.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    torch.save(scheduler.state_dict(), tmp_path / "scheduler.pt")
    torch.save(argparse.Namespace(learning_rate=0.1, output_dir="out"), tmp_path / "training_args.bin")
    torch.save({"cpu": torch.get_rng_state()}, tmp_path / "rng_state.pth")
    (tmp_path / "trainer_state.json").write_text(json.dumps({"global_step": 1, "log_history": [{"loss": 0.5}]}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "tiny"}))
    return tmp_path


def test_the_model_and_each_file_beside_it_stand_below_their_names(folder: Path):
    with inspector.open(folder) as checkpoint:
        root = checkpoint.root
        assert isinstance(root, Module)
        assert [child.label for child in root.children] == ["model", "optimizer", "rng_state", "scheduler", "training_args"]
        assert checkpoint.format == "training checkpoint, safetensors"
        assert checkpoint.problems == []


def test_tensors_are_called_after_the_file_they_are_in(folder: Path):
    with inspector.open(folder) as checkpoint:
        names = list(checkpoint.state_dict())
        assert names[:4] == ["model.0.bias", "model.0.weight", "model.1.bias", "model.1.weight"]
        assert "optimizer.state.0.exp_avg" in names
        assert "rng_state.cpu" in names


def test_the_optimizers_states_belong_to_the_models_parameters(folder: Path):
    with inspector.open(folder) as checkpoint:
        state = checkpoint["optimizer.state"]
        assert isinstance(state, Module)
        found = [node.belongs.name for node in state.children if isinstance(node, Module) and node.belongs is not None]
        assert found == ["model.0.weight", "model.0.bias", "model.1.weight", "model.1.bias"]


def test_only_the_models_parameters_count_as_such(folder: Path):
    with inspector.open(folder) as checkpoint:
        model, optimizer = checkpoint["model"], checkpoint["optimizer"]
        assert isinstance(model, Module) and isinstance(optimizer, Module)
        assert (model.numel, optimizer.numel) == (26, 0)


def test_json_files_belong_to_what_the_folder_says_of_itself(folder: Path):
    with inspector.open(folder) as checkpoint:
        assert checkpoint.metadata["trainer_state.json"]["global_step"] == 1
        assert checkpoint.metadata["config.json"] == {"model_type": "tiny"}


def test_what_loading_each_file_would_call_is_told_with_the_file(folder: Path):
    with inspector.open(folder) as checkpoint:
        assert {call.member for call in checkpoint.calls} == {"training_args.bin: data.pkl"}


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "training_args.bin"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nonsense", b"\x80\x02."])
def test_a_damaged_file_is_a_problem_and_the_rest_is_there(folder: Path, name: str, content: bytes):
    (folder / name).write_bytes(content)
    with inspector.open(folder) as checkpoint:
        assert any(problem.startswith(f"{name}: ") for problem in checkpoint.problems)
        assert len(checkpoint["model"].children) == 2


def test_a_state_that_is_no_json_does_no_harm(folder: Path):
    (folder / "trainer_state.json").write_bytes(b"\xff[")
    with inspector.open(folder) as checkpoint:
        assert isinstance(checkpoint.metadata["trainer_state.json"], str)


def test_without_an_optimizer_it_is_the_model_alone(folder: Path):
    (folder / "optimizer.pt").unlink()
    with inspector.open(folder) as checkpoint:
        assert list(checkpoint.state_dict()) == ["0.bias", "0.weight", "1.bias", "1.weight"]


def test_an_optimizer_without_a_model_is_said_to_be_no_model(tmp_path: Path):
    torch.save({"state": {}, "param_groups": []}, tmp_path / "optimizer.pt")
    with pytest.raises(InspectorError):
        inspector.open(tmp_path)


def test_accelerate_calls_its_files_otherwise(folder: Path):
    (folder / "optimizer.pt").rename(folder / "optimizer.bin")
    (folder / "scheduler.pt").rename(folder / "scheduler.bin")
    with inspector.open(folder) as checkpoint:
        assert {"optimizer", "scheduler"} <= {child.label for child in checkpoint.root.children}
        assert checkpoint.problems == []


def test_values_are_read_from_every_file_until_it_is_closed(folder: Path):
    checkpoint = inspector.open(folder)
    tensors = list(checkpoint.tensors())
    assert all(tensor.numpy().shape == tensor.shape for tensor in tensors)
    checkpoint.close()
    with pytest.raises(InspectorError):
        tensors[-1].numpy()
