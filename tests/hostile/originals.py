"""One small file of each format, as the reference libraries write it: what mutants are made of.

They are made by a process of its own, so that nobody who forks for each mutant has torch in his memory.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.hostile.files import Files


@cache
def originals() -> dict[str, Files]:
    """By kind the files."""
    made = subprocess.run([sys.executable, "-W", "ignore", "-m", __name__], capture_output=True, check=True)
    found: dict[str, Files] = pickle.loads(made.stdout[made.stdout.index(MARK) + len(MARK) :])
    return found


MARK = b"originals:"


def make() -> dict[str, Files]:
    """Writes them with torch and the others."""
    import torch
    from torch import nn

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    dense = torch.tensor([[0, 1.0, 0], [2, 0, 3]])
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.LSTM(2, 2))
    view = torch.arange(12.0).reshape(3, 4).t()
    state = net.state_dict() | {"half": torch.ones(3).half(), "tied": net[0].weight, "view": view}
    everything = {
        "state": state, "coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), 1: (2, [3], {4}, b"5", "é"),
        "q": torch.quantize_per_channel(dense, torch.ones(2).double(), torch.arange(2), 0, torch.quint8),
        "f8": torch.ones(3).to(torch.float8_e4m3fn), "numpy": dense.numpy(),
    }  # fmt: skip
    zipped = saved(everything)
    few = {f"t{number}": torch.arange(number * 100.0, number * 100.0 + 150 + number) for number in range(3)}
    alone = {
        "small zip": saved(few),
        "small legacy": saved(few, _use_new_zipfile_serialization=False),
        "zip": zipped,
        "zip, protocol 5": saved(everything, pickle_protocol=5),
        "zip, packed": repacked(zipped),
        "module": saved(net),
        "legacy": saved(everything, _use_new_zipfile_serialization=False),
        "legacy module": saved(net, _use_new_zipfile_serialization=False),
        "tar": tar(),
        "pickle": pickle.dumps({"a": dense.numpy(), "b": [1, "x", None], "t": dense}, 4),
        "pickle 0": pickle.dumps({"a": [1.5, "x", None, True, 1 << 70], "n": net}, 0),
        "torchscript": script(net[:2]),
        "pt2": exported(),
        "safetensors": safetensors(state),
        "gguf": gguf(),
        "onnx": onnx(),
        "gzip": gzip.compress(zipped, mtime=0),
        **numpy_files(),
    }
    return {kind: {"": data} for kind, data in alone.items()} | {"dcp": dcp(state), "shards": shards(state)}


def saved(thing: Any, **options: Any) -> bytes:
    """What `torch.save` writes."""
    import torch

    stream = io.BytesIO()
    torch.save(thing, stream, **options)
    return stream.getvalue()


def repacked(data: bytes) -> bytes:
    """The same archive, deflated."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    return stream.getvalue()


def script(net: Any) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(net), stream)
    return stream.getvalue()


def exported() -> bytes:
    import torch
    from torch import nn

    stream = io.BytesIO()
    torch.export.save(torch.export.export(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (torch.ones(1, 3),)), stream)
    return stream.getvalue()


def safetensors(state: dict[str, Any]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, {"format": "pt"})


def gguf() -> bytes:
    import gguf
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_block_count(2)
        writer.add_array("tokenizer.ggml.tokens", ["a", "b", "é"])
        weight = np.arange(64, dtype=np.float32).reshape(2, 32)
        writer.add_tensor("blk.0.weight", weight)
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor("blk.1.weight", gguf.quants.quantize(weight, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def onnx() -> bytes:
    import numpy as np
    import onnx

    weights = [
        onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w"),
        onnx.helper.make_tensor("i", onnx.TensorProto.INT64, [3], [1, 2, 3]),
    ]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 3])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], weights)
    return onnx.helper.make_model(graph).SerializeToString()


def numpy_files() -> dict[str, bytes]:
    import numpy as np

    npz, objects = io.BytesIO(), io.BytesIO()
    np.savez_compressed(npz, a=np.arange(6.0), b=np.ones((2, 3), "f2"), t=np.array(["x", "yz"]))
    np.save(objects, np.array([1, "a", None, {"k": [2]}], dtype=object))
    return {"npz": npz.getvalue(), "npy objects": objects.getvalue()}


def tar() -> bytes:
    """A file of torch 0.1: `{"w": tensor([1., 2., 3.])}`."""
    storage = b"\x80\x02K\x07X\x03\0\0\0cpuctorch\nFloatStorage\n\x87." + struct.pack("<q3f", 3, 1, 2, 3)
    tensor = b"\x80\x02K\x09K\x07ctorch\nFloatTensor\n\x87." + struct.pack("<2i3q", 1, 0, 3, 1, 0)
    return tarred({
        "sys_info": pickle.dumps({}, 2),
        "pickle": b"\x80\x02}X\x01\0\0\0wX\x01\0\0\x009Qs.",
        "tensors": b"\x80\x02K\x01." + tensor,
        "storages": b"\x80\x02K\x01." + storage + b"\x80\x02].",
    })  # fmt: skip


def tarred(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def dcp(state: dict[str, Any]) -> Files:
    import torch.distributed.checkpoint as checkpoint

    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save({"model": state, "step": 3}, checkpoint_id=folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def shards(state: dict[str, Any]) -> Files:
    names = sorted(state)
    files: Files = {"config.json": b'{"architectures": ["X"], "model_type": "x"}'}
    places: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        files[file] = safetensors({name: state[name] for name in part})
        places |= dict.fromkeys(part, file)
    files["model.safetensors.index.json"] = json.dumps({"metadata": {"total_size": 1}, "weight_map": places}).encode()
    return files


if __name__ == "__main__":
    sys.stdout.buffer.write(MARK + pickle.dumps(make()))
