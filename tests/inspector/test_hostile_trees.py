"""Objects that are endless, deep, shared without end, or anything but what they seem."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from torch import nn

import inspector
from inspector import Limits
from inspector.nodes import Value
from inspector.pickles.objects import text
from tests.inspector.samples import Pickler, archive, opened, saved

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def quickly(data: bytes, folder: Path, seconds: float = 5.0, limits: Limits | None = None) -> inspector.Checkpoint:
    path = folder / "model.pt"
    path.write_bytes(data)
    started = time.monotonic()
    model = inspector.open(str(path), limits or Limits())
    for node in model.root.walk():
        assert len(node.label) < 1000
        if isinstance(node, Value):
            text(node.value)
    assert time.monotonic() - started < seconds
    return model


def test_a_graph_of_2_to_the_60_paths_opens_at_once(tmp_path: Path) -> None:
    for start, double in ((b"]", b"2\x86"), (b"}", b"}(K\x01"), (b"]N\x85a", b"](")):
        if double == b"2\x86":
            body = start + double * 60
        else:
            body = start + b"".join(
                b"q" + bytes([n]) + b"0" + (b"}(" + Pickler.text("a") + b"h" + bytes([n]) + Pickler.text("b") + b"h" + bytes([n]) + b"u"
                                     if start == b"}" else b"](" + b"h" + bytes([n]) + b"h" + bytes([n]) + b"e")
                for n in range(60)
            )  # fmt: skip
        with quickly(archive(b"\x80\x02" + body + b"."), tmp_path, 20, Limits(nodes=20_000)) as model:
            assert sum(1 for _ in model.root.walk()) < 200_000


def test_one_large_object_under_many_names_does_not_take_memory_without_end(tmp_path: Path) -> None:
    large = {
        "dict": b"}(" + b"".join(Pickler.integer(n) + b"N" for n in range(2000)) + b"u",
        "list": b"](" + b"]" * 2000 + b"e",
        "flat list": b"](" + b"K\x01" * 2000 + b"e",
        "object": Pickler.made("m", "C", b"}(" + b"".join(Pickler.text(f"a{n}") + b"N" for n in range(2000)) + b"u"),
        "call": Pickler.call("m", "f", b"](" + b"]K\x01a" * 2000 + b"e"),
        "state_dict": b"}(" + b"".join(Pickler.text(f"m{n}.a") + b"]" for n in range(2000)) + Pickler.text("x.y")
        + Pickler.tensor(Pickler.storage("FloatStorage", "0", 1), 0, (1,), (1,)) + b"u",
    }  # fmt: skip
    for body in large.values():
        many = body + b"q\x00](" + b"h\x00" * 20_000 + b"e"
        with quickly(archive(b"\x80\x02" + many + b".", {"0": b"\0" * 4}), tmp_path, 20, Limits(nodes=20_000)) as model:
            assert sum(1 for _ in model.root.walk()) < 100_000


@pytest.mark.parametrize("wrap", [(b"]", b"a"), (b"(", b"t"), (b"}X\x01\x00\x00\x00a", b"s"), (b"cx\ny\n", b"\x85R"),
                                  (b"cx\ny\n)\x81", b"b"), (b"cx\ny\n)\x81}X\x01\x00\x00\x00a", b"sb")])  # fmt: skip
def test_a_hundred_thousand_levels_open(wrap: tuple[bytes, bytes], tmp_path: Path) -> None:
    depth = 100_000
    body = wrap[0] * depth + b"]" + wrap[1] * depth
    with quickly(archive(b"\x80\x02" + body + b"."), tmp_path, 20) as model:
        repr(model)


def test_keys_that_collide_do_not_take_for_ever(tmp_path: Path) -> None:
    prime = (1 << 61) - 1
    body = b"}(" + b"".join(Pickler.integer(n * prime) + b"N" for n in range(1, 60_000)) + b"u"
    with quickly(archive(b"\x80\x02" + body + b"."), tmp_path) as model:
        assert len(model.root.children) == 59_999


def test_keys_that_are_long_or_deep_are_shortened(tmp_path: Path) -> None:
    bomb = b")" + b"2\x86" * 60
    body = b"}(" + bomb + b"N" + Pickler.text("x" * 100_000) + b"N" + Pickler.integer(1 << 2000) + b"N" + b"]" + b"N" + b"u"
    with opened(archive(b"\x80\x02" + body + b"."), tmp_path) as model:
        for node in model.root.children:
            assert type(node.expression) is str
            assert len(node.label) <= 100_000


def test_modules_that_are_anything_but_modules_are_shown(tmp_path: Path) -> None:
    """The three tables of a module, holding every odd thing."""
    odd = [b"N", b"K\x01", Pickler.text("x"), b"]", b"}", b")", Pickler.name("torch", "float32"), b"\x88"]
    for item in odd:
        table = b"}(" + Pickler.text("a") + item + b"K\x07" + item + b")" + item + b"u"
        state = Pickler.dict(
            _parameters=table, _buffers=table, _modules=table, training=item, _non_persistent_buffers_set=item
        )
        with opened(archive(b"\x80\x02" + Pickler.made("m", "Net", state) + b"."), tmp_path) as model:
            assert model.root.role == "layer"
            list(model.named_modules()), list(model.named_parameters()), model.state_dict(), repr(model)


def test_a_file_cut_within_its_pickle_shows_the_layers_before_the_cut(tmp_path: Path) -> None:
    import zipfile

    data = saved(nn.Sequential(*[nn.Linear(2, 2) for _ in range(20)]))
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        pickled = whole.read("archive/data.pkl")
        storages = {name.rpartition("/")[2]: whole.read(name) for name in whole.namelist() if "/data/" in name}
    found = []
    for length in range(200, len(pickled), 400):
        with opened(archive(pickled[:length], storages), tmp_path) as model:
            assert any("data.pkl" in problem for problem in model.problems)
            found.append(sum(1 for _ in model.tensors()))
    assert found == sorted(found) and found[-1] >= 30
