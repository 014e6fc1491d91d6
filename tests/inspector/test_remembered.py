"""Results are known again for the same file and tensor, and within a bound."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import inspector
from inspector.nodes import Tensor
from inspector.statistics.remembered import Remembered, identity, place
from inspector.statistics.scan import scan
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


def test_another_file_in_its_place_is_another_one_though_it_is_as_large_and_as_old(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    first = identity(checkpoint_of({"a": torch.ones(3)}, tmp_path))
    status = path.stat()
    path.rename(tmp_path / "before.pt")
    checkpoint_of({"a": torch.zeros(3)}, tmp_path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (second,), (former,) = identity(inspector.open(path)), first
    assert (second[0], *second[2:]) == (former[0], *former[2:])
    assert second[1] != former[1]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=40))
def test_what_is_kept_never_takes_more_than_the_bound(steps: list[tuple[int, int]]) -> None:
    known: Remembered[int] = Remembered(100)
    sizes: dict[int, int] = {}
    for name, size in steps:
        known.keep((name,), size, size)
        sizes[name] = size
        kept = [name for name in sizes if known.get((name,)) is not None]
        assert known.size == sum(sizes[name] for name in kept) <= 100
        assert known.get((name,)) == size


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64, torch.float64])
def test_what_is_said_to_be_the_size_of_figures_is_no_less_than_they_take(dtype: torch.dtype, tmp_path: Path) -> None:
    tensor = checkpoint_of({"a": torch.randn(100_000, dtype=dtype)}, tmp_path)["a"]
    assert isinstance(tensor, Tensor)
    scan(tensor)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = scan(tensor)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.5 * kept.nbytes < taken < 1.2 * kept.nbytes


def test_tensors_whose_dotted_names_are_alike_are_not_taken_for_each_other(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(
        {"a.b": torch.ones(3), "a": {"b": torch.zeros(3)}, 1: torch.ones(3), "1": torch.ones(3)}, tmp_path
    )
    assert len({place(tensor) for tensor in checkpoint.tensors()}) == 4
