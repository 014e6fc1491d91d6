"""Archives of `torch.save` that are cut off: every name, shape and dtype is told, and every value that is still there."""

from __future__ import annotations

import io
import os
import random
import struct
import zipfile

import pytest
import torch
from torch import nn

import inspector
from tests.inspector.samples import aged, look_through, members, opened, saved, zipped

pytestmark = pytest.mark.filterwarnings("ignore")


def small():
    torch.manual_seed(2)
    return {f"layer{number}.weight": torch.randn(11, 9) for number in range(6)} | {"none": torch.empty(0, 2), "step": 7}


def spans(data):
    """Where the members of an archive lie: the first byte of each and the one behind it."""
    found = {}
    for info in zipfile.ZipFile(io.BytesIO(data)).infolist():
        name, extra = struct.unpack_from("<2H", data, info.header_offset + 26)
        start = info.header_offset + 30 + name + extra
        found[info.filename] = start, start + info.file_size
    return found


def directory_of(data):
    """The byte where the directory begins."""
    return zipfile.ZipFile(io.BytesIO(data)).start_dir


def test_cut_at_any_byte_it_ends_clean_and_reads_all_that_is_whole(tmp_path):
    thing = small()
    data = saved(thing)
    assert 4500 < len(data) < 7000
    where = spans(data)
    tensors = {name: item for name, item in thing.items() if isinstance(item, torch.Tensor)}
    # No tensor shares a storage with another, so their order is that of the keys.
    ends = {name: where[f"archive/data/{number}"][1] for number, name in enumerate(tensors)}
    pickle_end = where["archive/data.pkl"][1]
    path = tmp_path / "cut.pt"
    path.write_bytes(data)
    whole = 0
    for length in range(len(data) - 1, -1, -1):
        os.truncate(path, length)
        try:
            checkpoint = inspector.open(str(aged(path)))
        except inspector.InspectorError as error:
            assert length < pickle_end
            assert "\n" not in str(error)
            continue
        with checkpoint:
            assert checkpoint.problems
            if length < pickle_end:
                continue
            assert list(checkpoint.state_dict()) == list(tensors)
            assert checkpoint["step"].value == 7
            for name, tensor in tensors.items():
                node = checkpoint[name]
                assert (node.shape, node.dtype) == (tuple(tensor.shape), "float32")
                if ends[name] <= length or not tensor.numel():
                    whole += 1
                    assert node.numpy().tobytes() == tensor.numpy().tobytes()
                else:
                    with pytest.raises(inspector.DamagedFile):
                        node.numpy()
    assert whole > 10_000


def test_what_is_missing_is_told_in_few_lines_that_name_the_tensors(tmp_path):
    thing = {f"{number}.weight": torch.full((50,), float(number)) for number in range(300)}
    data = saved(thing)
    start, end = spans(data)["archive/data/100"]
    with opened(data[: start + 40], tmp_path) as checkpoint:
        assert checkpoint.format == "PyTorch zip"
        assert checkpoint.problems == [
            f"the archive is cut off at byte {start + 40}: its directory and what else stood behind are missing",
            f"100.weight: the file ends within the storage: 40 of its {end - start} bytes are there",
            "101.weight, 102.weight, 103.weight, 104.weight and 195 more: the storage is missing from the archive",
        ]
        assert checkpoint["100.weight"][:10].tolist() == [100] * 10
        assert checkpoint["99.weight"].numpy().tolist() == [99] * 50
        verified = checkpoint.verify()
        assert verified.checked == 300
        assert len(verified.problems) == 2


def test_tied_weights_and_a_module_whose_class_is_gone(tmp_path):
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    data = saved(net)
    with opened(data[: directory_of(data)], tmp_path) as checkpoint:
        assert repr(checkpoint) == repr(net)
        assert checkpoint["1.weight"].shares is checkpoint["0.weight"]
        assert len(checkpoint.problems) == 1
        assert checkpoint.verify().problems == []


def test_a_big_endian_archive(tmp_path):
    inner = members(saved({"w": torch.arange(3, dtype=torch.int32)}))
    inner["archive/byteorder"] = b"big"
    inner["archive/data/0"] = struct.pack(">3i", 0, 1, 2)
    data = zipped(inner)
    with opened(data[: directory_of(data)], tmp_path) as checkpoint:
        assert checkpoint["w"].numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_packed_again_by_another_program(tmp_path, method):
    thing = {"a.weight": torch.arange(100.0), "b.weight": torch.arange(200.0)}
    data = zipped(members(saved(thing)), method)
    info = zipfile.ZipFile(io.BytesIO(data)).getinfo("archive/data/1")
    with opened(data[: info.header_offset + 60], tmp_path) as checkpoint:
        assert checkpoint["a.weight"].numpy().tolist() == list(range(100))
        assert checkpoint["b.weight"].shape == (200,)
        with pytest.raises(inspector.DamagedFile):
            checkpoint["b.weight"].numpy()


def test_a_wrong_byte_in_what_is_left_is_found(tmp_path):
    data = bytearray(saved({"w": torch.arange(100.0), "v": torch.arange(5.0)}))
    start, _ = spans(bytes(data))["archive/data/0"]
    data[start + 3] ^= 1
    with opened(bytes(data[: directory_of(bytes(data))]), tmp_path) as checkpoint:
        assert checkpoint.verify().problems == ["w: the checksum is wrong: the bytes are not those that were written"]


def test_an_archive_of_something_else_is_not_taken_for_one(tmp_path):
    data = zipped({"readme.txt": b"text" * 100, "archive/data.pkl": b"\x80\x02}."})
    with pytest.raises(inspector.NotAModel, match="end is missing"):
        opened(data[:300], tmp_path)


def test_whatever_else_is_wrong_only_the_reader_s_own_errors_come(tmp_path):
    data = saved(small())
    data = data[: directory_of(data)]
    chance = random.Random(0)
    headers = [at for at in range(len(data)) if data.startswith(b"PK", at)]
    for _ in range(600):
        damaged = bytearray(data[: chance.randrange(1000, len(data))])
        for _ in range(chance.randint(1, 4)):
            at = chance.choice(headers) + chance.randrange(60) if chance.random() < 0.5 else chance.randrange(900)
            if at < len(damaged):
                damaged[at] = chance.randrange(256)
        look_through(bytes(damaged), tmp_path)
