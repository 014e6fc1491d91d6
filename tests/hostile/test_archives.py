"""What is told of archives and indexes; those that two readers see differently are a suite of their own."""

from __future__ import annotations

from pathlib import Path

import torch

import inspector
from tests.hostile.archives import PLAIN, archive, by_us


def test_an_honest_archive_is_told_nothing_of(tmp_path: Path) -> None:
    values, problems = by_us(archive(*PLAIN), tmp_path / "model.pt")
    assert (values, problems) == ([1.0, 1.0, 1.0], [])


def test_a_key_that_json_has_twice_is_told(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "pytorch_model-00001-of-00001.bin")
    index = '{"weight_map": {"w": "no.bin", "w": "pytorch_model-00001-of-00001.bin"}}'
    (tmp_path / "pytorch_model.bin.index.json").write_text(index)
    with inspector.open(tmp_path) as model:
        assert model["w"].numpy().tolist() == [1, 1]
        assert "the index: w comes several times in one object; the last one counts" in model.problems
