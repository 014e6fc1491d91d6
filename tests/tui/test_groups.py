"""What a person reads of tensors that are computed from others, and of an optimizer's states."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import inspector
from inspector.query import Query
from tests.inspector import packings
from tests.tui.conftest import exploring
from tui.cli import main
from tui.reports.tree import write_tree


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A layer of GPTQ and a plain one."""
    torch.manual_seed(0)
    tensors, weight = packings.gptq(32, 64, 4, 32)
    path = tmp_path / "model.safetensors"
    save_file({f"q_proj.{name}": tensor for name, tensor in tensors.items()} | {"norm.weight": torch.ones(4)}, path)
    torch.save(weight, tmp_path / "weight.pt")
    return path


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A model with its optimizer."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "trained.pt")
    return tmp_path / "trained.pt"


def tree(path: Path, query: str = "") -> list[str]:
    out = io.StringIO()
    with inspector.open(path) as checkpoint:
        write_tree(checkpoint, Query(query), out.write)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


async def test_the_tree_shows_the_weight_and_below_it_its_pieces(packed: Path):
    async with exploring(packed) as person:
        await person.see("GPTQ 4-bit g32")
        assert "q_proj.weight" in person.rows
        assert "q_proj.qweight" not in person.rows
        await person.press("/", *"proj.weight", "enter")
        assert person.row == "q_proj.weight"
        await person.press("l")
        assert [name for name in person.rows if name.startswith("q_proj.")] == [
            "q_proj.weight", "q_proj.qweight", "q_proj.qzeros", "q_proj.scales", "q_proj.g_idx",
        ]  # fmt: skip
        await person.press("j", "h")
        assert person.row == "q_proj.weight"


async def test_the_details_say_how_the_weight_is_computed(packed: Path):
    async with exploring(packed, size=(200, 40)) as person:
        await person.see("GPTQ")
        await person.press(":", *"q_proj.weight", "enter")
        await person.see("computed from its parts, not in the file")
        for said in (
            "float16", "[32, 64]", "scheme      GPTQ", "(q - zero) * scale, from qweight, qzeros, scales, g_idx",
            "bits        4", "group size  32", "stored less one (GPTQ v1",
        ):  # fmt: skip
            await person.see(said)


async def test_the_values_of_the_weight_are_dequantised(packed: Path):
    weight = torch.load(packed.parent / "weight.pt")
    async with exploring(packed) as person:
        await person.see("GPTQ")
        await person.press(":", *"q_proj.weight", "enter", "enter")
        shown = f"{weight[0, 0].item():.4f}".lstrip("-")
        await person.see(shown)


async def test_a_piece_says_what_it_is_a_part_of(packed: Path):
    async with exploring(packed) as person:
        await person.see("GPTQ")
        await person.press(":", *"q_proj.scales", "enter")
        await person.see("part of     q_proj.weight")


async def test_a_filter_finds_pieces_by_the_names_of_the_file(packed: Path):
    async with exploring(packed) as person:
        await person.see("GPTQ")
        await person.press("f", *"q_proj.scales", "enter")
        await person.until(lambda: person.rows == ["q_proj", "q_proj.weight", "q_proj.scales"])


async def test_a_state_names_its_parameter_and_the_parameter_its_state(trained: Path):
    async with exploring(trained) as person:
        await person.see("optimizer")
        await person.press(":", *"optimizer.state.0", "enter")
        await person.see("of model.0.weight")
        await person.see("belongs to  model.0.weight")
        await person.press(":", *"optimizer.state.0.exp_avg", "enter")
        await person.see("belongs to  model.0.weight")
        await person.press(":", *"model.0.weight", "enter")
        await person.see("moments")
        assert "optimizer.state.0: step, exp_avg, exp_avg_sq" in person.screen


async def test_an_optimizer_says_how_it_was_joined(trained: Path):
    async with exploring(trained) as person:
        await person.see("optimizer")
        await person.press(":", *"optimizer", "enter")
        await person.see("joined to the parameters of model, by order")


def test_the_printed_tree_has_the_weight_above_its_pieces(packed: Path):
    lines = tree(packed)
    at = next(number for number, line in enumerate(lines) if line.startswith("weight float16 [32, 64]"))
    assert lines[at].endswith("GPTQ 4-bit g32")
    assert [line.split()[0] for line in lines[at + 1 : at + 5]] == ["qweight", "qzeros", "scales", "g_idx"]


def test_the_printed_tree_counts_only_what_is_in_the_file(packed: Path):
    assert "5 tensors" in tree(packed)[0]


def test_the_printed_tree_names_the_parameter_of_each_state(trained: Path):
    assert any(line.startswith("3 of model.1.bias") for line in tree(trained))


def test_a_filter_counts_each_piece_once(packed: Path):
    assert tree(packed, "q_proj")[0].split(" · ")[3:5] == tree(packed, "q_proj.*")[0].split(" · ")[3:5]


def test_a_computed_tensor_is_got_by_its_name(packed: Path, capsys: pytest.CaptureFixture[str]):
    weight = torch.load(packed.parent / "weight.pt")
    assert main([str(packed), "--get", "q_proj.weight[0, :3]"]) == 0
    assert capsys.readouterr().out.strip() == str(weight[0, :3])


def test_the_document_lists_groups_beside_the_tensors_of_the_file(packed: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(packed), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {tensor["name"] for tensor in document["tensors"]} == {
        "q_proj.qweight", "q_proj.qzeros", "q_proj.scales", "q_proj.g_idx", "norm.weight",
    }  # fmt: skip
    (group,) = document["groups"]
    assert (group["name"], group["scheme"], group["bits"], group["group_size"]) == ("q_proj.weight", "GPTQ", 4, 32)
    assert group["parts"] == ["q_proj.qweight", "q_proj.qzeros", "q_proj.scales", "q_proj.g_idx"]


def test_the_document_says_which_parameter_a_moment_belongs_to(trained: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(trained), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    belongs = {tensor["name"]: tensor.get("belongs") for tensor in document["tensors"]}
    assert belongs["optimizer.state.1.exp_avg"] == "model.0.bias"
    assert belongs["model.0.bias"] is None
    assert "groups" not in document
