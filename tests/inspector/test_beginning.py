"""The beginning of a file that is still being read: what it shows is what stands in the whole tree, which it leaves alone."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

import inspector
from inspector.nodes import Module, Tensor
from inspector.pickles import beginning, running
from inspector.pickles.objects import Dict, Instance
from inspector.pickles.tree import build


@pytest.fixture(autouse=True)
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a small pickle is looked at while it is read."""
    monkeypatch.setattr(beginning, "LARGE", 0)
    monkeypatch.setattr(beginning, "TRIES", 10_000)
    monkeypatch.setattr(running, "ROUND", 1000)


def state_dict(layers: int = 60) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict((f"layers.{number}.{name}", torch.zeros(number + 1, 2)) for number in range(layers) for name in "wb")


def opened(path: Path, value: Any) -> tuple[list[Module], Any]:
    """The beginnings that were shown of a saved value, and the whole."""
    torch.save(value, path)
    shown: list[Module] = []
    return shown, inspector.open(path, preview=shown.append)


def described(root: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {tensor.name: (tensor.dtype, tensor.shape) for tensor in root.walk() if isinstance(tensor, Tensor)}


@pytest.mark.parametrize("inside", [False, True], ids=["a state_dict", "a checkpoint"])
def test_each_tensor_of_the_beginning_is_in_the_whole_as_it_was_shown(tmp_path: Path, inside: bool):
    value = state_dict()
    shown, whole = opened(tmp_path / "model.pt", {"epoch": 3, "args": {"lr": 0.1}, "model": value} if inside else value)
    (root,) = shown
    assert 0 < len(described(root)) < len(value)
    assert described(root).items() <= described(whole.root).items()
    labels = [child.label for child in root.children]
    assert labels == (["epoch", "args", "model"] if inside else ["layers"])


def test_the_whole_is_the_same_as_without_a_beginning(tmp_path: Path):
    shown, whole = opened(tmp_path / "model.pt", {"model": state_dict()})
    alone = inspector.open(tmp_path / "model.pt")
    assert shown and repr(whole) == repr(alone)
    assert [node.name for node in whole.root.walk()] == [node.name for node in alone.root.walk()]
    assert not any(node.twin for node in whole.root.walk())
    assert (whole.root.tensor_count, whole.root.numel, whole.root.nbytes) == (120, alone.root.numel, alone.root.nbytes)
    assert whole["model.layers.3.w"].numpy().shape == (4, 2)


def test_there_is_no_beginning_where_rows_may_turn_out_to_be_parts_of_others(tmp_path: Path):
    value = state_dict() | {"layers.0.qweight": torch.zeros(2, 2, dtype=torch.int32)}
    value.move_to_end("layers.0.qweight", last=False)
    shown, _ = opened(tmp_path / "model.pt", value)
    assert shown == []


def test_there_is_none_of_what_is_no_dict(tmp_path: Path):
    shown, _ = opened(tmp_path / "list.pt", [state_dict()])
    assert shown == []


TENSOR = Tensor("float32", (2,), (1,), None)


def mapping(**entries: Any) -> Dict:
    made = Dict()
    made.keys, made.values = [*entries], [*entries.values()]
    return made


def plain(value: Any) -> Any:
    return {key: plain(item) for key, item in zip(value.keys, value.values, strict=True)} if type(value) is Dict else value


STACKS = {
    "nothing": ([], None),
    "no dict": ([[["a"]]], None),
    "what is put in alone": (
        [[mapping(), "a", mapping(), "b", mapping(c=1)], ["d", 2, "e", 3]],
        {"a": {"b": {"c": 1, "d": 2}}},
    ),
    "what is put in together": (
        [[mapping(a=1)], ["b", 2, "c", mapping()], ["d", 3, "e", 4]],
        {"a": 1, "b": 2, "c": {"d": 3}},
    ),
    "a value that is not made yet": ([[mapping()], ["a", 1, "b", object()], [object(), "c"]], {"a": 1}),
    "an entry that may belong to the dict before it": ([[mapping()], ["a", 1, "b", mapping(), "c", 2, "d", 3]], {"a": 1}),
    "the state of a dict": ([[mapping(a=1), mapping()], ["_metadata", 2, "b", 3]], {"a": 1}),
    "keys that are no texts": ([[mapping()], [1, 2, "a", 3, "b", 4]], {"a": 3}),
    "an object of a class": ([[mapping()], ["a", Instance(None, (), "REDUCE", 0), "b", 1, "c", 2]], {"b": 1}),
}


@pytest.mark.parametrize("case", STACKS)
def test_only_what_is_certain_is_taken_from_the_stack(case: str):
    frames, wanted = STACKS[case]
    assert plain(beginning.entries(frames)) == wanted


def test_the_tensors_of_the_beginning_are_copies():
    found = beginning.entries([[mapping(a=TENSOR)]])
    assert found is not None and found.values[0] is not TENSOR and found.values[0].shape == (2,)


@pytest.mark.parametrize("count", [1000, 1001])
def test_no_name_is_shown_that_the_whole_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int):
    """Wherever the reading stands: at the end of a batch, with one entry left, between two dicts."""
    model = OrderedDict((f"layers.{number}.w", torch.zeros(1)) for number in range(count))
    torch.save({"model": model, "args": {}, "ema": {"shadow": model, "decay": 1.0}, "epoch": 1}, tmp_path / "model.pt")
    seen: list[Dict | None] = []
    monkeypatch.setattr(beginning.Beginning, "look", lambda self, frames: seen.append(beginning.entries(frames)))
    monkeypatch.setattr(running, "ROUND", 997)
    names = {node.name for node in inspector.open(tmp_path / "model.pt", preview=lambda root: None).root.walk()}
    assert len(seen) > 20
    for found in seen:
        if found is not None:
            assert {node.name for node in build(found).walk()} <= names


def test_of_very_many_entries_only_the_first_are_taken():
    target = Dict()
    target.keys, target.values = [str(number) for number in range(5000)], [*range(5000)]
    entries = beginning.entries([[target]])
    assert entries is not None and entries.values == [*range(beginning.MOST)]


def test_a_small_file_is_shown_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(beginning, "LARGE", 1 << 30)
    assert opened(tmp_path / "model.pt", state_dict())[0] == []
