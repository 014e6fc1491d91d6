"""LoRA: two thin matrices whose product is what an adapter adds to a weight.

PEFT calls them `lora_A.weight` (rank, inputs, ...) and `lora_B.weight` (outputs, rank, ...), with the name of the adapter
between if there can be several, and of an embedding `lora_embedding_A` (rank, entries) and `lora_embedding_B`; kohya
calls them `lora_down` and `lora_up`. What is added is `scaling * B @ A`, where the scaling is alpha / rank, or
alpha / sqrt(rank) with rank-stabilised LoRA; alpha is PEFT's `adapter_config.json`, or kohya's tensor `alpha`. Source:
`get_delta_weight` in `tuners/lora/layer.py` of peft 0.21, and `networks/lora.py` of kohya's sd-scripts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector.nodes import Module, Node, Tensor
from inspector.pickles.objects import Dict
from inspector.schemes.site import Site, facts
from inspector.schemes.unpack import Box, numbers
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FLOATS = ("float16", "bfloat16", "float32", "float64")

KEY = "delta_weight"
"""What the product is called: PEFT's method that gives it is `get_delta_weight`."""

WORDS = (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B"), ("lora_down", "lora_up"))

BESIDE = ("lora_magnitude_vector", "alpha")
"""What else there may be for the same weight."""

PLAIN = re.compile(r"[\w.]+")
"""A pattern of PEFT's that is nothing but a name."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two matrices whose product `B @ A` is added to a weight, and the name of the adapter if it stands there."""

    adapter: str
    a: Tensor
    b: Tensor


@dataclass(frozen=True, slots=True)
class Scaling:
    """What the product is multiplied with: a number, or a tensor `alpha` over the rank; `words` say which."""

    factor: float
    words: str
    alpha: Tensor | None = None


def find(site: Site) -> None:
    """Groups the matrices of each adapter with what belongs to them."""
    for first, second in WORDS:
        pairs = list(_pairs(site, first, second))
        for pair in pairs:
            _group(site, pair, first, second, alone=len(pairs) == 1)


def _group(site: Site, pair: Pair, first: str, second: str, alone: bool) -> None:
    a, b = pair.a, pair.b
    if first == "lora_embedding_A":
        # An embedding's weight is (entries, dimensions).
        a, b = _transposed(b), _transposed(a)
    rank = a.shape[0]
    if b.ndim < 2 or b.shape[1] != rank or 0 in (*a.shape, *b.shape) or any(size != 1 for size in b.shape[2:]):
        return
    scaling = _scaling(site, rank, pair.adapter)
    config = site.settings.read("adapter_config.json")
    flat = (b.shape[0], *a.shape[1:])
    across = config.get("fan_in_fan_out") is True and len(flat) == 2 and first == "lora_A"
    shape = flat[::-1] if across else flat
    names = [first, second, *(label for label in BESIDE if label in site.nodes)]
    parts: list[Node] = [site.nodes[name] for name in names] if alone else [pair.a, pair.b]
    dora = any(isinstance(node, Tensor) for node in _all(site.nodes.get("lora_magnitude_vector")))
    known = facts(
        adapter=pair.adapter or None,
        rank=rank,
        scaling=scaling.words,
        note="with DoRA, the magnitude vector then scales the sum: not in these values" if dora else None,
    )
    product = f"{second} @ {first}" if first != "lora_embedding_A" else f"({second} @ {first}).T"
    origin = f"scaling * {product}" + (", transposed (fan_in_fan_out)" if across else "")
    key = KEY if alone else f"{KEY}[{pair.adapter}]"
    read = partial(_read, a, b, scaling, across)
    site.group(key, pair.b.dtype, shape, parts, Computed("LoRA", origin, known, read))


def _all(node: Node | None) -> Iterator[Node]:
    return node.walk() if node is not None else iter(())


def _pairs(site: Site, first: str, second: str) -> Iterator[Pair]:
    """The matrices of every adapter; without a name of one, those that are there directly."""
    one, other = _below(site.nodes.get(first)), _below(site.nodes.get(second))
    for adapter, a in one.items():
        b = other.get(adapter)
        if b is not None and a.ndim >= 2 and a.dtype in FLOATS and b.dtype in FLOATS:
            yield Pair(adapter, a, b)


def _below(node: Node | None) -> dict[str, Tensor]:
    """The matrices at or below a node, by the name of their adapter: `weight`, `default.weight`, `default`."""
    if isinstance(node, Tensor):
        return {"": node}
    found: dict[str, Tensor] = {}
    for child in node.children if isinstance(node, Module) else ():
        inner = child if isinstance(child, Tensor) else None
        if isinstance(child, Module):
            weights = [below for below in child.children if below.key == "weight" and isinstance(below, Tensor)]
            inner = weights[0] if weights else None
        if inner is not None and type(child.key) is str:
            found["" if child.key == "weight" else child.key] = inner
    return found


def _scaling(site: Site, rank: int, adapter: str) -> Scaling:
    kept = site.module.attributes.get("scaling")
    known: Any = kept.get(adapter) if type(kept) is Dict else None
    if _is_number(known):
        return Scaling(float(known), f"{known:g}, as the layer has it")
    alpha = site.tensor("alpha", (0, 1), FLOATS)
    if alpha is not None and alpha.numel == 1:
        return Scaling(1.0, f"alpha / {rank}, alpha from the file", alpha)
    config = site.settings.read("adapter_config.json")
    said: Any = _for(site.module.name, config.get("alpha_pattern"), config.get("lora_alpha"))
    if not _is_number(said):
        return Scaling(1.0, "unknown, 1 is taken: the file has no alpha, nor is there an adapter_config.json")
    if config.get("use_rslora") is True:
        return Scaling(said / math.sqrt(rank), f"{said:g} / sqrt({rank})")
    return Scaling(said / rank, f"{said:g} / {rank}")


def _is_number(value: Any) -> bool:
    return (type(value) is int and value.bit_length() < 64) or (type(value) is float and math.isfinite(value))


def _for(module: str, patterns: Any, usual: Any) -> Any:
    """The setting for a module: that of the first pattern its name ends with; None if a pattern is more than a name."""
    for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
        if not PLAIN.fullmatch(pattern):
            return None
        if module == pattern or module.endswith("." + pattern):
            return value
    return usual


def _transposed(tensor: Tensor) -> Tensor:
    shape, stride = tensor.shape[::-1], tensor.stride[::-1]
    return Tensor(tensor.dtype, shape, stride, tensor.storage, tensor.offset, traits=tensor.traits)


def _read(a: Tensor, b: Tensor, scaling: Scaling, across: bool, box: Box) -> Array:
    """A box of `scaling * B @ A`."""
    rows, *columns = reversed(box) if across else box
    rank = a.shape[0]
    left = numbers(b, [rows, (0, rank), *((0, 1) for _ in b.shape[2:])]).reshape(-1, rank)
    right = numbers(a, [(0, rank), *columns])
    product = (left @ right.reshape(rank, -1)).reshape(left.shape[0], *right.shape[1:])
    factor = scaling.factor
    if scaling.alpha is not None:
        factor = float(numbers(scaling.alpha, [(0, 1)] * scaling.alpha.ndim).reshape(())) / rank
    values: Array = product * product.dtype.type(factor)
    return values.T if across else values
