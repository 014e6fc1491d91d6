"""Whole archives with something wrong in them: the node is named, the rest works, and checksums tell what was changed."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
import torch

import inspector
from inspector import soundness
from inspector.limits import Limits
from tests.inspector.samples import Pickler, archive, members, opened, saved, zipped

pytestmark = pytest.mark.filterwarnings("ignore")

FLOATS = struct.pack("<4f", 1, 2, 3, 4)


def two(first=FLOATS, second=FLOATS, numel=4, size=(4,), stride=(1,), offset=0):
    """An archive of the tensors `a` and `b`, each with its storage; what is said is about `a`."""
    thing = Pickler.dict(
        a=Pickler.tensor(Pickler.storage("FloatStorage", "0", numel), offset, size, stride),
        b=Pickler.tensor(Pickler.storage("FloatStorage", "1", 4), 0, (4,), (1,)),
    )
    storages = {key: data for key, data in (("0", first), ("1", second)) if data is not None}
    return archive(b"\x80\x02" + thing + b".", storages)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ({"first": None}, "a: the storage is missing from the archive"),
        ({"first": FLOATS[:8]}, "a: the storage should hold 16 bytes and holds 8"),
        ({"first": FLOATS + b"more"}, "a: the storage should hold 16 bytes and holds 20"),
        ({"size": (5,)}, "a: it needs bytes up to 20 of a storage that has 16"),
        ({"offset": 3, "size": (2,)}, "a: it needs bytes up to 20 of a storage that has 16"),
        ({"size": (2, 2), "stride": (9, 1)}, "a: it needs bytes up to 44 of a storage that has 16"),
        ({"offset": -1}, "a: the offset or a stride is negative: -1, [1]"),
        ({"size": (-4,)}, "a: a size is negative: [-4]"),
        ({"size": (2, 2), "stride": (2,)}, "a: there are 1 strides for 2 sizes"),
    ],
)
def test_the_tensor_is_named_and_the_other_one_reads(tmp_path, damage, problem):
    with opened(two(**damage), tmp_path) as checkpoint:
        assert checkpoint.problems == [problem]
        assert [f"a: {text}" for text in soundness.troubles(checkpoint["a"])] == [problem]
        assert soundness.troubles(checkpoint["b"]) == []
        assert checkpoint["b"].numpy().tolist() == [1, 2, 3, 4]
        if "more" not in repr(damage):
            with pytest.raises(inspector.DamagedFile):
                checkpoint["a"].numpy()


def test_an_honest_file_has_no_problems(tmp_path):
    weight = torch.randn(3, 4)
    thing = {
        "a": weight,
        "turned": weight.t(),
        "spread": torch.ones(1).expand(1 << 40),
        "none": torch.empty(0),
        "part": weight[1:],
    }
    with opened(saved(thing), tmp_path) as checkpoint:
        assert checkpoint.problems == []


def test_two_tensors_that_disagree_about_a_storage_are_named(tmp_path):
    thing = Pickler.dict(
        a=Pickler.tensor(Pickler.storage("FloatStorage", "0", 4), 0, (4,), (1,)),
        b=Pickler.tensor(Pickler.storage("HalfStorage", "0", 4), 0, (4,), (1,)),
    )
    with opened(archive(b"\x80\x02" + thing + b".", {"0": FLOATS}), tmp_path) as checkpoint:
        assert checkpoint.problems == ["a, b: the storage is said to be 16 bytes of float32 and 8 bytes of float16"]
        assert checkpoint["a"].numpy().tolist() == [1, 2, 3, 4]


def test_thousands_of_troubles_are_told_in_few_lines(tmp_path):
    items = [
        Pickler.text(str(number))
        + Pickler.tensor(Pickler.storage("FloatStorage", str(number), 1), number % 3000, (1,), (1,))
        for number in range(12_000)
    ]
    with opened(archive(b"\x80\x02}(" + b"".join(items) + b"u."), tmp_path) as checkpoint:
        assert checkpoint.problems[0] == "0, 1, 2, 3 and 11996 more: the storage is missing from the archive"
        assert checkpoint.problems[1].startswith("1, 3001, 6001, 9001: it needs bytes up to 8 of")
        assert checkpoint.problems[-1].endswith("more tensors are damaged in other ways")
        assert len(checkpoint.problems) == soundness.LISTED + 1


def with_wrong_byte(data, member, place=5):
    """An archive with one bit of a member's contents turned."""
    whole = members(data)[member]
    start = data.index(whole)
    return data[: start + place] + bytes([data[start + place] ^ 4]) + data[start + place + 1 :]


