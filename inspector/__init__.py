"""Reads PyTorch model files without running them: their modules, names, shapes and values.

import inspector
model = inspector.open("model.pt")       # no class, no torch, nothing executed
for name, parameter in model.named_parameters():
    print(name, parameter.shape, parameter.numpy())
"""

from inspector.checkpoint import Checkpoint
from inspector.checkpoint import open_checkpoint as open
from inspector.errors import (
    ChangedFile,
    DamagedFile,
    InspectorError,
    LimitReached,
    MissingExtra,
    NotAModel,
    NoValues,
    TooLarge,
)
from inspector.limits import Limits
from inspector.nodes import Module, Tensor, Value

__all__ = [
    "ChangedFile",
    "Checkpoint",
    "DamagedFile",
    "InspectorError",
    "LimitReached",
    "Limits",
    "MissingExtra",
    "Module",
    "NoValues",
    "NotAModel",
    "Tensor",
    "TooLarge",
    "Value",
    "open",
]
