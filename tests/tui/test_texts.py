"""Texts that a file carries to be read: source code and graphs, listed, in colours, and from the node that they are about."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest
import torch
import torch.package
from torch import nn

from tests.tui.conftest import SOURCE, exploring
from tui.code import LONGEST, LONGEST_LINE, Code


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "script.pt"
    torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.ReLU())).save(str(path))
    return path


async def test_on_a_layer_whose_source_the_file_carries_T_shows_it(legacy: Path):
    async with exploring(legacy) as person:
        await person.see("T shows oldnet.Tagger")
        assert "T texts" in person.bottom
        await person.press("T")
        await person.see("class Tagger(nn.Module):")
        assert "oldnet.Tagger" in person.lines[0]
        assert any("self.embed = nn.Embedding(words, 8)  # one for each" in line for line in person.lines)
        await person.press("escape")
        await person.see("Tagger(")
        await person.press("j", "T")
        await person.see("class Embedding(Module):")


async def test_what_is_hidden_in_a_source_is_shown_and_its_tabs_are_blanks(legacy: Path):
    async with exploring(legacy) as person:
        await person.press("T")
        await person.see("class Tagger")
        assert "\\x1b[31mred\\u202e" in person.screen
        assert "Tags words,  and" in person.screen


async def test_a_source_has_colours(legacy: Path):
    async with exploring(legacy) as person:
        await person.press("T")
        await person.see("class Tagger")
        foregrounds = {person.colours(text)[0] for text in ("class", "Tagger", "# one", "50", '"""Tags')}
        assert len(foregrounds) == 5


async def test_on_a_layer_of_torchscript_T_shows_its_code_and_T_again_lists_all(script: Path):
    async with exploring(script) as person:
        await person.press("j", "T")
        await person.see("class Linear(Module):")
        assert person.lines[0].strip().startswith("code/__torch__/torch/nn/modules/linear")
        assert "return torch.linear(input, weight, bias)" in person.screen
        await person.press("T")
        await person.see("code/__torch__/torch/nn/modules/activation")
        await person.press("g", "j", "enter")
        await person.see("class")
        await person.press("escape", "escape")
        await person.see("Sequential")


async def test_layers_of_one_class_have_the_code_that_was_made_for_each(tmp_path: Path):
    two = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    torch.jit.script(two).save(str(tmp_path / "two.pt"))
    async with exploring(tmp_path / "two.pt") as person:
        for row, size in (("0", 3), ("1.bias", 4)):
            await person.press(":", *row, "enter", "T")
            await person.see(f"out_features : Final[int] = {size}")
            await person.press("escape")


async def test_on_an_exported_program_T_shows_its_graph(tmp_path: Path):
    torch.export.save(
        torch.export.export(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (torch.ones(1, 3),)), tmp_path / "p.pt2"
    )
    async with exploring(tmp_path / "p.pt2") as person:
        await person.see("T shows graph of model")
        await person.press("T")
        await person.see("aten.relu.default(linear)")


async def test_the_source_of_a_packaged_class_is_shown_from_where_the_class_begins(tmp_path: Path):
    (tmp_path / "packaged_net.py").write_text("import torch\nX = 1\n" + "# filler\n" * 60 + SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        module = importlib.import_module("packaged_net")
        with torch.package.PackageExporter(tmp_path / "package.pt") as exporter:
            exporter.intern("packaged_net")
            exporter.extern("torch.**")
            exporter.save_pickle("model", "model.pkl", module.Tagger())
    async with exploring(tmp_path / "package.pt") as person:
        await person.press("j", "T")
        await person.see("class Tagger(nn.Module):")
        assert person.lines[0].strip() == "packaged_net.py"
        await person.press("g")
        await person.see("import torch")


async def test_from_one_text_T_leads_to_all(legacy: Path):
    async with exploring(legacy) as person:
        await person.press("T")
        await person.see("class Tagger")
        await person.press("T")
        await person.see("3 texts")
        assert "oldnet.Tagger" in person.screen
        await person.press("escape")
        await person.see("Embedding(50, 8)")


async def test_a_line_of_code_that_goes_on_is_marked_and_l_shows_its_end(legacy: Path):
    async with exploring(legacy, size=(50, 20)) as person:
        await person.press("T")
        await person.see("class Tagger")
        assert any(line.endswith("…") and "self.embed" in line for line in person.lines)
        await person.press("l", "l", "l")
        await person.see("# one for each")


async def test_y_copies_a_text(legacy: Path, sent: list[str]):
    async with exploring(legacy) as person:
        await person.press("T")
        await person.see("class Tagger")
        await person.press("y")
        await person.see("Sent to the terminal")
        assert sent[0].startswith("class Tagger(nn.Module):\n")


async def test_a_file_without_texts_says_so_and_has_no_hint_for_them(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        assert "T texts" not in person.bottom
        await person.press("T")
        assert person.bottom == "the file carries no texts"


def code(text: str) -> list[list[tuple[str, str]]]:
    return [list(line) for line in Code(text, True, lambda part: None)]


def test_a_text_of_many_lines_is_one_text_to_its_end():
    lines = code('a = """one\ntwo \\""" two\nthree""" + b  # end\nc')
    assert lines[1] == [('two \\""" two', "value")]
    assert lines[2] == [('three"""', "value"), (" + ", "text"), ("b", "text"), ("  ", "text"), ("# end", "dim")]
    assert lines[3] == [("c", "text")]


def test_quotes_in_comments_and_hashes_in_texts_mean_nothing():
    assert code("# it's\nx = '#'") == [[("# it's", "dim")], [("x", "text"), (" = ", "text"), ("'#'", "value")]]


@pytest.mark.parametrize(
    "evil",
    ['"' * 300_000, "'''\n" * 100_000, '"\\' * 100_000, '"""\\' * 100_000, "r" * 300_000, "\n" * 500_000, "\t" * 100_000],
)
def test_a_hostile_text_is_looked_through_character_by_character(evil: str):
    lines = Code(evil, True, lambda part: None)
    assert sum(len(text) for text, _ in lines[0]) <= LONGEST_LINE + 40


def test_what_is_too_long_is_left_out_and_said():
    lines = Code("x" * 3000 + "\n" + "y\n" * LONGEST, False, lambda part: None)
    assert lines[0][-1] == ("… 1,000 more characters", "badge")
    assert lines[len(lines) - 1][0][0].endswith("more characters")
