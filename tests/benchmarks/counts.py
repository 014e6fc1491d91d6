"""How fast statistics are counted, and in how little memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from tests.benchmarks import measure
from tests.benchmarks.case import HERE, TORCHTUI, Case, Files
from tests.benchmarks.measure import Figures
from tests.benchmarks.peers import peer


def stats(files: Files) -> Case:
    path = files("bf16.safetensors")
    return Case(
        "--stats --json of a 2.2 GB bf16 safetensors file",
        partial(measure.run, [*TORCHTUI, path, "--stats", "--json"]),
        {"seconds": 1 / 10},
        "sft stat --json",
        partial(measure.run, [peer("sft"), "stat", "--json", path]),
        runs=3,
    )


def stats_memory(files: Files) -> Case:
    command = [*TORCHTUI, files("bf16.safetensors"), "--stats", "--json"]
    return Case("--stats --json of a 2.2 GB bf16 safetensors file", partial(measure.run, command), {"MB": 200}, runs=3)


def stats_torch(files: Files) -> Case:
    path = files("fp32.safetensors")
    return Case(
        "--stats --json of a 1 GB fp32 safetensors file",
        partial(measure.run, [*TORCHTUI, path, "--stats", "--json"]),
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


CASES: dict[str, Callable[[Files], Case]] = {
    "stats": stats,
    "stats-memory": stats_memory,
    "stats-torch": stats_torch,
    "throughput-16": partial(throughput, "bf16.safetensors"),
    "throughput-32": partial(throughput, "fp32.safetensors"),
    "one-tensor": one_tensor,
}
