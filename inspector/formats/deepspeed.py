"""DeepSpeed ZeRO folders (stages 1, 2 and 3): the float32 model put together from the partitions of all ranks.

Each rank keeps a slice of the flattened parameters in its `*_optim_states.pt`; names and shapes are in
`*_model_states.pt`. Parameters become views into the joined slices, nothing is copied.
Source: `deepspeed/utils/zero_to_fp32.py`, whose arithmetic this follows.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.dotted_names import join
from inspector.errors import DamagedFile, InspectorError, brief, visible
from inspector.formats import Contents, Found, Opening
from inspector.formats import read as read_any
from inspector.naming import find
from inspector.nodes import Kind, Module, Node, Tensor, Value
from inspector.pickles.arguments import integers
from inspector.sources import LocalFile, Pool, refused
from inspector.storage import Storage, contiguous

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "DeepSpeed ZeRO checkpoint"

MODEL = re.compile(r"(?:zero_pp_rank_(\d+)_)?mp_rank_(\d+)_model_states\.pt")
OPTIMIZER = re.compile(r"(?:bf16_)?zero_pp_rank_(\d+)_mp_rank_(\d+)_optim_states\.pt")

MOMENTS = ("exp_avg", "exp_avg_sq")

Shapes = dict[str, tuple[int, ...]]


def recognises(found: Found) -> bool:
    """Whether it is a folder of such files, or one whose `latest` names a folder of them."""
    if any(MODEL.fullmatch(name) for name in found.names):
        return True
    return found.source is None and "latest" in found.names and any(name.startswith("global_step") for name in found.names)


def read(found: Found, opening: Opening) -> Contents:
    """The model of the folder. Raises `DamagedFile` where no rank's files can be read."""
    folder = step_folder(Path(found.path), found.names)
    return _Reader(folder, opening).read()


def step_folder(folder: Path, names: frozenset[str]) -> Path:
    """The folder of the files: the one that `latest` names, if that is one of this folder."""
    if any(MODEL.fullmatch(name) for name in names):
        return folder
    try:
        latest = LocalFile(str(folder / "latest"))
        step = latest.read(0, min(latest.size, 200)).decode("utf-8", "replace").strip()
        latest.close()
    except InspectorError as error:
        raise DamagedFile(str(error)) from None
    if step not in names:
        raise DamagedFile(f"'latest' names the folder {visible(step)}, which is not there")
    return folder / step


