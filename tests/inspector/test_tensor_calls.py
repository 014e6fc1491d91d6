"""Every call by which a pickle makes a tensor, written by hand: of old torch, of other devices, with wrong arguments."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from inspector.nodes import Tensor, Value
from inspector.pickles.objects import text
from tests.inspector.samples import (
    FLOATS,
    HOOKS,
    PLAIN,
    SIZES,
    STORAGE,
    Pickler,
    archive,
    assert_floats,
    assert_same,
    opened,
    reference,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


BY_HAND = {
    "_rebuild_tensor": Pickler.call("torch._utils", "_rebuild_tensor", STORAGE, Pickler.integer(0), *SIZES),
    "_rebuild_tensor_v2": PLAIN,
    "_rebuild_tensor_v2 with torch.Size": Pickler.call(
        "torch._utils",
        "_rebuild_tensor_v2",
        STORAGE,
        Pickler.integer(0),
        Pickler.call("torch", "Size", SIZES[0]),
        SIZES[1],
        b"\x89",
        HOOKS,
    ),
    "_rebuild_tensor_v3": Pickler.call(
        "torch._utils",
        "_rebuild_tensor_v3",
        Pickler.storage("UntypedStorage", "0", 24),
        Pickler.integer(0),
        *SIZES,
        b"\x89",
        HOOKS,
        Pickler.name("torch", "float32"),
    ),
    "_rebuild_tensor_v3, a second name for the dtype": Pickler.call(
        "torch._utils",
        "_rebuild_tensor_v3",
        Pickler.name("torch.storage", "UntypedStorage").join(
            [b"(" + Pickler.text("storage"), Pickler.text("0") + Pickler.text("cpu") + Pickler.integer(24) + b"tQ"]
        ),
        Pickler.integer(0),
        *SIZES,
        b"\x89",
        HOOKS,
        Pickler.name("torch", "float"),
    ),
    "_rebuild_parameter": Pickler.call("torch._utils", "_rebuild_parameter", PLAIN, b"\x88", HOOKS),
    "_rebuild_parameter_with_state": Pickler.call(
        "torch._utils", "_rebuild_parameter_with_state", PLAIN, b"\x88", HOOKS, Pickler.dict(note=Pickler.text("mine"))
    ),
    "_rebuild_from_type_v2": Pickler.call(
        "torch._tensor",
        "_rebuild_from_type_v2",
        Pickler.name("torch._utils", "_rebuild_tensor_v2"),
        Pickler.name("torch", "Tensor"),
        Pickler.tuple(STORAGE, Pickler.integer(0), *SIZES, b"\x89", HOOKS),
        Pickler.dict(note=Pickler.text("mine")),
    ),
    "_rebuild_from_type_v2 with slots": Pickler.call(
        "torch._tensor",
        "_rebuild_from_type_v2",
        Pickler.name("torch._utils", "_rebuild_tensor_v2"),
        Pickler.name("torch", "Tensor"),
        Pickler.tuple(STORAGE, Pickler.integer(0), *SIZES, b"\x89", HOOKS),
        Pickler.tuple(Pickler.dict(note=Pickler.text("mine")), Pickler.dict()),
    ),
    "a Parameter of torch 0.2": Pickler.made(
        "torch.nn.parameter", "Parameter", Pickler.tuple(b"\x88", b"\x89", HOOKS), PLAIN
    ),
    "a frozen Parameter of torch 0.2": Pickler.made(
        "torch.nn.parameter", "Parameter", Pickler.tuple(b"\x89", b"\x89", HOOKS), PLAIN
    ),
    "a Parameter of torch 0.1": Pickler.made(
        "torch.nn.parameter", "Parameter", Pickler.tuple(PLAIN, b"N", HOOKS, b"\x88", b"\x89")
    ),
    "a frozen Parameter of torch 0.1": Pickler.made(
        "torch.nn.parameter", "Parameter", Pickler.tuple(PLAIN, b"N", HOOKS, b"\x89", b"\x89")
    ),
    "a Parameter without a state": Pickler.name("torch.nn.parameter", "Parameter") + Pickler.tuple(PLAIN) + b"\x81",
    "a FloatTensor made empty": Pickler.made("torch", "FloatTensor", Pickler.tuple(STORAGE, Pickler.integer(0), *SIZES)),
    "a Parameter around a FloatTensor made empty": Pickler.made(
        "torch.nn.parameter",
        "Parameter",
        Pickler.tuple(
            Pickler.made("torch", "FloatTensor", Pickler.tuple(STORAGE, Pickler.integer(0), *SIZES)),
            b"N",
            HOOKS,
            b"\x88",
            b"\x89",
        ),
    ),
    "a storage on a GPU": Pickler.call(
        "torch._utils",
        "_rebuild_tensor_v2",
        Pickler.tuple(
            Pickler.text("storage"),
            Pickler.name("torch.cuda", "FloatStorage"),
            Pickler.text("0"),
            Pickler.text("cuda:1"),
            Pickler.integer(6),
        )
        + b"Q",
        Pickler.integer(0),
        *SIZES,
        b"\x89",
        HOOKS,
    ),
    **{
        name: Pickler.call("torch._utils", name, PLAIN, Pickler.name("torch", "float32"), Pickler.text("xla:0"), b"\x88")
        for name in ("_rebuild_device_tensor_from_cpu_tensor", "_rebuild_xla_tensor")
    },
}
TORCH_CANNOT = {"a storage on a GPU", "_rebuild_device_tensor_from_cpu_tensor", "_rebuild_xla_tensor",
                "a FloatTensor made empty", "a Parameter around a FloatTensor made empty"}  # fmt: skip


@pytest.mark.parametrize("call", BY_HAND)
def test_every_call_that_makes_a_tensor_is_understood(call: str, tmp_path: Path) -> None:
    data = archive(b"\x80\x02" + Pickler.dict(t=BY_HAND[call]) + b".", {"0": FLOATS.tobytes()})
    with opened(data, tmp_path) as model:
        assert model.problems == []
        node = model["t"]
        assert isinstance(node, Tensor)
        assert (node.dtype, node.shape, node.stride) == ("float32", (2, 3), (3, 1))
        assert_floats(node.numpy(), FLOATS.reshape(2, 3))
        if call not in TORCH_CANNOT:
            assert_same(node, reference(data)["t"])
        else:
            assert node.requires_grad == ("xla" in node.device or "around" in call)
        if "Parameter" in call or "parameter" in call:
            assert node.kind == "parameter"
        if "with_state" in call or "from_type" in call:
            assert node.traits.attributes == {"note": "mine"}


def test_older_names_of_the_same_calls_are_understood(tmp_path: Path) -> None:
    for old in ("torch.tensor", "torch._tensor"):
        call = BY_HAND["_rebuild_from_type_v2"].replace(b"torch._tensor", old.encode())
        with opened(archive(b"\x80\x02" + call + b".", {"0": FLOATS.tobytes()}), tmp_path) as model:
            (node,) = model.tensors()
            assert_floats(node.numpy(), FLOATS.reshape(2, 3))


def test_scales_of_a_quantised_tensor_may_be_lists(tmp_path: Path) -> None:
    quantizer = Pickler.tuple(
        Pickler.name("torch", "per_channel_affine"),
        b"](G\x3f\xe0\0\0\0\0\0\0G\x3f\xd0\0\0\0\0\0\0e",
        b"](K\x01K\x02e",
        Pickler.integer(0),
    )
    call = Pickler.call(
        "torch._utils",
        "_rebuild_qtensor",
        Pickler.storage("QInt8Storage", "0", 6),
        Pickler.integer(0),
        *SIZES,
        quantizer,
        b"\x89",
        HOOKS,
    )
    data = archive(b"\x80\x02" + Pickler.dict(t=call) + b".", {"0": bytes(range(6))})
    with opened(data, tmp_path) as model:
        assert_same(model["t"], reference(data)["t"])


@pytest.mark.parametrize("arguments", range(10))
def test_a_call_with_arguments_that_it_does_not_take_stays_a_call(arguments: int, tmp_path: Path) -> None:
    """Every tensor-making call, with every number of arguments of every odd kind."""
    from inspector.pickles.tensors import BUILDERS

    odd = [
        b"N",
        b"K\x01",
        Pickler.text("x"),
        b"]",
        b"}",
        b")",
        STORAGE,
        PLAIN,
        Pickler.name("torch", "float32"),
        b"G\x7f\xf0\0\0\0\0\0\0",
    ]
    calls = []
    for path, kind in itertools.product(BUILDERS, range(len(odd))):
        module, _, name = path.rpartition(".")
        mixed = [odd[(kind + (position * position * (kind % 3))) % len(odd)] for position in range(arguments)]
        calls.append(Pickler.call(module, name, *mixed))
    data = archive(b"\x80\x02](" + b"".join(calls) + b"e.", {"0": FLOATS.tobytes()})
    with opened(data, tmp_path) as model:
        assert model.problems == []
        for node in model.root.walk():
            if isinstance(node, Value):
                text(node.value)


def test_wrappers_within_wrappers_without_end_are_not_followed(tmp_path: Path) -> None:
    """60 wrappers, each of the one before it twice: 2^60 inner tensors; and 5000, each of the one before it."""

    def wrap(inner: bytes) -> bytes:
        return Pickler.call(
            "torch._tensor",
            "_rebuild_from_type_v2",
            Pickler.name("torch._utils", "_rebuild_wrapper_subclass"),
            Pickler.name("m", "W"),
            Pickler.tuple(
                Pickler.name("m", "W"), Pickler.name("torch", "float32"), *SIZES, Pickler.integer(0), b"N",
                Pickler.text("cpu"), b"\x89",
            ),
            inner,
        )  # fmt: skip

    start = PLAIN + b"q\x00"
    doubled = start + b"".join(
        wrap(b"}(" + Pickler.text("a") + b"h\x00" + Pickler.text("b") + b"h\x00u") + b"q\x00" for _ in range(60)
    )
    deep = start + b"".join(wrap(b"}(" + Pickler.text("a") + b"h\x00u") + b"q\x00" for _ in range(5000))
    for chain, count in ((doubled, 61), (deep, 5001)):
        data = archive(b"\x80\x02(" + chain + b"l.", {"0": FLOATS.tobytes()})
        with opened(data, tmp_path) as model:
            assert len(model.root.children) == count
            assert sum(1 for _ in model.root.walk()) < 2_000_000
            assert_floats(model.root.children[0].numpy(), FLOATS.reshape(2, 3))


def test_parameters_within_parameters_without_end_are_not_followed(tmp_path: Path) -> None:
    depth = 50_000
    name = Pickler.name("torch.nn.parameter", "Parameter")
    body = (name + b")\x81(") * depth + PLAIN + (b"\x88" + HOOKS + b"tb") * depth
    with opened(
        archive(b"\x80\x02" + Pickler.dict(bad=body, good=PLAIN) + b".", {"0": FLOATS.tobytes()}), tmp_path
    ) as model:
        assert_floats(model["good"].numpy(), FLOATS.reshape(2, 3))
