"""A format is one file and one row: nothing else of the inspector names it, and nothing of the terminal program does."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import inspector
from inspector import formats

FOLDER = Path(formats.__file__).parent

PACKAGE = Path(inspector.__file__).parent


def imports(path: Path) -> set[str]:
    """The names of the formats' files that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "inspector.formats":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inspector.formats."):
            found.add((node.module or "").split(".")[2])
    return found


def test_each_row_is_a_file_that_recognises_and_reads_and_each_such_file_is_a_row() -> None:
    rows = [row.module for row in formats.FORMATS]
    assert len(rows) == len(set(rows))
    readers = {
        path.stem
        for path in FOLDER.glob("*.py")
        if path.stem != "__init__"
        and {"recognises", "read"} <= vars(import_module(f"inspector.formats.{path.stem}")).keys()
    }
    assert readers == set(rows)


def test_only_the_search_for_hidden_pickles_names_a_format_outside_of_their_folder() -> None:
    rows = {row.module for row in formats.FORMATS}
    named = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in PACKAGE.rglob("*.py")
        if path.parent != FOLDER and (found := imports(path) & rows)
    }
    assert set(named) <= {"loading/search.py"}


def test_a_name_lies_only_where_files_of_another_kind_are_named_so():
    by_module = {row.module: row for row in formats.FORMATS}
    honest = [
        ("model.pt", "legacy"), ("model.pth", "torchscript"), ("model.pth.tar", "torch_zip"), ("policy.zip", "torch_zip"),
        ("model_rank_0.pt", "rank_files"), ("shard-0-model-1.safetensors", "dcp_safetensors"), ("a.PT", "torch_zip"),
        ("model.safetensors.index.json", "hf_folder"), ("model", "gguf"), ("model.weights", "onnx"), ("x.gz", "compressed"),
    ]  # fmt: skip
    assert [name for name, module in honest if formats.misleading(name, by_module[module])] == []
    lying = [("a.safetensors", "torch_zip"), ("a.pt", "safetensors"), ("a.bin", "gguf"), ("a.pt", "compressed")]
    assert all(formats.misleading(name, by_module[module]) for name, module in lying)


def test_a_folder_may_be_called_anything(tmp_path: Path):
    folder = tmp_path / "epoch=3.ckpt"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    assert inspector.open(folder).misnamed == ""
