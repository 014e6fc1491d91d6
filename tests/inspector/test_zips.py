"""The zip reader against Python's: every layout a model file may have, and archives that are damaged or hostile."""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import DamagedFile, InspectorError, LimitReached, visible
from inspector.formats.zips import HARMLESS, Zip
from inspector.limits import Limits
from inspector.sources import Bytes, LocalFile
from tests.inspector.samples import assert_same, members, opened, reference, saved, zipped

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


def model_tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"a.weight": torch.randn(30, 40), "a.bias": torch.zeros(500), "b": torch.arange(7), "t": torch.randn(6, 5).T}


def assert_same_model(data: bytes, folder: Path, problems: int = 0) -> None:
    with opened(data, folder) as model:
        assert len(model.problems) == problems, model.problems
        expected = model_tensors()
        assert list(model.state_dict()) == list(expected)
        for name, tensor in expected.items():
            assert_same(model.state_dict()[name], tensor)


def entry(
    name: bytes,
    data: bytes,
    method: int = 0,
    flags: int = 0,
    wide: bool = False,
    local_extra: bytes = b"",
    crc: int | None = None,
) -> tuple[bytes, bytes, bytes]:
    """A member by hand: its local header with data, and the two halves of its directory entry around the offset."""
    packed = zlib.compress(data, wbits=-15) if method == 8 else data
    crc = zlib.crc32(data) if crc is None else crc
    sizes = (0xFFFFFFFF, 0xFFFFFFFF) if wide else (len(packed), len(data))
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0, crc, *sizes, len(name), len(local_extra))
    extra = struct.pack("<2H3Q", 1, 24, len(data), len(packed), 0) if wide else b""
    head = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 20, 3, 20, 0, flags, method, 0, 0, crc, *sizes, len(name), len(extra), 0, 0, 0, 0,
                       0xFFFFFFFF if wide else 0)  # fmt: skip
    return local + name + local_extra + packed, head, name + extra


def by_hand(*entries: tuple[bytes, bytes, bytes], before: bytes = b"", comment: bytes = b"") -> bytes:
    """An archive of these members."""
    body, directory = bytearray(), bytearray()
    for local, head, rest in entries:
        if head[-4:] == b"\xff\xff\xff\xff":
            directory += head + rest[:-8] + struct.pack("<Q", len(body))
        else:
            directory += head[:-4] + struct.pack("<L", len(body)) + rest
        body += local
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), len(comment))
    return before + bytes(body) + bytes(directory) + end + comment


