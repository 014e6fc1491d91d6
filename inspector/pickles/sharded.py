"""Tensors of which each rank of a distributed run saves its part: `ShardedTensor` of FSDP 1, `DTensor` of FSDP 2.

The file has the global shape, the part, and where that belongs: so the tensor keeps its shape, and the part is its piece.
Source: `ShardedTensor.__getstate__` in `torch/distributed/_shard/sharded_tensor/api.py`, `placement_types.py` and
`_compute_local_shape_and_global_offset` of `torch/distributed/tensor` in PyTorch 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

from inspector.nodes import Tensor
from inspector.pickles.arguments import integers
from inspector.pickles.objects import Dict, Instance
from inspector.pickles.parts import made_of
from inspector.window.pieces import Piece, uncovered

LOCAL = "_local_tensor"

NOTHING = "sharded: this file has no part of it"

MOST_RUNS = 1000
"""Runs of indices along one axis that a rank has: one, or a few where another kind of sharding was there first."""

Run = tuple[int, int]
"""The first index along an axis and how many."""


def placed(made: Tensor, state: Any) -> Tensor:
    """Gives a sharded tensor its pieces, as far as its parts say where they belong, and says what is not there."""
    if made.traits.type.endswith(".ShardedTensor"):
        shards = {f"local_shards()[{number}].tensor": about["tensor"] for number, about in enumerate(_shards(state))}
        found, rank = _of_shards(made_of(made, made.traits.layout, shards), state)
    else:
        given = [part.attributes() for part in (state if type(state) is tuple else (state,)) if type(part) is Dict]
        found, rank = _of_local(made, given[-1] if given else {})
    problems: tuple[str, ...] = ()
    if found is not None and min(made.shape, default=0) >= 0 and uncovered(made.shape, found) != 0:
        whose = f"rank {rank}'s" if type(rank) is int else "one rank's"
        problems = (f"sharded: this file has only {whose} part of it" if found else NOTHING,)
    made.traits = made.traits._replace(pieces=tuple(found or ()), problems=problems)
    return made


def _shards(state: Any) -> list[dict[str, Any]]:
    """What is known of each shard of a `ShardedTensor`, whose state is `(shards, metadata, process group, ...)`."""
    listed = state[0] if type(state) is tuple and state else None
    found = [shard.attributes() for shard in listed if type(shard) is Instance] if type(listed) is list else []
    return [about for about in found if type(about.get("tensor")) is Tensor]


def _of_shards(made: Tensor, state: Any) -> tuple[list[Piece] | None, Any]:
    """The pieces of a `ShardedTensor`, and whose they are; None where one of them does not fit."""
    parts = [part for part in made.traits.parts if isinstance(part, Tensor)]
    found: list[Piece] = []
    rank: Any = None
    for part, about in zip(parts, _shards(state), strict=True):
        where = about.get("metadata")
        said = where.attributes() if type(where) is Instance else {}
        offsets = integers(said.get("shard_offsets"))
        if offsets is None or not _fits(made, offsets, part.shape):
            return None, None
        found.append(Piece(offsets, part.shape, lambda part=part: part))  # type: ignore[misc]
        device = said.get("placement")
        rank = device.attributes().get("_rank") if type(device) is Instance else None
    return found, rank


def _fits(made: Tensor, offsets: Sequence[int], sizes: Sequence[int]) -> bool:
    return len(offsets) == len(sizes) == made.ndim and all(
        first >= 0 and length >= 0 and first + length <= size
        for first, length, size in zip(offsets, sizes, made.shape, strict=True)
    )


def _of_local(made: Tensor, state: dict[str, Any]) -> tuple[list[Piece] | None, Any]:
    """The pieces of a `DTensor`, and whose they are; None where its part is no plain part of it, or nothing says which."""
    local = next((part for part in made.traits.parts if part.key == LOCAL and isinstance(part, Tensor)), None)
    about = state["_spec"].attributes() if type(state.get("_spec")) is Instance else {}
    mesh = about["mesh"].attributes() if type(about.get("mesh")) is Instance else {}
    placements, place, sizes = about.get("placements"), integers(mesh.get("_coordinate_on_dim")), _mesh_shape(mesh)
    if local is None or type(placements) is not tuple or place is None or sizes is None:
        return None, None
    if not len(placements) == len(place) == len(sizes) or local.ndim != made.ndim:
        return None, None
    runs: list[list[Run]] = [[(0, size)] for size in made.shape]
    for placement, at, count in zip(placements, place, sizes, strict=True):
        kind = placement.type.rpartition(".")[2] if type(placement) is Instance else ""
        given = placement.attributes() if type(placement) is Instance else {}
        axis, times = given.get("dim"), given.get("split_factor", given.get("_split_factor", 1))
        if kind == "Replicate":
            continue
        if kind not in ("Shard", "_StridedShard") or type(axis) is not int or not 0 <= axis < made.ndim or count < 1:
            return None, None
        if kind == "Shard":
            times = 1
        if type(times) is not int or not 0 < times <= MOST_RUNS:
            return None, None
        runs[axis] = [run for part in _chunks(runs[axis], times) for run in _chunk(part, count, at)]
    if tuple(sum(length for _, length in along) for along in runs) != local.shape or len(local.stride) != local.ndim:
        return None, None
    if math.prod(len(along) for along in runs) > MOST_RUNS:
        return None, None
    found = [_piece(local, box) for box in product(*map(_numbered, runs))]
    return found, mesh.get("_rank")


def _mesh_shape(mesh: dict[str, Any]) -> tuple[int, ...] | None:
    """The sizes of a mesh of ranks; up to torch 2.8 it was kept as a tensor, then as a layout, whose axes may be nested."""
    given, layout = mesh.get("mesh"), mesh.get("_layout")
    if type(given) is Tensor:
        return given.shape
    about = layout.attributes() if type(layout) is Instance else {}
    axes = about.get("axes", about.get("shape"))
    sizes: list[int] = []
    for axis in axes if type(axes) is tuple else (axes,):
        inner = axis.attributes().get("shape") if type(axis) is Instance else axis
        size = integers(inner if type(inner) is tuple else (inner,))
        if size is None:
            return None
        sizes.append(math.prod(size))
    return tuple(sizes)


def _chunks(runs: Sequence[Run], count: int) -> list[list[Run]]:
    return [_chunk(runs, count, number) for number in range(count)]


def _chunk(runs: Sequence[Run], count: int, number: int) -> list[Run]:
    """The part of some indices that `torch.chunk` into `count` gives as the one of a number: all but the last as large."""
    total = sum(length for _, length in runs)
    each = -(-total // count)
    low, high = min(number * each, total), min((number + 1) * each, total)
    found: list[Run] = []
    passed = 0
    for first, length in runs:
        start, end = max(low - passed, 0), min(high - passed, length)
        if start < end:
            found.append((first + start, end - start))
        passed += length
    return found


def _numbered(runs: Sequence[Run]) -> list[tuple[int, Run]]:
    """The runs with the place of each in the local part."""
    found: list[tuple[int, Run]] = []
    passed = 0
    for run in runs:
        found.append((passed, run))
        passed += run[1]
    return found


def _piece(local: Tensor, box: Sequence[tuple[int, Run]]) -> Piece:
    """The piece that some runs, one for each axis, are."""
    sizes = tuple(length for _, (_, length) in box)
    offset = local.offset + sum(at * step for (at, _), step in zip(box, local.stride, strict=True))
    part = Tensor(local.dtype, sizes, local.stride, local.storage, offset, traits=local.traits)
    return Piece(tuple(first for _, (first, _) in box), sizes, lambda: part)
