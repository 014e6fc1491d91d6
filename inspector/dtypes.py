"""The one table of dtypes: torch's name, numpy's or ml_dtypes' type, bits, and each format's own name for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from inspector.errors import NoValues, visible

if TYPE_CHECKING:
    import numpy as np

Family = Literal["float", "integer", "bool", "complex", "quantized", "bits"]


class DType(NamedTuple):
    """One dtype.

    `name` is torch's without `torch.`; `bytes` is the size of what torch counts as one element; `array` names the
    numpy or ml_dtypes type of the stored elements; `packed` is how many values one byte holds (2 for
    `float4_e2m1fn_x2`); `storage` is the class that pickles name (`FloatStorage`); `safetensors` is that format's word.

    Where `block` is more than 1, so many elements lie packed in `bytes` bytes (`inspector.window.packing` reads them as
    `array`): ggml's quantised types, and elements of 2, 4 and 6 bits, which torch has no dtype for.
    """

    name: str
    bytes: int
    family: Family
    array: str
    storage: str = ""
    safetensors: str = ""
    packed: int = 1
    block: int = 1


GGML = {
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q8_1": (32, 40),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210),
    "Q8_K": (256, 292), "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74), "IQ3_XXS": (256, 98), "IQ1_S": (256, 50),
    "IQ4_NL": (32, 18), "IQ3_S": (256, 110), "IQ2_S": (256, 82), "IQ4_XS": (256, 136), "IQ1_M": (256, 56),
    "TQ1_0": (256, 54), "TQ2_0": (256, 66), "MXFP4": (32, 17), "NVFP4": (64, 36), "Q1_0": (128, 18),
    "Q4_0_4_4": (32, 18), "Q4_0_4_8": (32, 18), "Q4_0_8_8": (32, 18),
    "IQ4_NL_4_4": (32, 18), "IQ4_NL_4_8": (32, 18), "IQ4_NL_8_8": (32, 18),
}  # fmt: skip
"""ggml's quantised types: elements and bytes of a block (`GGML_QUANT_SIZES` of gguf 0.19, and six that are gone)."""

_TABLE = (
    DType("float64", 8, "float", "float64", "DoubleStorage", "F64"),
    DType("float32", 4, "float", "float32", "FloatStorage", "F32"),
    DType("float16", 2, "float", "float16", "HalfStorage", "F16"),
    DType("bfloat16", 2, "float", "bfloat16", "BFloat16Storage", "BF16"),
    DType("float8_e4m3fn", 1, "float", "float8_e4m3fn", "", "F8_E4M3"),
    DType("float8_e5m2", 1, "float", "float8_e5m2", "", "F8_E5M2"),
    DType("float8_e4m3fnuz", 1, "float", "float8_e4m3fnuz", "", "F8_E4M3FNUZ"),
    DType("float8_e5m2fnuz", 1, "float", "float8_e5m2fnuz", "", "F8_E5M2FNUZ"),
    DType("float8_e8m0fnu", 1, "float", "float8_e8m0fnu", "", "F8_E8M0"),
    DType("float4_e2m1fn_x2", 1, "float", "uint8", "", "F4", packed=2),
    DType("int64", 8, "integer", "int64", "LongStorage", "I64"),
    DType("int32", 4, "integer", "int32", "IntStorage", "I32"),
    DType("int16", 2, "integer", "int16", "ShortStorage", "I16"),
    DType("int8", 1, "integer", "int8", "CharStorage", "I8"),
    DType("uint64", 8, "integer", "uint64", "", "U64"),
    DType("uint32", 4, "integer", "uint32", "", "U32"),
    DType("uint16", 2, "integer", "uint16", "", "U16"),
    DType("uint8", 1, "integer", "uint8", "ByteStorage", "U8"),
    DType("bool", 1, "bool", "bool", "BoolStorage", "BOOL"),
    DType("complex128", 16, "complex", "complex128", "ComplexDoubleStorage", ""),
    DType("complex64", 8, "complex", "complex64", "ComplexFloatStorage", "C64"),
    DType("complex32", 4, "complex", "complex64", "ComplexHalfStorage", ""),
    DType("qint8", 1, "quantized", "int8", "QInt8Storage"),
    DType("quint8", 1, "quantized", "uint8", "QUInt8Storage"),
    DType("qint32", 4, "quantized", "int32", "QInt32Storage"),
    DType("quint4x2", 1, "quantized", "uint8", "QUInt4x2Storage", packed=2),
    DType("quint2x4", 1, "quantized", "uint8", "QUInt2x4Storage", packed=4),
    DType("bits1x8", 1, "bits", "uint8"),
    DType("bits2x4", 1, "bits", "uint8"),
    DType("bits4x2", 1, "bits", "uint8"),
    DType("bits8", 1, "bits", "uint8"),
    DType("bits16", 2, "bits", "uint16"),
    *(DType(f"int{bits}", 1, "integer", "int8") for bits in range(1, 8)),
    *(DType(f"uint{bits}", 1, "integer", "uint8") for bits in range(1, 8)),
    DType("float6_e2m3fn", 3, "float", "float6_e2m3fn", "", "F6_E2M3", block=4),
    DType("float6_e3m2fn", 3, "float", "float6_e3m2fn", "", "F6_E3M2", block=4),
    DType("float4_e2m1fn", 1, "float", "float4_e2m1fn", block=2),
    DType("INT4", 1, "integer", "int8", block=2),
    DType("UINT4", 1, "integer", "uint8", block=2),
    DType("INT2", 1, "integer", "int8", block=4),
    DType("UINT2", 1, "integer", "uint8", block=4),
    *(DType(name, size, "float", "float32", block=block) for name, (block, size) in GGML.items()),
)

