"""The filter: words, globs, expressions and fields, put together; fast enough to run at every key, and never for ever."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.counting import count
from inspector.errors import InspectorError
from inspector.inventory import take
from inspector.nodes import Module, Tensor, Value
from inspector.query import Query, QueryError
from inspector.query.table import YES, Table
from inspector.storage import Memory, Storage, contiguous

NODE = Value(None)

NAMES = ["", "fc1", "fc1.weight", "fc1.bias", "FC2.weight", "x[0].weight", "x0.weight", "lr scheduler", "a*b", "ä.Weight"]


def found(text: str) -> list[str]:
    states = Query(text).states(Table([NODE] * len(NAMES), NAMES))
    return [name for name, state in zip(NAMES, states, strict=True) if state == YES]


def matches(query: Query, name: str) -> bool:
    return bool(query.states(Table([NODE], [name]))[0] == YES)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", NAMES),
        ("   ", NAMES),
        ("fc1", ["fc1", "fc1.weight", "fc1.bias"]),
        ("fc", ["fc1", "fc1.weight", "fc1.bias", "FC2.weight"]),
        ("FC", ["FC2.weight"]),
        ("Weight", ["ä.Weight"]),
        ("weight fc", ["fc1.weight", "FC2.weight"]),
        ("*.weight", ["fc1.weight", "FC2.weight", "x[0].weight", "x0.weight", "ä.Weight"]),
        ("*.Weight", ["ä.Weight"]),
        ("fc?.weight", ["fc1.weight", "FC2.weight"]),
        ("fc?", ["fc1"]),
        ("fc[12].*", ["fc1.weight", "fc1.bias", "FC2.weight"]),
        ("fc[!1].*", ["FC2.weight"]),
        ("x[0]", ["x[0].weight"]),
        ("x[0", ["x[0].weight"]),
        ("x[0].*", ["x0.weight"]),
        ("a*b", ["a*b"]),
        ('"lr s"', ["lr scheduler"]),
        ('"*"', ["a*b"]),
        ('fc "1.b"', ["fc1.bias"]),
        ("*", NAMES),
        ("nothing", []),
    ],
)
def test_a_filter_finds(text: str, names: list[str]) -> None:
    assert found(text) == names


# Expressions


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/^fc\\d\\./", ["fc1.weight", "fc1.bias", "FC2.weight"]),
        ("/^FC/", ["FC2.weight"]),
        ("/\\Wbias$/", ["fc1.bias"]),
        ("/[.](weight|bias)$/ fc1", ["fc1.weight", "fc1.bias"]),
        ("/a\\/b/ or /a.b/", ["a*b"]),
        ("/^$/", [""]),
    ],
)
def test_an_expression_is_found_in_names(text: str, names: list[str]) -> None:
    assert found(text) == names


HANGING = [
    "(a+)+$", "(a|a)*$", "(a|ab)*c", "(a*)*b", "(a?){30}a{30}", "(?:a+b?)+c", "a*" * 8 + "b", "a?" * 40 + "a" * 40,
    "(a|a)" * 25 + "b", "(.*a){20}", "(x+x+)+y", "((a{1,50}){1,50}){1,50}", "([ab]|a)+c", ".*" * 5 + "z", "(?x)a # (",
    r"(a\w*){9}", "(?:(?:a|b)|(?:a|c)){20}d", "(a{0,99}){9}b", "(?=(a+)+)b",
    "(a?){22}b", "(?:aa?|a){12}x", "a*(a?){12}b",
]  # fmt: skip


@pytest.mark.parametrize("pattern", HANGING)
def test_an_expression_that_could_search_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(QueryError):
        Query(f"/{pattern}/")


@given(st.text("ab(){}|*+?.[]^$\\,12", max_size=14), st.text("ab", max_size=300))
@settings(max_examples=300, deadline=None)
def test_what_is_not_refused_ends_soon(pattern: str, name: str) -> None:
    try:
        query = Query(f"/{pattern}/")
    except QueryError:
        return
    start = time.process_time()
    matches(query, name)
    assert time.process_time() - start < 3


@pytest.mark.parametrize("pattern", ["a*a*a*b", "a*?a*?a*?b", "a*a*(a?){5}b", "(a?){15}b", r"(.*)\1(.*)\2(.*)\3x"])
def test_the_slowest_search_in_one_name_is_over_before_anybody_has_to_end_it(pattern: str) -> None:
    query = Query(f"/{pattern}/")
    start = time.process_time()
    with suppress(QueryError):
        matches(query, "a" * 1000)
    assert time.process_time() - start < 2


def test_the_slowest_expression_ends_within_seconds_and_says_so() -> None:
    query = Query("/a*a*a*b/")
    start = time.process_time()
    with pytest.raises(QueryError, match="takes too long"):
        for _ in range(1000):
            matches(query, "a" * 1000)
    assert time.process_time() - start < 5


# Fields


class Figures:
    """What the fields that have to be counted need of `Statistics`."""

    def __init__(self, **figures: float) -> None:
        vars(self).update({"nan": 0, "inf": 0, "zero": 0, "min": -1.0, "max": 1.0, "mean": 0.0, "std": 0.5, "norm": 9.0})
        vars(self).update(figures)


def model() -> Module:
    """An embedding tied to a head, two blocks with a linear layer each, an epoch."""
    root = Module("dict")
    net = Module("__main__.Net", "layer", "net", root)
    root.children.append(net)
    root.children.append(Value(3, "epoch", root))
    storage = Storage(Memory(b""), "0", 4000 * 64 * 2, "cuda:0")

    def add(parent: Module, key: str, dtype: str, shape: tuple[int, ...], kind: Any = "parameter", **more: Any) -> None:
        given = more.pop("storage", None) or Storage(Memory(b""), "1", 1 << 40, "cuda:1")
        parent.children.append(Tensor(dtype, shape, contiguous(shape), given, kind=kind, key=key, parent=parent, **more))

    for name, type in (("embed", "torch.nn.modules.sparse.Embedding"), ("head", "torch.nn.modules.linear.Linear")):
        layer = Module(type, "layer", name, net)
        net.children.append(layer)
        add(layer, "weight", "bfloat16", (4000, 64), requires_grad=True, storage=storage)
    for number in range(2):
        type = "torch.nn.modules.linear.NonDynamicallyQuantizableLinear" if number else "torch.nn.modules.conv.Conv2d"
        layer = Module(type, "layer", f"block{number}", net)
        net.children.append(layer)
        add(layer, "weight", "float32", (128, 64, 3, 3) if number == 0 else (128, 64))
        add(layer, "count", "int64", (), "buffer")
    count(take(root))
    return root


def fitting(text: str, figures: Any = lambda tensor: None) -> list[str]:
    nodes = list(model().walk())[1:]
    names = [node.name for node in nodes]
    states = Query(text, figures).states(Table(nodes, names))
    return [name.removeprefix("net.") for name, state in zip(names, states, strict=True) if state == YES]


EMBED, HEAD, CONV, LINEAR = "embed.weight", "head.weight", "block0.weight", "block1.weight"
COUNTS = ["block0.count", "block1.count"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("type:Linear", ["head", HEAD, "block1", LINEAR, "block1.count"]),
        ("type:nn.Conv2d", ["block0", CONV, "block0.count"]),
        ("type:NonDynamicallyQuantizableLinear", ["block1", LINEAR, "block1.count"]),
        ("type~conv kind:parameter", [CONV]),
        ("type:__main__.Net", ["net"]),
        ("kind:buffer", COUNTS),
        ("kind=module type:Embedding", ["embed"]),
        ("kind:value", ["epoch"]),
        ("dtype:bf16", [EMBED, HEAD]),
        ("dtype=BF16", [EMBED, HEAD]),
        ("dtype:float*", [CONV, LINEAR]),
        ("dtype~float", [EMBED, HEAD, CONV, LINEAR]),
        ("dtype~/16|64/", [EMBED, HEAD, *COUNTS]),
        ("dtype!=int64", [EMBED, HEAD, CONV, LINEAR]),
        ("shape=[4000, 64]", [EMBED, HEAD]),
        ("shape:[*,64]", [EMBED, HEAD, LINEAR]),
        ("shape:[..., 3, 3]", [CONV]),
        ("shape:[128, ...]", [CONV, LINEAR]),
        ("shape:[...]", [EMBED, HEAD, CONV, COUNTS[0], LINEAR, COUNTS[1]]),
        ("shape=[]", COUNTS),
        ("shape~64", [EMBED, HEAD, CONV, LINEAR]),
        ("shape!=[] shape!=[*, *]", [CONV]),
        ("ndim=4", [CONV]),
        ("ndim>=2 ndim<4", [EMBED, HEAD, LINEAR]),
        ("numel>100k", [EMBED, HEAD]),
        ("numel = 8_192", [LINEAR]),
        ("numel<=8,192 numel>1", [LINEAR]),
        ("bytes>=512KB", [EMBED, HEAD]),
        ("bytes>32KiB bytes<0.5MB", [CONV]),
        ("bytes<1e1", COUNTS),
        ("device:cuda:0", [EMBED, HEAD]),
        ("device~cuda numel>100000", [EMBED, HEAD]),
        ("requires_grad=true", [EMBED, HEAD]),
        ("requires_grad:no kind:parameter", [CONV, LINEAR]),
        ("tied:yes", [EMBED, HEAD]),
        ("tied=false kind=parameter", [CONV, LINEAR]),
        ("name=net.embed", ["embed"]),
        ("name~/^net[.]block.[.]w/", [CONV, LINEAR]),
        ("name:*count", COUNTS),
        ("epoch", ["epoch"]),
        ("weight and not embed", [HEAD, CONV, LINEAR]),
        ("not weight", [*COUNTS, "epoch"]),
        ("NOT not weight", [EMBED, HEAD, CONV, LINEAR]),
        ("embed.weight or count", [EMBED, *COUNTS]),
        ("block0 count or embed weight", [EMBED, COUNTS[0]]),
        ("weight (block0 or head)", [HEAD, CONV]),
        ("weight and (not (block0 or block1)) and head", [HEAD]),
        ('"or" or "and"', []),
        ("not kind:parameter", [*COUNTS, "epoch"]),
    ],
)
def test_fields_find(text: str, names: list[str]) -> None:
    assert fitting(text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nan>0", [HEAD]),
        ("nan = 0", [EMBED]),
        ("not nan>0", [EMBED]),
        ("nan>0 or max>=1e3", [HEAD]),
        ("max>1K or mean<-0.5", []),
        ("std<=.5 norm>8.5 zero=0 inf=0", [EMBED, HEAD]),
        ("max=inf", []),
        ("min<0 embed", [EMBED]),
        ("nan>0 or conv or block0.weight", [HEAD, CONV]),
    ],
)
def test_figures_are_compared_where_they_are_known(text: str, names: list[str]) -> None:
    known = {EMBED: Figures(), HEAD: Figures(nan=3, max=1000.0)}
    assert Query(text).needs_statistics
    assert fitting(text, lambda tensor: known.get(tensor.name.removeprefix("net."))) == names


def test_a_filter_says_whether_it_needs_figures() -> None:
    assert not Query("nan max numel>3 std").needs_statistics
    assert Query("a or not (b and mean<0)").needs_statistics


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("fc1 foo=3", 4, "no field is called foo"),
        ("foo > 3", 0, "no field"),
        ("numel>x", 6, "a number is wanted"),
        ("numel>10X", 6, "a number"),
        ("numel~3", 6, "is a number"),
        ("dtype > bf16", 8, "no order"),
        ("dtype=floot", 6, "no dtype is called so"),
        ("kind=weight", 5, "a kind is one of"),
        ("tied=maybe", 5, "true or false"),
        ("tied<1", 5, "no order"),
        ("shape=4", 6, "a shape is written"),
        ("shape=[1", 6, "a shape is written"),
        ("shape=[a]", 6, "a number"),
        ("shape=[..., ...]", 6, "only once"),
        ("name=", 5, "a value is missing"),
        ("a (b or c", 2, "a \\) is missing"),
        ("a b)", 3, "no \\( for this"),
        ("a or", 4, "missing here"),
        ("or a", 0, "missing here"),
        ("not", 3, "missing here"),
        ("()", 1, "missing here"),
        ("a and or b", 6, "missing here"),
        ("x /abc", 2, "a closing / is missing"),
        ("name~/a(/", 7, "unterminated"),
        ("x /a(b/", 4, "unterminated"),
        ("/" + "a" * 201 + "/", 1, "at most 200"),
        ("(" * 60 + "a" + ")" * 60, 50, "too many"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, position: int, message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        Query(text)
    assert caught.value.position == position
    shown, caret = caught.value.pointed.split("\n")
    assert shown == text
    assert caret == " " * position + "^"


def test_what_is_no_field_before_a_colon_is_a_word() -> None:
    assert fitting("cuda:0") == []
    assert matches(Query("a:b"), "x.a:b")


@given(st.text(max_size=60) | st.text("ab ()/\"'=<>~:!orandt*?[]\\.1M", max_size=30))
def test_any_text_is_a_filter_or_a_mistake_within_it(text: str) -> None:
    try:
        query = Query(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
        return
    matches(query, "fc1.weight")


def test_an_empty_filter_asks_for_nothing() -> None:
    assert not Query("  ")
    assert Query("x")


def test_a_quote_that_is_not_closed_is_pointed_at() -> None:
    with pytest.raises(QueryError, match='character 5: a closing " is missing') as caught:
        Query('fc1 "lr sch')
    assert caught.value.position == 4
    assert isinstance(caught.value, InspectorError)


def test_a_filter_with_hidden_characters_is_shown_in_visible_ones() -> None:
    with pytest.raises(QueryError) as caught:
        Query('"\x1b]0;x')
    assert "\x1b" not in str(caught.value)


def test_stars_in_a_row_do_not_hang_on_a_long_name() -> None:
    query = Query("*a" * 50 + "*b")
    start = time.perf_counter()
    assert not matches(query, "a" * 100_000)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("text", ["proj_3", "layers weight", "*.q_proj_?.weight", "*layers.1*3.weight", "Layers"])
def test_a_hundred_thousand_names_take_at_most_fifty_milliseconds(text: str) -> None:
    names = [f"model.layers.{number // 10}.self_attn.q_proj_{number % 10}.weight" for number in range(100_000)]
    table = Table([NODE] * len(names), names)
    times = []
    for _ in range(5):
        start = time.process_time()
        Query(text).states(table)
        times.append(time.process_time() - start)
    assert min(times) < 0.05
