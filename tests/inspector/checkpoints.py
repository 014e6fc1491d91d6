"""Files of tensors, written and opened, for tests that look at many of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import inspector


def checkpoint_of(tensors: Mapping[str, Any], folder: Path) -> inspector.Checkpoint:
    """A file of these things, as `torch.save` writes it, opened."""
    path = folder / "model.pt"
    torch.save(dict(tensors), path)
    return inspector.open(path)


def layers(count: int, width: int = 8, **more: torch.Tensor) -> dict[str, torch.Tensor]:
    """A state_dict of so many layers with two matrices and a norm each, normal values, and whatever `more` replaces."""
    generator = torch.Generator().manual_seed(0)
    made: dict[str, torch.Tensor] = {}
    for number in range(count):
        for name in ("up", "down"):
            made[f"model.layers.{number}.mlp.{name}.weight"] = torch.randn(width, width, generator=generator) * 0.02
        made[f"model.layers.{number}.norm.weight"] = 1 + 0.1 * torch.randn(width, generator=generator)
    return made | {name.replace("__", "."): tensor for name, tensor in more.items()}
