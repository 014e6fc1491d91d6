"""`torch.package` archives against what their importer gives: pickles, storages and sources, nothing imported."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import package

import inspector

SOURCE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    (tmp_path / "packaged_net.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import packaged_net

    path = tmp_path / "net.pt"
    torch.manual_seed(0)
    with package.PackageExporter(str(path)) as exporter:
        exporter.extern(["torch.**"])
        exporter.intern("packaged_net")
        exporter.save_pickle("model", "model.pkl", packaged_net.Net())
        exporter.save_pickle("extra", "tensors.pkl", {"ones": torch.ones(3, dtype=torch.bfloat16)})
        exporter.save_text("model", "notes.txt", "hello")
        exporter.save_binary("model", "blob.bin", b"\x00" * 10)
    del sys.modules["packaged_net"]
    return path


def test_every_pickle_is_a_tree_with_torchs_names_and_bits(path):
    with inspector.open(str(path)) as opened:
        assert opened.format == "torch.package archive"
        expected = package.PackageImporter(str(path)).load_pickle("model", "model.pkl").state_dict()
        model = opened["model/model.pkl"]
        assert model.type == "packaged_net.Net"
        assert {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()} == {
            name: tensor.numpy().tobytes() for name, tensor in expected.items()
        }
        assert opened["extra/tensors.pkl.ones"].dtype == "bfloat16"


def test_sources_and_texts_can_be_read_and_other_resources_are_listed(path):
    with inspector.open(str(path)) as opened:
        assert opened.texts["packaged_net.py"]() == SOURCE
        assert opened.texts["model/notes.txt"]() == "hello"
        assert opened["model/blob.bin"].value == "<10 bytes>"


def test_opening_imports_nothing_of_the_package(path):
    with inspector.open(str(path)):
        assert "packaged_net" not in sys.modules
