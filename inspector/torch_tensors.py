"""Tensors of a file as `torch.Tensor`s, where torch is installed: the same bits, strides and lazy bits."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from inspector import dtypes, window
from inspector.errors import DamagedFile, MissingExtra, NoValues, visible
from inspector.nodes import Tensor
from inspector.pickles.tensors import SPARSE_PARTS
from inspector.soundness import extent, unsound


def import_torch() -> Any:
    """The module torch. Raises `MissingExtra` where it is not installed."""
    try:
        return import_module("torch")
    except ImportError:
        raise MissingExtra("this needs torch, which is not installed: pip install 'torchtui[torch]'") from None


def to_torch(tensor: Tensor) -> Any:
    """The `torch.Tensor` that `torch.load` would give on the CPU, without gradient; only the bytes it spans are read.

    An expanded tensor stays expanded, conj and neg bits stay bits, quantised and sparse tensors stay what they are. What
    torch has no dtype for comes as the numbers that `Tensor.numpy` gives. Raises `MissingExtra` without torch, `NoValues`
    for what only its own class could put together, what reading raises.
    """
    torch = import_torch()
    dtype = getattr(torch, tensor.dtype, None)
    if tensor.traits.layout.startswith("sparse"):
        return _sparse(torch, tensor)
    if tensor.storage is None or not isinstance(dtype, torch.dtype):
        return _from_array(torch, tensor, dtype)
    wrong = unsound(tensor)
    if wrong:
        raise DamagedFile(wrong)
    storage = _bytes(torch, tensor)
    if tensor.traits.quantization is not None:
        typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)
        quantizer = _quantizer(torch, tensor)
        return torch._utils._rebuild_qtensor(typed, 0, tensor.shape, tensor.stride, quantizer, False, {})
    made = torch.empty(0, dtype=dtype).set_(storage, 0, tensor.shape, tensor.stride)
    if tensor.traits.conj:
        made = made.conj()
    return torch._neg_view(made) if tensor.traits.neg else made


def _bytes(torch: Any, tensor: Tensor) -> Any:
    """The stored bytes from a tensor's first element to its last, as an `UntypedStorage` in this machine's byte order."""
    source = tensor.storage
    assert source is not None
    dtype = dtypes.DTYPES[tensor.dtype]
    start = tensor.offset * dtype.bytes
    length = max(extent(tensor) - start, 0) if tensor.numel else 0
    if length == 0:
        return torch.UntypedStorage(0)
    data = bytearray(length)
    for at in range(0, length, window.PIECE):
        data[at : at + window.PIECE] = source.read(start + at, min(window.PIECE, length - at))
    if source.big:
        import numpy as np

        width = dtype.bytes // 2 if dtype.family == "complex" else dtype.bytes
        np.frombuffer(data, f"u{width}").byteswap(inplace=True)
    return torch.frombuffer(data, dtype=torch.uint8).untyped_storage()


def _quantizer(torch: Any, tensor: Tensor) -> tuple[Any, ...]:
    """The arguments of `_rebuild_qtensor` that say how the integers are to be understood."""
    quantization = tensor.traits.quantization
    assert quantization is not None
    scheme = getattr(torch, quantization.scheme, None)
    if scheme is None:
        raise NoValues(f"this torch ({torch.__version__}) has no {visible(quantization.scheme)}")
    scale, zero_point = quantization.scale, quantization.zero_point
    if quantization.axis is None:
        return scheme, scale, zero_point
    scales, zeros = (to_torch(part) if isinstance(part, Tensor) else part for part in (scale, zero_point))
    return scheme, scales, zeros, quantization.axis


def _sparse(torch: Any, tensor: Tensor) -> Any:
    parts = [to_torch(part) for part in tensor.traits.parts if isinstance(part, Tensor)]
    layout = tensor.traits.layout
    if len(parts) != len(SPARSE_PARTS.get(layout, ())):
        raise NoValues(f"a tensor of layout {visible(layout)} can't be put together")
    try:
        if layout == "sparse_coo":
            return torch.sparse_coo_tensor(*parts, tensor.shape, check_invariants=True)
        return torch.sparse_compressed_tensor(*parts, tensor.shape, layout=getattr(torch, layout), check_invariants=True)
    except RuntimeError as error:
        raise DamagedFile(f"torch refuses the sparse tensor: {visible(str(error).partition(chr(10))[0])}") from None


def _from_array(torch: Any, tensor: Tensor, dtype: Any) -> Any:
    """The tensor of the values that `Tensor.numpy` gives."""
    array = tensor.numpy()
    known = isinstance(dtype, torch.dtype)
    if array.dtype.type.__module__ == "numpy":
        made = torch.from_numpy(array)
        return made.to(dtype) if known else made
    return (
        torch.from_numpy(array.view(f"u{array.dtype.itemsize}")).view(dtype)
        if known
        else torch.from_numpy(array.astype("f4"))
    )
