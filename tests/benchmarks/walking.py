"""How soon a key answers, and how many bytes it takes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

from tests.benchmarks import measure
from tests.benchmarks.case import ALL_READ, HERE, TORCHTUI, Action, Case, Files
from tests.benchmarks.peers import SMALLEST, SMALLEST_SIGN

MIDDLE = "model.layers.60.mlp.experts.128.up_proj"
"""A module in the middle of 100,000 tensors."""

ALL_EXPANDED = ["E", ":", MIDDLE, "enter"]

MIDDLE_KEYS = (
    "down", "up", "pagedown", "pageup", "ctrl+d", "ctrl+u", "K", "J", "H", "l", "J", "c", "e", "space", "space",
)  # fmt: skip
"""Keys that find something to do there, and lead back."""

ROOT_KEYS = ("down", "up", "pagedown", "pageup", "ctrl+d", "ctrl+u", "G", "g", "l", "h", "l", "H", "space", "space")
"""The same for the root."""

LONG_PAUSE = 0.3
"""Seconds without a byte after which a letter counts as answered that shows at once, and what it selects later."""

GRID_KEYS = ("down", "right", "up", "left", "pagedown", "pageup", "ctrl+d", "ctrl+u", "G", "g", "t", "t", "+", "-")

cursor_key = partial(measure.keys, SMALLEST, SMALLEST_SIGN, ["down"], SMALLEST_SIGN, ("down", "up"), 15)


def in_the_middle(file: str, files: Files) -> Case:
    ours = partial(measure.keys, [*TORCHTUI, files(file)], ALL_READ, ALL_EXPANDED, MIDDLE, MIDDLE_KEYS, 4, 180)
    return against_cursor(f"keys in the middle of the tree of {file}, all expanded", ours)


def at_the_root(file: str, files: Files) -> Case:
    ours = partial(measure.keys, [*TORCHTUI, files(file)], ALL_READ, ["E"], "layers", ROOT_KEYS, 4, 180)
    return against_cursor(f"keys at the root of the tree of {file}, all expanded", ours)


def in_the_grid(files: Files) -> Case:
    way = [":", "weight", "enter", "enter"]
    ours = partial(measure.keys, [*TORCHTUI, files("matrix.pt")], "weight", way, "weight", GRID_KEYS, 4)
    return against_cursor("keys among the values of a 50,000 x 4096 matrix", ours)


def against_cursor(what: str, ours: Action) -> Case:
    return Case(f"{what}: key to last byte", ours, {"p95": 2}, "the cursor key of the smallest Textual app", cursor_key, 3)


def held_down(files: Files) -> Case:
    # Two blocks of the model further the cursor rests on a tensor.
    way = ["E", ":", "blocks.1.mlp.up.weight", "enter"]
    ours = partial(measure.held, [*TORCHTUI, files("2GB.pt")], "blocks", way, "up.weight", "down", 16)
    return Case(
        "down held in the tree, for each row; once it rests on values", ours, {}, runs=3, within={"KB": 2, "rest KB": 10}
    )


def matrix_walk(files: Files, row: int, key: str, times: int) -> Action:
    """Presses a key among the values of a large matrix, with the cell cursor in `row` to begin with."""
    way = [":", "weight", "enter", "enter", ":", f"{row}, 0", "enter"]
    return partial(measure.keys, [*TORCHTUI, files("matrix.pt")], "weight", way, f" {row} ", (key,), times)


def key_at_the_top(key: str, files: Files) -> Case:
    return Case(f"{key} at row 0 of 50,000 x 4096, key to last byte", matrix_walk(files, 0, key, 20), {"ms": 40}, runs=3)


def key_far_down(key: str, files: Files) -> Case:
    far, top = matrix_walk(files, 49_000, key, 10), matrix_walk(files, 0, key, 10)
    return Case(f"{key} at row 49,000", far, {"ms": 1.25}, "at row 0", top, runs=3)


def filtering(file: str, files: Files) -> Case:
    """A filter is typed letter by letter, with no figures counted under the cursor: they would come by themselves."""
    way, typed = (
        [":", f"{MIDDLE}.weight", "enter", "s", "s", "f", "w", "backspace"],
        [*"up_proj", "space", *"numel>4", "space", *"*.weight"],
    )
    ours = partial(measure.keys, [*TORCHTUI, files(file)], ALL_READ, way, "filter", typed, 1, 180, LONG_PAUSE)
    return Case(f"a letter of a filter over {file}, key to last byte", ours, {"ms": 80}, runs=3)


def selecting(file: str, files: Files) -> Case:
    ours = partial(measure.told, [sys.executable, str(HERE / "selecting.py"), files(file)])
    return Case(f"what a filter leaves of {file}, for each letter of some filters", ours, {"ms": 50}, runs=3)


def memory(files: Files) -> Case:
    name = "blocks.7.mlp.up.weight"
    way: Sequence[str] = (":", name, "enter", "enter")
    look = partial(measure.keys, [*TORCHTUI, files("2GB.pt")], "blocks", way, name, ("pagedown",), 10)
    return Case("the explorer on a 2 GB file, a 64 MiB tensor looked at", look, {"MB": 120}, runs=3)


def memory_found(files: Files) -> Case:
    """All that a person does with 100,000 tensors: all expanded, searched, filtered."""
    way = [*ALL_EXPANDED, "/", "experts.77.gate", "enter", "f", "*.up_proj.weight", "enter"]
    ours = partial(measure.keys, [*TORCHTUI, files("100k.pt")], ALL_READ, way, "up_proj", ("down",), 3, 60)
    return Case("100,000 tensors in a .pt, all expanded, searched and filtered", ours, {"MB": 250}, runs=1)


CASES: dict[str, Callable[[Files], Case]] = {
    "tree-keys": partial(in_the_middle, "100k.pt"),
    "tree-keys-root": partial(at_the_root, "100k.pt"),
    "tree-keys-1M": partial(in_the_middle, "1M.pt"),
    "tree-keys-root-1M": partial(at_the_root, "1M.pt"),
    "filter-keys": partial(filtering, "100k.pt"),
    "filter-selection": partial(selecting, "100k.pt"),
    "grid-keys": in_the_grid,
    "held": held_down,
    "right-0": partial(key_at_the_top, "right"),
    "pagedown-0": partial(key_at_the_top, "pagedown"),
    "right-49000": partial(key_far_down, "right"),
    "pagedown-49000": partial(key_far_down, "pagedown"),
    "memory": memory,
    "100k-memory": memory_found,
}