@dataclass(slots=True)
class Joined:
    """A home for a storage that lies in runs of others: `starts` are the bytes at which each begins in the whole."""

    runs: list[tuple[Storage, int]]
    starts: list[int]

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes from byte `offset` of the whole; the key is not looked at."""
        pieces: list[bytes] = []
        place = bisect_right(self.starts, offset) - 1
        while length > 0:
            storage, first = self.runs[place]
            within = offset - self.starts[place]
            end = self.starts[place + 1] if place + 1 < len(self.starts) else offset + length
            count = min(length, end - offset)
            pieces.append(storage.read(first + within, count))
            offset, length, place = offset + count, length - count, place + 1
        return b"".join(pieces)


def joined(parts: list[Tensor]) -> Storage:
    """One storage of the elements of several flat tensors of one dtype, one behind the other."""
    width = parts[0].nbytes // max(parts[0].numel, 1) or 1
    runs: list[tuple[Storage, int]] = []
    starts: list[int] = []
    total = 0
    for part in parts:
        if part.storage is None or not part.contiguous or part.dtype != parts[0].dtype:
            raise DamagedFile("the partitions of the ranks do not fit together")
        runs.append((part.storage, part.offset * width))
        starts.append(total)
        total += part.nbytes
    return Storage(Joined(runs, starts), None, total, "cpu", dtype=parts[0].dtype)


class _Reader:
    """Reads the files of one step and puts the model together."""

    def __init__(self, folder: Path, opening: Opening) -> None:
        self.folder = folder
        self.opening = opening
        self.pool = Pool()
        self.root = Module("checkpoint", "bundle")
        self.contents = Contents(self.root, NAME)

    def read(self) -> Contents:
        try:
            names = sorted(entry.name for entry in self.folder.iterdir())
        except OSError as error:
            raise refused(str(self.folder), error) from None
        models = sorted((int(match[1] or 0), match[0]) for name in names if (match := MODEL.fullmatch(name)))
        ranks = sorted((int(match[1]), match[0]) for name in names if (match := OPTIMIZER.fullmatch(name)))
        others = [name for name in names if MODEL.fullmatch(name) and not re.search(r"mp_rank_0+_", name)]
        if others:
            alone = f"{brief(others[0])} can be opened by itself"
            self.contents.problems.append(f"model-parallel ranks are not joined; {alone}")
        if not models:
            raise DamagedFile(f"{visible(str(self.folder))} holds no model_states file")
        model = self.file(models[0][1])
        optimizers = [(rank, self.file(name)) for rank, name in ranks if not re.search(r"mp_rank_0*[1-9]", name)]
        stage = _number(find(optimizers[0][1], "optimizer_state_dict.zero_stage")) if optimizers else None
        self.contents.metadata = {"folder": self.folder.name, "zero stage": stage, "ranks": len(optimizers)}
        version = find(model, "ds_version")
        if isinstance(version, Value) and type(version.value) is str:
            self.contents.metadata["DeepSpeed version"] = version.value
        entries: dict[str, Tensor] = {}
        kinds: dict[str, Kind] = {}
        shapes = list(_shapes(find(model, "param_shapes")))
        if optimizers and shapes:
            self.check_ranks(optimizers)
            states = [state for _, state in optimizers]
            entries = self.partitioned(states, shapes, stage, self.flat_groups)
            kinds = dict.fromkeys(entries, "parameter")
        self.add_unpartitioned(model, entries, kinds)
        self.add_shared(model, entries, kinds)
        self.hang("model", entries, kinds)
        for moment in MOMENTS if shapes else ():
            found = self.partitioned([state for _, state in optimizers], shapes, stage, _moments(moment), quiet=True)
            if found:
                self.hang(moment, found, {})
        self.keep_rest(model)
        return self.contents

    def file(self, name: str) -> Node:
        """The tree of one file of the folder."""
        source = self.pool.file(str(self.folder / name))
        self.contents.sources.append(source)
        found = Found(name, source, limits=self.opening.limits)
        inner = read_any(found, self.opening)
        self.contents.problems += [f"{brief(name)}: {problem}" for problem in inner.problems]
        self.contents.calls += inner.calls
        return inner.root

    def check_ranks(self, optimizers: list[tuple[int, Node]]) -> None:
        """Notes the ranks whose files are missing."""
        count = find(optimizers[0][1], "optimizer_state_dict.partition_count")
        value = count.value if isinstance(count, Value) else None
        counts = value if type(value) in (list, tuple) else (value,)
        if not counts or any(type(part) is not int for part in counts):
            return
        expected = max(counts)
        there = {rank for rank, _ in optimizers}
        missing = [str(rank) for rank in range(min(expected, 1 << 16)) if rank not in there]
        if missing:
            shown = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
            self.contents.problems.append(f"the files of {len(missing)} of {expected} ranks are missing: {shown}")

    def flat_groups(self, state: Node) -> list[Tensor]:
        """The flattened float32 parameters of one rank, one tensor for each group."""
        for key in ("single_partition_of_fp32_groups", "fp32_flat_groups"):
            found = find(state, f"optimizer_state_dict.{key}")
            if isinstance(found, Module):
                return [child for child in found.children if isinstance(child, Tensor)]
        return []

    def partitioned(
        self, states: list[Node], shapes: list[Shapes], stage: Any, groups_of: Any, quiet: bool = False
    ) -> dict[str, Tensor]:
        """The parameters as views into the joined partitions of all ranks. Raises nothing: what is missing is noted."""
        groups = [groups_of(state) for state in states]
        if not groups or not all(groups):
            if not quiet:
                self.contents.problems.append("a rank's file holds no flattened parameters")
            return {}
        try:
            return _stage3(groups, shapes) if stage == 3 else _stage2(groups, shapes)
        except (DamagedFile, IndexError) as error:
            if not quiet:
                self.contents.problems.append(f"the partitions of the ranks do not fit together: {error}")
            return {}

    def add_unpartitioned(self, model: Node, entries: dict[str, Tensor], kinds: dict[str, Kind]) -> None:
        """Adds what the model file holds whole: buffers, and parameters that no partition has."""
        names = find(model, "buffer_names")
        listed = names.value if isinstance(names, Value) and type(names.value) in (list, tuple) else ()
        buffers = {name for name in listed if type(name) is str}
        module = find(model, "module")
        prefix = f"{module.name}." if module is not None else ""
        for tensor in module.tensors() if module is not None else ():
            name = tensor.name.removeprefix(prefix)
            if name not in entries and (tensor.numel or name in buffers):
                entries[name] = tensor
                kinds[name] = "buffer" if name in buffers else "parameter"

    def add_shared(self, model: Node, entries: dict[str, Tensor], kinds: dict[str, Kind]) -> None:
        """Adds the further names of shared parameters."""
        shared = find(model, "shared_params")
        for child in shared.children if isinstance(shared, Module) else ():
            pair = child.value if isinstance(child, Value) else None
            source = entries.get(pair) if type(pair) is str else None
            if source is not None and child.label not in entries:
                entries[child.label] = _view(source.storage, source.shape, source.offset, source.dtype)
                kinds[child.label] = kinds.get(str(pair), "parameter")

    def hang(self, key: str, entries: dict[str, Tensor], kinds: dict[str, Kind]) -> None:
        """Hangs tensors below the root, at the places of their names."""
        part = Module("state_dict", "container", key, self.root)
        self.root.children.append(part)

        def make(parent: Module, last: Any, item: tuple[str, Tensor]) -> Tensor:
            name, tensor = item
            tensor.key, tensor.parent, tensor.kind = last, parent, kinds.get(name, "tensor")
            return tensor

        join(part, ((name, (name, tensor)) for name, tensor in entries.items()), make)

    def keep_rest(self, model: Node) -> None:
        """Hangs what else the model file holds: configuration, step, scheduler."""
        rest = Module("dict", "container", "rest", self.root)
        for child in model.children:
            if child.key not in ("module", "param_shapes", "buffer_names", "shared_params"):
                child.parent = rest
                rest.children.append(child)
        if rest.children:
            self.root.children.append(rest)


def _moments(moment: str) -> Any:
    """What finds a rank's flattened moments: `base_optimizer_state` is a list of groups, or a torch optimizer's state."""

    def groups(state: Node) -> list[Tensor]:
        for place in ("optimizer_state_dict.base_optimizer_state", "optimizer_state_dict.optimizer_state_dict"):
            found = find(state, place)
            inner = find(found, "state") if found is not None else None
            holder = inner or found
            if isinstance(holder, Module):
                each = [find(child, moment) for child in holder.children]
                return [tensor for tensor in each if isinstance(tensor, Tensor)]
        return []

    return groups


def _stage2(groups: list[list[Tensor]], shapes: list[Shapes]) -> dict[str, Tensor]:
    """Stages 1 and 2: each group is flattened whole and cut into one part for each rank."""
    entries: dict[str, Tensor] = {}
    for number, group in enumerate(shapes):
        parts = [rank[number] for rank in groups]
        storage, offset = joined(parts), 0
        for name, shape in group.items():
            entries[name] = _view(storage, shape, offset, storage.dtype)
            offset += math.prod(shape)
    return entries


def _stage3(groups: list[list[Tensor]], shapes: list[Shapes]) -> dict[str, Tensor]:
    """Stage 3: each parameter is cut into one part for each rank, the last one padded."""
    flats = [_flat(rank) for rank in groups]
    entries: dict[str, Tensor] = {}
    offset = 0
    for group in shapes:
        for name, shape in group.items():
            numel = math.prod(shape)
            each = -(-numel // len(flats))
            parts = [_view(flat, (each,), offset, flat.dtype) for flat in flats]
            entries[name] = _view(joined(parts), shape, 0, flats[0].dtype)
            offset += each
    return entries


def _flat(rank: list[Tensor]) -> Storage:
    """All groups of a rank as one storage."""
    if len(rank) == 1 and rank[0].storage is not None and rank[0].offset == 0:
        return rank[0].storage
    return joined(rank)


def _view(storage: Storage | None, shape: tuple[int, ...], offset: int, dtype: str) -> Tensor:
    return Tensor(dtype, shape, contiguous(shape), storage, offset)


def _shapes(node: Node | None) -> Iterator[Shapes]:
    """The names and shapes of each group of parameters; a lone dict is one group."""
    if not isinstance(node, Module):
        return
    groups = node.children if node.type in ("list", "tuple") else [node]
    for group in groups:
        found: Shapes = {}
        for child in group.children:
            shape = integers(child.value) if isinstance(child, Value) else None
            if shape is not None and all(size >= 0 for size in shape):
                found[child.label] = shape
        yield found


def _number(node: Node | None) -> Any:
    """The plain number of a node, or None."""
    return node.value if isinstance(node, Value) and type(node.value) is int else None
