"""What a file says besides its tree: source code and graphs to read, and what is wrong with it."""

from __future__ import annotations

import importlib
import importlib.util
import zipfile
from pathlib import Path

import pytest
import torch
import torch.package
from torch import nn

from tests.tui.conftest import exploring
from tui.code import LONGEST, LONGEST_LINE, Code

SOURCE = '''\
from torch import nn


class Tagger(nn.Module):
    """Tags words,\tand writes \x1b[31mred\u202e."""

    def __init__(self, words=50):
        super().__init__()
        self.embed = nn.Embedding(words, 8)  # one for each
        self.out = nn.Linear(8, 3)
'''


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module saved before 1.6, which carries the source of its class."""
    folder = tmp_path_factory.mktemp("legacy")
    (folder / "oldnet.py").write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("oldnet", folder / "oldnet.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "oldnet", module)
        spec.loader.exec_module(module)
        torch.save(module.Tagger(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    return folder / "legacy.pt"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "script.pt"
    torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.ReLU())).save(str(path))
    return path


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """An archive in which one storage is too short and one is missing."""
    torch.save({f"layers.{i}.weight": torch.full((3, 3), float(i)) for i in range(8)}, tmp_path / "whole.pt")
    with zipfile.ZipFile(tmp_path / "whole.pt") as whole, zipfile.ZipFile(tmp_path / "damaged.pt", "w") as made:
        for name in whole.namelist():
            if not name.endswith("/data/5"):
                made.writestr(name, whole.read(name)[: 20 if name.endswith("/data/3") else None])
    return tmp_path / "damaged.pt"


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


async def test_what_only_this_file_has_is_among_the_first_hints(damaged: Path):
    async with exploring(damaged, size=(80, 24)) as person:
        await person.see("! problems")
        assert person.bottom.startswith("⏎ open  ! problems")


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
def test_a_hostile_text_is_looked_through_at_once(evil: str):
    import time

    started = time.perf_counter()
    lines = Code(evil, True, lambda part: None)
    assert sum(len(text) for text, _ in lines[0]) <= LONGEST_LINE + 40
    assert time.perf_counter() - started < 2


def test_what_is_too_long_is_left_out_and_said():
    lines = Code("x" * 3000 + "\n" + "y\n" * LONGEST, False, lambda part: None)
    assert lines[0][-1] == ("… 1,000 more characters", "badge")
    assert lines[len(lines) - 1][0][0].endswith("more characters")


async def test_problems_have_a_badge_in_the_title_and_at_their_tensors(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        assert "! 2 problems" in person.lines[0]
        assert sum("weight problem" in line for line in person.lines) == 2
        assert "! problems" in person.bottom


async def test_a_collapsed_layer_tells_that_there_are_problems_below(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        assert "layers !" in person.screen
        await person.press("j", "h")
        await person.see("layers problems below")


async def test_details_say_what_is_wrong_with_a_tensor(damaged: Path):
    async with exploring(damaged, size=(160, 36)) as person:
        await person.press(":", *"layers.3.weight", "enter")
        await person.see("problem     the storage should hold 36 bytes and holds 20")


async def test_the_list_of_problems_leads_to_their_tensors(damaged: Path):
    async with exploring(damaged) as person:
        await person.see("weight problem")
        await person.press("!")
        await person.see("the storage is missing from the archive")
        assert [line.strip() for line in person.lines[:5]] == [
            "2 problems",
            "the storage should hold 36 bytes and holds 20  1 tensor",
            "layers.3.weight",
            "the storage is missing from the archive  1 tensor",
            "layers.5.weight",
        ]
        await person.press("G", "enter")
        await person.see("expression  ['layers.5.weight']")
        assert person.row == "layers.5.weight"


async def test_bytes_with_a_wrong_checksum_are_a_problem_of_their_tensor(damaged: Path, tmp_path: Path):
    data = bytearray((tmp_path / "whole.pt").read_bytes())
    data[data.index(torch.full((3, 3), 6.0).numpy().tobytes()) + 3] ^= 0xFF
    (tmp_path / "wrong.pt").write_bytes(data)
    async with exploring(tmp_path / "wrong.pt") as person:
        await person.see("weight problem")
        await person.press("!")
        await person.see("the checksum is wrong")
        await person.press("j", "enter")
        assert person.row == "layers.6.weight"
        await person.see("problem     the checksum is wrong")


async def test_a_problem_of_the_file_itself_leads_nowhere_and_says_so(damaged: Path, tmp_path: Path):
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:-200])
    async with exploring(tmp_path / "cut.pt") as person:
        assert "! 1 problem" in person.lines[0]
        await person.press("!")
        await person.see("the archive is cut off")
        await person.press("enter")
        await person.see("that is about the file as a whole")


async def test_a_name_that_lies_is_mentioned(tmp_path: Path):
    torch.save({"a": torch.ones(2)}, tmp_path / "lies.safetensors")
    async with exploring(tmp_path / "lies.safetensors") as person:
        assert person.lines[0].startswith(" lies.safetensors  PyTorch zip, not .safetensors · 1 tensor")
        await person.press("i")
        await person.see("the name ends in .safetensors, but the file is of another kind: PyTorch zip")
        await person.press("i", "!")
        await person.see("no problems, 1 remark")
        await person.press("enter")
        await person.see("that is about the file as a whole")


@pytest.mark.parametrize(
    "name", ["model.pt", "model.pth", "model.bin", "model.ckpt", "model.pth.tar", "model.pkl", "model", "x.y"]
)
async def test_names_that_files_of_torch_have_are_no_lies(tmp_path: Path, name: str):
    torch.save({"a": torch.ones(2)}, tmp_path / name)
    async with exploring(tmp_path / name) as person:
        assert "PyTorch zip · 1 tensor" in person.lines[0]


async def test_a_file_without_problems_says_so(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        assert "problem" not in person.screen
        await person.press("!")
        assert person.bottom == "no problems are known"


async def test_the_metadata_page_counts_texts_and_what_a_load_would_call(legacy: Path):
    async with exploring(legacy) as person:
        await person.press("i")
        await person.see("Nothing in this file was run")
        assert "Texts to read: 3 texts" in person.screen
        assert "Calls outside plain data that loading it with pickle would make: " in person.screen


async def test_details_tell_how_much_of_a_storage_is_used(tmp_path: Path):
    torch.save({"part": torch.zeros(1000, 1000)[:2, :3]}, tmp_path / "part.pt")
    async with exploring(tmp_path / "part.pt", size=(160, 36)) as person:
        await person.see("unused      4.0 MB of the 4.0 MB in storages belong to no tensor")
        await person.press("j")
        await person.see("this tensor takes 24 B of it")


async def test_details_of_a_sharded_tensor_name_its_file(tmp_path: Path):
    import torch.distributed.checkpoint as dcp

    dcp.save({"weight": torch.ones(4, 3)}, checkpoint_id=tmp_path / "step", no_dist=True)
    async with exploring(tmp_path / "step") as person:
        await person.press("j")
        await person.see("stored in   1 piece, in __0_0.distcp")


async def test_the_metadata_page_shows_nested_metadata_as_an_outline(tmp_path: Path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors", {"tags": '{"dog": {"count": 3}}', "title": "x" * 30})
    async with exploring(tmp_path / "a.safetensors", size=(80, 24)) as person:
        await person.press("i")
        await person.see("  dog  1 entry")
        assert "    count  3" in person.screen
        assert f"title             {'x' * 30}" in person.screen


async def test_x_shows_what_a_load_would_call(legacy: Path):
    async with exploring(legacy) as person:
        await person.press("x")
        await person.see("oldnet.Tagger")
        assert "othing in this file was run" in person.screen
        await person.press("x")
        await person.see("Tagger(")


async def test_where_the_title_has_no_room_it_says_that_there_is_more(checkpoint: Path):
    async with exploring(checkpoint, size=(80, 24)) as person:
        await person.see("float32")
        assert person.lines[0].endswith(" …")
        assert "PyTorch zip · " in person.lines[0]


async def test_a_name_too_long_for_its_heading_is_cut_with_a_mark(tmp_path: Path):
    torch.save({"a" * 300: torch.ones(2)}, tmp_path / "long.pt")
    async with exploring(tmp_path / "long.pt", size=(120, 24)) as person:
        await person.press("j")
        await person.see("expression")
        assert person.lines[1].endswith("a…")
        await person.press("i")
        await person.see("Metadata")
        assert "…" not in person.lines[0] or person.lines[0].endswith("…")


async def test_a_file_without_tensors_does_not_count_them(tmp_path: Path):
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    async with exploring(tmp_path / "none.pt") as person:
        assert person.lines[0].strip() == "none.pt  PyTorch zip · no tensors"


async def test_an_array_in_a_pickle_has_no_storage_named_none(tmp_path: Path):
    torch.save({"a": torch.ones(2, 3).numpy(), "s": torch.ones(2, 3).to_sparse()}, tmp_path / "arrays.pt")
    async with exploring(tmp_path / "arrays.pt") as person:
        await person.press("j")
        await person.see("storage     24 B, cpu")
        await person.press("j")
        await person.see("storage     in its parts, cpu")
        assert "stride" not in person.screen


async def test_a_text_of_several_lines_has_them_in_the_details(tmp_path: Path):
    torch.save({"chat_template": "{% if x %}\n  hello\x1b\n{% endif %}"}, tmp_path / "text.pt")
    async with exploring(tmp_path / "text.pt") as person:
        await person.press("j")
        await person.see("type        str")
        shown = [line.partition("▏")[2].rstrip() for line in person.lines]
        place = shown.index(" {% if x %}")
        assert shown[place + 1 : place + 3] == ["   hello\\x1b", " {% endif %}"]