@pytest.mark.parametrize("method", METHODS)
@given(
    contents=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\\\0"), min_size=1, max_size=30),
        st.binary(max_size=300) | st.binary(min_size=1, max_size=5).map(lambda piece: piece * 5000),
        max_size=8,
    ).filter(lambda contents: len({name.encode().lower() for name in contents}) == len(contents)),
    comment=st.binary(max_size=100),
    before=st.binary(max_size=100),
)
@settings(max_examples=60, deadline=None)
def test_members_are_those_that_python_finds(
    method: int, contents: dict[str, bytes], comment: bytes, before: bytes
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, data in contents.items():
            made.writestr(name, data)
        made.comment = comment.replace(b"PK", b"pk")
    archive = Zip(Bytes(before + stream.getvalue()))
    assert list(archive.members) == list(contents)
    assert len(archive.problems) == bool(before)
    for name, data in contents.items():
        assert archive.contents(name) == data
        middle = len(data) // 2
        assert archive.read(name, middle, len(data) - middle) == data[middle:]
        assert archive.beginning(name, middle) == data[:middle]
        with pytest.raises(DamagedFile):
            archive.read(name, 0, len(data) + 1)


# What torch writes, written otherwise.


@pytest.mark.parametrize(
    "root", ["archive", "epoch27_e29f70s308m37.pth", "a b", "é", ".", "..", "a\\b", "x" * 200, "data.pkl", "data"]
)
def test_the_root_folder_may_have_any_name(root: str, tmp_path: Path) -> None:
    inside = members(saved(model_tensors()))
    assert_same_model(zipped({root + name[len("archive") :]: data for name, data in inside.items()}), tmp_path)


def test_there_need_be_no_root_folder(tmp_path: Path) -> None:
    inside = members(saved(model_tensors()))
    assert_same_model(zipped({name[len("archive/") :]: data for name, data in inside.items()}), tmp_path, problems=1)


def test_the_root_folder_may_come_after_others(tmp_path: Path) -> None:
    inside = members(saved(model_tensors()))
    assert_same_model(zipped({"__MACOSX/junk": b"x", "readme.txt": b"y", **inside}), tmp_path, problems=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", range(4))
def test_members_may_come_in_any_order_and_be_packed(order: int, method: int, tmp_path: Path) -> None:
    inside = list(members(saved(model_tensors())).items())
    turned = [inside[::-1], inside[3:] + inside[:3], sorted(inside), sorted(inside, key=lambda item: item[1])][order]
    data = zipped(dict(turned), method)
    for key, tensor in reference(data).items():
        assert torch.equal(tensor, model_tensors()[key])
    assert_same_model(data, tmp_path)


def test_storage_keys_may_be_pointers_or_anything(tmp_path: Path) -> None:
    inside = members(saved(model_tensors()))
    keys = ["140334895266624", "140334895266625", "é", "-1"]
    turned = {}
    for name, data in inside.items():
        if name.endswith("data.pkl"):
            for number, key in enumerate(keys):
                old = b"X\x01\x00\x00\x00" + str(number).encode() + b"q"
                assert old in data
                data = data.replace(old, b"X" + struct.pack("<I", len(key.encode())) + key.encode() + b"q")
        for number, key in enumerate(keys):
            if name == f"archive/data/{number}":
                name = f"archive/data/{key}"
        turned[name] = data
    assert_same_model(zipped(turned), tmp_path)


def test_the_padding_that_aligns_data_may_be_of_any_length(tmp_path: Path) -> None:
    inside = members(saved(model_tensors()))
    entries = [
        entry(name.encode(), data, local_extra=b"F" * (number * 7 % 61))
        for number, (name, data) in enumerate(inside.items())
    ]
    assert_same_model(by_hand(*entries), tmp_path)


def test_sizes_and_offsets_of_64_bits_are_read(tmp_path: Path) -> None:
    inside = members(saved(model_tensors()))
    data = by_hand(*(entry(name.encode(), data, wide=True) for name, data in inside.items()))
    assert {name: zipfile.ZipFile(io.BytesIO(data)).read(name) for name in inside} == inside
    assert_same_model(data, tmp_path)


def test_an_archive_beyond_four_gigabytes_is_read(tmp_path: Path) -> None:
    """A member of 5 GB that is a hole, then one behind it."""
    hole, path = 5 << 30, tmp_path / "large.zip"
    first, head, rest = entry(b"large", b"", wide=True)
    second, head2, rest2 = entry(b"after", b"hello", wide=True)
    with path.open("wb") as file:
        file.write(first)
        file.truncate(len(first) + hole)
        file.seek(len(first) + hole)
        file.write(second)
        at = file.tell()
        directory = head + rest[: len(b"large") + 4] + struct.pack("<3Q", hole, hole, 0)
        directory += head2 + rest2[:-8] + struct.pack("<Q", len(first) + hole)
        file.write(directory)
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, len(directory), at))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, at + len(directory), 1))
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), 0xFFFFFFFF, 0))
    assert path.stat().st_blocks < 1000
    source = LocalFile(str(path))
    archive = Zip(source)
    with zipfile.ZipFile(path) as pythons:
        assert [(info.filename, info.file_size) for info in pythons.infolist()] == [
            (m.name, m.size) for m in archive.members.values()
        ]
        assert archive.contents("after") == pythons.read("after") == b"hello"
    assert archive.read("large", hole - 5, 5) == bytes(5)
    assert archive.problems == []
    source.close()


