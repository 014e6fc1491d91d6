"""Training checkpoints: everything in them that is no tensor, and every tensor in it."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from inspector.nodes import Module, Node, Value
from inspector.pickles.objects import SCALARS, text
from tests.inspector.modules import Deep, assert_expressions, tensors_in
from tests.inspector.modules import __name__ as MODULES_NAME
from tests.inspector.samples import opened, reference, saved, without

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


HERE = __name__


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


@dataclasses.dataclass
class Config:
    width: int = 3
    names: list[str] = dataclasses.field(default_factory=lambda: ["a", "b"])
    weight: Any = None


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


class Records(list[Any]):
    """A list of a class of its own, with an attribute."""


class Options(dict[str, Any]):
    """A dict of a class of its own."""


class Pair(collections.namedtuple("Pair", "first second")):
    """A tuple of a class of its own."""


class Stateful:
    """State that is no dict."""

    def __init__(self) -> None:
        self.value = torch.ones(2)

    def __getstate__(self) -> Any:
        return [1, self.value]

    def __setstate__(self, state: Any) -> None:
        self.value = state[1]


def records() -> Records:
    made = Records([torch.ones(1), 2])
    made.note = torch.ones(3)  # type: ignore[attr-defined]
    return made


def function(x: int) -> int:
    return x


def checkpoint() -> dict[str, Any]:
    model = Deep()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model.scale.sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "whole": nn.Sequential(nn.Linear(2, 2)),
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict(),
        "epoch": 7,
        "best": 0.25,
        "done": False,
        "name": "run \x1b[31m1",
        "nothing": None,
        "args": argparse.Namespace(lr=0.1, layers=[1, 2], where=pathlib.PurePosixPath("/data/x")),
        "config": Config(weight=torch.ones(4)),
        "colour": Colour.RED,
        "when": datetime.datetime(2024, 1, 2, 3, 4, 5),
        "day": datetime.date(2024, 1, 2),
        "long": datetime.timedelta(days=1),
        "path": pathlib.PurePosixPath("/data/model"),
        "partial": functools.partial(function, 3, key=4),
        "function": function,
        "class": Deep,
        "slotted": Slotted(1, torch.ones(2)),
        "records": records(),
        "options": Options(a=torch.ones(1), b=2),
        "deque": collections.deque([1, torch.ones(2)], maxlen=5),
        "default": collections.defaultdict(list, {"a": [torch.ones(1)]}),
        "counter": collections.Counter("abca"),
        "pair": Pair(1, torch.ones(3)),
        "stateful": Stateful(),
        "rng": torch.get_rng_state(),
        "numpy_rng": np.random.RandomState(0).get_state(),
        "dtype": torch.bfloat16,
        "device": torch.device("cuda", 1),
        "size": torch.Size([2, 3]),
        "layout": torch.strided,
        "sets": {1, 2},
        "frozen": frozenset(["x"]),
        "bytes": b"\x00\xff",
        "complex": 1 + 2j,
        "big": 1 << 100,
        "range": range(3),
        "slice": slice(1, 2),
        "nested": [(1, [torch.ones(2), {"k": (torch.zeros(1),)}])],
        "empty": {"dict": {}, "list": [], "tuple": (), "set": set()},
        "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
    }


def described(node: Node) -> str:
    """What a node shows besides its children."""
    if isinstance(node, Value):
        return text(node.value)
    return node.type if isinstance(node, Module) else ""


def test_a_training_checkpoint_shows_all_it_holds(tmp_path: Path) -> None:
    data = saved(checkpoint())
    with without(HERE), opened(data, tmp_path) as model:
        assert model.problems == []
        root = model.root
        assert [node.key for node in root.children] == list(checkpoint())
        shown = {node.label: described(node) for node in root.children}
    assert shown == {
        "model": "OrderedDict",
        "whole": "torch.nn.modules.container.Sequential",
        "optimizer": "dict",
        "scheduler": "dict",
        "epoch": "7",
        "best": "0.25",
        "done": "False",
        "name": "'run \\x1b[31m1'",
        "nothing": "None",
        "args": "argparse.Namespace",
        "config": f"{HERE}.Config",
        "colour": f"{HERE}.Colour(1)",
        "when": "datetime.datetime(b'\\x07\\xe8\\x01\\x02\\x03\\x04\\x05\\x00\\x00\\x00')",
        "day": "datetime.date(b'\\x07\\xe8\\x01\\x02')",
        "long": "datetime.timedelta(1, 0, 0)",
        "path": "pathlib.PurePosixPath('/', 'data', 'model')",
        "partial": "functools.partial",
        "function": f"{HERE}.function",
        "class": f"{MODULES_NAME}.Deep",
        "slotted": f"{HERE}.Slotted",
        "records": f"{HERE}.Records",
        "options": f"{HERE}.Options",
        "deque": "collections.deque",
        "default": "defaultdict",
        "counter": "Counter",
        "pair": f"{HERE}.Pair",
        "stateful": f"{HERE}.Stateful",
        "rng": "",
        "numpy_rng": "tuple",
        "dtype": "torch.bfloat16",
        "device": "torch.device('cuda', 1)",
        "size": "torch.Size([2, 3])",
        "layout": "torch.strided",
        "sets": "set",
        "frozen": "frozenset",
        "bytes": "b'\\x00\\xff'",
        "complex": "(1+2j)",
        "big": str(1 << 100),
        "range": "__builtin__.xrange(0, 3, 1)",
        "slice": "__builtin__.slice(1, 2, None)",
        "nested": "list",
        "empty": "dict",
        "ordered": "OrderedDict",
    }


def test_every_tensor_of_a_training_checkpoint_is_there_and_reached(tmp_path: Path) -> None:
    data = saved(checkpoint())
    loaded = reference(data)
    with opened(data, tmp_path) as model:
        assert_expressions(model.root, loaded, must_reach=False)
        # What no expression reaches: what is in a namedtuple's or deque's arguments, or in a state that is no dict.
        hidden = [node.name for node in model.tensors() if not node.expression]
        assert hidden == ["pair.(arguments).1", "stateful.(state).1"]
        expected = {tensor.data_ptr() for tensor in tensors_in(loaded) if isinstance(tensor, torch.Tensor)}
        assert len({id(node.storage) for node in model.tensors() if node.traits.type != "numpy.ndarray"}) == len(expected)


def test_an_object_shows_class_arguments_and_state(tmp_path: Path) -> None:
    with opened(saved(checkpoint()), tmp_path) as model:
        partial = model["partial"]
        assert partial.type == "functools.partial"
        assert text(model["partial.(arguments).0"].value) == f"{HERE}.function"
        state = model["partial.(state)"]
        assert [described(node) for node in state.children] == [f"{HERE}.function", "(3,)", "dict", "None"]
        assert [node.key for node in model["args"].children] == ["lr", "layers", "where"]
        assert model["args"].lr.value == 0.1
        assert model["config.names"].value == ["a", "b"]
        assert model["slotted.a"].value == 1 and model["slotted.b"].expression == "['slotted'].b"
        assert [node.expression for node in model["options"].children] == ["['options']['a']", "['options']['b']"]
        assert model["records.note"].expression == "['records'].note"
        assert next(model["records"].tensors()).expression == "['records'][0]"
        assert [node.label for node in model["model"].children][:2] == ["scale", "body"]
        assert model["optimizer.param_groups.0.lr"].value == 0.1
        assert model["default.a.0"].expression == "['default']['a'][0]"
        assert all(node.expression == "" for node in model["sets"].children)


def test_what_is_no_tensor_is_reached_by_its_expression_too(tmp_path: Path) -> None:
    data = saved(checkpoint())
    loaded = reference(data)
    reached = 0
    with opened(data, tmp_path) as model:
        for node in model.root.walk():
            if isinstance(node, Value) and type(node.value) in (*SCALARS, bytes) and node.expression:
                value = eval("obj" + node.expression, {"obj": loaded})
                assert value == node.value and type(value) is type(node.value)
                reached += 1
    assert reached >= 40


def test_optimizer_state_is_reached_by_its_numbers(tmp_path: Path) -> None:
    data = saved(checkpoint())
    with opened(data, tmp_path) as model:
        moment = model["optimizer.state.0.exp_avg"]
        assert moment.expression == "['optimizer']['state'][0]['exp_avg']"


@pytest.mark.parametrize(
    "thing",
    [torch.ones(3), 7, "text", None, [torch.ones(1), torch.ones(2)], (torch.ones(1), 2), {}, [], nn.Parameter(torch.ones(1)),
     torch.float16, np.arange(3), collections.OrderedDict(), torch.Size([1]), Colour.BLUE],
    ids=str,
)  # fmt: skip
def test_anything_can_be_the_whole_file(thing: Any, tmp_path: Path) -> None:
    data = saved(thing)
    with opened(data, tmp_path) as model:
        loaded = reference(data)
        assert model.root.name == "" and model.root.expression == ""
        assert_expressions(model.root, loaded)
        assert sum(1 for _ in model.tensors()) == sum(1 for _ in tensors_in(loaded))
        repr(model)
