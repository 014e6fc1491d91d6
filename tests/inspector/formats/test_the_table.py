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
