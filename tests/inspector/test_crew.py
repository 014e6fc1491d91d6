"""Many tensors counted by several processes: the same figures to the last digit, whatever happens to the others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import inspector
from inspector import Checkpoint
from inspector.errors import DamagedFile
from inspector.statistics import Statistics, crew, cuts
from inspector.statistics.crew import Crew
from inspector.statistics.scan import scan


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of tensors of 8, 16, 32 and 64 bits that make several tasks each, and small ones between."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(9 << 20, generator=generator)
    x[7_000_000] = torch.nan
    made = {
        "a.small": x[:100].clone(),
        "b.float": x,
        "c.bfloat": x.bfloat16(),
        "d.small": x[:1000].bfloat16(),
        "e.bytes": (x[: 4 << 20] * 10).nan_to_num().to(torch.int8),
        "f.long": (x[: 5 << 20] * 1e9).nan_to_num().long(),
        "g.empty": torch.zeros(0),
    }
    path = tmp_path_factory.mktemp("crew") / "model.safetensors"
    save_file(made, path)
    return path


@pytest.fixture
def checkpoint(path: Path) -> Iterator[Checkpoint]:
    with inspector.open(path) as checkpoint:
        yield checkpoint


@pytest.fixture(scope="module")
def alone(path: Path) -> dict[str, object]:
    """The figures as one pass over each tensor gives them."""
    with inspector.open(path) as checkpoint:
        return {tensor.name: figures_of(scan(tensor)) for tensor in checkpoint.tensors()}


def figures_of(result: object) -> object:
    assert isinstance(result, Statistics)
    return repr(result.brief())


def counted(crew_: Crew, checkpoint: Checkpoint) -> dict[str, object]:
    return {tensor.name: figures_of(result) for tensor, result in crew_.count(checkpoint.tensors())}


@pytest.mark.parametrize(("helpers", "here"), [(0, True), (1, True), (2, True), (1, False)])
def test_helpers_change_no_digit(helpers: int, here: bool, checkpoint: Checkpoint, alone: dict[str, object]) -> None:
    done: list[int] = []
    with Crew(checkpoint, helpers, here) as made:
        found = {tensor.name: figures_of(result) for tensor, result in made.count(checkpoint.tensors(), done.append)}
        assert len(made.helpers) == helpers
    assert found == alone
    assert list(found) == list(alone)
    wanted = crew.total(checkpoint.tensors())
    assert 0.99 * wanted < sum(done) <= wanted


def test_what_a_killed_helper_was_asked_for_is_done_by_others(checkpoint: Checkpoint, alone: dict[str, object]) -> None:
    with Crew(checkpoint, 2) as made:
        counting = made.count(checkpoint.tensors())
        found = [next(counting)]
        victims = [helper.process for helper in made.helpers]
        for victim in victims:
            victim.kill()
            victim.wait()
        found += counting
    assert {tensor.name: figures_of(result) for tensor, result in found} == alone


def test_a_helper_that_sees_another_file_is_not_believed(path: Path, tmp_path: Path) -> None:
    moving = tmp_path / "moving.safetensors"
    save_file({"x": torch.zeros(9 << 20)}, moving)
    with inspector.open(moving) as checkpoint:
        os.rename(moving, tmp_path / "moved")  # noqa: PTH104
        save_file({"x": torch.ones(9 << 20)}, moving)
        with Crew(checkpoint, 1, here=False) as made:
            ((_, result),) = made.count(checkpoint.tensors())
            assert made.helpers == []
    assert isinstance(result, Statistics)
    assert result.max == 0


def test_stopping_ends_the_helpers_at_once(checkpoint: Checkpoint) -> None:
    class Enough(BaseException):
        pass

    def stop(_: int) -> None:
        raise Enough

    with Crew(checkpoint, 1) as made, pytest.raises(Enough):
        list(made.count(checkpoint.tensors(), stop))
    assert made.helpers[0].process.returncode is not None


def test_a_helper_is_gone_with_whom_it_helps_also_while_it_counts(path: Path) -> None:
    script = """\
import sys, time
from inspector.statistics import helper
def endless(tensor, blocks):
    print("counting", file=sys.stderr, flush=True)
    time.sleep(600)
helper._state = endless
helper.help_out(sys.argv[1])
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script, path], stdin=pipe, stdout=pipe, stderr=pipe) as helper:
        assert helper.stdin is not None
        assert helper.stderr is not None
        helper.stdin.write(b"[0, [0]]\n")
        helper.stdin.flush()
        assert helper.stderr.readline() == b"counting\n"
        helper.stdin.close()
        assert helper.wait(20) == 0


def test_waiting_for_a_helper_can_be_stopped_soon(checkpoint: Checkpoint) -> None:
    class Enough(BaseException):
        pass

    heard: list[float] = []

    def stop(_: int) -> None:
        heard.append(time.monotonic())
        if len(heard) > 3:
            raise Enough

    with Crew(checkpoint, 1, here=False) as made:
        big = checkpoint["b.float"]
        made.helpers[0].process.send_signal(19)
        with pytest.raises(Enough):
            list(made.count([big], stop))  # type: ignore[list-item]
    assert max(after - before for before, after in pairwise(heard)) < 0.5


def test_a_tensor_that_can_not_be_read_has_its_error_in_its_place(checkpoint: Checkpoint, alone: dict[str, object]) -> None:
    damaged = checkpoint["c.bfloat"]
    damaged.storage.nbytes //= 2  # type: ignore[attr-defined]
    results = dict(crew.figures(checkpoint, checkpoint.tensors()))
    assert isinstance(results.pop(damaged), DamagedFile)  # type: ignore[call-overload]
    assert {tensor.name: figures_of(result) for tensor, result in results.items()} == {
        name: known for name, known in alone.items() if name != "c.bfloat"
    }


def test_tensors_in_one_place_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1000)
    torch.save({"a": x, "b": x, "c": x[5:]}, tmp_path / "tied.pt")
    read: list[object] = []
    real = cuts.Run.read
    monkeypatch.setattr(cuts.Run, "read", lambda self, number: read.append(self) or real(self, number))
    with inspector.open(tmp_path / "tied.pt") as checkpoint:
        results = [result for _, result in crew.figures(checkpoint, checkpoint.tensors())]
        assert crew.total(checkpoint.tensors()) == 4000 + 3980
    assert len(read) == 2
    assert results[0] is results[1]
    assert results[0] != results[2]


def test_helpers_are_for_much_work_and_other_processors(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = list(checkpoint.tensors())
    assert crew.helpers_for(tensors) == 0
    monkeypatch.setattr(crew, "MUCH", 1 << 20)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert crew.helpers_for(tensors) == crew.MOST
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert crew.helpers_for(tensors) == 0


def test_a_program_that_is_no_python_is_not_started_again(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "MUCH", 0)
    monkeypatch.setattr("sys.executable", "/opt/torchtui/torchtui")
    assert crew.helpers_for(checkpoint.tensors()) == 0
