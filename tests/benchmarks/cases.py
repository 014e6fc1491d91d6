"""What is measured, against what, and the figure that must hold: one row of `CASES` for each."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.files import CACHE
from tests.benchmarks.measure import Figures

REPOSITORY = Path(__file__).parents[2]
TORCHTUI = str(Path(sys.executable).with_name("torchtui"))
HERE = Path(__file__).parent
SMALLEST = [sys.executable, str(HERE / "smallest_textual.py")]
SMALLEST_SIGN = "layer 3"

Action = Callable[[], Figures]


@dataclass(frozen=True)
class Case:
    """One comparison, `ours` against the `other` side, which `against` names.

    `most` gives for each figure (`seconds`, `ms`, `MB`) the largest ratio of ours to `other`'s that is good enough;
    where there is no other, the largest figure itself.
    """

    what: str
    ours: Action
    most: Mapping[str, float]
    against: str = ""
    other: Action | None = None
    runs: int | None = None


Files = Callable[[str], str]
"""Gives the path of a file by its name in `files.FILES`; it is made when it is first asked for."""


def first_rows(files: Files) -> Case:
    return Case(
        "a 2 GB state_dict, spawn to the tree's rows on screen",
        partial(measure.opened, [TORCHTUI, files("2GB.pt")], "blocks"),
        {"seconds": 1.4},
        "the smallest Textual app",
        partial(measure.opened, SMALLEST, SMALLEST_SIGN),
    )


def printed(files: Files) -> Case:
    path = files("2GB.pt")
    return Case(
        "--print of a 2 GB state_dict",
        partial(measure.run, [TORCHTUI, path, "--print"]),
        {"seconds": 1 / 8},
        "import torch; torch.load(f, mmap=True)",
        partial(measure.run, [sys.executable, "-c", f"import torch; torch.load({path!r}, mmap=True)"]),
    )


def size_printed(files: Files) -> Case:
    return Case(
        "--print of a 100 GB file",
        partial(measure.run, [TORCHTUI, files("100GB.pt"), "--print"]),
        {"seconds": 1.1, "MB": 1.1},
        "100 MB, same structure",
        partial(measure.run, [TORCHTUI, files("100MB.pt"), "--print"]),
    )


def size_rows(files: Files) -> Case:
    return Case(
        "a 100 GB file, spawn to the tree's rows on screen",
        partial(measure.opened, [TORCHTUI, files("100GB.pt")], "blocks"),
        {"seconds": 1.1, "MB": 1.1},
        "100 MB, same structure",
        partial(measure.opened, [TORCHTUI, files("100MB.pt")], "blocks"),
    )


def memory(files: Files) -> Case:
    name = "blocks.7.mlp.up.weight"
    look = partial(measure.keys, [TORCHTUI, files("2GB.pt")], "blocks", [":", name, "enter", "enter"], name)
    return Case(
        "the explorer on a 2 GB file, a 64 MiB tensor looked at", partial(look, "pagedown", 10), {"MB": 120}, runs=3
    )


def walk(files: Files, row: int, key: str, times: int) -> Action:
    """Presses a key among the values of a large matrix, with the cell cursor in `row` to begin with."""
    way = [":", "weight", "enter", "enter", ":", f"{row}, 0", "enter"]
    return partial(measure.keys, [TORCHTUI, files("matrix.pt")], "weight", way, f" {row} ", key, times)


def key_at_the_top(key: str, files: Files) -> Case:
    return Case(f"{key} at row 0 of 50,000 x 4096, key to last byte", walk(files, 0, key, 20), {"ms": 40}, runs=3)


def key_far_down(key: str, files: Files) -> Case:
    far, top = walk(files, 49_000, key, 10), walk(files, 0, key, 10)
    return Case(f"{key} at row 49,000", far, {"ms": 1.25}, "at row 0", top, runs=3)


def stats(files: Files) -> Case:
    path = files("bf16.safetensors")
    return Case(
        "--stats --json of a 2.2 GB bf16 safetensors file",
        partial(measure.run, [TORCHTUI, path, "--stats", "--json"]),
        {"seconds": 1 / 10},
        "sft stat --json",
        partial(measure.run, [peer("sft", "sft-cli==0.2.2"), "stat", "--json", path]),
        runs=3,
    )


def stats_memory(files: Files) -> Case:
    command = [TORCHTUI, files("bf16.safetensors"), "--stats", "--json"]
    return Case("--stats --json of a 2.2 GB bf16 safetensors file", partial(measure.run, command), {"MB": 200}, runs=3)


def stats_torch(files: Files) -> Case:
    path = files("fp32.safetensors")
    return Case(
        "--stats --json of a 1 GB fp32 safetensors file",
        partial(measure.run, [TORCHTUI, path, "--stats", "--json"]),
        {"seconds": 1 / 3},
        "torch: min, max, mean, std, isnan, isinf, zeros, quantiles of a sample",
        partial(measure.run, [sys.executable, str(HERE / "torch_statistics.py"), path]),
        runs=3,
    )


def throughput(file: str, files: Files) -> Case:
    counting = partial(counted, files(file))
    return Case(
        f"counting {file}", partial(counting, "every"), {"seconds": 8}, "numpy.sum", partial(counting, "sum"), runs=5
    )


def one_tensor(files: Files) -> Case:
    figures = partial(counted, files("2GB.pt"), "one")
    return Case("statistics of a 64 MiB tensor, process already open", figures, {"seconds": 0.3, "MB": 150}, runs=5)


def counted(path: str, what: str) -> Figures:
    return measure.told([sys.executable, str(HERE / "counting.py"), what, path])


def installed(_: Files) -> Case:
    return Case("a venv after pip install .", install, {"MB": 150}, runs=1)


CASES: dict[str, Callable[[Files], Case]] = {
    "first-rows": first_rows,
    "print": printed,
    "size-print": size_printed,
    "size-rows": size_rows,
    "memory": memory,
    "right-0": partial(key_at_the_top, "right"),
    "pagedown-0": partial(key_at_the_top, "pagedown"),
    "right-49000": partial(key_far_down, "right"),
    "pagedown-49000": partial(key_far_down, "pagedown"),
    "stats": stats,
    "stats-memory": stats_memory,
    "stats-torch": stats_torch,
    "throughput-16": partial(throughput, "bf16.safetensors"),
    "throughput-32": partial(throughput, "fp32.safetensors"),
    "one-tensor": one_tensor,
    "installed": installed,
}


def peer(program: str, package: str) -> str:
    """The path of another project's program, in a venv that is made when it is first asked for."""
    folder = CACHE / "peers" / program
    found = folder / "bin" / program
    if not found.exists():
        print(f"installing {package}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        # First this one: of itself it would bring the CUDA libraries.
        for wanted in ("torch==2.13.0", package):
            subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", wanted], check=True)
    return str(found)


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
