"""Repeated layers: which are a family, and which of them is not like the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from inspector import Checkpoint
from inspector.statistics.depth import Family, families, table
from inspector.statistics.scan import scan
from tests.inspector.checkpoints import checkpoint_of, layers

UP = "mlp.up.weight"


def only(checkpoint: Checkpoint) -> Family:
    (family,) = families(checkpoint.root)
    return family


def test_numbered_siblings_of_alike_structure_are_a_family(tmp_path: Path) -> None:
    family = only(checkpoint_of(layers(12), tmp_path))
    assert family.name == "model.layers.*"
    assert family.parent.name == "model.layers"
    assert [number for number, _ in family.members] == list(range(12))
    assert [member.name for _, member in family.members][10:] == ["model.layers.10", "model.layers.11"]
    assert list(family.tensors) == [UP, "mlp.down.weight", "norm.weight"]
    assert [tensor.name for tensor in family.tensors[UP] if tensor][3] == f"model.layers.3.{UP}"


def test_families_stand_in_families(tmp_path: Path) -> None:
    tensors = {f"layers.{a}.experts.{b}.w": torch.ones(2, 2) for a in range(3) for b in range(4)}
    found = families(checkpoint_of(tensors, tmp_path).root)
    assert [(family.name, len(family.members)) for family in found] == [
        ("layers.*", 3), ("layers.0.experts.*", 4), ("layers.1.experts.*", 4), ("layers.2.experts.*", 4),
    ]  # fmt: skip
    assert list(found[0].tensors) == [f"experts.{number}.w" for number in range(4)]


def test_of_a_sequential_the_layers_of_one_kind_are_a_family(tmp_path: Path) -> None:
    blocks = [layer for _ in range(3) for layer in (nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())]
    torch.save(nn.Sequential(*blocks), tmp_path / "net.pt")
    import inspector

    found = families(inspector.open(tmp_path / "net.pt").root)
    assert [[number for number, _ in family.members] for family in found] == [[0, 3, 6], [1, 4, 7]]


@pytest.mark.parametrize("name", ["h.{}.w", "block_{}.w", "layer{}.w", "{}.w", "w{}"])
def test_any_way_of_numbering_will_do(name: str, tmp_path: Path) -> None:
    family = only(checkpoint_of({name.format(number): torch.ones(3) for number in range(4)}, tmp_path))
    assert len(family.members) == 4
    assert list(family.tensors) == ["" if name == "w{}" else "w"]


def test_two_of_a_kind_or_things_without_tensors_are_no_family(tmp_path: Path) -> None:
    tensors = {"fc.1.w": torch.ones(1), "fc.2.w": torch.ones(1), "steps": {str(number): number for number in range(9)}}
    assert families(checkpoint_of(tensors, tmp_path).root) == []


def rows(checkpoint: Checkpoint, parameter: str = UP) -> list[tuple[int, str, set[str]]]:
    made = table(only(checkpoint), parameter, scan)
    assert all(row.statistics is not None for row in made if row.tensor is not None)
    return [(row.number, row.unlike, set(row.outliers)) for row in made if row.unlike or row.outliers]


def test_layers_that_are_all_alike_have_no_outliers(tmp_path: Path) -> None:
    assert rows(checkpoint_of(layers(24), tmp_path)) == []
    assert rows(checkpoint_of({f"l.{n}.w": torch.ones(4) for n in range(9)}, tmp_path), "w") == []


@pytest.mark.parametrize("place", [0, 1, 11, 23])
def test_the_layer_that_diverged_is_marked(place: int, tmp_path: Path) -> None:
    tensors = layers(24)
    tensors[f"model.layers.{place}.{UP}"] *= 4
    assert rows(checkpoint_of(tensors, tmp_path)) == [(place, "", {"norm", "std", "abs_max"})]
    tensors[f"model.layers.{place}.{UP}"] /= 16
    assert rows(checkpoint_of(tensors, tmp_path)) == [(place, "", {"norm", "std", "abs_max"})]


def test_one_wild_element_is_seen_in_the_largest_magnitude(tmp_path: Path) -> None:
    tensors = layers(24, 64)
    tensors[f"model.layers.7.{UP}"][3, 4] = 1.0
    assert rows(checkpoint_of(tensors, tmp_path)) == [(7, "", {"abs_max"})]


def test_a_trend_over_depth_is_not_what_stands_out(tmp_path: Path) -> None:
    tensors = layers(24)
    for number in range(24):
        tensors[f"model.layers.{number}.{UP}"] *= 1.2**number
    assert rows(checkpoint_of(tensors, tmp_path)) == []
    tensors[f"model.layers.4.{UP}"] *= 3
    assert [row[0] for row in rows(checkpoint_of(tensors, tmp_path))] == [4]


def test_the_layer_of_another_shape_or_dtype_is_named_and_so_is_what_is_missing(tmp_path: Path) -> None:
    tensors = layers(8)
    tensors[f"model.layers.2.{UP}"] = torch.randn(8, 4) * 0.02
    tensors[f"model.layers.5.{UP}"] = tensors[f"model.layers.5.{UP}"].bfloat16()
    del tensors[f"model.layers.6.{UP}"]
    found = {number: unlike for number, unlike, _ in rows(checkpoint_of(tensors, tmp_path))}
    assert found == {
        2: "shape [8, 4], the others [8, 8]",
        5: "dtype bfloat16, the others float32",
        6: "this layer has none",
    }


def test_what_is_not_counted_yet_is_no_outlier(tmp_path: Path) -> None:
    family = only(checkpoint_of(layers(8), tmp_path))
    assert [(row.statistics, row.outliers) for row in table(family, UP, lambda tensor: None)] == [(None, {})] * 8


def test_zeros_and_layers_of_nothing_are_left_out_of_the_trend(tmp_path: Path) -> None:
    tensors = layers(12)
    tensors[f"model.layers.3.{UP}"] *= 0
    tensors[f"model.layers.4.{UP}"] *= torch.nan
    assert rows(checkpoint_of(tensors, tmp_path)) == []
