"""What tests of every folder share: the model of the tutorial that this project grew from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# What lands is not left to chance: CI tries the same examples every time, and everybody else's machine tries new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

TUTORIAL = """\
import torch
from torch import nn

class PolynomialRegression(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 1)
        self.fc2 = nn.Linear(2, 8)
        self.fc3 = nn.Conv2d(in_channels=2, out_channels=4, kernel_size=2)

torch.manual_seed(0)
model = PolynomialRegression()
torch.save(model, 'model.pt')
torch.save(model.state_dict(), 'state_dict.pt')
with open('printed.txt', 'w') as file:
    print(model, file=file)
"""


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the tutorial's own script left: `model.pt`, saved whole, `state_dict.pt` and `printed.txt`.

    The script ran as a process of its own, so the model's class can be imported nowhere.
    """
    folder = tmp_path_factory.mktemp("tutorial")
    subprocess.run([sys.executable, "-c", TUTORIAL], cwd=folder, check=True)
    return folder


def pytest_make_parametrize_id(val: object) -> str | None:
    """Long texts and bytes as a short name: some have megabytes, and archives bear the time, which differs between processes."""
    if isinstance(val, str) and len(val) > 60:
        return f"{val[:50]!a} and on to {len(val)}"
    if isinstance(val, bytes) and len(val) > 60:
        return f"{len(val)} bytes"
    return None