def test_a_comment_that_looks_like_the_end_is_a_comment() -> None:
    comment = b"see PK\5\6 here, and also " + b"PK\5\6" + bytes(18) + b"."
    archive = Zip(Bytes(by_hand(entry(b"a", b"x"), comment=comment)))
    assert archive.contents("a") == b"x"
    (problem,) = archive.problems
    assert "comment" in problem and "PyTorch refuses" in problem


def test_bytes_before_the_archive_are_told_of() -> None:
    for before in (b"#!/bin/sh\n", b"PK\3\4 junk", bytes(100_000)):
        archive = Zip(Bytes(by_hand(entry(b"a", b"x"), before=before)))
        assert archive.contents("a") == b"x"
        (problem,) = archive.problems
        assert str(len(before)) in problem
    inside = members(saved({"t": torch.ones(2)}))
    archive = Zip(Bytes(b"12345" + saved({"t": torch.ones(2)})))
    assert {name: archive.contents(name) for name in archive.members} == inside


def test_a_directory_of_entries_of_many_kinds_is_read_as_python_reads_it() -> None:
    def kind(number: int) -> tuple[bytes, bytes, bytes]:
        odd = number % 97 == 0
        return entry(b"d/%d" % number, bytes(number % 5), method=8 * (number % 61 == 0), wide=odd, flags=0x800 * odd)

    data = by_hand(*map(kind, range(1200)))
    archive = Zip(Bytes(data))
    with zipfile.ZipFile(io.BytesIO(data)) as pythons:
        expected = {info.filename: (info.file_size, info.compress_size, info.header_offset, info.CRC, info.compress_type,
                                    info.flag_bits) for info in pythons.infolist()}  # fmt: skip
    assert expected == {
        name: (each.size, each.packed, each.header, each.crc, each.method, each.flags)
        for name, each in archive.members.items()
    }
    assert archive.problems == []


def test_names_that_are_the_same_bytes_are_one_name_however_they_are_read() -> None:
    archive = Zip(Bytes(by_hand(entry(b"\xff", b"first", flags=0x800), entry(b"\xff", b"second"))))
    (problem,) = archive.problems
    assert "the archive lists it 2 times" in problem


def test_of_members_of_one_name_it_is_told_which_counts(tmp_path: Path) -> None:
    data = by_hand(entry(b"a", b"first"), entry(b"b", b"x"), entry(b"a", b"second"))
    archive = Zip(Bytes(data))
    archive.as_python()
    assert archive.contents("a") == zipfile.ZipFile(io.BytesIO(data)).read("a") == b"second"
    (problem,) = archive.problems
    assert "a: the archive lists it 2 times" in problem
    many = Zip(Bytes(by_hand(*(entry(b"a", b"x") for _ in range(1000)))))
    assert len(many.problems) < 100


# What can't be read is named.


@pytest.mark.parametrize(
    ("member", "told"),
    [
        (entry(b"a", b"x" * 12, flags=1), "encrypted"),
        (entry(b"a", b"x", method=12), "method"),
        (entry(b"a", b"x", method=99), "method"),
        (entry(b"a", b"x", method=8)[:1] + entry(b"a", b"xx", method=8)[1:], "damaged|bytes"),
        ((b"junk" + entry(b"a", b"x")[0][4:], *entry(b"a", b"x")[1:]), "header"),
    ],
)
def test_a_member_that_cannot_be_read_is_named(member: tuple[bytes, bytes, bytes], told: str) -> None:
    archive = Zip(Bytes(by_hand(member, entry(b"good", b"y"))))
    with pytest.raises(DamagedFile, match=f"a.*({told})|({told}).*a"):
        archive.contents("a")
    assert archive.contents("good") == b"y"


