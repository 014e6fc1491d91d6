"""Tensors made of numpy arrays, for tests that need no file."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from inspector.nodes import Tensor
from inspector.storage import PLAIN, Memory, Storage, Traits, contiguous

NAMES = {
    np.dtype(kind): name
    for name, kind in {
        **{name: name for name in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "bool")},
        **{name: name for name in ("uint64", "uint32", "uint16", "uint8", "complex64", "complex128")},
        **{
            name: getattr(ml_dtypes, name)
            for name in (
                "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
                "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn",
            )
        },
    }.items()
}  # fmt: skip
"""torch's names of numpy's and ml_dtypes' types."""


def tensor_of(array: np.ndarray[Any, Any], traits: Traits = PLAIN, dtype: str = "", big: bool = False) -> Tensor:
    """A tensor whose storage holds exactly this array."""
    kind = array.dtype
    data = np.ascontiguousarray(array)
    if big:
        width = kind.itemsize // (2 if kind.kind == "c" else 1)
        data = data.reshape(-1).view(f"u{width}").byteswap()
    storage = Storage(Memory(data.tobytes()), 0, data.nbytes, big=big)
    return Tensor(dtype or NAMES[kind], array.shape, contiguous(array.shape), storage, traits=traits)
