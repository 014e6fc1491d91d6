"""What opening a file imports: the standard library, and nothing that takes long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.inspector.samples import saved

REPORT = """
import sys, json
{code}
print(json.dumps(sorted(sys.modules)))
"""

OPEN = """
import inspector
with inspector.open(sys.argv[1]) as model:
    for node in model.root.walk():
        node.name, node.label, node.expression, getattr(node, "shape", None), getattr(node, "nbytes", None)
    model.state_dict(), list(model.named_parameters()), list(model.named_modules()), model.problems, model.metadata
"""
PRINT = OPEN + "print(len(repr(model)), file=sys.stderr)\n"
VALUES = OPEN.replace("    model.state_dict()", "    [tensor.numpy() for tensor in model.tensors()], model.state_dict()")


def modules(code: str, *arguments: str) -> set[str]:
    """The modules that a process has which runs this, without those that any process has."""
    run = subprocess.run(
        [sys.executable, "-I", "-X", "importtime", "-c", f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n{REPORT.format(code=code)}", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return set(json.loads(run.stdout.splitlines()[-1]))


def packages(found: set[str]) -> set[str]:
    """Those that are no part of the standard library."""
    tops = {name.partition(".")[0] for name in found}
    return {name for name in tops if name not in sys.stdlib_module_names and not name.startswith("_")} - {"inspector"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LSTM(4, 4))
    things = {"model": model, "state_dict": model.state_dict(), "bf16": {"w": torch.ones(3, dtype=torch.bfloat16)}}
    for name, thing in things.items():
        (folder / name).write_bytes(saved(thing))
    return {name: str(folder / name) for name in things}


def test_importing_inspector_imports_nothing_but_the_standard_library() -> None:
    found = modules("import inspector")
    assert packages(found) <= {"sitecustomize"}
    assert not found & {"zipfile", "pickle", "asyncio", "unittest", "argparse", "logging", "concurrent", "http", "email"}


@pytest.mark.parametrize("name", ["model", "state_dict", "bf16"])
@pytest.mark.parametrize("code", [OPEN, PRINT], ids=["opening and walking", "printing"])
def test_looking_at_the_structure_of_a_file_needs_neither_numpy_nor_torch(
    name: str, code: str, files: dict[str, str]
) -> None:
    found = modules(code, files[name])
    assert packages(found) <= {"sitecustomize"}
    assert "inspector.formats.torch_zip" in found
    assert "inspector.formats.legacy" not in found


def test_values_need_numpy_and_only_odd_dtypes_need_ml_dtypes(files: dict[str, str]) -> None:
    assert packages(modules(VALUES, files["model"])) - {"sitecustomize"} == {"numpy"}
    assert packages(modules(VALUES, files["bf16"])) - {"sitecustomize"} == {"numpy", "ml_dtypes"}
