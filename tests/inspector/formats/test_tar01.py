"""The tar of `torch.save` in PyTorch 0.1, made by hand from what torch's own loader expects, and read by it too."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile

import pytest
import torch
from torch import nn

import inspector
from tests.inspector.samples import Pickler, aged, assert_same, opened

pytestmark = pytest.mark.filterwarnings("ignore")

WEIGHT = torch.arange(12.0).reshape(3, 4)


class Named(pickle.Pickler):
    """Writes tensors and classes as persistent ids, as PyTorch 0.1 did."""

    def __init__(self, stream, ids, source=None):
        super().__init__(stream, 2)
        self.ids = ids
        self.source = source

    def persistent_id(self, thing):
        if isinstance(thing, torch.Tensor):
            return str(self.ids[id(thing)])
        if self.source and isinstance(thing, type) and issubclass(thing, nn.Module):
            source, self.source = self.source, None
            return thing, "/home/someone/net.py", source
        return None


def storages(*given, views=()):
    """`(id, class, bytes, elements)` of each storage, and parts of them."""
    made = pickle.dumps(len(given), 2)
    for key, kind, raw, numel in given:
        name = Pickler.tuple(Pickler.integer(key), Pickler.text("cpu"), Pickler.name("torch", kind))
        made += b"\x80\x02" + name + b"." + struct.pack("<q", numel) + raw
    return made + pickle.dumps(list(views), 2)


def tensors(*given):
    """`(id, storage's id, class, sizes, strides, offset)` of each tensor."""
    made = pickle.dumps(len(given), 2)
    for key, storage, kind, size, stride, offset in given:
        name = Pickler.tuple(Pickler.integer(key), Pickler.integer(storage), Pickler.name("torch", kind))
        axes = len(size)
        made += b"\x80\x02" + name + b"." + struct.pack(f"<2i{2 * axes + 1}q", axes, 0, *size, *stride, offset)
    return made


def tar(members, kind=tarfile.PAX_FORMAT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:", format=kind) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            # Not a whole number: Python then writes a further header, as it did for files.
            info.mtime = 1483228800.5
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def pickled(thing, ids, source=None):
    stream = io.BytesIO()
    Named(stream, ids, source).dump(thing)
    return stream.getvalue()


def example(**changes):
    one, two, part = torch.zeros(1), torch.zeros(2), torch.zeros(3)
    thing = {"fc.weight": one, "again": one, "fc.bias": two, "part": part, "epoch": 4}
    members = {
        "sys_info": pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2),
        "pickle": pickled(thing, {id(one): 11, id(two): 12, id(part): 13}),
        "tensors": tensors(
            (11, 1, "FloatTensor", (3, 4), (4, 1), 0),
            (12, 2, "LongTensor", (3,), (1,), 1),
            (13, 3, "FloatTensor", (2, 2), (1, 2), 0),
        ),
        "storages": storages(
            (1, "FloatStorage", WEIGHT.numpy().tobytes(), 12),
            (2, "LongStorage", struct.pack("<4q", 5, 6, 7, 8), 4),
            views=[(3, 1, 4, 4)],
        ),
    }
    return members | changes


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_it_is_what_torch_loads(tmp_path, kind):
    data = tar(example(), kind)
    path = tmp_path / "model.tar"
    path.write_bytes(data)
    loaded = torch.load(str(path), weights_only=False)
    with inspector.open(str(aged(path))) as checkpoint:
        assert checkpoint.format == "PyTorch 0.1 tar"
        assert checkpoint.problems == []
        assert list(checkpoint.state_dict()) == ["fc.weight", "fc.bias", "again", "part"]
        for name in checkpoint.state_dict():
            assert_same(checkpoint[name], loaded[name]) if name != "part" else None
        assert checkpoint["part"].numpy().tolist() == loaded["part"].tolist() == [[4, 6], [5, 7]]
        assert checkpoint["fc.bias"].numpy().tolist() == [6, 7, 8]
        assert checkpoint["again"].shares is checkpoint["fc.weight"]
        assert checkpoint["epoch"].value == 4


def test_a_module_with_its_source(tmp_path):
    weight = torch.zeros(1)
    layer = nn.Linear(4, 3, bias=False)
    layer._parameters["weight"] = weight
    data = tar(example(pickle=pickled(layer, {id(weight): 11}, "class Linear(Module):\n    pass\n")))
    with opened(data, tmp_path) as checkpoint:
        assert repr(checkpoint) == "Linear(in_features=4, out_features=3, bias=False)"
        assert checkpoint["weight"].numpy().tobytes() == WEIGHT.numpy().tobytes()
        assert checkpoint.texts["torch.nn.modules.linear.Linear"]() == "class Linear(Module):\n    pass\n"
        assert checkpoint.metadata["source files"] == {"torch.nn.modules.linear.Linear": "/home/someone/net.py"}


def test_a_tar_of_something_else_is_none(tmp_path):
    with pytest.raises(inspector.NotAModel):
        opened(tar({"a.pt": torch.arange(3).numpy().tobytes(), "b.txt": b"text"}), tmp_path)


def test_a_tensor_whose_storage_is_missing_is_told_and_the_rest_works(tmp_path):
    changed = storages((1, "FloatStorage", WEIGHT.numpy().tobytes(), 12), views=[(3, 1, 4, 4)])
    with opened(tar(example(storages=changed)), tmp_path) as checkpoint:
        assert checkpoint.problems == ["fc.bias: the storage is missing from the file"]
        assert checkpoint["fc.bias"].dtype == "int64"
        assert checkpoint["fc.weight"].numpy().tobytes() == WEIGHT.numpy().tobytes()


def test_lies_are_told(tmp_path):
    for changes in (
        {"storages": storages((1, "FloatStorage", b"", 1 << 60))},
        {"storages": storages((1, "FloatStorage", b"", -5))},
        {"storages": pickle.dumps(10**40, 2)},
        {
            "storages": storages(
                (1, "FloatStorage", WEIGHT.numpy().tobytes(), 12), views=[(3, 1, 4, 1 << 60), (4, 3, -8, 2)]
            )
        },
        {"storages": b""},
        {"tensors": pickle.dumps("three", 2)},
        {"tensors": pickle.dumps(1, 2) + pickle.dumps((11, 1, None), 2) + struct.pack("<2i", 1 << 30, 0)},
        {"tensors": tensors((11, 1, "FloatTensor", (1 << 40, 3), (1, -1), -9))},
        {"pickle": b"\x80\x02}"},
    ):
        with opened(tar(example(**changes)), tmp_path) as checkpoint:
            assert checkpoint.problems
            for tensor in checkpoint.tensors():
                if tensor.numel < 1 << 20:
                    try:
                        tensor.numpy()
                    except inspector.InspectorError:
                        continue


def test_cut_at_any_place_it_ends_clean(tmp_path):
    data = tar(example())
    path = tmp_path / "model.tar"
    path.write_bytes(data)
    listed = 0
    for length in range(len(data) - 1, -1, -37):
        os.truncate(path, length)
        try:
            checkpoint = inspector.open(str(aged(path)))
        except inspector.InspectorError:
            continue
        with checkpoint:
            listed += list(checkpoint.state_dict()) == ["fc.weight", "fc.bias", "again", "part"]
            for tensor in checkpoint.tensors():
                try:
                    tensor.numpy()
                except inspector.InspectorError:
                    assert checkpoint.problems
    assert listed > 100
