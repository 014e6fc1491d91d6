"""Settings of omegaconf are shown as what they hold, not as the objects that hold it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import inspector
from inspector.nodes import Module, Value

omegaconf = pytest.importorskip("omegaconf")


def test_containers_are_dicts_and_lists_and_leaves_their_values(tmp_path: Path):
    settings = omegaconf.OmegaConf.create(
        {"lr": 0.1, "layers": [1, 2, "x"], "deep": {"er": {"a": None}}, "nested": [{"b": 1}], "to": "${lr}", "miss": "???"}
    )
    torch.save({"cfg": settings, "again": settings, "w": torch.ones(2)}, tmp_path / "run.pt")
    found = inspector.open(tmp_path / "run.pt")
    shown = {node.name: node.value for node in found.root.walk() if isinstance(node, Value)}
    assert {name: value for name, value in shown.items() if name.startswith("cfg.")} == {
        "cfg.lr": 0.1,
        "cfg.layers": [1, 2, "x"],
        "cfg.deep.er.a": None,
        "cfg.nested.0.b": 1,
        "cfg.to": "${lr}",
        "cfg.miss": "???",
    }
    config = found["cfg"]
    assert isinstance(config, Module)
    assert config.type == "omegaconf.dictconfig.DictConfig"
    assert found["cfg.deep.er.a"].expression == "['cfg']['deep']['er']['a']"
    assert found["again"].twin is config


def test_a_container_that_is_missing_or_interpolated_is_a_value(tmp_path: Path):
    none, interpolated = omegaconf.DictConfig(None), omegaconf.DictConfig("${other}")
    torch.save({"none": none, "to": interpolated}, tmp_path / "run.pt")
    found = inspector.open(tmp_path / "run.pt")
    assert [node.value for node in found.root.children if isinstance(node, Value)] == [None, "${other}"]
