"""What `print(tensor)` says: the elements, then what torch adds about device, size, dtype, layout and gradient.

Follows `_str_intern` in `torch/_tensor_str.py` (torch 2.13), of a process whose default device is the CPU. Of a large
tensor only the corners that are shown are read; of what can't be read the text says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspector import window
from inspector.describe.printing import MOST_AXES, elements, with_suffixes
from inspector.errors import DamagedFile, InspectorError, visible
from inspector.nodes import Tensor
from inspector.pickles.objects import text
from inspector.soundness import unsound

DEFAULTS = frozenset({"float32", "complex64", "int64", "bool"})
"""The dtypes that torch does not name, because the elements tell."""

NESTED_SHOWN = 1000
"""How many of a nested tensor's tensors are printed."""


def tensor(node: Tensor) -> str:
    """The text of `print(tensor)`; for a parameter with torch's line `Parameter containing:` before it."""
    kind = node.traits.type
    if kind.startswith("torch.nn.parameter.Uninitialized"):
        return f"<{visible(kind.rpartition('.')[2])}>"
    try:
        written = _numpy(node) if kind == "numpy.ndarray" else _torch(node)
    except InspectorError as error:
        written = f"{_unread(node)}  # {visible(str(error))}"
    if node.kind != "parameter":
        return written
    return f"Parameter({written})" if kind else f"Parameter containing:\n{written}"


def _torch(node: Tensor) -> str:
    layout = node.traits.layout
    parts = [part for part in node.traits.parts if isinstance(part, Tensor)]
    if layout.startswith("sparse_") and len(parts) > 1:
        return _sparse(node, parts)
    if layout == "nested" and len(parts) == 4:
        return _nested(node, *parts)
    if layout == "jagged" and len(parts) > 1:
        return _jagged(node, parts[0], parts[1])
    return _strided(node)


def _strided(node: Tensor) -> str:
    if node.storage is None and node.traits.computed is None and not node.traits.pieces:
        return _unread(node)
    prefix = _prefix(node)
    told = [] if node.traits.quantization is None else _quantizer(node)
    if node.numel == 0:
        said = [_size(node)] if node.ndim != 1 or told else []
        said += _dtype(node, {"float32"})
    else:
        said = [_size(node)] if told else []
        said += _dtype(node)
    body = _elements(node, len(prefix))
    return with_suffixes(prefix + body, _device(node) + said + told + _gradient(node), len(prefix))


def _unread(node: Tensor) -> str:
    """A tensor without its elements, as torch prints one on the meta device."""
    prefix = _prefix(node)
    suffixes = [*_device(node), _size(node), *_dtype(node, {"float32"}), *_gradient(node)]
    return with_suffixes(prefix + "...", suffixes, len(prefix))


def _sparse(node: Tensor, parts: Sequence[Tensor]) -> str:
    prefix = _prefix(node)
    indent = len(prefix)
    pieces = []
    for part in parts:
        # torch's names for these are calls (`indices()`), because they are reached so.
        head = f"{part.label.removesuffix('()')}=tensor("
        size = f", {_size(part)}" if part.numel == 0 else ""
        pieces.append(f"{head}{_elements(part, indent + len(head))}{size})")
    coordinates = node.traits.layout == "sparse_coo"
    count = parts[-1].shape[:1] if coordinates else parts[-2].shape[-1:]
    suffixes = [*_device(node), _size(node), f"nnz={sum(count)}", *_dtype(node)]
    suffixes += [f"layout=torch.{visible(node.traits.layout)}", *_gradient(node)]
    return with_suffixes(prefix + f",\n{' ' * indent}".join(pieces), suffixes, indent, new_line=coordinates)


