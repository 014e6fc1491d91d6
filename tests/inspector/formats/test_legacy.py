"""Files of `torch.save` before 1.6, against `torch.load`: all protocols, Python 2, big-endian machines, parts, damage."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import pickletools
import random
import struct
import sys

import pytest
import torch
from torch import nn

import inspector
from tests.inspector.samples import Pickler, aged, assert_same, opened, reference, saved

pytestmark = pytest.mark.filterwarnings("ignore")


def legacy(thing, protocol=2):
    return saved(thing, _use_new_zipfile_serialization=False, pickle_protocol=protocol)


def many():
    torch.manual_seed(0)
    base = torch.randn(4, 6)
    return {
        "model": {
            "fc.weight": nn.Parameter(torch.randn(3, 2)),
            "fc.bias": torch.randn(3),
            "bn.running_mean": torch.zeros(3),
        },
        "half": torch.randn(5).half(),
        "brain": torch.randn(5).bfloat16(),
        "double": torch.randn(2, 2).double(),
        "complex": torch.randn(2, dtype=torch.complex64),
        "ints": [
            torch.arange(5, dtype=dtype) for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
        ],
        "flags": torch.tensor([True, False, True]),
        "base": base,
        "view": base[1:3, ::2],
        "turned": base.t(),
        "spread": torch.ones(1, 3).expand(4, 3),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "sparse": torch.eye(3).to_sparse(),
        "quantized": torch.quantize_per_tensor(torch.randn(4), 0.1, 3, torch.qint8),
    }


def pairs(node, thing):
    """The tensors of a tree and of what torch loaded, two by two."""
    if isinstance(thing, torch.Tensor):
        yield node, thing
    elif isinstance(thing, dict):
        for key, item in thing.items():
            yield from pairs(node[key], item)
    elif isinstance(thing, list):
        for index, item in enumerate(thing):
            yield from pairs(node[str(index)], item)


@pytest.mark.parametrize("protocol", range(1, 6))
def test_every_tensor_is_torchs_in_every_protocol(tmp_path, protocol):
    data = legacy(many(), protocol)
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint.format == "PyTorch legacy"
        assert checkpoint.problems == []
        compared = list(pairs(checkpoint.root, reference(data)))
        assert len(compared) == 21
        for node, tensor in compared:
            assert_same(node, tensor)


def test_protocol_0_which_torch_writes_but_does_not_read(tmp_path):
    thing = many()
    with opened(legacy(thing, 0), tmp_path) as checkpoint:
        for node, tensor in pairs(checkpoint.root, thing):
            assert_same(node, tensor)
        assert checkpoint["view"].shares is checkpoint["base"]
    with opened(legacy(nn.Linear(2, 1), 0), tmp_path) as checkpoint:
        assert "class Linear(Module):" in checkpoint.texts["torch.nn.modules.linear.Linear"]()


def test_what_shares_a_storage_is_told(tmp_path):
    weight = torch.randn(3, 3)
    with opened(legacy({"a": weight, "b": weight, "c": weight[1]}), tmp_path) as checkpoint:
        assert checkpoint["b"].shares is checkpoint["a"]
        assert checkpoint["c"].shares is checkpoint["a"]
        assert checkpoint["c"].numpy().tobytes() == weight[1].numpy().tobytes()


def test_a_module_whose_class_is_gone_prints_as_torch_prints_it_and_shows_its_source(tmp_path):
    code = tmp_path / "gone.py"
    code.write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(4, 2)  # caf\u00e9\n        self.act = nn.ReLU()\n"
    )
    spec = importlib.util.spec_from_file_location("gone_module", code)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gone_module"] = module
    spec.loader.exec_module(module)
    net = module.Net()
    data, printed, weight = legacy(net), repr(net), net.fc.weight.detach().clone()
    del sys.modules["gone_module"]
    with opened(data, tmp_path) as checkpoint:
        assert repr(checkpoint) == printed
        assert checkpoint["fc.weight"].numpy().tobytes() == weight.numpy().tobytes()
        source = checkpoint.texts["gone_module.Net"]()
        assert source.startswith("class Net(nn.Module):\n")
        assert "caf\u00e9" in source
        assert checkpoint.metadata["source files"]["gone_module.Net"] == str(code)


def of_python_2(data):
    """The same file with the texts of its pickles as Python 2 wrote its str: SHORT_BINSTRING."""
    made, at = b"", 0
    for _ in range(5):
        stream = io.BytesIO(data[at:])
        operations = [(op.name, argument, place) for op, argument, place in pickletools.genops(stream)]
        length = operations[-1][2] + 1
        ends = [place for _, _, place in operations[1:]] + [length]
        for (name, argument, place), end in zip(operations, ends, strict=True):
            if name == "BINUNICODE":
                raw = argument.encode("latin1")
                made += b"U" + bytes([len(raw)]) + raw
            else:
                made += data[at + place : at + end]
        at += length
    return made + data[at:]


def test_a_file_of_python_2(tmp_path):
    thing = {"fc.weight": torch.randn(3, 2), "epoch": 3, "note": "plain"}
    data = of_python_2(legacy(thing))
    assert b"U\x09fc.weight" in data
    loaded = reference(data)
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint.problems == []
        assert_same(checkpoint["fc.weight"], loaded["fc.weight"])
        assert checkpoint["note"].value == loaded["note"] == "plain"


def test_a_text_of_python_2_that_is_no_utf_8_stays_bytes(tmp_path):
    data = of_python_2(legacy({"w": torch.ones(2), "note": "caf\u00e9"}))
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint["note"].value == b"caf\xe9"
        assert checkpoint["w"].numpy().tolist() == [1, 1]


def test_arrays_of_python_2_hold_their_bytes_in_a_str(tmp_path):
    for raw in (struct.pack("<2i", 1, 2), struct.pack("<2i", -1, 2)):
        state = Pickler.tuple(
            b"K\x01", b"K\x02\x85", Pickler.made("numpy", "dtype", b"N", b"U\x02i4"), b"\x89", b"U\x08" + raw
        )
        array = Pickler.call(
            "numpy.core.multiarray", "_reconstruct", Pickler.name("numpy", "ndarray"), b"K\x00\x85", b"U\x01b"
        )
        with opened(b"\x80\x02" + Pickler.dict(a=array + state + b"b") + b".", tmp_path) as checkpoint:
            assert checkpoint["a"].numpy().tolist() == list(struct.unpack("<2i", raw))


def of_big_endian(data, turn_counts):
    """The same file as a big-endian machine wrote it: elements turned round, the number before them until 2018 not."""
    at = data.index(b"little_endianq\x02\x88") + len(b"little_endianq\x02")
    data = data[:at] + b"\x89" + data[at + 1 :]
    if turn_counts:
        count = struct.pack("<q", 6)
        at = data.rindex(count)
        data = data[:at] + count[::-1] + data[at + 8 :]
    return data


def test_a_big_endian_machine_wrote_little_endian_values(tmp_path):
    thing = {"w": torch.arange(6.0)}
    data = of_big_endian(legacy(thing), False)
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint.metadata["little endian"] is False
        assert checkpoint["w"].numpy().tolist() == reference(data)["w"].tolist() == list(range(6))
    with opened(of_big_endian(legacy(thing), True), tmp_path) as checkpoint:
        assert checkpoint.problems == []
        assert checkpoint["w"].numpy().tolist() == list(range(6))
    with opened(of_big_endian(legacy(thing), True) + b"behind", tmp_path) as checkpoint:
        assert checkpoint.problems == ["6 bytes follow behind the last storage that is known; they are not shown"]
        assert checkpoint["w"].numpy().tolist() == list(range(6))


def by_hand(thing, keys, storages):
    """A file from its object's pickle, the keys and the storages' `(count, bytes)`."""
    head = legacy({})
    head = head[: head.rindex(b"\x80\x02}")]
    listed = pickle.dumps(keys, 2)
    return head + b"\x80\x02" + thing + b"." + listed + b"".join(struct.pack("<q", count) + raw for count, raw in storages)


def part(key, numel, view):
    pid = (
        Pickler.text("storage"),
        Pickler.name("torch", "FloatStorage"),
        Pickler.text(key),
        Pickler.text("cpu"),
        Pickler.integer(numel),
        Pickler.tuple(Pickler.text(view[0]), Pickler.integer(view[1]), Pickler.integer(view[2])) if view else b"N",
    )
    return Pickler.tuple(*pid) + b"Q"


def test_parts_of_storages_as_files_before_0_4_have_them(tmp_path):
    thing = Pickler.dict(
        whole=Pickler.tensor(part("7", 10, None), 0, (10,), (1,)),
        part=Pickler.tensor(part("7", 10, ("8", 4, 5)), 1, (2, 2), (2, 1)),
        again=Pickler.tensor(part("7", 10, ("8", 4, 5)), 0, (5,), (1,)),
    )
    data = by_hand(thing, ["7"], [(10, struct.pack("<10f", *range(10)))])
    loaded = reference(data)
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint.problems == []
        for name in ("whole", "part", "again"):
            assert checkpoint[name].numpy().tolist() == loaded[name].tolist()
        assert checkpoint["part"].numpy().tolist() == [[5, 6], [7, 8]]
        assert checkpoint["again"].shares is checkpoint["part"]


def test_a_part_that_leaves_its_storage_is_told(tmp_path):
    thing = Pickler.dict(part=Pickler.tensor(part("7", 10, ("8", 8, 5)), 0, (2,), (1,)))
    with opened(by_hand(thing, ["7"], [(10, bytes(40))]), tmp_path) as checkpoint:
        assert "leaves it" in checkpoint.problems[0]
        assert checkpoint.problems[0].startswith("part: ")


def test_the_file_may_begin_in_a_stream(tmp_path):
    thing = {"w": torch.arange(3)}
    for before in (
        pickle.dumps(41),
        pickle.dumps({"config": [1, 2]}, 2) + pickle.dumps("x", 4),
        b"some header\n",
        bytes(7),
    ):
        with opened(before + legacy(thing), tmp_path) as checkpoint:
            assert checkpoint.problems == [f"{len(before)} bytes stand before what torch.save wrote"]
            assert checkpoint["w"].numpy().tolist() == [0, 1, 2]


def test_several_files_in_a_row_show_the_first_and_tell_of_the_rest(tmp_path):
    first, second = legacy({"a": torch.ones(2)}), legacy({"b": torch.ones(3)})
    with opened(first + second, tmp_path) as checkpoint:
        assert list(checkpoint.state_dict()) == ["a"]
        assert checkpoint.problems == [
            f"{len(second)} bytes follow behind the last storage that is known; they are not shown"
        ]


def test_of_a_huge_file_only_the_pickles_are_read(tmp_path, monkeypatch):
    numel = 1 << 34
    thing = Pickler.dict(
        first=Pickler.tensor(part("1", numel, None), 0, (numel,), (1,)),
        last=Pickler.tensor(part("2", 2, None), 0, (2,), (1,)),
    )
    start = by_hand(thing, ["1", "2"], [(numel, b"")])
    path = tmp_path / "huge.pt"
    with path.open("wb") as file:
        file.write(start)
        file.seek(4 * numel, os.SEEK_CUR)
        file.write(struct.pack("<qff", 2, 3, 4))
    read = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, length, at: read.append(length) or pread(file, length, at))
    with inspector.open(str(aged(path))) as checkpoint:
        assert sum(read) < 20_000
        assert checkpoint["last"].numpy().tolist() == [3, 4]
        assert checkpoint["first"][numel - 2 :].tolist() == [0, 0]
        assert checkpoint.problems == []
    assert sum(read) < 20_000


@pytest.mark.parametrize("behind", [b"", b"more"])
def test_many_storages_cost_few_reads(tmp_path, monkeypatch, behind):
    data = legacy({f"{number}.weight": torch.full((3,), float(number)) for number in range(2000)}) + behind
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, length, at: reads.append(length) or pread(file, length, at))
    with opened(data, tmp_path) as checkpoint:
        # With bytes behind it has to go from storage to storage: then a read for each page.
        assert len(reads) <= 15 + (len(data) // 4096 if behind else 0)
        assert checkpoint["1234.weight"].numpy().tolist() == [1234] * 3


def test_a_storage_of_another_size_than_the_pickle_says_names_its_tensors(tmp_path):
    thing = Pickler.dict(
        a=Pickler.tensor(part("1", 4, None), 0, (4,), (1,)), b=Pickler.tensor(part("2", 2, None), 0, (2,), (1,))
    )
    short = by_hand(thing, ["1", "2"], [(3, struct.pack("<3f", 1, 2, 3)), (2, struct.pack("<2f", 8, 9))])
    with pytest.raises(RuntimeError):
        reference(short)
    with opened(short, tmp_path) as checkpoint:
        assert checkpoint.problems == ["a: the storage should hold 16 bytes, and the number before it says 12"]
        assert checkpoint["b"].numpy().tolist() == [8, 9]
        assert checkpoint["a"][:3].tolist() == [1, 2, 3]
        with pytest.raises(inspector.DamagedFile):
            checkpoint["a"].numpy()
    long = by_hand(thing, ["1", "2"], [(5, struct.pack("<5f", 1, 2, 3, 4, 5)), (2, struct.pack("<2f", 8, 9))])
    with opened(long, tmp_path) as checkpoint:
        assert checkpoint.problems == ["a: the storage should hold 16 bytes, and the number before it says 20"]
        assert checkpoint["a"].numpy().tolist() == [1, 2, 3, 4]
        assert checkpoint["b"].numpy().tolist() == [8, 9]


def test_numbers_that_make_no_sense_do_not_lose_the_storages_behind(tmp_path):
    thing = Pickler.dict(
        a=Pickler.tensor(part("1", 1, None), 0, (1,), (1,)), b=Pickler.tensor(part("2", 2, None), 0, (2,), (1,))
    )
    for count in (-1, 1 << 62):
        damaged = by_hand(thing, ["1", "2"], [(count, struct.pack("<f", 1)), (2, struct.pack("<2f", 8, 9))])
        with opened(damaged, tmp_path) as checkpoint:
            assert checkpoint["b"].numpy().tolist() == [8, 9]
            with pytest.raises(inspector.DamagedFile):
                checkpoint["a"].numpy()
        with opened(damaged + b" ", tmp_path) as checkpoint:
            assert any(problem.startswith("a: the storage should hold") for problem in checkpoint.problems)
            assert checkpoint["b"].numpy().tolist() == [8, 9]


def test_two_tensors_that_disagree_about_a_storage_are_told(tmp_path):
    thing = Pickler.dict(
        a=Pickler.tensor(part("1", 4, None), 0, (4,), (1,)), b=Pickler.tensor(part("1", 8, None), 0, (8,), (1,))
    )
    with opened(by_hand(thing, ["1"], [(4, bytes(16))]), tmp_path) as checkpoint:
        disagree = "the storage is said to be 16 bytes of float32 and 32 bytes of float32"
        assert f"a, b: {disagree}" in checkpoint.problems
        assert "b: it needs bytes up to 32 of a storage that has 16" in checkpoint.problems
        assert checkpoint["a"].numpy().tolist() == [0] * 4


def test_keys_that_no_tensor_names_and_keys_that_are_not_listed(tmp_path):
    thing = Pickler.dict(a=Pickler.tensor(part("1", 1, None), 0, (1,), (1,)))
    for keys in (["9", "1"], [], [["1"], {}], {"1": 1}):
        with opened(by_hand(thing, keys, [(1, struct.pack("<f", 1))]), tmp_path) as checkpoint:
            assert any("the storage is missing" in problem for problem in checkpoint.problems)
            with pytest.raises(inspector.DamagedFile):
                checkpoint["a"].numpy()


def small():
    torch.manual_seed(1)
    return {f"layer{number}.weight": torch.randn(11, 7) for number in range(7)} | {"step": 7}


def test_cut_at_any_byte_it_ends_clean_and_reads_all_that_is_whole(tmp_path):
    thing = small()
    data = legacy(thing)
    assert 2500 < len(data) < 4000
    tensors = {name: item for name, item in thing.items() if isinstance(item, torch.Tensor)}
    ends = {name: data.index(item.numpy().tobytes()) + 4 * item.numel() for name, item in tensors.items()}
    object_end = data.index(b"\x80\x02]")
    path = tmp_path / "cut.pt"
    path.write_bytes(data)
    whole = 0
    for length in range(len(data) - 1, -1, -1):
        os.truncate(path, length)
        try:
            checkpoint = inspector.open(str(aged(path)))
        except inspector.InspectorError:
            assert length < object_end
            continue
        with checkpoint:
            assert checkpoint.problems
            if length < object_end:
                continue
            assert list(checkpoint.state_dict()) == list(tensors)
            for name, tensor in tensors.items():
                node = checkpoint[name]
                assert node.shape == tuple(tensor.shape)
                if ends[name] <= length:
                    whole += 1
                    assert node.numpy().tobytes() == tensor.numpy().tobytes()
                else:
                    with pytest.raises(inspector.DamagedFile):
                        node.numpy()
    assert whole > 5000


def test_whatever_is_wrong_with_a_file_only_the_reader_s_own_errors_come(tmp_path):
    data = legacy(small() | {"module": nn.Linear(2, 2)})
    chance = random.Random(0)
    head = data.index(b"\x80\x02]")
    for _ in range(800):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(head if chance.random() < 0.7 else len(data))] = chance.randrange(256)
        try:
            with opened(bytes(damaged), tmp_path) as checkpoint:
                repr(checkpoint)
                for tensor in checkpoint.tensors():
                    if tensor.numel < 1 << 20:
                        tensor.numpy()
        except inspector.InspectorError as error:
            assert "\n" not in str(error)
