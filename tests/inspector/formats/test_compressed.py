"""Model files inside gzip, bzip2, xz and zstd: opened as what is inside, within a limit, cut off or damaged as well."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import random

import pytest
import torch

import inspector
from tests.inspector.samples import opened, saved, without

pytestmark = pytest.mark.filterwarnings("ignore")


def zstd(data):
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name).compress(data)
        except ImportError:
            continue
    pytest.skip("no zstd here")


KINDS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}

THING = {"fc.weight": torch.arange(12.0).reshape(3, 4), "fc.bias": torch.ones(3)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("old", [False, True])
def test_it_is_opened_as_what_it_holds_and_says_so(tmp_path, kind, old):
    inner = saved(THING, _use_new_zipfile_serialization=not old)
    data = KINDS[kind](inner)
    with opened(data, tmp_path, "model.pt") as checkpoint:
        assert checkpoint.format == f"{'PyTorch legacy' if old else 'PyTorch zip'} in {kind}"
        assert checkpoint.metadata["compression"] == f"{kind}: {len(data)} bytes hold {len(inner)}, unpacked into memory"
        assert checkpoint.problems == []
        assert checkpoint.nbytes == len(data)
        for name, tensor in THING.items():
            assert checkpoint[name].numpy().tobytes() == tensor.numpy().tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_several_parts_one_after_the_other_are_one_file(tmp_path, kind):
    inner = saved(THING)
    with opened(KINDS[kind](inner[:1000]) + KINDS[kind](inner[1000:]), tmp_path) as checkpoint:
        assert checkpoint.problems == []
        assert checkpoint["fc.bias"].numpy().tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_it_shows_what_can_be_unpacked(tmp_path, kind):
    torch.manual_seed(0)
    thing = {f"layer{number}.weight": torch.randn(1000) for number in range(200)}
    data = KINDS[kind](saved(thing, _use_new_zipfile_serialization=False))
    if kind == "bzip2":
        # bzip2 gives nothing of a block of 900 kB before its end.
        thing = thing | {f"more{number}.weight": torch.randn(1000) for number in range(200)}
        data = KINDS[kind](saved(thing, _use_new_zipfile_serialization=False))
    with opened(data[: len(data) * 9 // 10], tmp_path) as checkpoint:
        assert f"the {kind} file is cut off" in checkpoint.problems[0]
        assert list(checkpoint.state_dict()) == list(thing)
        found = 0
        for name, tensor in thing.items():
            try:
                assert checkpoint[name].numpy().tobytes() == tensor.numpy().tobytes()
                found += 1
            except inspector.DamagedFile:
                continue
        assert found > 50


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_it_says_so_or_is_no_model(tmp_path, kind):
    data = KINDS[kind](saved(THING))
    chance = random.Random(0)
    for _ in range(150):
        damaged = bytearray(data[: chance.randrange(1, len(data) + 1)])
        for _ in range(chance.randrange(3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            with opened(bytes(damaged), tmp_path) as checkpoint:
                for tensor in checkpoint.tensors():
                    if tensor.numel < 1 << 20:
                        tensor.numpy()
        except inspector.InspectorError as error:
            assert "\n" not in str(error)


def test_a_wrong_checksum_is_told(tmp_path):
    data = bytearray(gzip.compress(saved(THING)))
    data[-6] ^= 1
    with opened(bytes(data), tmp_path) as checkpoint:
        assert "the gzip file is damaged" in checkpoint.problems[0]
        assert checkpoint["fc.bias"].numpy().tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_would_unpack_to_more_than_the_limit_is_refused_by_its_name(tmp_path, kind):
    path = tmp_path / "bomb.pt"
    path.write_bytes(KINDS[kind](bytes(20_000_000)))
    with pytest.raises(inspector.LimitReached, match="'inflated'"):
        inspector.open(str(path), limits=inspector.Limits(inflated=5_000_000))


def test_compressed_twice_is_said(tmp_path):
    with pytest.raises(inspector.NotAModel, match="compressed twice"):
        opened(gzip.compress(lzma.compress(saved(THING))), tmp_path)


def test_something_else_inside_is_no_model(tmp_path):
    with pytest.raises(inspector.NotAModel, match="text file"):
        opened(gzip.compress(b"just some text\n"), tmp_path)


def test_zstd_without_its_package_says_how_to_get_it(tmp_path):
    data = zstd(saved(THING))
    names = [name for name in ("compression.zstd", "backports.zstd") if importlib.util.find_spec(name.split(".")[0])]
    with without(names[-1]), pytest.raises(inspector.MissingExtra, match=r"torchtui\[zstd\]"):
        opened(data, tmp_path)


def test_it_can_be_stopped(tmp_path):
    class Enough(Exception):
        pass

    def stop(part):
        raise Enough

    path = tmp_path / "model.pt.gz"
    path.write_bytes(gzip.compress(bytes(3_000_000)))
    with pytest.raises(Enough):
        inspector.open(str(path), progress=stop)
