"""The tree of a state_dict: the modules its names and its metadata tell of, and keys of every sort."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inspector.nodes import Module, Node
from tests.inspector.modules import MODULES, Deep, assert_expressions, same_tensor, tensors_in
from tests.inspector.samples import Pickler, archive, opened, reference, saved

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def named_nodes(root: Node) -> list[str]:
    return [node.name for node in root.walk()][1:]


def test_a_state_dict_shows_the_modules_in_their_order_with_those_that_hold_nothing(tmp_path: Path) -> None:
    model = Deep()
    data = saved(model.state_dict())
    with opened(data, tmp_path) as opened_dict:
        names = [node.name for node in opened_dict.root.walk() if isinstance(node, Module)]
        assert names == [name for name, _ in model.named_modules()]
        assert list(opened_dict.state_dict()) == [
            *("scale", "body.1.weight", "body.1.bias", "body.3.1.weight", "body.3.1.bias"),
            *("body.3.1.running_mean", "body.3.1.running_var", "body.3.1.num_batches_tracked"),
            *(f"layers.{number}.{name}" for number in range(11) for name in ("weight", "bias")),
        ]
        assert set(opened_dict.state_dict()) == set(model.state_dict())
        assert opened_dict["body.3.1"].attributes["version"] == 2
        assert_expressions(opened_dict.root, reference(data))


@pytest.mark.parametrize("kind", [kind for kind in MODULES if kind not in ("cyclic", "compiled", "quantised dynamically")])
def test_a_state_dict_of_any_module_has_its_tensors(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = saved(MODULES[kind]().state_dict())
    loaded = reference(data)
    with opened(data, tmp_path) as model:
        assert model.state_dict().keys() == loaded.keys()
        for name, tensor in loaded.items():
            same_tensor(model.state_dict()[name], tensor)
        assert_expressions(model.root, loaded)


def test_a_state_dict_that_lost_its_metadata_sorts_numbers_as_numbers(tmp_path: Path) -> None:
    names = [f"layers.{number}.weight" for number in sorted(range(12), key=str)] + ["head.weight", "layers.2.bias", "a"]
    data = saved({name: torch.ones(1) for name in names})
    with opened(data, tmp_path) as model:
        assert [node.key for node in model["layers"].children] == [str(number) for number in range(12)]
        assert [node.key for node in model.root.children] == ["layers", "head", "a"]
        assert [node.key for node in model["layers.2"].children] == ["weight", "bias"]
        assert set(model.state_dict()) == set(names)
        assert_expressions(model.root, reference(data))


def test_metadata_that_does_not_fit_is_not_believed(tmp_path: Path) -> None:
    value = collections.OrderedDict({"a.b.weight": torch.ones(1), "c.weight": torch.ones(2)})
    value._metadata = collections.OrderedDict({"": {"version": 1}, "c": {"version": 7}})  # type: ignore[attr-defined]
    with opened(saved(value), tmp_path) as model:
        assert list(model.state_dict()) == list(value)
        assert model["c"].attributes["version"] == 7


SAME_NAMES: dict[str, Any] = {
    "dotted and nested": {"a.b": torch.ones(1), "a": {"b": torch.ones(2)}},
    "nested and dotted": {"a": {"b": torch.ones(2)}, "a.b": torch.ones(1)},
    "a tensor and what is below it": {"a": torch.ones(1), "a.b": torch.ones(2), "a.b.c": torch.ones(3)},
    "below and above": {"a.b.c": torch.ones(3), "a.b": torch.ones(2), "a": torch.ones(1)},
    "dots at the ends": {"a.": torch.ones(1), ".a": torch.ones(2), "a..b": torch.ones(3), ".": torch.ones(4), "..": torch.ones(5), "": torch.ones(6), "..a.": torch.ones(7)},
    "many dots": {"x" + "." * 500 + "y": torch.ones(1), "." * 300: torch.ones(2), "a.b": torch.ones(3)},
    "odd texts": {"a b.c": torch.ones(1), "x[0].y": torch.ones(2), "A[/nope]B.c": torch.ones(3), "'\"\\.q": torch.ones(4),
                  "é.ü": torch.ones(5), "\x1b[2J.x": torch.ones(6), "\u202e.x": torch.ones(7), "a\nb.c": torch.ones(8)},
    "keys of other kinds": {1: torch.ones(1), (1, "a"): torch.ones(2), b"x": torch.ones(3), None: torch.ones(4),
                            2.5: torch.ones(5), False: torch.ones(6), "a.b": torch.ones(7), (): torch.ones(8),
                            ((1,), None): torch.ones(9), 1j: torch.ones(10), -3: torch.ones(11)},
    "look-alikes": {"1": torch.ones(1), 1: torch.ones(2), "None": torch.ones(3), None: torch.ones(4), "True": torch.ones(5),
                    "b'x'": torch.ones(6), b"x": torch.ones(7), "(1,)": torch.ones(8), (1,): torch.ones(9), "a.1": torch.ones(10)},
    "floats that can't be written": {float("nan"): torch.ones(1), float("inf"): torch.ones(2), 1.5: torch.ones(3)},
    "keys that are objects": {torch.float32: torch.ones(1), torch.device("cpu"): torch.ones(2), "x": torch.ones(3)},
    "an int of many digits": {10**3000: torch.ones(1), -(10**6000): torch.ones(2)},
}  # fmt: skip
UNREACHABLE = {"floats that can't be written", "keys that are objects", "an int of many digits"}


@pytest.mark.parametrize("kind", SAME_NAMES)
def test_every_tensor_of_a_dict_is_there_under_its_key(kind: str, tmp_path: Path) -> None:
    value = SAME_NAMES[kind]
    data = saved(value)
    loaded = reference(data)
    with opened(data, tmp_path) as model:
        assert model.problems == []
        count = sum(1 for _ in tensors_in(loaded))
        assert len(list(model.tensors())) == count
        assert len(model.state_dict()) == count
        assert_expressions(model.root, loaded, must_reach=kind not in UNREACHABLE)
        for node in model.root.walk():
            assert type(node.name) is str and type(node.label) is str and len(node.label) < 1000


def test_two_tensors_of_one_dotted_name_are_told_apart(tmp_path: Path) -> None:
    with opened(saved(SAME_NAMES["dotted and nested"]), tmp_path) as model:
        assert [(name, node.shape) for name, node in model.state_dict().items()] == [("a.b", (1,)), ("a.b#2", (2,))]


def test_a_key_that_comes_twice_counts_once_as_in_python(tmp_path: Path) -> None:
    one, two = (Pickler.tensor(Pickler.storage("FloatStorage", key, 1), 0, (1,), (1,)) for key in "01")
    body = b"}(" + Pickler.text("a") + one + b"K\x01" + one + b"\x88" + two + Pickler.text("a") + two + b"u"
    data = archive(b"\x80\x02" + body + b".", {key: np.full(1, key, "f4").tobytes() for key in "01"})
    with opened(data, tmp_path) as model:
        assert [node.key for node in model.root.children] == list(reference(data)) == ["a", 1]
        assert_expressions(model.root, reference(data))
