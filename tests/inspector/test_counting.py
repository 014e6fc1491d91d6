"""Totals of a tree against a count by hand: what lies under several names counts once in every module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inspector.counting import count
from inspector.inventory import take
from inspector.naming import likely_kind
from inspector.nodes import Module, Node, Tensor, Value
from inspector.storage import Memory, Storage
from tests.inspector.samples import opened, saved


@dataclass(frozen=True)
class Place:
    """A tensor as it lies in a storage, by the storage's number; None: it has none, and its number names the object."""

    storage: int
    offset: int
    shape: tuple[int, ...]
    stored: bool = True


places = st.builds(
    Place,
    storage=st.integers(0, 3),
    offset=st.sampled_from([0, 0, 0, 2]),
    shape=st.sampled_from([(4,), (4,), (2, 3), (0,), ()]),
    stored=st.sampled_from([True, True, True, False]),
)
leaves = st.tuples(
    places, st.sampled_from(["parameter", "buffer", "tensor"]), st.sampled_from(["weight", "running_mean", "x"])
)
Plan = Any
plans = st.recursive(
    leaves,
    lambda below: st.tuples(st.sampled_from(["layer", "container", "names"]), st.lists(below, max_size=5)),
    max_leaves=25,
)


def grown(
    plan: Plan, parent: Module | None, storages: dict[int, Storage], objects: dict[Place, Tensor], key: Any = 0
) -> Node:
    if isinstance(plan[0], Place):
        place, kind, name = plan
        storage = storages.setdefault(place.storage, Storage(Memory(b""), None, 100)) if place.stored else None
        made = Tensor(
            "float32", place.shape, (1,) * len(place.shape), storage, place.offset, kind=kind, key=name, parent=parent
        )
        if not place.stored:
            made.twin = objects.get(place)
            objects.setdefault(place, made)
        return made
    module = Module("m.M", plan[0], f"m{key}", parent)
    for number, below in enumerate(plan[1]):
        module.children.append(grown(below, module, storages, objects, number))
    module.children.append(Value(1, "value", module))
    return module


def by_hand(module: Module) -> tuple[int, int, int]:
    tensors = list(module.tensors())
    places: dict[Any, list[Tensor]] = {}
    for tensor in tensors:
        place = id(tensor.twin or tensor) if tensor.storage is None else (id(tensor.storage), tensor.offset, tensor.shape)
        places.setdefault(place, []).append(tensor)
    numel = sum(same[0].numel for same in places.values() if any(likely_kind(tensor) == "parameter" for tensor in same))
    return len(tensors), numel, sum(same[0].nbytes for same in places.values())


@given(st.tuples(st.sampled_from(["layer", "container"]), st.lists(plans, max_size=6)))
@settings(max_examples=300, deadline=None)
def test_every_module_counts_what_lies_below_it_once(plan: Plan) -> None:
    storages: dict[int, Storage] = {}
    root = grown(plan, None, storages, {})
    count(take(root))
    for node in root.walk():
        if isinstance(node, Module):
            assert (node.tensor_count, node.numel, node.nbytes) == by_hand(node)
    for storage in storages.values():
        assert storage.first is next(tensor for tensor in root.tensors() if tensor.storage is storage)


def test_a_tensor_alone_has_nothing_to_be_counted_in() -> None:
    tensor = Tensor("float32", (2,), (1,), Storage(Memory(bytes(8)), None, 8))
    count(take(tensor))
    assert tensor.shares is None


def test_the_totals_of_a_model_are_torchs(tmp_path: Path) -> None:
    model = nn.Transformer(8, 2, 2, 2, 16)
    model.decoder.layers[0].linear1 = model.encoder.layers[0].linear1
    model.encoder.norm.weight = model.decoder.norm.weight
    with opened(saved(model), tmp_path) as found:
        for (name, module), node in zip(model.named_modules(), found.modules(), strict=True):
            assert node.numel == sum(parameter.numel() for parameter in module.parameters()), name
            assert node.nbytes == sum(tensor.nbytes for tensor in module.parameters())
    with opened(saved(model.state_dict()), tmp_path) as found:
        assert found.root.numel == sum(parameter.numel() for parameter in model.parameters())
        assert found.root.tensor_count == len(model.state_dict())


def test_buffers_and_optimizer_states_count_as_bytes_and_not_as_parameters(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    with opened(saved({"model": model.state_dict(), "optimizer": optimizer.state_dict()}), tmp_path) as found:
        assert found.root.numel == found["model"].numel == sum(parameter.numel() for parameter in model.parameters())
        assert found["optimizer"].numel == 0
        moments = [moment for state in optimizer.state.values() for moment in state.values()]
        assert found["optimizer"].nbytes == sum(moment.nbytes for moment in moments)
        assert found["model"].nbytes == sum(tensor.nbytes for tensor in model.state_dict().values())


def test_where_random_numbers_go_on_is_no_parameter(tmp_path: Path) -> None:
    """The keys of Megatron-LM (`rng_state`, a list), of Accelerate (`random_states_0.pkl`) and of a loop of one's own."""
    generator = torch.get_rng_state()
    kept = {
        "model": nn.Linear(3, 4).state_dict(),
        "rng_state": [
            {"random_rng_state": (3, (1, 2), None), "torch_rng_state": generator, "cuda_rng_state": generator[:16]}
        ],
        "torch_manual_seed": generator.clone(),
        "cuda_rng_states": [generator[:16].clone(), generator[:16].clone()],
        "rngs": torch.zeros(7),
    }
    with opened(saved(kept), tmp_path) as found:
        assert found.root.numel == 16 + 7
        assert found.root.tensor_count == 8
        assert found["rng_state"].numel == found["cuda_rng_states"].numel == 0
        assert found["rng_state"].nbytes == generator.nbytes + 16
        assert [name for name, _ in found.named_parameters()] == ["model.weight", "model.bias", "rngs"]
        assert list(found.named_buffers()) == []
