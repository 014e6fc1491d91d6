"""Copying, writing and printing what is under the cursor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from inspector.nodes import Tensor
from tests.tui.conftest import Person, exploring
from tui.screens.taking import file_name


async def go_to(person: Person, name: str) -> None:
    await person.press("colon")
    await person.type(name)
    await person.press("enter")
    assert person.row == name


async def copied(person: Person, sent: list[str], letter: str) -> str:
    before = len(sent)
    await person.press("y", letter)
    await person.until(lambda: len(sent) > before)
    await person.see("Sent to the terminal")
    return sent[-1]


@pytest.fixture
def weight(tutorial: Path) -> torch.Tensor:
    return torch.load(tutorial / "state_dict.pt")["fc3.weight"]


async def test_every_way_to_copy_values_gives_them_back(tutorial: Path, weight: torch.Tensor, sent: list[str]):
    async with exploring(tutorial / "model.pt") as person:
        await go_to(person, "fc3.weight")
        names = {"torch": torch, "np": np}
        assert torch.equal(eval(await copied(person, sent, "y"), names), weight)
        assert torch.equal(eval(await copied(person, sent, "v"), names), weight)
        assert np.array_equal(eval(await copied(person, sent, "a"), names), weight.numpy())
        as_list = torch.tensor(weight.tolist())
        assert torch.equal(torch.tensor(eval(await copied(person, sent, "l"))), as_list)
        assert torch.equal(torch.tensor(json.loads(await copied(person, sent, "j"))), as_list)
        lines = (await copied(person, sent, "c")).splitlines()
        assert torch.equal(
            torch.tensor([[float(cell) for cell in line.split(",")] for line in lines]), as_list.reshape(-1, 2)
        )


async def test_name_and_expression_are_copied(tutorial: Path, sent: list[str]):
    async with exploring(tutorial / "model.pt") as person:
        await go_to(person, "fc3.weight")
        assert await copied(person, sent, "n") == "fc3.weight"
        assert await copied(person, sent, "e") == ".fc3.weight"


async def test_of_a_module_its_printed_text_is_copied(tutorial: Path, sent: list[str]):
    async with exploring(tutorial / "model.pt") as person:
        assert await copied(person, sent, "y") == (tutorial / "printed.txt").read_text().rstrip("\n")


async def test_the_shown_block_is_copied(checkpoint: Path, sent: list[str]):
    async with exploring(checkpoint) as person:
        await go_to(person, "big")
        await person.press("enter", "pagedown", "L")
        await person.until(lambda: person.app.explorer.grid.shown() is not None)
        expression, array = person.app.explorer.grid.shown()
        big = torch.load(checkpoint, weights_only=False)["big"]
        block = eval(await copied(person, sent, "b"), {"torch": torch})
        assert torch.equal(block, eval(f"big{expression}", {"big": big}))
        assert array.shape == tuple(block.shape)


async def test_a_menu_says_which_letter_is_what_and_another_key_closes_it(tutorial: Path, sent: list[str]):
    async with exploring(tutorial / "model.pt") as person:
        await go_to(person, "fc3.weight")
        await person.press("y")
        for entry in ("y values", "a numpy", "l list", "j JSON", "c CSV", "n name", "e expression"):
            assert entry in person.bottom
        await person.press("escape")
        assert "search" in person.bottom
        await person.press("n")
        assert sent == []


async def test_what_is_too_large_for_a_clipboard_is_offered_as_a_file(
    checkpoint: Path, sent: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    async with exploring(checkpoint) as person:
        await go_to(person, "big")
        await person.press("y", "y")
        await person.see("w write a file")
        assert sent == []
        await person.press("w")
        await person.see("write to big.npy")
        await person.press("enter")
        await person.see("Wrote")
        assert np.array_equal(np.load(tmp_path / "big.npy"), np.arange(90_000).reshape(300, 300))


async def test_w_writes_a_tensor_to_a_file_and_asks_before_it_replaces_one(
    tutorial: Path, weight: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "fc3.weight.npy"
    target.write_text("precious")
    async with exploring(tutorial / "model.pt") as person:
        await go_to(person, "fc3.weight")
        await person.press("w", "enter")
        await person.see("is there already")
        await person.press("escape")
        assert target.read_text() == "precious"
        await person.press("w", "enter")
        await person.see("is there already")
        await person.press("r")
        await person.see("Wrote")
        assert np.array_equal(np.load(target), weight.numpy())


async def test_w_on_a_module_writes_all_its_tensors(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    async with exploring(tutorial / "model.pt") as person:
        await person.press("w")
        await person.see("write to model.npz")
        await person.press("enter")
        await person.see("Wrote")
        written = np.load(tmp_path / "model.npz")
        state = torch.load(tutorial / "state_dict.pt")
        assert list(written) == list(state)
        assert all(np.array_equal(written[name], state[name].numpy()) for name in state)


async def test_a_path_that_can_not_be_written_is_said(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    async with exploring(tutorial / "model.pt") as person:
        await go_to(person, "fc3.weight")
        await person.press("w")
        await person.press(*["backspace"] * 20)
        await person.type("nowhere/x.npy")
        await person.press("enter")
        await person.see("nowhere/x.npy")
        assert person.app.is_running


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fc3.weight", "fc3.weight"),
        ("../../etc/passwd", "etc_passwd"),
        ("/absolute", "absolute"),
        (".hidden", "hidden"),
        ("a\x1b[31m\n b", "a_31m_b"),
        ("", "tensor"),
        ("…", "tensor"),
        ("x" * 5000, "x" * 80),
    ],
)
def test_a_name_of_the_file_never_becomes_a_path(name: str, expected: str):
    assert file_name(name) == expected


async def test_leaving_a_tensor_gives_up_nothing_that_is_copied_of_it(tutorial: Path, sent: list[str]):
    async with exploring(tutorial / "model.pt") as person:
        await go_to(person, "fc3.weight")
        await person.press("y", "y", "k", "k")
        await person.until(lambda: sent)
        assert isinstance(person.app.explorer.module_tree.node, Tensor)
        assert sent[0].startswith("torch.tensor([[[[")


async def test_a_long_text_is_copied_whole(tmp_path: Path, sent: list[str]):
    import torch

    template = "{% if x %}\n" * 800
    torch.save({"template": template, "all": {"template": template}}, tmp_path / "run.pt")
    async with exploring(tmp_path / "run.pt") as person:
        await person.press("j", "y", "y")
        await person.until(lambda: sent)
        await person.press("j", "y", "y")
        await person.until(lambda: len(sent) == 2)
    assert sent[0] == repr(template)
    assert repr(template) in sent[1]
