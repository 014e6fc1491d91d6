"""By what a model was wrapped when its state_dict was saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import inspector


def told(value: object, tmp_path: Path) -> object:
    torch.save(value, tmp_path / "model.pt")
    with inspector.open(tmp_path / "model.pt") as opened:
        return opened.metadata.get("wrapped by")


@pytest.mark.filterwarnings("ignore")
def test_a_compiled_model_in_data_parallel_says_both(tmp_path: Path) -> None:
    model = nn.DataParallel(torch.compile(nn.Sequential(nn.Linear(2, 3))))
    assert told({"epoch": 3, "model": model.state_dict()}, tmp_path) == {
        "module": "DataParallel or DistributedDataParallel",
        "_orig_mod": "torch.compile",
    }


def test_a_name_deep_in_the_model_says_it_too_and_a_plain_model_says_nothing(tmp_path: Path) -> None:
    weight = torch.zeros(2)
    assert told({"blocks.0._checkpoint_wrapped_module.weight": weight}, tmp_path) == {
        "_checkpoint_wrapped_module": "activation checkpointing"
    }
    assert told({"encoder.module.weight": weight, "head.weight": weight}, tmp_path) is None
    assert told({"module.weight": weight, "head.weight": weight}, tmp_path) is None
