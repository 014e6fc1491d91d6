"""A file that was closed leaves nothing behind, although nobody collects garbage; nothing of that takes for ever."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import inspector
from inspector.nodes import Module, Tensor, Value
from inspector.pickles.objects import Instance
from inspector.pickles.running import run
from inspector.storage import Storage
from inspector.taking_apart import leavings, take_apart
from tests.hostile.attacks import ATTACKS
from tests.hostile.files import lay

KINDS = (Module, Tensor, Value, Storage, Instance)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def nobody_collects() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> int:
    return sum(type(made) in KINDS for made in gc.get_objects())


def assert_nothing_is_left_of(path: Path) -> None:
    before = held()
    model = inspector.open(str(path))
    assert held() > before
    model.close()
    left = leavings(model)
    del model
    take_apart(left)
    assert held() == before


def test_nothing_is_left_of_a_tree(tmp_path: Path) -> None:
    tied = torch.zeros(3)
    optimizer = torch.optim.Adam(nn.Linear(2, 2).parameters())
    state = {
        "a.b": tied,
        "c": {"d": [tied, torch.ones(2)], "e": {1, 2}},
        "model": nn.Linear(2, 2),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(state, tmp_path / "model.pt")
    assert_nothing_is_left_of(tmp_path / "model.pt")
    torch.save(torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3,)), tmp_path / "sparse.pt")
    assert_nothing_is_left_of(tmp_path / "sparse.pt")


@pytest.mark.parametrize("attack", [
    "laughs of tuples", "laughs of lists", "laughs of objects", "a list in itself", "an object in itself", "a layer in itself",
    "a million states in each other",
])  # fmt: skip
def test_nor_of_what_holds_itself_or_is_endless(tmp_path: Path, attack: str) -> None:
    assert_nothing_is_left_of(lay(tmp_path / "attack", ATTACKS[attack]()))


def test_it_can_be_stopped_and_goes_on(tmp_path: Path) -> None:
    torch.save({str(number): number for number in range(5000)}, tmp_path / "model.pt")
    before = held()
    left = leavings(inspector.open(str(tmp_path / "model.pt")))
    steps = 0

    def tick() -> None:
        nonlocal steps
        steps += 1
        if steps % 2:
            raise InterruptedError

    while left:
        try:
            take_apart(left, tick)
        except InterruptedError:
            continue
    assert steps > 2
    assert held() == before


@pytest.mark.parametrize("pickled", [b"]q\x00K\x01a.", b"cx\ny\n)\x81q\x00}X\x01\0\0\0aK", b"cx\ny\n)\x81\xff"])
def test_a_pickle_that_was_read_is_garbage_to_nobody(pickled: bytes) -> None:
    run(pickled)
    gc.collect()
    before = held()
    run(pickled)
    assert held() == before
