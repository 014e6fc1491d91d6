"""A pickle alone in a file, against `pickle.load`: arrays, tensors, modules, and what torch.save files lie within."""

from __future__ import annotations

import io
import pickle
import random
import sys

import numpy as np
import pytest
import torch
from torch import nn

import inspector
from tests.inspector.samples import Pickler, assert_same, opened, saved

pytestmark = pytest.mark.filterwarnings("ignore")


def things():
    torch.manual_seed(0)
    weight = torch.randn(3, 4)
    return {
        "layer.weight": weight,
        "layer.bias": nn.Parameter(torch.randn(3)),
        "turned": weight.t(),
        "brain": torch.randn(4).bfloat16(),
        "flags": torch.tensor([True, False]),
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "wide": np.asfortranarray(np.arange(6, dtype=">i8").reshape(2, 3)),
    }


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_tensors_in_every_protocol(tmp_path, protocol):
    thing = things()
    with opened(pickle.dumps({"state": thing, "epoch": 3}, protocol), tmp_path) as checkpoint:
        assert checkpoint.format == "pickle"
        assert checkpoint.problems == []
        assert checkpoint["epoch"].value == 3
        for name, tensor in thing.items():
            assert_same(checkpoint[f"state.{name}"], tensor)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_module_is_the_tree_that_it_is_in_a_torch_file(tmp_path, protocol):
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU())
    with opened(pickle.dumps(net, protocol), tmp_path) as checkpoint:
        assert repr(checkpoint) == repr(net)
        assert [name for name, _ in checkpoint.named_parameters()] == [name for name, _ in net.named_parameters()]
        for name, tensor in net.state_dict().items():
            assert checkpoint.state_dict()[name].numpy().tobytes() == tensor.numpy().tobytes()


def test_a_whole_torch_save_file_within_is_shown_as_its_tree(tmp_path):
    inner = saved({"fc.weight": torch.arange(4.0), "lr": 0.1}, _use_new_zipfile_serialization=False)
    data = b"\x80\x03" + Pickler.dict(model=Pickler.call("torch.storage", "_load_from_bytes", pickled_bytes(inner))) + b"."
    with opened(data, tmp_path) as checkpoint:
        assert checkpoint["model.fc.weight"].numpy().tolist() == [0, 1, 2, 3]
        assert checkpoint["model.lr"].value == 0.1


def pickled_bytes(data):
    return b"B" + len(data).to_bytes(4, "little") + data


def test_what_is_within_and_can_t_be_read_is_told_and_the_rest_works(tmp_path):
    good = saved({"w": torch.ones(2)}, _use_new_zipfile_serialization=False)
    for bad in (good[:40], b"nothing", b"", saved({"w": torch.ones(2)})):
        items = {
            name: Pickler.call("torch.storage", "_load_from_bytes", pickled_bytes(it))
            for name, it in [("a", bad), ("b", good)]
        }
        with opened(b"\x80\x03" + Pickler.dict(**items) + b".", tmp_path) as checkpoint:
            assert len(checkpoint.problems) == 1
            assert "torch.save file within the pickle can't be read" in checkpoint.problems[0]
            assert checkpoint["b.w"].numpy().tolist() == [1, 1]


def test_files_within_files_without_end_are_opened_once(tmp_path):
    data = saved({"w": torch.ones(2)}, _use_new_zipfile_serialization=False)
    head = data[: data.rindex(b"\x80\x02}")]
    for _ in range(3000):
        data = (
            head
            + b"\x80\x03"
            + Pickler.call("torch.storage", "_load_from_bytes", pickled_bytes(data[:200]))
            + b"."
            + b"\x80\x02]."
        )
    with opened(
        b"\x80\x03" + Pickler.call("torch.storage", "_load_from_bytes", pickled_bytes(data)) + b".", tmp_path
    ) as checkpoint:
        assert "torch.storage._load_from_bytes" in [call.instance.type for call in checkpoint.calls]


