"""A block of values as text to paste: a torch or numpy literal, a Python list, JSON, CSV.

Each text gives the same values when it is read again: floats have as few digits as tell them apart in their own dtype.
A block is an array as `window.read` gives it, of numpy's dtypes or ml_dtypes'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from inspector.dtypes import DTYPES
from inspector.errors import TooLarge, visible

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_EMPTY = 10_000
"""Empty lists that the text of a block without elements may have."""


def torch_literal(block: Array, dtype: str) -> str:
    """`torch.tensor([[0.5, -1.0]], dtype=torch.bfloat16)`; `dtype` is torch's name for the tensor.

    Where torch can't make such a tensor from numbers, its bytes are made and viewed as the dtype. A quantised tensor's
    block stands for itself: the numbers it was dequantised to, or its integers.
    """
    known = DTYPES.get(dtype)
    if known is None or known.family == "quantized":
        dtype = block.dtype.name
    elif known.family == "bits" or known.packed > 1 or (known.family == "integer" and known.array != dtype):
        return f"{torch_literal(block, known.array)}.view(torch.{dtype})"
    return _call("torch", "tensor", block, f"torch.{visible(dtype)}")


def numpy_literal(block: Array) -> str:
    """`np.array([[0.5, -1.0]], dtype=np.float32)`; what numpy does not know comes from ml_dtypes, to be imported."""
    import numpy as np

    name = block.dtype.name
    module = "np" if hasattr(np, name) else "ml_dtypes"
    return _call("np", "array", block, "bool" if name == "bool" else f"{module}.{name}")


def python_list(block: Array) -> str:
    """`[[0.5, -1.0]]`, with `float('nan')`; of a block without axes the number itself."""
    return _nested(_texts(block, _python, _python_complex), block.shape, 0)


def json_text(block: Array) -> str:
    """`[[0.5, -1.0]]` as JSON: NaN and infinities as the texts `NaN`, `Infinity`, `-Infinity`, complex as `[re, im]`."""
    return _nested(_texts(block, _json, lambda real, imaginary: f"[{_json(real)}, {_json(imaginary)}]"), block.shape, 0)


def csv_text(block: Array) -> str:
    """A line for each row of the last axis, of all leading axes in order; NaN as `nan`, complex as `1.0+2.0j`."""
    cells = _texts(block, repr, _csv_complex)
    width = block.shape[-1] if block.shape else 1
    return "\n".join(",".join(cells[start : start + width]) for start in range(0, len(cells), max(width, 1)))


def _call(module: str, function: str, block: Array, dtype: str) -> str:
    if block.size == 0:
        return f"{module}.empty({block.shape}, dtype={dtype})"
    head = f"{module}.{function}("
    return f"{head}{_nested(_texts(block, _python, _python_complex), block.shape, len(head))}, dtype={dtype})"


def _texts(block: Array, number: Callable[[Any], str], complex_number: Callable[[float, float], str]) -> list[str]:
    """The text of each element, in the order of the shape."""
    if block.dtype.kind == "c":
        pairs = zip(_numbers(block.real), _numbers(block.imag), strict=True)
        return [complex_number(real, imaginary) for real, imaginary in pairs]
    return [number(value) for value in _numbers(block)]


def _numbers(block: Array) -> list[Any]:
    """The elements as Python numbers; floats narrower than Python's as those of few digits that round to the same."""
    import numpy as np

    flat = block.reshape(-1)
    if flat.dtype.kind in "iub" or flat.dtype == np.float64:
        return list(flat.tolist())
    # Signalling NaNs make numpy warn.
    with np.errstate(all="ignore"):
        exact = flat.astype(np.float64)
        short = np.array([float(str(value)) for value in flat], np.float64)
        # A decimal's way through a double rounds twice, which once in a great while leads elsewhere.
        same = short.astype(np.float32).astype(flat.dtype).astype(np.float64) == exact
    return list(np.where(same, short, exact).tolist())


def _python(value: Any) -> str:
    return repr(value) if type(value) is not float or math.isfinite(value) else f"float('{value!r}')"


def _python_complex(real: float, imaginary: float) -> str:
    parts = (real, imaginary)
    # Python reads -0.0+1j as a sum, in which the sign of a zero is lost.
    if all(math.isfinite(part) and (part or math.copysign(1, part) > 0) for part in parts):
        return f"({_csv_complex(real, imaginary)})"
    return f"complex({_python(real)}, {_python(imaginary)})"


def _csv_complex(real: float, imaginary: float) -> str:
    text = repr(imaginary)
    return f"{real!r}{'' if text.startswith('-') else '+'}{text}j"


def _json(value: Any) -> str:
    if type(value) is not float:
        return repr(value).lower()
    if math.isnan(value):
        return '"NaN"'
    return repr(value) if math.isfinite(value) else f'"{"-" if value < 0 else ""}Infinity"'


def _nested(cells: list[str], shape: Sequence[int], indent: int) -> str:
    """Cells between brackets, a line for each row, the lines behind the first indented."""
    if not shape:
        return cells[0]
    if 0 in shape:
        return _empty(shape)
    texts = cells
    for axis in range(len(shape) - 1, -1, -1):
        between = ", " if axis == len(shape) - 1 else ",\n" + " " * (indent + axis + 1)
        groups = range(0, len(texts), shape[axis])
        texts = [f"[{between.join(texts[start : start + shape[axis]])}]" for start in groups]
    return texts[0]


def _empty(shape: Sequence[int]) -> str:
    """The brackets of a block that has no elements."""
    outer = list(shape[: list(shape).index(0)])
    if math.prod(outer) > MOST_EMPTY:
        raise TooLarge(f"a block of shape {tuple(shape)} would be {math.prod(outer)} empty lists")
    text = "[]"
    for size in reversed(outer):
        text = f"[{', '.join([text] * size)}]"
    return text
