"""How fast statistics are counted, and in how little memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

from tests.benchmarks import measure
from tests.benchmarks.case import HERE, TORCHTUI, Action, Case, Files
from tests.benchmarks.measure import Figures, Way
from tests.benchmarks.peers import peer

COUNTING = "B/s"
"""What the screen holds while something is counted: the bytes a second."""


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


def key_while_counting(files: Files) -> Case:
    """The cursor in the tree, with and without a look at the health of the file."""
    command, there = [*TORCHTUI, files("bf16.safetensors")], "blocks"
    return against_rest(
        "a cursor key in the tree while the health of 2.2 GB is looked at",
        pressed(command, ("E",), there, (":", *"health", "enter"), COUNTING),
        pressed(command, ("E",), there, (), there),
    )


def key_beside_panel(files: Files) -> Case:
    """The cursor among the values, while the panel counts them and when it has."""
    command, there = [*TORCHTUI, files("2GB-tensor.pt")], "weight"
    return against_rest(
        "a cursor key among the values while the panel counts 2 GB",
        pressed(command, (), there, ("down", "tab"), COUNTING),
        pressed(command, ("down", "tab"), there, (), there),
    )


def first_figures(file: str, files: Files) -> Case:
    """Of the first tensor in a process: numpy is not imported before the cursor is there, where it rests for 150 ms."""
    sign = "weight"
    looking = partial(measure.until_shown, [*TORCHTUI, files(file)], sign, (), sign, (), sign, "down", "abs max")
    return Case(f"from a key to the first figures of a tensor of {file}", looking, {"ms": 250}, runs=5)


def stop_looking(files: Files) -> Case:
    """Of what it takes, 100 ms are those in which what begins with esc might still be another key (Textual's ESCDELAY)."""
    begin = (":", *"health", "enter")
    stopping = partial(
        measure.until_shown,
        [*TORCHTUI, files("bf16.safetensors")],
        "blocks",
        (),
        "blocks",
        begin,
        COUNTING,
        "escape",
        "stopped after",
    )
    return Case("from esc to the end of a look at the health of 2.2 GB", stopping, {"ms": 200}, runs=5)


def pressed(command: Sequence[str], way: Way, there: str, begin: Way, going_on: str) -> Action:
    return partial(measure.keys_meanwhile, command, there, way, there, begin, going_on, ("down", "up"), 8)


def against_rest(what: str, ours: Action, other: Action) -> Case:
    return Case(f"{what}: key to last byte", ours, {"ms": 1.5}, "the same when nothing is counted", other)


def counted(path: str, what: str) -> Figures:
    return measure.told([sys.executable, str(HERE / "counting.py"), what, path])


CASES: dict[str, Callable[[Files], Case]] = {
    "stats": stats,
    "stats-memory": stats_memory,
    "stats-torch": stats_torch,
    "throughput-16": partial(throughput, "bf16.safetensors"),
    "throughput-32": partial(throughput, "fp32.safetensors"),
    "one-tensor": one_tensor,
    "key-health": key_while_counting,
    "key-panel": key_beside_panel,
    "first-figures": partial(first_figures, "2GB-tensor.pt"),
    "first-figures-fp32": partial(first_figures, "matrix.pt"),
    "stop-health": stop_looking,
}
