"""A file of a distributed checkpoint by itself, with and without the `.metadata` that says what lies in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp

import inspector
from inspector.nodes import Module, Tensor

pytestmark = pytest.mark.filterwarnings("ignore")

STATE = {
    "model": {"weight": torch.arange(12.0).reshape(4, 3), "bias": torch.ones(4).bfloat16(), "count": torch.tensor(3)},
    "step": 7,
    "many": tuple({f"{number}": torch.full((2,), number) for number in range(200)}.items()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dcp") / "step"
    writer = dcp.FileSystemWriter(made, thread_count=2)
    dcp.save(STATE, storage_writer=writer, no_dist=True)
    assert {path.name for path in made.iterdir()} == {".metadata", "__0_0.distcp", "__0_1.distcp"}
    return made


@pytest.fixture
def lone(folder: Path, tmp_path: Path) -> Path:
    for path in folder.glob("*.distcp"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_with_its_metadata_it_opens_as_its_part_of_the_model_under_the_names_of_the_whole(folder: Path) -> None:
    seen = {}
    for path in folder.glob("*.distcp"):
        with inspector.open(path) as opened:
            assert opened.format == "a file of a torch.distributed checkpoint"
            assert not opened.problems
            seen |= {tensor.name: tensor.numpy().astype(float).tolist() for tensor in opened.tensors()}
    for name, expected in STATE["model"].items():
        assert seen[f"model.{name}"] == expected.double().tolist()


def test_without_it_every_entry_is_there_under_its_byte_and_what_is_missing_is_said(lone: Path) -> None:
    found: list[object] = []
    for path in lone.glob("*.distcp"):
        with inspector.open(path) as opened:
            assert opened.problems[0].startswith(f"{lone}/.metadata is missing: it would say what these ")
            assert len(opened.problems) == 1
            assert isinstance(opened.root, Module)
            at = [int(child.label.removeprefix("byte ")) for child in opened.root.children]
            assert at == sorted(at) and at[0] == 0
            for child in opened.root.children:
                found.append(child.numpy().astype(float).tolist() if isinstance(child, Tensor) else child)
                assert child.expression == ""
    for expected in STATE["model"].values():
        assert expected.double().tolist() in found
    assert 7 in [getattr(item, "value", None) for item in found]
    # One entry of 200 tensors has a directory of its own that is longer than a page.
    assert any(isinstance(item, Module) and item.tensor_count == 200 for item in found)


def test_of_a_lone_file_that_is_cut_off_the_entries_before_the_cut_have_their_values(lone: Path) -> None:
    path = max(lone.glob("*.distcp"), key=lambda path: path.stat().st_size)
    with inspector.open(path) as opened:
        whole = {child.label: child for child in opened.root.children}
        values = {name: child.numpy().tobytes() for name, child in whole.items() if isinstance(child, Tensor)}
    data = path.read_bytes()
    for length in (len(data) - 1, len(data) - 300, len(data) // 2, 700, 100):
        path.write_bytes(data[:length])
        try:
            opened = inspector.open(path)
        except inspector.InspectorError:
            assert length < 200
            continue
        with opened:
            assert any("cut off" in problem for problem in opened.problems)
            *before, _ = opened.root.children
            for child in before:
                if isinstance(child, Tensor):
                    assert child.numpy().tobytes() == values[child.label]


def test_an_entry_alone_that_is_called_like_such_a_file_says_what_is_missing(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "__3_0.distcp")
    with inspector.open(tmp_path / "__3_0.distcp") as opened:
        assert any(".metadata is missing" in problem for problem in opened.problems)
    torch.save(torch.ones(3), tmp_path / "ones.pt")
    with inspector.open(tmp_path / "ones.pt") as opened:
        assert not opened.problems


def test_a_file_that_the_metadata_beside_it_does_not_name_is_what_it_is(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / ".metadata", tmp_path)
    torch.save({"w": torch.ones(3)}, tmp_path / "model.pt")
    with inspector.open(tmp_path / "model.pt") as opened:
        assert opened.format == "PyTorch zip"
        assert opened["w"].numpy().tolist() == [1, 1, 1]
