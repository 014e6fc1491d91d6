"""What torch.save writes over and over is read by one pattern: with it and without it, every pickle says the same."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector.limits import DEFAULT
from inspector.nodes import Tensor
from inspector.pickles import items, machine
from inspector.pickles.objects import Dict, Global, Instance, Persistent
from inspector.pickles.running import run
from inspector.pickles.storages import Named
from inspector.pickles.tensors import BUILDERS
from inspector.storage import Storage
from tests.inspector.pickled import PROTOCOLS
from tests.inspector.samples import members, saved


def canonical(value: Any) -> list[Any]:
    """An inert object as a flat list in which what is one object has one number."""
    numbers: dict[int, int] = {}
    told: list[Any] = []
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind in (str, bytes, int, bool, type(None), float, complex):
            told.append((kind.__name__, repr(item)[:200]))
            continue
        known = id(item) in numbers
        # Empty tuples, and sizes that come again, may be one object or several.
        told.append(numbers.setdefault(id(item), len(numbers)) if kind is not tuple else "tuple")
        if known and kind is not tuple:
            continue
        told.append(kind.__name__)
        if kind is Tensor:
            told.append((item.dtype, item.shape, item.stride, item.offset, item.requires_grad, item.traits.conj, item.kind))
            stack.append(item.storage)
        elif kind is Storage:
            told.append((item.key, item.nbytes, item.device, item.dtype))
        elif kind is Dict:
            stack += [*item.keys, *item.values, item.state]
        elif kind in (list, tuple):
            told.append(len(item))
            stack += item
        elif kind is Instance:
            stack += [item.callable, item.arguments, item.state, item.elements, item.entries]
        elif kind is Global:
            told.append(item.path)
        elif kind is Persistent:
            stack.append(item.pid)
    return told


class Home(Named):
    def read(self, key: Any, offset: int, length: int) -> bytes:
        return bytes(length)


def both(data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    results = []
    for fast in (True, False):
        with monkeypatch.context() as patch:
            if not fast:
                patch.setattr(machine, "whole_tensors", lambda machine, position: position)
            result = run(data, builders=BUILDERS, persistent=Home())
            broken = result.broken and type(result.broken)
            results.append((canonical(result.value), broken, len(result.calls), result.end if broken is None else 0))
    return results[0], results[1]


def pickle_of(thing: Any, protocol: int = 2) -> bytes:
    return next(data for name, data in members(saved(thing, pickle_protocol=protocol)).items() if name.endswith("data.pkl"))


def many_tensors() -> dict[str, Any]:
    shared, view = torch.ones(3), torch.zeros(300)
    value: dict[str, Any] = {f"layer{number}.weight": torch.ones(number % 4, 300) for number in range(150)}
    value |= {"a": shared, "b": shared, "c": [shared, (view, view[5:], view.reshape(3, 100).T)], "0-D": torch.tensor(1.0)}
    value |= {"conj": torch.ones(2, dtype=torch.complex64).conj(), "grad": torch.ones(2, requires_grad=True)}
    value |= {
        "p": torch.nn.Parameter(shared),
        "u": torch.ones(2, dtype=torch.uint16),
        "large": torch.empty(70_000)[69_990:],
    }
    return value | {"again": value["layer3.weight"], "int": torch.ones(2, 3, dtype=torch.int8)}


# In protocol 0 torch writes persistent ids that it can't read itself.
@pytest.mark.parametrize("protocol", PROTOCOLS[1:])
def test_tensors_are_the_same_whichever_way_they_are_read(protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fast, slow = both(pickle_of(many_tensors(), protocol), monkeypatch)
    assert fast == slow and fast[1] is None
    assert sum(item == "Tensor" for item in fast[0]) == 161


SMALL = pickle_of({f"l{number}": torch.ones(number, 2)[:, :1] for number in range(1, 6)} | {"x": torch.ones(1)})


LONG = pickle_of({f"part{number % 5}.l{number}.weight": torch.ones(number % 3 + 1, 2) for number in range(48)} | {"x": 1})
FIRST_LONG = LONG.index(b"part0.l40.weight") - 5


def test_names_and_tensors_that_follow_each_other_are_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    plain = items.items

    def watched(machine: machine.Machine, position: int) -> int:
        behind = plain(machine, position)
        taken.append(behind - position)
        return behind

    monkeypatch.setattr(items, "items", watched)
    run(LONG, builders=BUILDERS, persistent=Home())
    assert max(taken) > (len(LONG) - FIRST_LONG) * 0.9


def test_no_more_is_read_in_one_go_than_the_limits_are_looked_at() -> None:
    data = pickle_of({f"l{number}": torch.ones(2) for number in range(5000)})
    heard: list[int] = []
    run(data, builders=BUILDERS, persistent=Home(), tick=heard.append)
    assert len(heard) > 1
    assert max(b - a for a, b in pairwise([0, *heard])) < len(data) / 2
    stopped = run(data, builders=BUILDERS, persistent=Home(), limits=DEFAULT._replace(memo=20_000))
    assert "'memo'" in str(stopped.broken) and 1000 < len(stopped.value.keys) < 4000


@given(
    edits=st.lists(
        st.tuples(
            st.integers(FIRST_LONG, len(LONG) - 1), st.integers(0, 255) | st.sampled_from(sorted(set(LONG[FIRST_LONG:])))
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_damage_among_items_that_follow_each_other_says_the_same_whichever_way_they_are_read(
    edits: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = bytearray(LONG)
    for place, byte in edits:
        damaged[place] = byte
    fast, slow = both(bytes(damaged), monkeypatch)
    assert fast == slow


@pytest.mark.parametrize("entry", range(8))
def test_whatever_an_item_has_put_into_the_memo_can_be_had_again(entry: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The name, the key, the id, size, stride, hooks, arguments and the tensor of the item at part0.l40.weight.
    at = LONG.index(b"r", FIRST_LONG + 5 + len("part0.l40.weight"))
    number = int.from_bytes(LONG[at + 1 : at + 5], "little") + entry
    asking = LONG[:-1] + b"j" + number.to_bytes(4, "little") + b"\x86."
    fast, slow = both(asking, monkeypatch)
    assert fast == slow and fast[1] is None


@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255) | st.sampled_from(sorted(set(SMALL)))), max_size=3
    ),
    cut=st.integers(0, len(SMALL)) | st.just(len(SMALL)),
)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_damaged_pickle_of_tensors_says_the_same_whichever_way_it_is_read(
    edits: list[tuple[int, int]], cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = bytearray(SMALL)
    for place, byte in edits:
        damaged[place] = byte
    fast, slow = both(bytes(damaged[:cut]), monkeypatch)
    assert fast == slow


@given(first=st.integers(0, 60), second=st.integers(0, 60), opcode=st.sampled_from([b"h", b"j"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_pattern_skipped_is_there_when_a_later_opcode_asks_for_it(
    first: int, second: int, opcode: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(index: int) -> bytes:
        return b"h" + bytes([index]) if opcode == b"h" else b"j" + struct.pack("<I", index)

    data = b"\x80\x02(" + SMALL[2:-1] + get(first) + get(second) + get(first) + b"\x94h\x05l."
    fast, slow = both(data, monkeypatch)
    assert fast == slow
