"""The same three tensors in every container there is, each damaged alike: what is hit is named, the rest reads."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import save_file
from torch import nn

import inspector
from inspector.nodes import Tensor
from tui.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")

NAMES = ("first", "second", "third")
SIZE = 300


class Three(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for number, name in enumerate(NAMES):
            torch.manual_seed(number)
            self.register_buffer(name, torch.randn(SIZE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.first + self.second + self.third


STATE = {name: tensor.clone() for name, tensor in Three().state_dict().items()}


def package(path: Path) -> None:
    with torch.package.PackageExporter(str(path)) as exporter:
        exporter.extern(["torch.**"])
        exporter.save_pickle("model", "model.pkl", STATE)


def gguf_file(path: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    for name, tensor in STATE.items():
        writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def onnx_file(path: Path) -> None:
    import onnx
    from onnx import helper, numpy_helper

    tensors = [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in STATE.items()]
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], tensors)), str(path))


def shards(path: Path) -> None:
    path.mkdir()
    where = {name: f"model-{number:05}-of-00003.safetensors" for number, name in enumerate(NAMES, 1)}
    for name, tensor in STATE.items():
        save_file({name: tensor}, path / where[name])
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def bins(path: Path) -> None:
    path.mkdir()
    where = {name: f"pytorch_model-{number:05}-of-00003.bin" for number, name in enumerate(NAMES, 1)}
    for name, tensor in STATE.items():
        torch.save({name: tensor}, path / where[name])
    (path / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


WRITERS: dict[str, Callable[[Path], object]] = {
    "torch.save": lambda path: torch.save(STATE, path),
    "torch.save before 1.6": lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False),
    "TorchScript": lambda path: torch.jit.save(torch.jit.script(Three()), path),
    "torch.package": package,
    "torch.export": lambda path: torch.export.save(torch.export.export(Three(), (torch.ones(SIZE),)), path),
    "safetensors": lambda path: save_file(STATE, path),
    "shards": shards,
    "shards of torch.save": bins,
    "GGUF": gguf_file,
    "ONNX": onnx_file,
    "npz": lambda path: np.savez(path.open("wb"), **{name: tensor.numpy() for name, tensor in STATE.items()}),
    "packed npz": lambda path: np.savez_compressed(
        path.open("wb"), **{name: tensor.numpy() for name, tensor in STATE.items()}
    ),
    "distributed": lambda path: dcp.save(STATE, checkpoint_id=path, no_dist=True),
}

CHECKED = {
    "torch.save", "TorchScript", "torch.package", "torch.export", "shards of torch.save", "npz", "distributed",
}  # fmt: skip
"""Those that carry checksums of what lies in them unpacked."""


@pytest.fixture(scope="module", params=list(WRITERS))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("whole") / "model.x"
    WRITERS[request.param](path)
    return request.param, path


@pytest.fixture
def copy(written: tuple[str, Path], tmp_path: Path) -> tuple[str, Path]:
    kind, path = written
    made = tmp_path / path.name
    (shutil.copytree if path.is_dir() else shutil.copy)(path, made)
    return kind, made


def tensors(opened: inspector.Checkpoint) -> dict[str, Tensor]:
    return {tensor.label: tensor for tensor in opened.tensors() if tensor.label in NAMES}


def holder(path: Path, raw: bytes) -> tuple[Path, int]:
    """The file in which some bytes lie, and where."""
    for file in [path] if path.is_file() else sorted(path.iterdir()):
        at = file.read_bytes().find(raw)
        if at >= 0:
            return file, at
    raise AssertionError("the bytes are packed")


def test_undamaged_it_is_whole(written: tuple[str, Path]) -> None:
    with inspector.open(written[1]) as opened:
        assert not opened.problems
        for name, expected in STATE.items():
            found = tensors(opened)[name]
            assert (found.shape, found.dtype) == ((SIZE,), "float32")
            assert found.torch().equal(expected)


def test_a_byte_that_was_changed_names_its_tensor_where_there_are_checksums(copy: tuple[str, Path]) -> None:
    kind, path = copy
    if kind not in CHECKED:
        pytest.skip("it carries none, or packs the values")
    file, at = holder(path, STATE["second"].numpy().tobytes())
    data = bytearray(file.read_bytes())
    data[at + 17] ^= 4
    file.write_bytes(data)
    with inspector.open(path) as opened:
        (problem,) = opened.problems
        assert problem.partition(":")[0].endswith("second")
        assert problem.endswith("the checksum is wrong: the bytes are not those that were written")
        assert opened.verify().problems == [problem]
        for name in ("first", "third"):
            assert tensors(opened)[name].torch().equal(STATE[name])


@pytest.mark.parametrize("part", [0.35, 0.6, 0.9])
def test_cut_off_it_says_so_and_reads_what_is_there(copy: tuple[str, Path], part: float) -> None:
    kind, path = copy
    file = path if path.is_file() else max(path.iterdir(), key=lambda file: file.stat().st_size)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * part)])
    try:
        opened = inspector.open(path)
    except inspector.InspectorError as error:
        # Where the names stand at the end, nothing is left to tell but that.
        assert kind in ("TorchScript", "torch.package", "torch.export")
        assert "\n" not in str(error)
        return
    with opened:
        assert opened.problems
        found = tensors(opened)
        told = " ".join(opened.problems)
        for name in NAMES:
            if name not in found:
                # An .npz names each array where it lies, and so does ONNX. An archive within a .pt2, of the inputs that it
                # was traced with, may be whole.
                assert kind in ("ONNX", "npz", "packed npz") or "which begin as another archive" in told
                continue
            assert (found[name].shape, found[name].dtype) == ((SIZE,), "float32")
            try:
                values = found[name].torch()
            except inspector.InspectorError:
                assert name in told
            else:
                assert values.equal(STATE[name])


def test_whatever_is_wrong_is_in_the_json_report(copy: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    kind, path = copy
    if kind in ("packed npz", "ONNX"):
        pytest.skip("what is cut off them is told by their own tests")
    file, at = holder(path, STATE["third"].numpy().tobytes())
    data = bytearray(file.read_bytes())
    if kind in CHECKED:
        data[at] ^= 1
    else:
        del data[at + 40 :]
    file.write_bytes(data)
    with inspector.open(path) as opened:
        assert main([str(path), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["problems"] == opened.problems
        assert any("third" in problem for problem in report["problems"])


def test_a_gzipped_file_says_what_is_wrong_within(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "plain.pt")
    data = bytearray((tmp_path / "plain.pt").read_bytes())
    data[data.index(STATE["second"].numpy().tobytes())] ^= 1
    (tmp_path / "model.pt.gz").write_bytes(gzip.compress(bytes(data)))
    with inspector.open(tmp_path / "model.pt.gz") as opened:
        assert any("second" in problem and "checksum" in problem for problem in opened.problems)