def test_checksums_name_the_tensors_whose_bytes_were_changed(tmp_path):
    torch.manual_seed(0)
    weight = torch.randn(600, 1000)
    data = saved({"a": weight, "b": torch.randn(3), "part": weight[3], "none": torch.empty(0)})
    heard = []
    with opened(with_wrong_byte(data, "archive/data/0", 2_000_000), tmp_path) as checkpoint:
        verified = checkpoint.verify(heard.append)
        assert verified.problems == ["a, part: the checksum is wrong: the bytes are not those that were written"]
        # The file is small enough to be looked at when it is opened.
        assert checkpoint.problems == verified.problems
        assert (verified.checked, verified.unchecked) == (3, 0)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert len(heard) >= 3


def test_looking_at_checksums_can_be_stopped(tmp_path):
    class Enough(Exception):
        pass

    def stop(part):
        raise Enough

    with opened(saved({"a": torch.ones(10)}), tmp_path) as checkpoint, pytest.raises(Enough):
        checkpoint.verify(stop)


def test_the_checksum_of_a_compressed_storage(tmp_path):
    data = zipped(members(saved({"a": torch.arange(1000.0)})), zipfile.ZIP_DEFLATED)
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint.verify().problems == []


def test_a_file_written_without_checksums_is_not_called_damaged_nor_checked(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        data = saved({"a": torch.ones(10)})
    finally:
        torch.serialization.set_crc32_options(True)
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint.problems == []
        verified = checkpoint.verify()
        assert (verified.problems, verified.checked, verified.unchecked) == ([], 0, 1)


def test_a_changed_byte_in_the_pickle_is_told_at_once(tmp_path):
    data = saved({"weight": torch.ones(10)})
    at = data.index(b"weight")
    with opened(data[:at] + b"W" + data[at + 1 :], tmp_path) as checkpoint:
        assert list(checkpoint.state_dict()) == ["Weight"]
        assert "the checksum is wrong" in checkpoint.problems[0]


def test_formats_without_checksums_say_so(tmp_path):
    with opened(saved({"a": torch.ones(10)}, _use_new_zipfile_serialization=False), tmp_path) as checkpoint:
        verified = checkpoint.verify()
        assert (verified.problems, verified.checked, verified.unchecked) == ([], 0, 1)


@pytest.mark.parametrize(("old", "limits"), [
    (False, Limits(memo=2000)), (False, Limits(opcodes=5000)),
    (True, Limits(memo=2000)), (True, Limits(opcodes=5000)), (True, Limits(pickle=8192)),
])  # fmt: skip
def test_where_a_limit_ends_reading_what_stands_before_it_shows(tmp_path: Path, old: bool, limits: Limits) -> None:
    saved = {f"layers.{number}.weight": torch.full((2, 3), float(number)) for number in range(500)}
    torch.save(saved, tmp_path / "model.pt", _use_new_zipfile_serialization=not old)
    with inspector.open(str(tmp_path / "model.pt"), limits) as model:
        assert any("; --limit " in problem and "what stands before that is shown" in problem for problem in model.problems)
        shown = model.state_dict()
        assert 50 < len(shown) < 500
        assert list(shown) == list(saved)[: len(shown)]
        if not old:
            # Where their bytes begin was said behind the pickle in files of that age.
            assert all((tensor.numpy() == saved[name].numpy()).all() for name, tensor in shown.items())
