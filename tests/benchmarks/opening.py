"""How soon the tree is there, and what it takes until then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.benchmarks import measure
from tests.benchmarks.case import ALL_READ, TORCHTUI, Action, Case, Files
from tests.benchmarks.files import TENSORS
from tests.benchmarks.peers import SMALLEST, SMALLEST_SIGN, loaded_by_torch, peer

PATIENCE = 180
"""Seconds that a peer may take."""

THE_SMALLEST = "the smallest Textual app"
WITH_TORCH = "import torch; torch.load(f, mmap=True)"


def tree(path: str, sign: str, patience: float = 60) -> Action:
    """From spawn until the tree's rows are on the screen."""
    return partial(measure.opened, [*TORCHTUI, path], sign, patience)


smallest = partial(measure.opened, SMALLEST, SMALLEST_SIGN)


def first_rows(files: Files) -> Case:
    return Case(
        "a 2 GB state_dict, spawn to the tree's rows on screen",
        tree(files("2GB.pt"), "blocks"),
        {"seconds": 1.2},
        THE_SMALLEST,
        smallest,
        within={"KB": 25},
    )


def peer_rows(program: str, arguments: tuple[str, ...], sign: str, files: Files) -> Case:
    """A peer's own start, beside ours: nothing is asked of it."""
    command = [peer(program), *arguments, files("bf16.safetensors")]
    return Case(
        f"a 2 GB safetensors file, {program}",
        partial(measure.opened, command, sign, PATIENCE),
        {"seconds": None, "KB": None},
        THE_SMALLEST,
        smallest,
        runs=3,
    )


def many_rows(files: Files) -> Case:
    path = files("100k.pt")
    return Case(
        "100,000 tensors in a .pt, spawn to the tree's rows on screen",
        tree(path, ALL_READ),
        {"seconds": 1 / 8},
        WITH_TORCH,
        partial(measure.run, loaded_by_torch(path)),
        runs=3,
        within={"MB": 250},
    )


def many_first_rows(files: Files) -> Case:
    return Case(
        "100,000 tensors in a .pt, spawn to the first rows, while the rest is read",
        tree(files("100k.pt"), "layers"),
        {"seconds": 0.5},
        runs=5,
    )


def many_rows_safetensors(files: Files) -> Case:
    path = files("100k.safetensors")
    return Case(
        "the same as safetensors",
        tree(path, "layers"),
        {"seconds": 1 / 30},
        "sft browse",
        partial(measure.opened, [peer("sft"), "browse", path], "layers", PATIENCE),
        runs=1,
    )


def million_rows(files: Files) -> Case:
    return Case(
        "1,000,000 tensors in a .pt, spawn to the tree's rows on screen",
        tree(files("1M.pt"), ALL_READ),
        {},
        runs=1,
        within={"seconds": 20, "MB": 1500},
    )


def printed(option: str, files: Files) -> Case:
    path = files("2GB.pt")
    return Case(
        f"{option} of a 2 GB state_dict",
        partial(measure.run, [*TORCHTUI, path, option]),
        {"seconds": 1 / 12},
        WITH_TORCH,
        partial(measure.run, loaded_by_torch(path)),
    )


def printed_by_modelinfo(files: Files) -> Case:
    path = files("bf16.safetensors")
    return Case(
        "--print of a 2 GB safetensors file",
        partial(measure.run, [*TORCHTUI, path, "--print"]),
        {"seconds": None},
        "modelinfo",
        partial(measure.run, [peer("modelinfo"), path]),
    )


def shards(files: Files) -> Case:
    path = files("shards")
    return Case(
        "a folder of 163 shards with 90,000 tensors, spawn to the tree's rows on screen",
        tree(path, "layers"),
        {"seconds": 1.5},
        runs=5,
    )


def size_rows(files: Files) -> Case:
    return Case(
        "a sparse .pt of 1 TB, spawn to the tree's rows on screen",
        tree(files("1TB.pt"), "blocks"),
        {"seconds": 1.1, "MB": 1.1},
        "1 GB, same structure",
        tree(files("1GB.pt"), "blocks"),
    )


def size_printed(files: Files) -> Case:
    return Case(
        "--print of a sparse .pt of 1 TB",
        partial(measure.run, [*TORCHTUI, files("1TB.pt"), "--print"]),
        {"seconds": 1.1, "MB": 1.1},
        "1 GB, same structure",
        partial(measure.run, [*TORCHTUI, files("1GB.pt"), "--print"]),
    )


def at_rest(files: Files) -> Case:
    resting = partial(
        measure.idle, [*TORCHTUI, files("2GB.pt")], "blocks", [":", "blocks.7.mlp.up.weight", "enter"], "up.weight"
    )
    return Case("the explorer on a tensor, untouched for 20 s", partial(resting, 20), {"%": 0.5}, runs=3)


def curve(file: str, what: str, sign: str, files: Files) -> Case:
    """A point of a curve: nothing is asked of it alone."""
    return Case(what, tree(files(file), sign), {"seconds": None, "MB": None}, runs=3)


CASES: dict[str, Callable[[Files], Case]] = {
    "first-rows": first_rows,
    "first-rows-sft": partial(peer_rows, "sft", ("browse",), "blocks"),
    "first-rows-safe-view": partial(peer_rows, "safe-view", (), "blocks"),
    "100k-rows": many_rows,
    "100k-first-rows": many_first_rows,
    "100k-rows-safetensors": many_rows_safetensors,
    "1M-rows": million_rows,
    "print": partial(printed, "--print"),
    "json": partial(printed, "--json"),
    "print-modelinfo": printed_by_modelinfo,
    "shards": shards,
    "size-rows": size_rows,
    "size-print": size_printed,
    "idle": at_rest,
    **{
        f"curve-{name}": partial(curve, f"{name}.pt", f"{tensors:,} tensors, spawn to rows", ALL_READ)
        for name, tensors in TENSORS.items()
    },
    **{f"curve-{size}": partial(curve, f"{size}.pt", f"{size}, spawn to rows", "blocks") for size in ("1MB", "1GB", "1TB")},
}