def test_what_loading_would_call_is_listed_and_nothing_of_it_is_done(tmp_path):
    data = b"\x80\x02" + Pickler.call("os", "system", Pickler.text(f"touch {tmp_path}/done")) + b"."
    with opened(data, tmp_path) as checkpoint:
        assert [call.instance.type for call in checkpoint.calls] == ["os.system"]
    assert not (tmp_path / "done").exists()


def test_a_long_pickle_is_read_to_its_end_and_what_stands_within_is_told_once(tmp_path):
    good = torch.ones(2)
    bad = Pickler.call("torch.storage", "_load_from_bytes", pickled_bytes(b"nothing"))
    filler = b"".join(pickled_bytes(bytes(5000)) for _ in range(200))
    data = b"\x80\x03(" + bad + pickle.dumps(good, 3)[2:-1] + filler + b"l."
    with opened(data, tmp_path) as checkpoint:
        assert len(checkpoint.problems) == 1
        assert len(checkpoint.root.children) == 202
        assert checkpoint["1"].numpy().tolist() == [1, 1]


def test_bytes_behind_the_pickle_and_a_pickle_that_is_cut_off_are_told(tmp_path):
    data = pickle.dumps(things())
    with opened(data + b"more", tmp_path) as checkpoint:
        assert checkpoint.problems == ["4 bytes follow behind the pickle; they are not shown"]
    with opened(data[:-700], tmp_path) as checkpoint:
        assert "what stands before that is shown" in checkpoint.problems[0]
        assert checkpoint["layer.weight"].numpy().shape == (3, 4)


def test_a_cut_at_any_byte_ends_clean(tmp_path):
    data = pickle.dumps({"a": np.arange(3), "w": torch.arange(3.0), "x": [1.5, "text", (None, True)]}, 2)
    for length in range(len(data)):
        try:
            with opened(data[:length], tmp_path) as checkpoint:
                for tensor in checkpoint.tensors():
                    tensor.numpy()
        except inspector.InspectorError as error:
            assert "\n" not in str(error)


def test_whatever_is_wrong_with_it_only_the_reader_s_own_errors_come(tmp_path):
    chance = random.Random(0)
    for protocol in (0, 2, 4):
        data = pickle.dumps(things(), protocol)
        for _ in range(200):
            damaged = bytearray(data)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(data))] = chance.randrange(256)
            try:
                with opened(bytes(damaged), tmp_path) as checkpoint:
                    repr(checkpoint)
                    for tensor in checkpoint.tensors():
                        if tensor.numel < 1 << 20:
                            tensor.numpy()
            except inspector.InspectorError as error:
                assert "\n" not in str(error)


def test_text_is_not_taken_for_a_pickle_of_the_old_protocols(tmp_path):
    for text in (
        b"(see the readme)\n",
        b"class Net:\n    pass\n",
        b"config = 3\n",
        b"}\n",
        b"[1, 2]\n",
        b"(" + b"a\n" * 5000,
    ):
        with pytest.raises(inspector.NotAModel):
            opened(text, tmp_path)


def test_joblib_is_named(tmp_path):
    wrapper = Pickler.made("joblib.numpy_pickle", "NumpyArrayWrapper", Pickler.dict(shape=b"K\x02\x85"))
    with pytest.raises(inspector.NotAModel, match="joblib"):
        opened(b"\x80\x03" + wrapper + b"\x00\x01\x02\x03", tmp_path)


def test_objects_of_unknown_classes_are_shown(tmp_path):
    class Gone:
        def __init__(self):
            self.weights = [torch.ones(2), np.zeros(3)]
            self.name = "kept"

    Gone.__qualname__ = "Gone"
    sys.modules[__name__].Gone = Gone
    stream = io.BytesIO()
    pickle.dump(Gone(), stream)
    del sys.modules[__name__].Gone
    with opened(stream.getvalue(), tmp_path) as checkpoint:
        assert checkpoint["weights.0"].numpy().tolist() == [1, 1]
        assert checkpoint["weights.1"].shape == (3,)
        assert checkpoint["name"].value == "kept"
