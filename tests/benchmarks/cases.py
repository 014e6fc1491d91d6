"""What is measured: every case by its name."""

from __future__ import annotations

import shutil
import subprocess
import venv
from collections.abc import Callable

from tests.benchmarks import counts, opening, walking
from tests.benchmarks.case import REPOSITORY, Case, Files
from tests.benchmarks.files import CACHE
from tests.benchmarks.measure import Figures


def installed(_: Files) -> Case:
    return Case("a venv after pip install .", install, {"MB": 150}, runs=1)


def install() -> Figures:
    """The size of a new venv in which this project was installed; torch must not be in it."""
    folder = CACHE / "installed"
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", str(REPOSITORY)], check=True)
    if not subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode:
        raise RuntimeError("torch came with it")
    size = sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
    shutil.rmtree(folder)
    return {"MB": size / 1e6}


CASES: dict[str, Callable[[Files], Case]] = {
    **opening.CASES,
    **walking.CASES,
    **counts.CASES,
    "installed": installed,
}
