"""The file is written to, replaced, deleted while it is open: it is told, and read again where the person was."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from inspector import sources
from tests.tui.conftest import Person, exploring
from tui.screens import watching


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.05)


def save(path: Path, value: float, **more: torch.Tensor) -> None:
    state = {f"layers.{i}.weight": torch.full((40, 30), value + i) for i in range(5)}
    torch.save({**state, "bias": torch.full((3,), value), **more}, path)


def replace(path: Path, value: float, **more: torch.Tensor) -> None:
    save(path.with_suffix(".new"), value, **more)
    path.with_suffix(".new").rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tmp_path / "run.pt", 1.0)
    return tmp_path / "run.pt"


async def reload(person: Person) -> None:
    before = person.app.explorer.checkpoint
    await person.press("r")
    await person.until(lambda: person.app.explorer.checkpoint is not before, "the file again")
    await person.pilot.pause(0.1)


async def test_a_file_that_was_replaced_has_a_badge_until_it_is_read_again(path: Path):
    async with exploring(path) as person:
        replace(path, 2.0)
        await person.see("changed on disk · r reloads")
        assert person.bottom == "run.pt: it was replaced by another file"
        await person.press("]")
        await person.see("1.000")
        await reload(person)
        await person.see("2.000")
        assert "changed on disk" not in person.screen
        assert person.bottom == "read again"


async def test_what_was_read_before_is_taken_apart(path: Path):
    async with exploring(path) as person:
        checkpoint = person.app.explorer.checkpoint
        assert checkpoint is not None
        former = [checkpoint.root, *checkpoint.tensors()]
        await reload(person)
        await person.until(lambda: all(node.parent is None and not node.children for node in former))
        await person.press("]", "]")
        await person.see("2.000")


async def test_a_deleted_file_has_a_badge_and_its_tree_stays(path: Path):
    async with exploring(path) as person:
        path.unlink()
        await person.until(lambda: person.lines[0].startswith(" run.pt  deleted"))
        await person.press("r")
        await person.see("there is no file")
        assert "weight" in person.screen


async def test_of_a_file_that_was_written_to_no_new_value_is_shown_as_an_old_one(path: Path):
    async with exploring(path) as person:
        await person.press(":", *"layers.3.weight", "enter")
        await person.see("4.000")
        data = path.read_bytes()
        with path.open("r+b") as file:
            file.write(data[:-2000] + bytes(2000))
        os.utime(path, (1, 1))
        await person.press("]")
        await person.see("reload it")
        await person.see("changed on disk · r reloads")


async def test_reading_again_keeps_the_cursor_the_folds_the_filter_and_the_page(path: Path):
    async with exploring(path) as person:
        await person.press("j", "J", "k", "h", "l", ":", *"layers.3.weight", "enter")
        await person.press(":", *"layers.1", "enter", "h")
        rows = person.rows
        await person.press(":", *"layers.3.weight", "enter", "enter", *"jjjjjjjjjjll", "t")
        await person.until(lambda: person.app.explorer.grid.index == (10, 2))
        replace(path, 5.0)
        await reload(person)
        assert person.row == "layers.3.weight"
        assert person.rows == rows
        assert person.focused == "ValueGrid"
        assert person.app.explorer.grid.index == (10, 2)
        assert person.app.explorer.grid.page.transposed
        await person.see("8.000")


async def test_reading_again_keeps_the_filter(path: Path):
    async with exploring(path) as person:
        await person.press("f", *"weight", "enter")
        await person.press("G")
        assert person.row == "layers.4.weight"
        replace(path, 2.0, extra=torch.ones(2))
        await reload(person)
        assert person.row == "layers.4.weight"
        assert "extra" not in person.rows
        assert "only weight" in person.screen
        await person.press("escape")
        await person.until(lambda: "extra" in person.rows)
        assert person.row == "layers.4.weight"


async def test_where_the_node_is_gone_the_cursor_is_above_it(path: Path):
    async with exploring(path) as person:
        await person.press(":", *"layers.4.weight", "enter")
        state = torch.load(path)
        del state["layers.4.weight"]
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
        await reload(person)
        assert person.row == "layers"


async def test_a_file_that_can_not_be_read_again_is_told_and_the_old_tree_stays(path: Path):
    async with exploring(path) as person:
        path.with_suffix(".new").write_text("no model")
        path.with_suffix(".new").rename(path)
        await person.see("changed on disk")
        await person.press("r")
        await person.see("not a PyTorch model file")
        assert "layers" in person.screen
        await person.press("j", "j", "j")
        await person.see("1.000")


async def test_an_untouched_file_is_never_said_to_have_changed(path: Path):
    async with exploring(path) as person:
        await person.pilot.pause(0.4)
        assert person.lines[0].startswith(" run.pt  PyTorch zip")


async def test_of_a_file_that_shrank_the_values_that_are_gone_are_said_to_be(path: Path):
    async with exploring(path) as person:
        os.truncate(path, path.stat().st_size // 2)
        await person.press("]")
        await person.see("reload it")
        await person.see("changed on disk · r reloads")
        assert "it shrank from" in person.bottom
        assert "1.000" not in person.screen


async def test_where_the_disk_fails_a_badge_says_so_until_the_file_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(descriptor: int, length: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with exploring(path) as person:
        with monkeypatch.context() as patch:
            patch.setattr(sources.os, "pread", fail)
            await person.press("]")
            await person.see("Input/output error")
            await person.see("can't be read in places · r reloads")
            await person.press("r")
            await person.until(lambda: "can't be read at byte" in person.bottom)
        await reload(person)
        await person.see("1.000")
        assert "can't be read" not in person.screen


async def test_a_file_that_is_written_again_and_again_is_never_shown_mixed(path: Path):
    """Each version has one value everywhere and a name that tells it."""

    def version(number: int) -> None:
        torch.save({"w": torch.full((40, 30), float(number)), f"v{number}": torch.zeros(1)}, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)

    version(1)
    async with exploring(path) as person:
        for number in range(2, 6):
            await person.press("j")
            await person.see(f"{number - 1}.000")
            version(number)
            await person.press("k", "j")
            assert f"v{number - 1}" in person.rows
            assert f"{number}.000" not in person.screen
            await reload(person)
            await person.see(f"{number}.000")
            assert f"v{number}" in person.rows
            await person.press("g")


async def test_a_shard_that_is_replaced_is_told_like_the_file_itself(tmp_path: Path):
    from safetensors.torch import save_file

    for number in (1, 2):
        save_file({f"w{number}": torch.full((3, 3), 1.0)}, tmp_path / f"model-0000{number}-of-00002.safetensors")
    async with exploring(tmp_path) as person:
        assert "w2" in person.rows
        save_file({"w2": torch.full((3, 3), 7.0)}, tmp_path / "new")
        (tmp_path / "new").rename(tmp_path / "model-00002-of-00002.safetensors")
        await person.see("changed on disk · r reloads")
        await person.press("G")
        await person.see("1.000")
        await reload(person)
        await person.see("7.000")
        assert person.row == "w2"


@pytest.mark.parametrize(("before", "key"), [("s", "s"), ("", "v"), ("", "u"), ("", "m")])
async def test_whatever_the_disk_fails_for_the_badge_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, before: str, key: str
):
    def fail(descriptor: int, length: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with exploring(path) as person:
        await person.press(*before, "]")
        await person.see("1.000")
        if not before:
            await person.see("norm")
        monkeypatch.setattr(sources.os, "pread", fail)
        await person.press(key)
        await person.see("can't be read in places · r reloads")
