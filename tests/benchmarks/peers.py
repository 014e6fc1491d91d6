"""What ours is measured against: other projects' programs in a venv of their own, torch, the smallest Textual app."""

from __future__ import annotations

import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

from tests.benchmarks.case import HERE
from tests.benchmarks.files import CACHE

PACKAGES = ("torch==2.13.0", "sft-cli==0.2.2", "safe-view==0.4.0", "modelinfo-cli==1.4.4")
"""What the venv holds. torch comes first: of themselves the others would bring the CUDA libraries."""

SMALLEST = [sys.executable, str(HERE / "smallest_textual.py")]
"""The floor for anything made with Textual; it runs with the very Textual that ours runs with."""

SMALLEST_SIGN = "layer 3"


@cache
def venv_of_peers() -> Path:
    """The folder of their venv, which is made when it is first asked for."""
    folder = CACHE / "peers" / "venv"
    done = folder / "packages"
    if not done.exists() or done.read_text().split() != list(PACKAGES):
        print(f"installing {', '.join(PACKAGES)}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        for package in PACKAGES:
            subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", package], check=True)
        done.write_text("\n".join(PACKAGES))
    return folder


def peer(program: str) -> str:
    """The path of another project's program."""
    return str(venv_of_peers() / "bin" / program)


def loaded_by_torch(path: str) -> list[str]:
    """What somebody with torch does to see what is in a file, as a command."""
    return [peer("python"), "-c", f"import torch; torch.load({path!r}, mmap=True)"]
