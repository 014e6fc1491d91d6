"""Opening a file reads its structure with the standard library alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from gguf import GGUFWriter
from onnx import helper, numpy_helper
from safetensors.torch import save_file

OPEN_ALL = """
import sys, inspector
for path in sys.argv[1:]:
    with inspector.open(path) as model:
        assert [tensor.shape for tensor in model.tensors()] == [(2, 3)], path
        assert model.problems == [], model.problems
heavy = {"numpy", "ml_dtypes", "torch", "gguf", "onnx", "safetensors"} & set(sys.modules)
assert not heavy, heavy
"""


def test_no_package_is_imported_to_open_a_file(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", a=array)
    save_file({"a": torch.from_numpy(array)}, tmp_path / "a.safetensors")
    (tmp_path / "folder").mkdir()
    save_file({"a": torch.from_numpy(array)}, tmp_path / "folder" / "model-00001-of-00001.safetensors")
    writer = GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_tensor("a", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    graph = helper.make_graph([], "net", [], [], [numpy_helper.from_array(array, "a")])
    onnx.save(helper.make_model(graph), tmp_path / "a.onnx")
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    assert len(paths) == 6
    subprocess.run([sys.executable, "-c", OPEN_ALL, *paths], check=True, cwd=Path(__file__).parents[3])
