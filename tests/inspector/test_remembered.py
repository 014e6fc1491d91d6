"""Results are known again for the same file and tensor, and within a bound."""

from __future__ import annotations

import os
from pathlib import Path

import torch

import inspector
from inspector.statistics.remembered import Remembered, identity, place
from tests.inspector.checkpoints import checkpoint_of


def test_what_was_used_last_stays_longest() -> None:
    known: Remembered[str] = Remembered(100)
    for name in "abcd":
        known.keep((name,), name, 30)
        known.get(("a",))
    assert [known.get((name,)) for name in "abcd"] == ["a", None, "c", "d"]
    assert known.size == 90
    known.keep(("a",), "A", 60)
    assert [known.get((name,)) for name in "abcd"] == ["A", None, None, "d"]
    known.keep(("large",), "large", 101)
    assert known.get(("large",)) is None
    assert known.size == 0


def test_a_file_is_the_same_until_it_is_written_again(tmp_path: Path) -> None:
    first = checkpoint_of({"a": torch.ones(3), "b": torch.ones(3)}, tmp_path)
    again = inspector.open(tmp_path / "model.pt")
    assert identity(first) == identity(again)
    assert hash((identity(first), place(first["a"])))  # type: ignore[arg-type]
    assert place(first["a"]) == place(again["a"]) != place(again["b"])  # type: ignore[arg-type]
    os.utime(tmp_path / "model.pt", ns=(0, 12345))
    assert identity(inspector.open(tmp_path / "model.pt")) != identity(first)


def test_tensors_whose_dotted_names_are_alike_are_not_taken_for_each_other(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(
        {"a.b": torch.ones(3), "a": {"b": torch.zeros(3)}, 1: torch.ones(3), "1": torch.ones(3)}, tmp_path
    )
    assert len({place(tensor) for tensor in checkpoint.tensors()}) == 4