def test_a_member_that_is_not_there_is_named() -> None:
    with pytest.raises(DamagedFile, match="no member b\\\\x1b"):
        Zip(Bytes(by_hand(entry(b"a", b"x")))).contents("b\x1b")


def test_what_inflates_to_something_else_than_declared_is_damaged() -> None:
    local, head, rest = entry(b"a", b"x" * 1000, method=8)
    for size in (999, 1001, 0, 5):
        changed = head[:24] + struct.pack("<L", size) + head[28:]
        archive = Zip(Bytes(by_hand((local, changed, rest))))
        with pytest.raises(DamagedFile):
            archive.read("a", 0, 1 + size)
        if size:
            with pytest.raises(DamagedFile, match="damaged"):
                archive.contents("a")


def test_limits_are_kept_and_told_by_name() -> None:
    bomb = by_hand(entry(b"a", bytes(2 * HARMLESS), method=8))
    for limit in ("inflated", "ratio", "pickle"):
        with pytest.raises(LimitReached, match=f"'{limit}'"):
            Zip(Bytes(bomb), Limits(**{limit: 100})).contents("a")
    with pytest.raises(LimitReached, match="'members'"):
        Zip(Bytes(by_hand(*(entry(b"%d" % number, b"") for number in range(20)))), Limits(members=10))
    claims = by_hand(entry(b"a", b""))
    claims = claims[:-22] + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 20, 20, 47, 31, 0)
    assert len(Zip(Bytes(claims), Limits(members=100)).members) == 1


def test_a_small_directory_that_claims_few_members_and_has_many_is_bounded_too() -> None:
    data = bytearray(by_hand(*(entry(b"%d" % number, b"") for number in range(1000))))
    struct.pack_into("<2H", data, len(data) - 22 + 8, 1, 1)
    archive = Zip(Bytes(bytes(data)), Limits(members=10))
    assert list(archive.members) == ["0"]
    (problem,) = archive.problems
    assert "more members" in problem


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_damaged_archive_raises_nothing_but_what_can_be_shown(data: st.DataObject) -> None:
    whole = zipped({"archive/data.pkl": b"\x80\x02N.", "archive/data/0": bytes(40)}, data.draw(st.sampled_from(METHODS)))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))]
    try:
        archive = Zip(Bytes(bytes(damaged)))
        for name, member in itertools.islice(archive.members.items(), 10):
            for read in (lambda: archive.contents(name), lambda: archive.beginning(name, 3), lambda: archive.verify(name)):  # noqa: B023
                try:
                    read()
                except InspectorError as error:
                    assert visible(str(error)) == str(error)
            assert member.name == name
        assert all(visible(problem) == problem for problem in archive.problems)
    except InspectorError as error:
        assert visible(str(error)) == str(error)


def test_every_cut_of_a_model_file_is_told(tmp_path: Path) -> None:
    whole = saved({"t": torch.ones(2)})
    for length in range(0, len(whole) - 1, 29):
        try:
            with opened(whole[:length], tmp_path) as model:
                assert model.problems
        except InspectorError as error:
            assert visible(str(error)) == str(error)


def test_members_over_each_other_are_read_as_they_are() -> None:
    """A zip bomb of members that share their bytes: listed at once, each inflated only when it is asked for."""
    local, head, rest = entry(b"a", bytes(50_000), method=8)
    entries = [(b"", entry(b"%03d" % number, bytes(50_000), method=8)[1], b"%03d" % number) for number in range(200)]
    shared = entry(b"000", bytes(50_000), method=8)[0]
    directory = b"".join(head[:-4] + struct.pack("<L", 0) + rest for _, head, rest in entries)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 200, 200, len(directory), len(shared), 0)
    archive = Zip(Bytes(shared + directory + end))
    assert len(archive.members) == 200
    assert archive.contents("199") == bytes(50_000)
    assert local and head and rest
