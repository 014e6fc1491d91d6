"""Pickles that are cut, broken or hostile: what they had is kept, where they end is told, none hangs."""

from __future__ import annotations

import gc
import pickle
import pickletools
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.limits import Limits
from inspector.pickles.objects import Dict, Global, Instance, text
from inspector.pickles.opcodes import AtLimit, Cut
from inspector.pickles.plain import PLAIN
from inspector.pickles.running import run
from tests.inspector.pickled import PROTOCOLS, data, plain

TREE = {"weights": {f"layer{number}": (number, [1.5] * number) for number in range(20)}, "epoch": 3, "é": {b"x", None}}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_cut_pickle_says_where_and_keeps_what_it_had(protocol: int) -> None:
    whole = pickle.dumps(TREE, protocol)
    most = 0
    for length in range(len(whole)):
        result = run(whole[:length], builders=PLAIN)
        assert type(result.broken) is Cut, length
        assert 0 <= result.broken.offset <= length
        if type(result.value) is Dict:
            weights = result.value.get("weights")
            kept = plain(weights) if type(weights) is Dict else {}
            most = max(most, len(kept))
            for name, layer in list(kept.items())[:-1]:
                assert layer == TREE["weights"][name]  # type: ignore[index]
    assert most == 20


class Net:
    """Like an `nn.Module`: state in nested dicts."""

    def __init__(self, depth: int) -> None:
        self._parameters = {"weight": 1.5, "bias": None}
        self._modules = {f"m{number}": Net(depth - 1) for number in range(3)} if depth else {}
        self.training = True


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_cut_within_an_objects_state_keeps_the_state(protocol: int) -> None:
    whole = pickle.dumps(Net(2), protocol)
    found = []
    for length in range(0, len(whole), 7):
        root = run(whole[:length], builders=PLAIN).value
        count, stack = 0, [root]
        while stack:
            item = stack.pop()
            if type(item) is Instance:
                attributes = item.attributes()
                parameters = attributes.get("_parameters")
                count += type(parameters) is Dict and parameters.get("weight") == 1.5
                modules = attributes.get("_modules")
                stack.extend(modules.values if type(modules) is Dict else ())
        found.append(count)
    assert found[-1] == 13
    # Nothing that was there is lost when the cut comes later.
    assert found == sorted(found)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(
    value=data,
    protocol=st.sampled_from(PROTOCOLS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_a_broken_pickle_never_raises(value: Any, protocol: int, edits: list[tuple[float, int]]) -> None:
    broken = bytearray(pickle.dumps(value, protocol))
    for place, byte in edits:
        broken[min(int(place * len(broken)), len(broken) - 1)] = byte
    result = run(bytes(broken), builders=PLAIN)
    assert result.broken is None or 0 <= result.broken.offset <= len(broken)
    assert len(text(result.value)) <= 201


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(st.lists(st.sampled_from([opcode.code.encode("latin1") for opcode in pickletools.opcodes]) | st.binary(max_size=9)))
@settings(max_examples=300, deadline=None)
def test_any_run_of_opcodes_is_read_or_told_to_be_broken(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    result = run(data, builders=PLAIN)
    text(result.value)
    if result.broken is not None:
        assert 0 <= result.broken.offset <= len(data)
        assert str(result.broken)


@given(value=data, protocol=st.sampled_from(PROTOCOLS))
@settings(max_examples=50, deadline=None)
def test_what_follows_a_pickle_is_not_touched(value: Any, protocol: int) -> None:
    written = pickle.dumps(value, protocol)
    assert run(written + b"\xff" * 20).end == len(written)


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"", 0),
        (b"K", 1),
        (b"N", 1),
        (b"\xff.", 0),
        (b"\x80\x06N.", 1),
        (b"0.", 1),
        (b"h\x05.", 1),
        (b"X\xff\xff\xff\x7fabc.", 5),
        (b"T\xff\xff\xff\xffabc.", 1),
        (b"\x8b\xff\xff\xff\xffabc.", 1),
        (b"(K\x01d.", 4),
        (b"}K\x01a.", 4),
        (b"Snot quoted\n.", 1),
        (b"Ione\n.", 1),
        (b"K\x01\x87.", 3),
    ],
)
def test_a_broken_pickle_says_where(data: bytes, offset: int) -> None:
    with pytest.raises(Exception):  # noqa: B017 (whatever CPython raises)
        pickle.loads(data)
    broken = run(data).broken
    assert broken is not None
    assert abs(broken.offset - offset) <= 1, (broken.offset, str(broken))


