"""The pickle machine against CPython's own: every opcode in every protocol."""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
from typing import Any

import pytest
from hypothesis import given, settings

from inspector.pickles.objects import Persistent
from inspector.pickles.plain import PLAIN
from inspector.pickles.running import run
from tests.inspector.pickled import PROTOCOLS, data, exact, loaded, plain

# One pickle for each opcode, by the opcode's name; what it loads as is asked of `pickle.loads`.
NAMESPACE = b"cargparse\nNamespace\n"
SAMPLES = {
    "INT": b"(I-12\nI00\nI01\nI99999999999\nl.",
    "BININT": b"J\xfe\xff\xff\xff.",
    "BININT1": b"K\xff.",
    "BININT2": b"M\x01\x02.",
    "LONG": b"(L123456789012345678901234567890L\nL-7\nl.",
    "LONG1": b"(\x8a\x00\x8a\x02\xff\x00\x8a\x01\x80l.",
    "LONG4": b"\x8b\x09\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08.",
    "STRING": b"(S'it\\'s \\x41'\nS\"double\"\nl.",
    "BINSTRING": b"T\x03\x00\x00\x00abc.",
    "SHORT_BINSTRING": b"U\x03abc.",
    "BINBYTES": b"B\x03\x00\x00\x00a\xffc.",
    "SHORT_BINBYTES": b"C\x03a\xffc.",
    "BINBYTES8": b"\x8e\x03\x00\x00\x00\x00\x00\x00\x00a\xffc.",
    "BYTEARRAY8": b"\x96\x03\x00\x00\x00\x00\x00\x00\x00a\xffc.",
    "NONE": b"N.",
    "NEWTRUE": b"\x88.",
    "NEWFALSE": b"\x89.",
    "UNICODE": b"V\\u20ac and \xe9\n.",
    "SHORT_BINUNICODE": b"\x8c\x03\xe2\x82\xac.",
    "BINUNICODE": b"X\x03\x00\x00\x00\xed\xa0\x80.",
    "BINUNICODE8": b"\x8d\x03\x00\x00\x00\x00\x00\x00\x00abc.",
    "FLOAT": b"(F-1.5e-300\nFnan\nF-inf\nl.",
    "BINFLOAT": b"G\xbf\xf8\x00\x00\x00\x00\x00\x00.",
    "EMPTY_LIST": b"].",
    "APPEND": b"]K\x01aK\x02a.",
    "APPENDS": b"](K\x01K\x02e(e.",
    "LIST": b"(K\x01(ll.",
    "EMPTY_TUPLE": b").",
    "TUPLE": b"(K\x01K\x02K\x03K\x04t.",
    "TUPLE1": b"K\x01\x85.",
    "TUPLE2": b"K\x01K\x02\x86.",
    "TUPLE3": b"K\x01K\x02K\x03\x87.",
    "EMPTY_DICT": b"}.",
    "DICT": b"(K\x01K\x02K\x01K\x03d.",
    "SETITEM": b"}K\x01K\x02s.",
    "SETITEMS": b"}(K\x01K\x02K\x03K\x04u.",
    "EMPTY_SET": b"\x8f.",
    "ADDITEMS": b"\x8f(K\x01K\x02\x90.",
    "FROZENSET": b"(K\x01K\x01\x91.",
    "POP": b"K\x01K\x020(0.",
    "DUP": b"K\x012\x86.",
    "MARK": b"((tt.",
    "POP_MARK": b"K\x01(K\x02K\x031.",
    "GET": b"(K\x07p300\ng300\nt.",
    "BINGET": b"(K\x07q\x05h\x05t.",
    "LONG_BINGET": b"(K\x07r\x00\x01\x00\x00j\x00\x01\x00\x00t.",
    "PUT": b"]p12345\nK\x01ag12345\n\x86.",
    "BINPUT": b"(K\x07q\xffh\xfft.",
    "LONG_BINPUT": b"(K\x07r\x00\x01\x00\x00j\x00\x01\x00\x00t.",
    "MEMOIZE": b"(K\x07\x94h\x00K\x08\x94h\x01t.",
    "PROTO": b"\x80\x05N.",
    "STOP": b"N.",
    "FRAME": b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N.",
}

# How an object is made by each opcode that makes one: the pickle, the arguments and the keywords.
CALLS = {
    "GLOBAL": (NAMESPACE + b")R}X\x01\x00\x00\x00aK\x01sb.", (), None),
    "STACK_GLOBAL": (b"\x8c\x08argparse\x8c\x09Namespace\x93)R}X\x01\x00\x00\x00aK\x01sb.", (), None),
    "REDUCE": (NAMESPACE + b")R}X\x01\x00\x00\x00aK\x01sb.", (), None),
    "BUILD": (NAMESPACE + b")\x81}X\x01\x00\x00\x00aK\x01sb.", (), None),
    "INST": (b"(iargparse\nNamespace\n}X\x01\x00\x00\x00aK\x01sb.", (), None),
    "OBJ": (b"(" + NAMESPACE + b"o}X\x01\x00\x00\x00aK\x01sb.", (), None),
    "NEWOBJ": (NAMESPACE + b")\x81}X\x01\x00\x00\x00aK\x01sb.", (), None),
    "NEWOBJ_EX": (NAMESPACE + b")}\x92}X\x01\x00\x00\x00aK\x01sb.", (), {}),
}
ELSEWHERE = {"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER", "PERSID", "BINPERSID"}