DTYPES = {dtype.name: dtype for dtype in _TABLE}
BY_STORAGE = {dtype.storage: dtype for dtype in _TABLE if dtype.storage}
BY_SAFETENSORS = {dtype.safetensors: dtype for dtype in _TABLE if dtype.safetensors}

ALIASES = {
    "double": "float64", "float": "float32", "half": "float16", "long": "int64", "int": "int32", "short": "int16",
    "char": "int8", "cdouble": "complex128", "cfloat": "complex64", "chalf": "complex32",
}  # fmt: skip
"""torch's second names for the same dtypes (`torch.half`)."""


def nbytes(name: str, shape: Sequence[int]) -> int:
    """The bytes that a contiguous tensor of this dtype and shape takes; 0 for a dtype or shape that torch does not have.

    `quint4x2` and `quint2x4` hold 2 and 4 elements in a byte, and torch takes whole bytes for each row
    (`aten/src/ATen/native/quantized/cpu/qembeddingbag_prepack.cpp`); in `float4_e2m1fn_x2` the shape counts bytes.
    """
    dtype = DTYPES.get(name)
    if dtype is None or (shape and min(shape) < 0):
        return 0
    if dtype.block > 1:
        return -(-math.prod(shape) * dtype.bytes // dtype.block)
    if dtype.packed > 1 and dtype.family == "quantized" and shape:
        return math.prod(shape[:-1]) * -(-shape[-1] // dtype.packed)
    return math.prod(shape) * dtype.bytes


@cache
def array_type(name: str) -> np.dtype[Any]:
    """The numpy dtype (an ml_dtypes one where numpy has none) that a tensor of this torch dtype reads as.

    Raises `NoValues` for a dtype this program does not know.
    """
    import numpy as np

    dtype = DTYPES.get(name)
    if dtype is None:
        raise NoValues(f"the dtype {visible(name)} is not known, so its values can't be read")
    if dtype.array.startswith(("bfloat", "float8_", "float6_", "float4_")):
        import ml_dtypes

        kind: np.dtype[Any] = np.dtype(vars(ml_dtypes)[dtype.array])
        return kind
    return np.dtype(dtype.array)
