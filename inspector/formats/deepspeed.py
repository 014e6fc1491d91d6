"""DeepSpeed ZeRO folders (stages 1, 2 and 3): the float32 model put together from the partitions of all ranks.

Each rank keeps a slice of the flattened parameters in its `*_optim_states.pt`; names and shapes are in
`*_model_states.pt`. Source: `deepspeed/utils/zero_to_fp32.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.dotted_names import join
from inspector.errors import DamagedFile, InspectorError, brief, visible
from inspector.formats import Contents, Found, Opening
from inspector.formats.ranks import Ranks
from inspector.formats.zero_partitions import Shapes, again, by_fragments, by_groups, by_parameters, filled, hole
from inspector.naming import find
from inspector.nodes import Kind, Module, Node, Tensor, Value
from inspector.pickles.arguments import integers
from inspector.sources import LocalFile, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "DeepSpeed ZeRO checkpoint"

MODEL = re.compile(r"(?:zero_pp_rank_(\d+)_)?mp_rank_(\d+)_model_states\.pt")
OPTIMIZER = re.compile(r"(?:bf16_)?zero_pp_rank_(\d+)_mp_rank_(\d+)_optim_states\.pt")

MOST_RANKS = 1 << 16
"""Ranks that are counted."""

MOMENTS = ("exp_avg", "exp_avg_sq")


def recognises(found: Found) -> bool:
    """Whether it is a folder of such files, or one whose `latest` names a folder of them."""
    if any(MODEL.fullmatch(name) for name in found.names):
        return True
    return found.source is None and "latest" in found.names and any(name.startswith("global_step") for name in found.names)


def read(found: Found, opening: Opening) -> Contents:
    """The model of the folder. Raises `DamagedFile` where no rank's files can be read."""
    folder = step_folder(Path(found.path), found.names)
    return _Reader(folder, opening, NAME).read()


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


