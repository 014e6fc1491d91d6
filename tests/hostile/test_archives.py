"""Where two readers see an archive differently: PyTorch's reading is shown, and the difference named, every time alike."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch

import inspector
from tests.hostile.archives import ARCHIVES


def by_torch(data: bytes) -> Any:
    """What `torch.load` makes of the tensor, or None where it refuses the file."""
    try:
        return torch.load(io.BytesIO(data), weights_only=False)["w"].tolist()
    except Exception:
        return None


def by_us(data: bytes, path: Path) -> tuple[Any, list[str]]:
    path.write_bytes(data)
    try:
        with inspector.open(path) as model:
            try:
                values = model["w"].numpy().tolist()
            except inspector.InspectorError as error:
                values = str(error)
            return values, model.problems
    except inspector.InspectorError as error:
        return str(error), [str(error)]


@pytest.mark.parametrize("title", ARCHIVES)
def test_torch_s_reading_is_shown_and_the_difference_told(title: str, tmp_path: Path) -> None:
    data = ARCHIVES[title]()
    values, problems = by_us(data, tmp_path / "model.pt")
    assert problems
    assert by_us(data, tmp_path / "again.pt") == (values, problems)
    expected = by_torch(data)
    if title == "marked as a folder":
        # torch gives memory that it never wrote to.
        assert "PyTorch reads no bytes of it" in problems[0]
    elif expected is not None:
        assert values == expected
    else:
        assert type(values) is str or any(
            word in problem for problem in problems for word in ("refuses", "another data.pkl")
        )


def test_an_honest_archive_is_told_nothing_of(tmp_path: Path) -> None:
    from tests.hostile.archives import PLAIN, archive

    values, problems = by_us(archive(*PLAIN), tmp_path / "model.pt")
    assert (values, problems) == ([1.0, 1.0, 1.0], [])


def test_a_key_that_json_has_twice_is_told(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "pytorch_model-00001-of-00001.bin")
    index = '{"weight_map": {"w": "no.bin", "w": "pytorch_model-00001-of-00001.bin"}}'
    (tmp_path / "pytorch_model.bin.index.json").write_text(index)
    with inspector.open(tmp_path) as model:
        assert model["w"].numpy().tolist() == [1, 1]
        assert "the index: w comes several times in one object; the last one counts" in model.problems
