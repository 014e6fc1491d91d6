"""numpy's arrays and scalars in files of torch's, in every protocol."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inspector.nodes import Module, Tensor, Value
from inspector.pickles.objects import text
from tests.inspector.samples import (
    archive,
    assert_same,
    opened,
    reference,
    saved,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    codes = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", "c16", "c8"]
    made = {code: np.arange(24).reshape(2, 3, 4).astype(code) for code in codes}
    made |= {f"big {code}": made[code].astype(np.dtype(code).newbyteorder(">")) for code in codes}
    made |= {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3).astype(">f8")),
        "a view": np.arange(24.0).reshape(4, 6)[::2, 1::2],
        "transposed": np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
        "0-D": np.array(1.5),
        "empty": np.empty((0, 3), "f4"),
        "read-only": np.frombuffer(b"abcdefgh", "u1"),
    }
    return made


@pytest.mark.parametrize("protocol", range(2, 6))
def test_numpy_arrays_are_tensors(protocol: int, tmp_path: Path) -> None:
    value = arrays()
    data = saved(value, pickle_protocol=protocol)
    with opened(data, tmp_path) as model:
        for key, array in reference(data).items():
            node = model[key]
            assert isinstance(node, Tensor), key
            assert_same(node, array)
            assert node.traits.type == "numpy.ndarray"


@pytest.mark.parametrize("protocol", range(2, 6))
def test_numpy_scalars_are_numbers(protocol: int, tmp_path: Path) -> None:
    value = {code: np.dtype(code).type(3) for code in ("f8", "f4", "f2", "i8", "i1", "u8", "u2", "?", "c16", "c8")}
    value["big"] = np.array([3], ">f8")[0]
    with opened(saved(value, pickle_protocol=protocol), tmp_path) as model:
        for key, scalar in value.items():
            node = model[key]
            assert isinstance(node, Value), key
            assert node.value.value == scalar.item() and type(node.value.value) is type(scalar.item())
            assert text(node.value) == f"np.{scalar.dtype.name}({scalar.item()!r})"


@pytest.mark.parametrize("protocol", range(2, 6))
def test_numpy_arrays_of_anything_else_stay_closed(protocol: int, tmp_path: Path) -> None:
    value = {
        "objects": np.array([1, "two", None], dtype=object),
        "texts": np.array(["a", "bc"]),
        "bytes": np.array([b"a", b"bc"]),
        "times": np.array(["2020-01-01"], dtype="M8[D]"),
        "records": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "t": torch.ones(2),
    }
    with opened(saved(value, pickle_protocol=protocol), tmp_path) as model:
        assert model.problems == []
        assert [node.key for node in model.root.children] == list(value)
        for key in list(value)[:-1]:
            node = model[key]
            assert not isinstance(node, Tensor)
            shown = node.type if isinstance(node, Module) else text(node.value)
            assert "numpy" in shown
        assert_same(model["t"], value["t"])


def test_a_tensor_that_went_through_plain_pickle_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    data = archive(pickle.dumps({"t": torch.arange(6.0), "after": 3}, 2))
    with opened(data, tmp_path) as model:
        assert "torch.storage._load_from_bytes" in [call.instance.type for call in model.calls]
        assert "torch._utils._rebuild_tensor_v2" in (
            model["t"].type if isinstance(model["t"], Module) else text(model["t"].value)
        )
        assert model["after"].value == 3
