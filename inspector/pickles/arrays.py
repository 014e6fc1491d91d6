"""numpy's arrays and scalars as pickles write them, turned into `Tensor` nodes and numbers."""

from __future__ import annotations

import struct
from typing import Any

from inspector.nodes import Tensor
from inspector.pickles.objects import Global, Instance
from inspector.pickles.pickled import Builder
from inspector.storage import Memory, Storage, Traits, contiguous

DTYPES = {
    "f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32", "i2": "int16", "i1": "int8",
    "u8": "uint64", "u4": "uint32", "u2": "uint16", "u1": "uint8", "b1": "bool", "c16": "complex128", "c8": "complex64",
}  # fmt: skip
"""numpy's type codes and torch's names."""

_FORMATS = {
    "f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b",
    "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?",
}  # fmt: skip


class Scalar:
    """A numpy scalar: its Python `value` and numpy's `type` for it."""

    __slots__ = ("type", "value")

    def __init__(self, type: str, value: Any) -> None:
        self.type = type
        self.value = value

    def inert_text(self) -> str:
        """As numpy 2 writes it: `np.float64(0.5)`."""
        return f"np.{self.type}({self.value!r})"


def tensor(instance: Instance) -> Tensor | None:
    """The array that `_reconstruct(ndarray, (0,), b"b")` becomes by its state `(version, shape, dtype, fortran, bytes)`.

    None for an array of objects, texts or records, which has no dtype of torch's.
    """
    called, state = instance.callable, instance.state
    if type(called) is not Global or called.name != "_reconstruct" or "multiarray" not in called.module:
        return None
    if type(state) is not tuple or len(state) != 5:
        return None
    _, shape, dtype, fortran, data = state
    return _array(shape, dtype, fortran is True, data)


def _array(shape: Any, dtype: Any, fortran: bool, data: Any) -> Tensor | None:
    code, big = type_code(dtype)
    data = _raw(data)
    if code not in DTYPES or type(data) not in (bytes, bytearray) or type(shape) is not tuple:
        return None
    if not all(type(size) is int and size >= 0 for size in shape):
        return None
    stride = contiguous(shape, fortran)
    storage = Storage(Memory(bytes(data)), None, len(data), big=big)
    return Tensor(DTYPES[code], shape, stride, storage, traits=Traits(type="numpy.ndarray"))


def _raw(data: Any) -> Any:
    """The bytes of an array; in Python 2 these were a str, which came as a text if it happened to be one."""
    return data.encode("utf-8", "surrogatepass") if type(data) is str else data


def type_code(dtype: Any) -> tuple[str, bool]:
    """The type code (`f8`) of a pickled `numpy.dtype("f8", False, True)` and whether it is big-endian, or `("", False)`."""
    if type(dtype) is not Instance or dtype.type != "numpy.dtype" or type(dtype.arguments) is not tuple:
        return "", False
    code = dtype.arguments[0] if dtype.arguments else None
    if type(code) is not str:
        return "", False
    big = type(dtype.state) is tuple and len(dtype.state) > 1 and dtype.state[1] == ">"
    return code.lstrip("<>|="), big


def _scalar(arguments: Any) -> Any:
    """`numpy.core.multiarray.scalar(dtype, bytes)`."""
    if len(arguments) != 2:
        return None
    dtype, data = arguments
    code, big = type_code(dtype)
    order = ">" if big else "<"
    data = _raw(data)
    if type(data) is not bytes or code not in DTYPES:
        return None
    try:
        if code in ("c16", "c8"):
            return Scalar(DTYPES[code], complex(*struct.unpack(order + ("dd" if code == "c16" else "ff"), data)))
        return Scalar(DTYPES[code], struct.unpack(order + _FORMATS[code], data)[0])
    except struct.error:
        return None


def _from_buffer(arguments: Any) -> Tensor | None:
    """`numpy._core.numeric._frombuffer(buffer, dtype, shape, order[, axes])`: protocol 5.

    With the order "K" the buffer holds an array of `shape`, whose axes then change places.
    """
    if len(arguments) not in (4, 5):
        return None
    data, dtype, shape, order = arguments[:4]
    made = _array(shape, dtype, order == "F", data)
    if made is None or order != "K" or len(arguments) == 4:
        return made
    axes = arguments[4]
    if type(axes) is not tuple or any(type(axis) is not int for axis in axes) or sorted(axes) != [*range(made.ndim)]:
        return None
    made.shape, made.stride = (tuple(sizes[axis] for axis in axes) for sizes in (made.shape, made.stride))
    return made


ARRAYS: dict[str, Builder] = {
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
}
