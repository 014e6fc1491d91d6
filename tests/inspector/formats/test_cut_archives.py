"""Archives of TorchScript, of `torch.package` and of numpy that are cut off: all that is still there is told and read."""

from __future__ import annotations

import io
import random
import struct
import zipfile

import numpy as np
import pytest
import torch
from torch import nn
from torch.package import PackageExporter

import inspector
from tests.inspector.samples import look_through, opened

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(40.0))
        self.register_buffer("mean", torch.arange(7))

    def forward(self, x):
        return x * self.weight


def scripted():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Net()), file)
    return file.getvalue(), {"weight": torch.arange(40.0).numpy(), "mean": torch.arange(7).numpy()}


def packaged():
    file = io.BytesIO()
    things = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(40)}
    with PackageExporter(file) as exporter:
        exporter.extern("torch.**")
        exporter.save_pickle("model", "model.pkl", things)
    return file.getvalue(), {f"model/model.pkl.{name}": tensor.numpy() for name, tensor in things.items()}


def numpys(save=np.savez):
    file = io.BytesIO()
    arrays = {"a": np.arange(50.0), "b": np.ones((3, 40), np.float32), "c": np.arange(9)}
    save(file, **arrays)
    return file.getvalue(), arrays


def packed():
    return numpys(np.savez_compressed)


def end_of(data, name):
    """The byte behind the member whose name ends so."""
    (info,) = (info for info in zipfile.ZipFile(io.BytesIO(data)).infolist() if info.filename.endswith(name))
    name_length, extra = struct.unpack_from("<2H", data, info.header_offset + 26)
    return info.header_offset + 30 + name_length + extra + info.compress_size


def ends(kind, data, names):
    """For each tensor the byte from which on it is whole: with all that it needs to be told and read."""
    if kind in (numpys, packed):
        return {name: end_of(data, f"{name}.npy") for name in names}
    # A TorchScript module's pickle ends before the cut can be anywhere in the code.
    return dict.fromkeys(names, end_of(data, "model.pkl" if kind is packaged else "/data.pkl"))


@pytest.mark.parametrize("kind", [scripted, packaged, numpys, packed])
def test_wherever_it_is_cut_all_that_is_whole_reads_right(tmp_path, kind):
    data, tensors = kind()
    whole = ends(kind, data, tensors)
    directory = zipfile.ZipFile(io.BytesIO(data)).start_dir
    read = 0
    for length in sorted({*range(0, directory, 11), *whole.values(), *(end - 1 for end in whole.values()), directory}):
        try:
            checkpoint = opened(data[:length], tmp_path)
        except inspector.InspectorError as error:
            assert length < min(whole.values())
            assert "\n" not in str(error)
            continue
        with checkpoint:
            assert checkpoint.problems[0].startswith(f"the archive is cut off at byte {length}")
            for name, wanted in tensors.items():
                if whole[name] <= length:
                    read += 1
                    assert np.array_equal(checkpoint[name].numpy(), wanted)
                    assert not any(problem.startswith(f"{name}:") for problem in checkpoint.problems)
                elif kind is numpys and name in checkpoint.state_dict():
                    with pytest.raises(inspector.DamagedFile):
                        checkpoint[name].numpy()
            checkpoint.verify()
    assert read > 30


def test_of_an_array_that_the_cut_is_in_the_beginning_reads(tmp_path):
    data, _ = numpys()
    with opened(data[: end_of(data, "b.npy") - 100], tmp_path) as checkpoint:
        assert checkpoint["b"][0].tolist() == [1.0] * 40
        assert checkpoint["b"].shape == (3, 40)
        assert "b: its bytes are cut off" in checkpoint.problems
        assert "c" not in checkpoint.state_dict()


def test_the_code_says_what_is_a_parameter_if_it_is_there(tmp_path):
    data, _ = scripted()
    with opened(data[: zipfile.ZipFile(io.BytesIO(data)).start_dir], tmp_path) as checkpoint:
        assert checkpoint.format == "TorchScript"
        assert [name for name, _ in checkpoint.named_parameters()] == ["weight"]
        assert [name for name, _ in checkpoint.named_buffers()] == ["mean"]
        assert checkpoint.verify().problems == []
    with opened(data[: end_of(data, "/data.pkl")], tmp_path) as checkpoint:
        assert list(checkpoint.state_dict()) == ["weight", "mean"]
        assert "the code of __torch__" in checkpoint.problems[1]


@pytest.mark.parametrize("kind", [scripted, packaged])
def test_before_the_pickle_it_is_told_what_is_missing(tmp_path, kind):
    data, _ = kind()
    with pytest.raises(
        inspector.DamagedFile, match=r"cut off at byte \d+, before the pickle.* tensors its 2 storages hold"
    ):
        opened(data[: data.index(b"model.pkl" if kind is packaged else b"data.pkl") - 45], tmp_path)


def test_a_writer_that_was_stopped_had_not_told_the_size(tmp_path):
    data, _ = numpys()
    at = data.index(b"b.npy") - 30
    unsized = data[: at + 14] + bytes(12) + data[at + 26 : end_of(data, "b.npy") - 40]
    with opened(unsized, tmp_path) as checkpoint:
        assert checkpoint["a"].numpy().tolist() == list(range(50))
        assert checkpoint["b"][0].tolist() == [1.0] * 40


def test_a_record_within_the_bytes_of_a_tensor_is_not_taken_for_its_end(tmp_path):
    inner = b"PK\x07\x08" + struct.pack("<3L", 1, 8, 8) + b"PK\x07\x08"
    weight = torch.frombuffer(bytearray(inner * 40), dtype=torch.uint8)
    file = io.BytesIO()
    with PackageExporter(file) as exporter:
        exporter.extern("torch.**")
        exporter.save_pickle("model", "model.pkl", {"w": weight})
    data = file.getvalue()
    with opened(data[: zipfile.ZipFile(io.BytesIO(data)).start_dir], tmp_path) as checkpoint:
        assert checkpoint["model/model.pkl.w"].numpy().tobytes() == inner * 40
        assert checkpoint.verify().problems == []


@pytest.mark.parametrize("kind", [scripted, packaged, numpys, packed])
def test_whatever_else_is_wrong_only_the_reader_s_own_errors_come(tmp_path, kind):
    data, _ = kind()
    data = data[: zipfile.ZipFile(io.BytesIO(data)).start_dir]
    chance = random.Random(0)
    headers = [at for at in range(len(data)) if data.startswith(b"PK", at)]
    for _ in range(150):
        damaged = bytearray(data[: chance.randrange(len(data) // 4, len(data))])
        for _ in range(chance.randint(1, 4)):
            at = chance.choice(headers) + chance.randrange(60) if chance.random() < 0.7 else chance.randrange(900)
            if at < len(damaged):
                damaged[at] = chance.randrange(256)
        look_through(bytes(damaged), tmp_path)
