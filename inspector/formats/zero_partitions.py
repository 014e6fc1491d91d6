"""What DeepSpeed ZeRO cuts up: parameters as views into the joined partitions of all ranks, nothing copied.

In stages 1 and 2 a group of parameters is flattened whole and cut into one part for each rank; in stage 3 each parameter
is, and the last part is padded. Source: `deepspeed/utils/zero_to_fp32.py`, whose arithmetic this follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from inspector.errors import DamagedFile
from inspector.nodes import Tensor
from inspector.storage import PLAIN, Joined, Nowhere, Storage, contiguous

Shapes = dict[str, tuple[int, ...]]


def hole(dtype: str, shape: tuple[int, ...], why: str) -> Tensor:
    """A tensor whose bytes are not there."""
    made = Tensor(dtype, shape, contiguous(shape), None)
    made.storage = Storage(Nowhere(why), None, made.nbytes, dtype=dtype)
    made.storage.problem = why
    return made


def filled(ranks: Sequence[Sequence[Tensor] | None]) -> list[Sequence[Tensor]]:
    """The partitions of each rank; those of a rank that has none are holes like those of another. Raises `DamagedFile`."""
    there = next((parts for parts in ranks if parts), None)
    if there is None:
        raise DamagedFile("no rank's file holds flattened parameters")
    made: list[Sequence[Tensor]] = []
    for rank, parts in enumerate(ranks):
        why = f"what rank {rank} has of it is missing"
        made.append(parts or [hole(part.dtype, part.shape, why) for part in there])
    return made


def by_groups(ranks: Sequence[Sequence[Tensor]], shapes: Sequence[Shapes]) -> dict[str, Tensor]:
    """The parameters of stages 1 and 2. Raises `DamagedFile` where the partitions do not fit together."""
    entries: dict[str, Tensor] = {}
    for number, group in enumerate(shapes):
        if any(number >= len(parts) for parts in ranks):
            raise DamagedFile(f"a rank has {min(map(len, ranks))} partitions for {len(shapes)} groups of parameters")
        storage, offset = joined([parts[number] for parts in ranks]), 0
        for name, shape in group.items():
            entries[name] = view(storage, shape, offset, storage.dtype)
            offset += math.prod(shape)
    return entries


def by_parameters(ranks: Sequence[Sequence[Tensor]], shapes: Sequence[Shapes]) -> dict[str, Tensor]:
    """The parameters of stage 3. Raises `DamagedFile` where the partitions do not fit together."""
    flats = [joined(parts) for parts in ranks]
    entries: dict[str, Tensor] = {}
    offset = 0
    for group in shapes:
        for name, shape in group.items():
            each = -(-math.prod(shape) // len(flats))
            parts = [view(flat, (each,), offset, flat.dtype) for flat in flats]
            entries[name] = view(joined(parts), shape, 0, flats[0].dtype)
            offset += each
    return entries


def by_fragments(ranks: Sequence[Mapping[str, Tensor] | None], shapes: Shapes) -> dict[str, Tensor]:
    """The frozen parameters of stage 3, which each rank's model file has a fragment of, by name. Raises `DamagedFile`."""
    entries: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        parts = filled([[held[name]] if held is not None and name in held else None for held in ranks])
        flat = joined([part for group in parts for part in group])
        entries[name] = view(flat, shape, 0, flat.dtype)
    return entries


def joined(parts: Sequence[Tensor]) -> Storage:
    """One storage of the elements of several tensors of one dtype, one behind the other. Raises `DamagedFile`."""
    if not parts:
        raise DamagedFile("a rank has no partitions")
    first = parts[0]
    width = Tensor(first.dtype, (1,), (1,), None).nbytes
    runs: list[tuple[Storage, int]] = []
    starts: list[int] = []
    total = 0
    for part in parts:
        if part.storage is None or not part.contiguous or part.dtype != first.dtype:
            raise DamagedFile("the partitions of the ranks are not alike")
        for storage, at, length in part.storage.runs(part.offset * width, part.nbytes):
            runs.append((storage, at))
            starts.append(total)
            total += length
    return Storage(Joined(runs, starts), None, total, "cpu", dtype=first.dtype)


def view(storage: Storage, shape: tuple[int, ...], offset: int, dtype: str) -> Tensor:
    """A tensor of this shape from an element of a storage on; what is wrong where it lies is told."""
    made = Tensor(dtype, shape, contiguous(shape), storage, offset)
    width = made.nbytes // max(made.numel, 1)
    runs = storage.runs(offset * width, made.nbytes)
    wrong = dict.fromkeys(part.problem for part, _, _ in runs if part.problem and part is not storage)
    made.traits = PLAIN._replace(problems=tuple(wrong)) if wrong else PLAIN
    return made


def again(tensor: Tensor) -> Tensor:
    """The same tensor for another name."""
    return Tensor(tensor.dtype, tensor.shape, tensor.stride, tensor.storage, tensor.offset, traits=tensor.traits)
