"""Checkpoints of PyTorch Lightning: known by their version, hyperparameters readable whatever classes they are of."""

from __future__ import annotations

import argparse
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector.nodes import Module


def checkpoint(tmp_path: Path, parameters: Any = None) -> inspector.Checkpoint:
    """What `Trainer.save_checkpoint` writes of a small model."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    content = {
        "epoch": 3,
        "global_step": 40,
        "pytorch-lightning_version": "2.5.1",
        "state_dict": model.state_dict(),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"kth_value": torch.tensor(1.0), "best_model_path": "a/b.ckpt"}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 0.1} if parameters is None else parameters,
    }
    torch.save(content, tmp_path / "model.ckpt")
    return inspector.open(tmp_path / "model.ckpt")


def test_the_format_names_lightning_and_its_version(tmp_path: Path):
    assert checkpoint(tmp_path).format == "PyTorch Lightning 2.5.1 checkpoint, PyTorch zip"


def test_the_metadata_say_how_far_training_was(tmp_path: Path):
    metadata = checkpoint(tmp_path).metadata
    assert (metadata["epoch"], metadata["global_step"], metadata["hparams_name"]) == (3, 40, "kwargs")


def test_the_optimizers_states_belong_to_parameters_and_not_to_buffers_or_callbacks(tmp_path: Path):
    found = checkpoint(tmp_path)
    state = found["optimizer_states.0.state"]
    assert isinstance(state, Module)
    belongs = [node.belongs.name for node in state.children if isinstance(node, Module) and node.belongs is not None]
    assert belongs == [f"state_dict.{name}" for name in ("0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias")]


def test_hyperparameters_of_foreign_classes_are_read_and_never_made(tmp_path: Path):
    module = types.ModuleType("somebodys_code")
    sys.modules["somebodys_code"] = module
    kind = type("Settings", (), {"__module__": "somebodys_code"})
    module.Settings = kind  # type: ignore[attr-defined]
    settings = kind()
    settings.lr, settings.layers, settings._hidden = 0.1, [1, {"a": "b"}], 3  # type: ignore[attr-defined]
    try:
        found = checkpoint(tmp_path, {"settings": settings, "plain": argparse.Namespace(x=1, y=(2, 3))})
    finally:
        del sys.modules["somebodys_code"]
    assert found.metadata["hyper_parameters"] == {
        "settings": {"lr": 0.1, "layers": [1, {"a": "b"}]},
        "plain": {"x": 1, "y": (2, 3)},
    }
    assert found["hyper_parameters.settings"].type == "somebodys_code.Settings"  # type: ignore[attr-defined]


def test_hyperparameters_of_omegaconf_are_what_they_hold(tmp_path: Path):
    omegaconf = pytest.importorskip("omegaconf")
    settings = omegaconf.OmegaConf.create({"lr": 0.1, "layers": [1, 2], "deep": {"a": "b"}})
    found = checkpoint(tmp_path, {"cfg": settings})
    assert found.metadata["hyper_parameters"] == {"cfg": {"lr": 0.1, "layers": [1, 2], "deep": {"a": "b"}}}


def test_hyperparameters_that_hold_themselves_come_to_an_end(tmp_path: Path):
    circle: dict[str, Any] = {"lr": 0.1}
    circle["again"] = [circle]
    found = checkpoint(tmp_path, circle)
    assert found.metadata["hyper_parameters"]["lr"] == 0.1


def test_a_version_that_is_no_text_makes_it_no_checkpoint_of_lightnings(tmp_path: Path):
    torch.save({"pytorch-lightning_version": [1], "state_dict": {}}, tmp_path / "model.pt")
    assert inspector.open(tmp_path / "model.pt").format == "PyTorch zip"


def test_scores_and_counters_of_the_training_are_no_parameters(tmp_path: Path):
    score = torch.tensor(0.25)
    torch.save(
        {
            "pytorch-lightning_version": "2.4.0",
            "state_dict": {"fc.weight": torch.ones(2, 3)},
            "callbacks": {"ModelCheckpoint": {"best_model_score": score, "best_k_models": {"a.ckpt": score}}},
            "loops": {"fit_loop": {"total": torch.tensor(3)}},
        },
        tmp_path / "run.ckpt",
    )
    found = inspector.open(tmp_path / "run.ckpt")
    assert isinstance(found.root, inspector.Module)
    assert found.root.numel == 6
    assert [name for name, _ in found.named_parameters()] == ["state_dict.fc.weight"]


def test_callbacks_of_any_other_file_are_what_their_names_say(tmp_path: Path):
    torch.save({"callbacks": {"weight": torch.ones(4)}}, tmp_path / "run.pt")
    found = inspector.open(tmp_path / "run.pt")
    assert isinstance(found.root, inspector.Module)
    assert found.root.numel == 4