class _Reader(Ranks):
    """Puts the model of one step together."""

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
        self.count = len(models) + len(ranks)
        model = self.file(models[0][1])
        optimizers = [(rank, self.file(name)) for rank, name in ranks if not re.search(r"mp_rank_0*[1-9]", name)]
        stage = _number(find(optimizers[0][1], "optimizer_state_dict.zero_stage")) if optimizers else None
        self.contents.metadata = {"folder": self.folder.name, "zero stage": stage, "ranks": len(optimizers)}
        version = find(model, "ds_version")
        if isinstance(version, Value) and type(version.value) is str:
            self.contents.metadata["DeepSpeed version"] = version.value
        shapes, frozen = list(_shapes(find(model, "param_shapes"))), next(_shapes(find(model, "frozen_param_shapes")), {})
        states = self.by_rank(optimizers)
        entries = self.partitioned(states, shapes, stage, _flat_groups) if optimizers and shapes else {}
        if stage == 3 and frozen:
            entries |= self.frozen(models, model, frozen, len(states))
        kinds: dict[str, Kind] = dict.fromkeys(entries, "parameter")
        self.add_unpartitioned(model, entries, kinds)
        for name, shape in [*(pair for group in shapes for pair in group.items()), *frozen.items()]:
            if name not in entries:
                entries[name] = hole("float32", shape, "the files of the ranks that have it are missing")
                kinds[name] = "parameter"
        self.add_shared(model, entries, kinds)
        self.hang("model", entries, kinds)
        for moment in MOMENTS if shapes else ():
            found = self.partitioned(states, shapes, stage, _moments(moment), quiet=True)
            if found:
                self.hang(moment, found, {})
        self.keep_rest(model)
        return self.contents

    def by_rank(self, optimizers: list[tuple[int, Node]]) -> list[Node | None]:
        """The state of each rank; None, and a note, where its file is missing."""
        there = dict(optimizers)
        count = find(optimizers[0][1], "optimizer_state_dict.partition_count") if optimizers else None
        value = count.value if isinstance(count, Value) else None
        listed: Any = value if type(value) in (list, tuple) else (value,)
        counts = [part for part in listed if type(part) is int]
        expected = min(max([*counts, *(rank + 1 for rank in there)], default=0), MOST_RANKS)
        self.tell_missing(there, expected)
        return [there.get(rank) for rank in range(expected)]

    def partitioned(
        self, states: list[Node | None], shapes: list[Shapes], stage: Any, groups_of: Any, quiet: bool = False
    ) -> dict[str, Tensor]:
        """The parameters as views into the joined partitions of all ranks. Raises nothing: what is missing is noted."""
        try:
            ranks = filled([groups_of(state) if state is not None else None for state in states])
            return by_parameters(ranks, shapes) if stage == 3 else by_groups(ranks, shapes)
        except DamagedFile as error:
            if not quiet:
                self.contents.problems.append(f"the partitions of the ranks can't be joined: {error}")
            return {}

    def frozen(self, models: list[tuple[int, str]], first: Node, shapes: Shapes, ranks: int) -> dict[str, Tensor]:
        """The parameters that are not trained, in stage 3: every rank's model file has a fragment of each."""
        held: list[dict[str, Tensor] | None] = [None] * max(ranks, models[-1][0] + 1 if models[-1][0] < MOST_RANKS else 1)
        for rank, name in models:
            node = find(first if name == models[0][1] else self.file(name), "frozen_param_fragments")
            if isinstance(node, Module) and rank < len(held):
                start = len(node.name) + 1
                held[rank] = {tensor.name[start:]: tensor for tensor in node.tensors()}
        try:
            return by_fragments(held, shapes)
        except DamagedFile as error:
            self.contents.problems.append(f"the fragments of frozen parameters can't be joined: {error}")
            return {}

    def add_unpartitioned(self, model: Node, entries: dict[str, Tensor], kinds: dict[str, Kind]) -> None:
        """Adds what the model file holds whole: buffers, and parameters that no partition has.

        A further name of a parameter that has is that one: before DeepSpeed 0.9 only a common storage tells of it.
        """
        names = find(model, "buffer_names")
        listed = names.value if isinstance(names, Value) and type(names.value) in (list, tuple) else ()
        buffers = {name for name in listed if type(name) is str}
        module = find(model, "module")
        if module is None:
            return
        shared = find(model, "shared_params")
        told = {child.label for child in shared.children} if isinstance(shared, Module) else set()
        held = {tensor.name.removeprefix(f"{module.name}."): tensor for tensor in module.tensors()}
        places = {_place(tensor): name for name, tensor in held.items() if name in entries and tensor.numel}
        for name, tensor in held.items():
            if name in entries or name in told or not (tensor.numel or name in buffers):
                continue
            other = places.get(_place(tensor))
            entries[name] = again(entries[other]) if other is not None else tensor
            kinds[name] = "buffer" if name in buffers else "parameter"

    def add_shared(self, model: Node, entries: dict[str, Tensor], kinds: dict[str, Kind]) -> None:
        """Adds the further names of shared parameters."""
        shared = find(model, "shared_params")
        for child in shared.children if isinstance(shared, Module) else ():
            pair = child.value if isinstance(child, Value) else None
            source = entries.get(pair) if type(pair) is str else None
            if source is not None and child.label not in entries:
                entries[child.label] = again(source)
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


def _place(tensor: Tensor) -> tuple[int, int, tuple[int, ...]]:
    return id(tensor.storage), tensor.offset, tensor.shape


def _flat_groups(state: Node) -> list[Tensor]:
    """The flattened float32 parameters of one rank, one tensor for each group."""
    for key in ("single_partition_of_fp32_groups", "fp32_flat_groups"):
        found = find(state, f"optimizer_state_dict.{key}")
        if isinstance(found, Module):
            return [child for child in found.children if isinstance(child, Tensor)]
    return []


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