def test_dict_keys_that_take_for_ever_to_hash_are_not_hashed() -> None:
    # 60 tuples, each of the one before it twice: 2^60 leaves.
    bomb = b"\x80\x02)" + b"2\x86" * 60 + b"q\x00"
    for body in (b"}" + bomb + b"K\x01s.", b"\x8f(" + bomb + b"\x90.", b"(" + bomb + b"\x91.", b"(" + bomb + b"K\x01d."):
        started = time.monotonic()
        result = run(body.replace(b"\x80\x02", b""), builders=PLAIN)
        assert result.broken is None
        assert len(text(result.value)) <= 201
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("wrap", [b"]", b"(", b"}X\x01\x00\x00\x00a", b"cx\ny\n"])
def test_endless_levels_are_read_and_thrown_away(wrap: bytes) -> None:
    depth = 1_000_000 if wrap == b"]" else 200_000
    close = {b"]": b"a", b"(": b"t", b"}X\x01\x00\x00\x00a": b"s", b"cx\ny\n": b"\x85R"}[wrap]
    body = wrap * depth + b"]" + close * depth + b"."
    result = run(body)
    assert result.broken is None
    assert len(text(result.value)) <= 201
    del result
    gc.collect()


def test_a_call_that_would_take_all_memory_stays_a_call() -> None:
    made = run(b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", builders=PLAIN).value
    assert type(made) is Instance and made.arguments == (0x7FFFFFFF,)


@pytest.mark.parametrize("called", [b"collections\nOrderedDict", b"builtins\nlist", b"builtins\ntuple", b"builtins\nset"])
def test_copying_one_large_object_over_and_over_is_stopped(called: bytes) -> None:
    source = b"](" + b"K\x01K\x02\x86" * 1000 + b"e"
    data = source + b"q\x00c" + called + b"\nq\x010](" + b"h\x01h\x00\x85R" * 50_000 + b"e."
    stopped = run(data, builders=PLAIN)
    assert "'copies'" in str(stopped.broken)
    assert 4 <= len(stopped.value) < 50_000


@pytest.mark.parametrize(("data", "limit"), [
    (b"N0" * 200_000 + b"N.", "opcodes"),
    (b"N\x94" * 200_000 + b".", "memo"),
    (b"(" * 200_000 + b".", "depth"),
    (b"N" * 200_000 + b".", "stack"),
    (b"X\xa1\x86\x01\x00" + b"a" * 100_001 + b".", "text"),
])  # fmt: skip
def test_a_limit_ends_a_pickle_as_damage_does_and_is_told_by_name(data: bytes, limit: str) -> None:
    before = b"}(X\x04\x00\x00\x00hereK\x07X\x01\x00\x00\x00x"
    stopped = run(before + data, limits=Limits(**{limit: 100_000}))
    assert isinstance(stopped.broken, AtLimit)
    assert f"(limit '{limit}': 100000; --limit {limit}=N sets it)" in str(stopped.broken)
    assert stopped.value.get("here") == 7


def test_whoever_waits_hears_how_far_it_is_and_can_stop_it() -> None:
    heard: list[int] = []
    data = b"N0" * 200_000 + b"N."
    run(data, tick=heard.append)
    assert heard == sorted(heard) and len(heard) > 2 and heard[-1] <= len(data)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tick=stop)


@pytest.mark.parametrize("state", [b"}X\x01\x00\x00\x00aK\x01s", b"N", b"K\x01"])
def test_state_for_a_class_does_not_break_the_rest(state: bytes) -> None:
    # pickle sets the attributes of whatever it has made, also of a class or a function.
    result = run(b"(cargparse\nNamespace\n" + state + b"bX\x05\x00\x00\x00laterl.")
    assert result.broken is None
    assert result.value[1] == "later"


def test_an_importable_name_is_one_object_and_only_a_name() -> None:
    first, second = run(b"(cno.such.module\nThing\ncno.such.module\nThing\nl.").value
    assert first is second and type(first) is Global and first.path == "no.such.module.Thing"
