"""Modules of every sort, made here so that a test can take their classes away; and trees compared with what torch loads."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from inspector.nodes import Node, Tensor
from tests.inspector.samples import assert_same


class Net(nn.Module):
    """Layers, a tied one, attributes of every sort."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 3)
        self.fc2 = nn.Linear(4, 3, bias=False)
        self.fc2.weight = self.fc1.weight
        self.norm = nn.BatchNorm1d(3)
        self.again = self.norm
        self.scale = nn.Parameter(torch.ones(2), requires_grad=False)
        self.nothing = None
        self.plain = torch.arange(3.0)
        self.alias = self.norm.running_mean
        self.register_buffer("kept", torch.ones(3))
        self.register_buffer("passing", torch.zeros(3), persistent=False)
        self.register_buffer("missing", None)
        self.register_parameter("no_parameter", None)
        self.config = {"a": 1, "b": [1, 2, (3, "four")]}
        self.history = [torch.ones(1), {"deep": torch.zeros(2)}]
        self._private = "hidden"


class Cyclic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.me = [self]
        self.fc.owner = [self]


class Odd(nn.Module):
    """Names that are no attributes one could write."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("class", nn.Linear(1, 1))
        self.add_module("0", nn.Linear(1, 2))
        self.add_module("a b", nn.Linear(1, 3))
        self.add_module("[red]", nn.Linear(1, 4))
        self.add_module("naïve", nn.Linear(1, 5))
        self.add_module("ﬁ", nn.Linear(1, 6))
        self.register_parameter("import", nn.Parameter(torch.ones(1)))
        self.register_parameter("1st", nn.Parameter(torch.ones(2)))
        self.register_buffer("not", torch.ones(3))
        self.register_buffer("x-y", torch.ones(4))
        self.__dict__["lambda"] = torch.ones(5)
        self.__dict__["q?"] = torch.ones(6)


class Mine(nn.Sequential):
    """A Sequential of a class of its own."""


def weight_norm() -> nn.Module:
    layer = torch.nn.utils.weight_norm(nn.Linear(3, 4))
    layer(torch.randn(1, 3))
    return nn.Sequential(layer, torch.nn.utils.spectral_norm(nn.Linear(4, 2)))


def pruned() -> nn.Module:
    from torch.nn.utils import prune

    layer = nn.Linear(3, 4)
    prune.l1_unstructured(layer, "weight", 3)
    return nn.Sequential(layer)


def compiled() -> Any:
    return torch.compile(nn.Sequential(nn.Linear(3, 4), nn.ReLU()))


def tied() -> nn.Module:
    model = nn.ModuleDict({"embed": nn.Embedding(5, 3), "head": nn.Linear(3, 5)})
    model["head"].weight = model["embed"].weight
    return model


def shared() -> nn.Module:
    layer = nn.Linear(2, 2)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.Sequential(layer, nn.BatchNorm1d(2)))


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    return model.eval()


MODULES: dict[str, Callable[[], Any]] = {
    "Net": Net,
    "Linear": lambda: nn.Linear(3, 4),
    "Sequential": lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)),
    "named Sequential": lambda: nn.Sequential(collections.OrderedDict(a=nn.Linear(1, 2), b=nn.Tanh())),
    "Sequential of its own class": lambda: Mine(nn.Linear(1, 2), Mine(nn.Linear(2, 3))),
    "many layers": lambda: nn.Sequential(*[nn.Linear(1, 1) for _ in range(12)]),
    "ModuleList": lambda: nn.ModuleList([nn.Linear(2, 2), nn.ModuleList([nn.Linear(1, 1)])]),
    "ModuleDict": lambda: nn.ModuleDict({"x": nn.Linear(2, 2), "class": nn.Linear(1, 1), "a b": nn.Linear(1, 2)}),
    "ParameterList": lambda: nn.ParameterList([torch.ones(2), torch.zeros(3)]),
    "ParameterList of more": lambda: nn.ParameterList([torch.ones(2), "text", nn.Parameter(torch.ones(1))]),
    "ParameterDict": lambda: nn.ParameterDict({"a": torch.ones(2), "class": torch.ones(1)}),
    "LSTM": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "GRU with projections": lambda: nn.LSTM(3, 4, proj_size=2),
    "MultiheadAttention": lambda: nn.MultiheadAttention(4, 2),
    "MultiheadAttention with kdim": lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True),
    "Transformer": lambda: nn.Transformer(4, 2, 1, 1, 8),
    "BatchNorm": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.BatchNorm2d(2, affine=False)),
    "BatchNorm without statistics": lambda: nn.BatchNorm1d(2, track_running_stats=False),
    "no bias": lambda: nn.Linear(2, 2, bias=False),
    "weight_norm and spectral_norm": weight_norm,
    "pruned": pruned,
    "LazyLinear": lambda: nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d(), nn.Linear(3, 1)),
    "tied": tied,
    "shared": shared,
    "frozen": frozen,
    "cyclic": Cyclic,
    "odd names": Odd,
    "DataParallel": lambda: nn.DataParallel(nn.Sequential(nn.Linear(2, 2))),
    "compiled": compiled,
    "half": lambda: nn.Sequential(nn.Linear(2, 2).half(), nn.Linear(2, 2).double(), nn.Linear(2, 2).to(torch.bfloat16)),
    "empty": lambda: nn.Sequential(),
    "on the meta device": lambda: nn.Linear(3, 4, device="meta"),
    "AdaptiveLogSoftmax": lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6]),
    "quantised dynamically": lambda: torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(4, 4)), {nn.Linear}, torch.qint8
    ),
}


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(2, 2), nn.Dropout(), nn.Sequential(nn.ReLU(), nn.BatchNorm1d(2)))
        self.flat = nn.Flatten()
        self.layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(11)])
        self.scale = nn.Parameter(torch.ones(1))


def same_tensor(node: Tensor, tensor: Any) -> None:
    """Node and tensor are one, whether or not either has values."""
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        assert node.traits.type.endswith(type(tensor).__name__)
    elif getattr(tensor, "is_meta", False):
        assert (node.shape, node.stride, node.device) == (tuple(tensor.shape), tensor.stride(), "meta")
    else:
        assert_same(node, tensor)


def assert_expressions(root: Node, loaded: Any, must_reach: bool = True) -> None:
    """Every tensor's expression, evaluated on the loaded object, gives that tensor."""
    for node in root.walk():
        if isinstance(node, Tensor):
            expression = node.expression
            # Nothing in Python leads into what torch packed natively.
            assert expression or node is root or not must_reach or "(state)" in node.name, node.name
            if expression or node is root:
                same_tensor(node, eval("obj" + expression, {"obj": loaded}))


def tensors_in(thing: Any) -> Iterator[torch.Tensor]:
    """Every tensor or array in a loaded object that is made of modules, dicts, lists, tuples and attributes."""
    stack, seen = [thing], set()
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        if isinstance(item, torch.Tensor | np.ndarray):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset | collections.deque):
            stack.extend(item)
        slots = getattr(type(item), "__slots__", ())
        stack.extend(getattr(item, name) for name in slots if isinstance(slots, tuple) and hasattr(item, name))
        if hasattr(item, "__dict__") and not isinstance(item, torch.Tensor):
            stack.extend(value for key, value in vars(item).items() if key != "_flat_weights")
