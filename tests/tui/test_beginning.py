"""A large file that is still being read: its first rows are there, one can move among them, and the whole takes their place."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch

from inspector.errors import DamagedFile
from inspector.pickles import beginning, running
from tests.tui.conftest import Person
from tui.app import TorchTUI
from tui.reader import Job


class Gate:
    """Lets a file be read up to its beginning, and on once it is `open`; `broken` is what the rest is then."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.broken: Exception | None = None


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate, told, progress = Gate(), [0], Job.progress

    def slowly(job: Job, part: float) -> None:
        progress(job, part)
        if job.slot == "open":
            told[0] += 1
            if told[0] > 1:
                gate.open.wait(10)
                if gate.broken is not None:
                    raise gate.broken

    monkeypatch.setattr(beginning, "LARGE", 0)
    monkeypatch.setattr(running, "ROUND", 2000)
    monkeypatch.setattr(Job, "progress", slowly)
    return gate


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("beginning") / "model.pt"
    torch.save(OrderedDict((f"layers.{number}.weight", torch.zeros(number + 1, 2)) for number in range(200)), path)
    return path


@asynccontextmanager
async def beginning_of(path: Path, query: str = "") -> AsyncIterator[Person]:
    app = TorchTUI(str(path), query=query)
    async with app.run_test(size=(120, 36)) as pilot:
        person = Person(app, pilot)
        if not query:
            await person.see("still being read")
        yield person


async def test_the_first_rows_are_there_while_the_rest_is_read(path: Path, gate: Gate):
    async with beginning_of(path) as person:
        assert "still being read · the first" in person.lines[0]
        assert person.app.explorer.checkpoint is None
        await person.press("j", "j", "j")
        assert person.row == "layers.1"
        gate.open.set()
        await person.see("200 tensors")
        assert person.row == "layers.1" and "still being read" not in person.screen
        await person.press("l", "j")
        assert person.row == "layers.1.weight"
        await person.see("[2, 2]")


async def test_no_totals_are_shown_of_what_is_not_known_wholly(path: Path, gate: Gate):
    async with beginning_of(path) as person:
        assert [line[:58].split() for line in person.lines[2:4]] == [["▾", "model.pt", "OrderedDict"], ["│", "▾", "layers"]]
        gate.open.set()
        await person.see("40.2K")


@pytest.mark.parametrize("key", ["y", "p", "w", "s", "S", "v", "/", "f", ":", "i", "r", "m", "]"])
async def test_keys_that_need_the_whole_say_that_they_wait(path: Path, gate: Gate, key: str):
    async with beginning_of(path) as person:
        await person.press("j", key)
        assert person.bottom.startswith("the file is still being read")
        assert len(person.app.screen_stack) == 1 and person.app.explorer.prompt is None
        assert person.row == "layers"
        gate.open.set()
        await person.see("200 tensors")


async def test_enter_folds_and_never_goes_to_values_that_are_not_read(path: Path, gate: Gate):
    async with beginning_of(path) as person:
        await person.press("j", "enter")
        assert person.rows == ["layers"]
        await person.press("enter", "j", "l", "j")
        assert person.row == "layers.0.weight"
        await person.press("enter")
        assert person.focused == "ModuleTree"
        gate.open.set()
        await person.see("200 tensors")
        assert person.row == "layers.0.weight"
        await person.see("[1, 2]")


async def test_a_file_that_turns_out_to_be_broken_is_told_as_without_a_beginning(path: Path, gate: Gate):
    gate.broken = DamagedFile("model.pt: the rest of it is missing")
    async with beginning_of(path) as person:
        gate.open.set()
        await person.see("the rest of it is missing")
        await person.until(lambda: len(person.app.screen_stack) == 2)
        assert person.app.explorer.module_tree.node is None


async def test_another_file_can_be_chosen_meanwhile(path: Path, gate: Gate):
    async with beginning_of(path) as person:
        await person.press("o")
        await person.until(lambda: len(person.app.screen_stack) == 2)
        await person.press("escape")
        gate.open.set()
        await person.see("200 tensors")


async def test_a_filter_waits_for_the_whole(path: Path, gate: Gate):
    async with beginning_of(path, query="layers.7.") as person:
        await person.see("opening")
        assert "still being read" not in person.screen
        gate.open.set()
        await person.see("only layers.7.")