def opcodes(data: bytes) -> set[str]:
    return {opcode.name for opcode, _, _ in pickletools.genops(data)}


def test_every_opcode_of_cpython_has_a_sample_here() -> None:
    assert {opcode.name for opcode in pickletools.opcodes} == SAMPLES.keys() | CALLS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", SAMPLES)
def test_an_opcode_does_what_it_does_in_cpython(name: str) -> None:
    assert name in opcodes(SAMPLES[name])
    assert exact(loaded(SAMPLES[name])) == exact(pickle.loads(SAMPLES[name]))


@pytest.mark.parametrize("name", CALLS)
def test_an_opcode_that_makes_an_object_leaves_a_note_of_the_call(name: str) -> None:
    data, arguments, keywords = CALLS[name]
    assert name in opcodes(data)
    made = pickle.loads(data)
    result = run(data, builders=PLAIN)
    assert result.broken is None
    (call,) = result.calls
    assert call is result.value
    assert call.type == f"{type(made).__module__}.{type(made).__qualname__}"
    assert call.arguments == arguments
    assert plain(call.keywords) == keywords
    assert call.attributes() == vars(made) == {"a": 1}
    assert data[call.offset : call.offset + 1] == {
        "GLOBAL": b"R", "STACK_GLOBAL": b"R", "REDUCE": b"R", "BUILD": b"\x81", "INST": b"i", "OBJ": b"o",
        "NEWOBJ": b"\x81", "NEWOBJ_EX": b"\x92",
    }[name]  # fmt: skip


def test_keyword_arguments_are_kept() -> None:
    made = run(NAMESPACE + b")}X\x01\x00\x00\x00aK\x01s\x92.").value
    assert plain(made.keywords) == {"a": 1}


@pytest.mark.parametrize(("name", "data"), [("EXT1", b"\x82\x01."), ("EXT2", b"\x83\x01\x00."), ("EXT4", b"\x84\1\0\0\0.")])
def test_the_extension_registry_is_refused_by_name(name: str, data: bytes) -> None:
    broken = run(data).broken
    assert broken is not None and name in str(broken) and broken.offset == 0


@pytest.mark.parametrize("data", [b"\x97.", b"\x80\x05\x97\x98."])
def test_a_buffer_from_outside_is_said_to_be_missing(data: bytes) -> None:
    broken = run(data).broken
    assert broken is not None and "buffer" in str(broken)


@pytest.mark.parametrize("data", [b"Pthe name\n.", b"X\x08\x00\x00\x00the nameQ."])
def test_a_persistent_id_is_handed_on(data: bytes) -> None:
    class Reference(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            return ("asked", pid)

    assert run(data, persistent=lambda pid: ("asked", pid)).value == Reference(io.BytesIO(data)).load()
    alone = run(data).value
    assert type(alone) is Persistent and alone.pid == "the name"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(value=data)
@settings(max_examples=120, deadline=None)
def test_plain_data_comes_out_as_it_went_in(protocol: int, value: Any) -> None:
    written = pickle.dumps(value, protocol)
    assert exact(loaded(written)) == exact(pickle.loads(written))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(value=data)
@settings(max_examples=40, deadline=None)
def test_what_pythons_own_pickler_writes_comes_out_as_it_went_in(protocol: int, value: Any) -> None:
    stream = io.BytesIO()
    pickle._Pickler(stream, protocol).dump(value)  # type: ignore[attr-defined]
    written = stream.getvalue()
    assert exact(loaded(written)) == exact(loaded(pickletools.optimize(written))) == exact(pickle.loads(written))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_object_under_many_names_stays_one(protocol: int) -> None:
    shared = ["shared"]
    value: list[Any] = [shared, {"again": shared}, (shared,)]
    value.append(value)
    result = run(pickle.dumps(value, protocol)).value
    assert result[0] is result[1].get("again") is result[2][0]
    assert result[3] is result


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_objects_overflow_the_short_memo(protocol: int) -> None:
    value = [[f"text {number}", f"text {number // 2}"] for number in range(70_000)]
    assert loaded(pickle.dumps(value, protocol)) == value


def test_several_pickles_in_a_row_are_read_one_after_the_other() -> None:
    stream = b"".join(pickle.dumps(value, protocol) for value, protocol in zip("abcdef", PROTOCOLS, strict=True))
    at, found = 0, []
    while at < len(stream):
        result = run(stream, at)
        found.append(result.value)
        at = result.end
    assert found == list("abcdef")


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        (b"U\x02\xc3\xa9.", "utf-8", "é"),
        (b"U\x02\xc3\xa9.", "latin1", "\xc3\xa9"),
        (b"U\x01\xe9.", "utf-8", b"\xe9"),
        (b"S'\\xe9'\n.", "utf-8", b"\xe9"),
        (b"T\x01\x00\x00\x00\xe9.", "utf-8", b"\xe9"),
    ],
)
def test_a_text_of_python_2_is_text_if_it_can_be(data: bytes, encoding: str, expected: Any) -> None:
    assert run(data, encoding=encoding).value == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_pickle_calls_is_listed_in_order(protocol: int) -> None:
    value = [argparse.Namespace(a=1), {"a": 1}, argparse.Namespace(b=argparse.Namespace())]
    result = run(pickle.dumps(value, protocol), builders=PLAIN)
    assert [call.type for call in result.calls] == ["argparse.Namespace"] * 3
    assert [call.offset for call in result.calls] == sorted(call.offset for call in result.calls)
