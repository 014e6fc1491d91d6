"""What the reports say: every node of the tree, exact totals, hostile names made harmless in text and kept in JSON."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector.query import Query
from inspector.values import json_value
from tests import make_demo
from tui.cli import main
from tui.reports.document import write_document
from tui.reports.tree import write_tree
from tui.reports.values import write_values

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def tree(path: Path, query: str = "") -> list[str]:
    out = io.StringIO()
    with inspector.open(str(path)) as checkpoint:
        write_tree(checkpoint, Query(query), out.write)
    return out.getvalue().splitlines()


def document(path: Path, query: str = "") -> dict[str, Any]:
    out = io.StringIO()
    with inspector.open(str(path)) as checkpoint:
        write_document(checkpoint, Query(query), out.write)
    assert out.getvalue().isascii()
    return json.loads(out.getvalue(), parse_constant=pytest.fail)


def value(path: Path, name: str, as_json: bool = False) -> str:
    out = io.StringIO()
    with inspector.open(str(path)) as checkpoint:
        write_values(checkpoint, name, Query(""), as_json, out.write)
    return out.getvalue().removesuffix("\n")


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embed.weight
        self.norm = nn.BatchNorm1d(4)
        self.norm.requires_grad_(False)
        self.rate = 0.5
        self.limits = (1, float("inf"))
        self.plan = {"steps": [1, {"rate": float("nan")}], "name": "x"}
        self.odd = {1: 2}


# The tree


def test_the_tree_has_a_line_for_each_node_and_totals_of_its_parameters_tied_ones_counted_once(saved: Path) -> None:
    torch.save(Tied(), saved)
    assert tree(saved) == [
        "model.pt · PyTorch zip · 7 tensors · 48 parameters · 232 B · float32 6, int64 1",
        ".                        Tied             48  232 B",
        "  embed                  Embedding        40  160 B",
        "    weight               float32 [10, 4]  40  160 B",
        "  head                   Linear           40  160 B",
        "    weight               float32 [10, 4]  40  160 B  tied to embed.weight",
        "  norm                   BatchNorm1d       8   72 B",
        "    weight               float32 [4]       4   16 B  frozen",
        "    bias                 float32 [4]       4   16 B  frozen",
        "    running_mean         float32 [4]       4   16 B  buffer",
        "    running_var          float32 [4]       4   16 B  buffer",
        "    num_batches_tracked  int64 []          1    8 B  buffer",
    ]


def test_a_filter_leaves_what_matches_what_is_above_it_and_their_totals(saved: Path) -> None:
    torch.save(Tied(), saved)
    assert tree(saved, "*.weight") == [
        "model.pt · PyTorch zip · 3 tensors · 44 parameters · 176 B · float32",
        ".           Tied             44  176 B",
        "  embed     Embedding        40  160 B",
        "    weight  float32 [10, 4]  40  160 B",
        "  head      Linear           40  160 B",
        "    weight  float32 [10, 4]  40  160 B  tied to embed.weight",
        "  norm      BatchNorm1d       4   16 B",
        "    weight  float32 [4]       4   16 B  frozen",
    ]


def test_a_module_that_matches_is_left_with_all_below_it(saved: Path) -> None:
    torch.save(Tied(), saved)
    assert [line.split()[0] for line in tree(saved, "nor?")[2:]] == [
        "norm", "weight", "bias", "running_mean", "running_var", "num_batches_tracked",
    ]  # fmt: skip


def test_a_filter_that_nothing_matches_leaves_the_heading(saved: Path) -> None:
    torch.save(Tied(), saved)
    assert tree(saved, "zzz")[0] == "model.pt · PyTorch zip · 0 tensors · 0 parameters · 0 B"


def test_values_and_foreign_objects_stand_in_the_tree(saved: Path) -> None:
    torch.save({"epoch": 3, "args": Path("x"), "betas": (0.9, 0.99)}, saved)
    lines = tree(saved)
    assert any(re.fullmatch(r"  epoch +3", line) for line in lines)
    assert any(re.fullmatch(r"  betas +\(0.9, 0.99\)", line) for line in lines)
    assert any(line.startswith("  args") and "PosixPath" in line for line in lines)


def test_tensors_that_share_a_storage_without_being_the_same_are_told_apart(saved: Path) -> None:
    base = torch.arange(6.0)
    torch.save({"a": base, "b": base[2:]}, saved)
    assert tree(saved)[3].endswith("shares storage with a")


@pytest.mark.parametrize("stored", [torch.ones(2, 3), 5])
def test_a_file_that_holds_one_thing_is_a_tree_of_one_line(saved: Path, stored: object) -> None:
    torch.save(stored, saved)
    assert len(tree(saved)) == 2


def test_no_hidden_character_of_a_name_reaches_the_terminal(saved: Path) -> None:
    names = ["\x1b[31mred", "a\nb", "\u202eevil", "z\u200bw", "\ud800", "[bold]x[/]"]
    torch.save({name: torch.ones(1) for name in names} | {"text": "\x1b]0;title\x07"}, saved)
    text = "\n".join(tree(saved))
    assert len(tree(saved)) == 2 + len(names) + 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\ud800]", text)
    assert r"\x1b[31mred" in text
    assert "[bold]x[/]" in text


def test_a_name_of_a_megabyte_is_one_short_line(saved: Path) -> None:
    torch.save({"n" * 1_000_000: torch.ones(1), "v": "x" * 1_000_000}, saved)
    assert max(map(len, tree(saved))) < 500


def test_a_long_tree_is_written_in_parts_whose_columns_only_grow(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.reports.tree.TOGETHER", 3)
    torch.save({name: torch.ones(1) for name in ("a", "b", "long_name", "c", "d", "e")}, saved)
    assert [line.index("float32") for line in tree(saved)[2:]] == [5, 5, 13, 13, 13, 13]


# The document


def test_the_document_has_what_torch_says_of_every_tensor(saved: Path) -> None:
    model = Tied()
    torch.save(model, saved)
    made = document(saved)
    assert list(made) == ["path", "format", "bytes", "problems", "metadata", "modules", "tensors", "values", "calls"]
    assert (made["path"], made["bytes"], made["problems"]) == (str(saved), saved.stat().st_size, [])
    tensors = {tensor["name"]: tensor for tensor in made["tensors"]}
    expected = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    assert set(tensors) == set(expected)
    for name, tensor in expected.items():
        said = tensors[name]
        assert said["kind"] == ("parameter" if isinstance(tensor, nn.Parameter) else "buffer")
        assert f"torch.{said['dtype']}" == str(tensor.dtype)
        assert (said["shape"], said["stride"]) == (list(tensor.shape), list(tensor.stride()))
        assert (said["numel"], said["nbytes"]) == (tensor.numel(), tensor.nbytes)
        assert (said["requires_grad"], said["device"]) == (tensor.requires_grad, "cpu")
        assert eval(f"model{said['expression']}", {"model": model}) is tensor
    assert tensors["head.weight"]["shares"] == "embed.weight"
    assert tensors["embed.weight"]["shares"] is None


def test_a_name_that_lies_is_mentioned_in_both_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lies.safetensors"
    torch.save({"w": torch.ones(3)}, path)
    assert main([str(path), "--print"]) == 0
    assert capsys.readouterr().out.startswith("lies.safetensors · PyTorch zip, not .safetensors · 1 tensor")
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["misnamed"] == ".safetensors"


def test_the_document_has_every_module_with_the_text_that_torch_prints(saved: Path) -> None:
    model = Tied()
    torch.save(model, saved)
    expected = [(name, str(module)) for name, module in model.named_modules()]
    assert [(module["name"], module["text"]) for module in document(saved)["modules"]] == expected
    assert document(saved)["modules"][1]["type"] == "torch.nn.modules.sparse.Embedding"


def test_modules_that_torch_would_not_print_have_no_text(saved: Path) -> None:
    torch.save({"fc.weight": torch.ones(1)}, saved)
    assert document(saved)["modules"] == [
        {"name": "", "type": "dict", "text": ""},
        {"name": "fc", "type": "", "text": ""},
    ]


def test_the_document_has_values_and_the_attributes_of_modules(saved: Path) -> None:
    torch.save({"model": Tied(), "epoch": 3, "loss": [1.5, float("nan")], "best": -float("inf"), "at": Path("x")}, saved)
    values = {entry["name"]: entry["value"] for entry in document(saved)["values"]}
    assert values["model.rate"] == 0.5
    assert values["model.limits"] == [1, "Infinity"]
    assert values["model.plan"] == {"steps": [1, {"rate": "NaN"}], "name": "x"}
    assert values["model.odd"] == "{1: 2}"
    assert values["model.embed.num_embeddings"] == 10
    assert values["epoch"] == 3
    assert values["loss"] == [1.5, "NaN"]
    assert values["best"] == "-Infinity"
    assert any(name.startswith("at") and "x" in str(said) for name, said in values.items())


def test_texts_stand_in_the_document_exactly(saved: Path) -> None:
    texts = ["\x1b[31m", "\ud800 alone", "\u202e", 'quo"te\\', "重み", "x" * 100_000, ""]
    torch.save({"texts": {str(number): text for number, text in enumerate(texts)}, texts[1]: torch.ones(1)}, saved)
    made = document(saved)
    assert [entry["value"] for entry in made["values"]] == texts
    assert made["tensors"][0]["name"] == texts[1]


def test_what_python_itself_can_not_write_is_a_text(saved: Path) -> None:
    torch.save({"huge": 1 << 100_000, "large": 1 << 3000, "bytes": b"\x00\xff", "z": 1 + 2j}, saved)
    values = {entry["name"]: entry["value"] for entry in document(saved)["values"]}
    assert values == {"huge": "<int of 100001 bits>", "large": 1 << 3000, "bytes": r"b'\x00\xff'", "z": "(1+2j)"}


def test_a_value_that_means_more_than_there_are_atoms_is_a_text(saved: Path) -> None:
    laughs: list[Any] = ["ha"]
    for _ in range(60):
        laughs = [laughs, laughs]
    wide: list[Any] = ["ha"]
    for _ in range(30):
        wide = [wide, wide]
    endless: list[Any] = []
    endless.append(endless)
    for value in (laughs, wide, endless):
        said = json_value(value)
        assert type(said) is str
        assert said.startswith("[[[")
        assert len(said) <= 10_001


def test_a_filter_leaves_exact_names_in_the_document(saved: Path) -> None:
    long = "n" * 1000
    torch.save({f"{long}.weight": torch.ones(1), "other.bias": torch.ones(1), "epoch": 1}, saved)
    made = document(saved, "nnn")
    assert [tensor["name"] for tensor in made["tensors"]] == [f"{long}.weight"]
    assert made["values"] == []


def test_the_parts_of_a_tensor_are_no_tensors_of_the_document(saved: Path) -> None:
    torch.save({"s": torch.eye(3).to_sparse()}, saved)
    assert [tensor["name"] for tensor in document(saved)["tensors"]] == ["s"]


def test_the_document_tells_what_loading_the_file_would_call(saved: Path) -> None:
    torch.save({"x": torch.ones(1), "model": Tied()}, saved)
    calls = [call["callable"] for call in document(saved)["calls"]]
    assert f"{Tied.__module__}.Tied" in calls


def test_the_document_is_written_piece_by_piece(saved: Path) -> None:
    torch.save({f"layer.{number}": torch.ones(1) for number in range(2000)}, saved)
    pieces: list[str] = []
    with inspector.open(str(saved)) as checkpoint:
        write_document(checkpoint, Query(""), pieces.append)
    assert max(map(len, pieces)) < 1000


# One thing by its name


@pytest.mark.parametrize(
    "slice", ["[0]", "[-1, 1:3]", "[..., 0]", "[1, :, ::2]", "[1, 2, 3]", "[0:0]", "[:, 0:0]", "[:, ::-1]", "[...]", "[:]"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_a_slice_is_printed_as_torch_prints_it(saved: Path, slice: str, dtype: torch.dtype) -> None:
    x = (torch.arange(24) - 7).reshape(2, 3, 4).to(dtype)
    torch.save({"x": x}, saved)
    expected = x.flip(1) if slice == "[:, ::-1]" else eval(f"x{slice}", {"x": x})
    assert value(saved, f"x{slice}") == str(expected)


def test_a_large_tensor_is_printed_in_part_and_written_to_json_whole(saved: Path) -> None:
    x = torch.rand(50, 60)
    torch.save(x, saved)
    assert value(saved, "") == str(x)
    assert value(saved, "[:, :]") == str(x)
    assert torch.equal(torch.tensor(json.loads(value(saved, "", as_json=True))), x)


def test_a_name_with_brackets_is_a_name_first(saved: Path) -> None:
    torch.save({"x[0]": torch.tensor(1.0), "x": torch.tensor([2.0, 3.0])}, saved)
    assert value(saved, "x[0]") == "tensor(1.)"
    assert value(saved, "x[1]") == "tensor(3.)"
    assert value(saved, "x[0][...]") == "tensor(1.)"


def test_modules_and_their_attributes_are_found_by_name(saved: Path) -> None:
    model = Tied()
    torch.save(model, saved)
    assert value(saved, "") == str(model)
    assert value(saved, "embed") == str(model.embed)
    assert value(saved, "embed.num_embeddings") == "10"
    assert value(saved, "rate", as_json=True) == "0.5"
    assert json.loads(value(saved, "norm", as_json=True))["text"] == str(model.norm)


def test_a_text_of_the_file_is_printed_without_its_hidden_characters(saved: Path) -> None:
    torch.save({"t": "\x1b[31m\u202e"}, saved)
    assert not re.search("[\x1b\u202e]", value(saved, "t"))
    assert json.loads(value(saved, "t", as_json=True)) == "\x1b[31m\u202e"


# The model that ships


def test_the_demo_is_what_its_script_makes(tmp_path: Path) -> None:
    make_demo.make(tmp_path / "demo.pt")
    fresh, shipped = (document(path) for path in (tmp_path / "demo.pt", make_demo.DEMO))
    for part in ("modules", "tensors", "values"):
        assert fresh[part] == shipped[part]


def test_the_demo_shows_a_bit_of_everything() -> None:
    assert make_demo.DEMO.stat().st_size <= 60_000
    made = document(make_demo.DEMO)
    tensors = made["tensors"]
    assert {"float32", "bfloat16", "float16", "float8_e4m3fn", "qint8", "complex64", "int64", "int32", "bool"} <= {
        tensor["dtype"] for tensor in tensors
    }
    assert {tensor["kind"] for tensor in tensors} == {"parameter", "buffer", "tensor"}
    assert any(tensor["shares"] for tensor in tensors)
    assert max(module["name"].count(".") for module in made["modules"]) >= 3
    assert any(module["type"] == "handwriting.Reader" for module in made["modules"])
    with inspector.open(str(make_demo.DEMO)) as checkpoint:
        missing = [name for name, tensor in checkpoint.state_dict().items() if (tensor.numpy() != tensor.numpy()).any()]
    assert missing == ["model.blocks.1.feed.0.weight"]