def _nested(node: Tensor, buffer: Tensor, sizes: Tensor, strides: Tensor, offsets: Tensor) -> str:
    plans = (sizes, strides, offsets)
    fitting = [plan.ndim for plan in plans] == [2, 2, 1] and all(plan.dtype == "int64" for plan in plans)
    if node.numel and not (fitting and max(sizes.shape[1], strides.shape[1]) <= MOST_AXES):
        return _unread(node)
    # Without tensors in it torch gives all three the shape ().
    layouts = [window.read(plan, slice(0, NESTED_SHOWN)).tolist() if node.numel else [] for plan in plans]
    written = []
    for shape, stride, offset in zip(*layouts, strict=False):
        one = Tensor(node.dtype, tuple(shape), tuple(stride), buffer.storage, buffer.offset + offset)
        one.requires_grad = buffer.requires_grad
        written.append("\n".join(f"  {line}" for line in _strided(one).split("\n")))
    missing = node.numel - len(written)
    if missing:
        written.append(f"  ... ({missing} more)")
    prefix = "nested_tensor("
    body = ",\n".join(written)
    return with_suffixes(f"{prefix}[\n{body}\n]", _device(node) + _gradient(buffer), len(prefix))


def _jagged(node: Tensor, values: Tensor, offsets: Tensor) -> str:
    """As `NestedTensor.__repr__`; `j1` is the size that varies, whose number torch takes from a counter."""
    size = text((*node.shape[:1], _Varying(), *values.shape[1:]))
    gradient = f", {_gradient(node)[0]}" if node.requires_grad else ""
    contiguous = all(part.label != "lengths()" for part in node.traits.parts)
    return f"NestedTensor(size={size}, offsets={_inner(offsets)}{gradient}, contiguous={contiguous})"


def _inner(node: Tensor) -> str:
    """A tensor inside another, which a file could nest without end: one made of others comes without elements."""
    return _strided(node) if node.traits.quantization is None else _unread(node)


class _Varying:
    def inert_text(self) -> str:
        return "j1"


def _numpy(node: Tensor) -> str:
    return repr(window.read(node))


def _elements(node: Tensor, indent: int) -> str:
    wrong = unsound(node)
    if wrong:
        raise DamagedFile(wrong)
    dtype = "float32" if node.traits.quantization is not None else node.dtype
    return elements(node.shape, dtype, lambda index: window.read(node, index), indent)


def _prefix(node: Tensor) -> str:
    name = node.traits.type.rpartition(".")[2]
    return f"{visible(name)}(" if name else "tensor("


def _size(node: Tensor) -> str:
    return f"size={text(tuple(node.shape), 4000)}"


def _device(node: Tensor) -> list[str]:
    return [] if node.device == "cpu" else [f"device='{visible(node.device)}'"]


def _dtype(node: Tensor, unsaid: frozenset[str] | set[str] = DEFAULTS) -> list[str]:
    return [] if node.dtype in unsaid else [f"dtype=torch.{visible(node.dtype)}"]


def _gradient(node: Tensor) -> list[str]:
    return ["requires_grad=True"] if node.requires_grad else []


def _quantizer(node: Tensor) -> list[str]:
    quantization = node.traits.quantization
    assert quantization is not None
    said = [f"quantization_scheme=torch.{visible(quantization.scheme)}"]
    whole = "float_qparams" not in quantization.scheme
    said.append(f"scale={_quantum(quantization.scale, 'float64')}")
    said.append(f"zero_point={_quantum(quantization.zero_point, 'int64' if whole else 'float32')}")
    return said if quantization.axis is None else [*said, f"axis={quantization.axis}"]


def _quantum(value: Any, dtype: str) -> str:
    """A scale or zero point: a number, a tensor, or the list of numbers that old files have for one."""
    if isinstance(value, Tensor):
        return _inner(value)
    if not isinstance(value, list | tuple) or not all(_fits(number, dtype) for number in value):
        return text(value)
    import numpy as np

    numbers = np.array(value, dtype)
    body = elements(numbers.shape, dtype, lambda index: numbers[index], len("tensor("))
    return with_suffixes(f"tensor({body}", [] if dtype in DEFAULTS else [f"dtype=torch.{dtype}"], len("tensor("))


def _fits(number: Any, dtype: str) -> bool:
    """Whether a number from a file is one of that dtype's."""
    return (type(number) is int and number.bit_length() < 64) or (type(number) is float and dtype != "int64")
