"""What a load calls and imports only to put plain data together: numbers, texts, containers, arrays, torch's own tensors.

The measure is what `torch.load` takes with `weights_only=True` (`torch/_weights_only_unpickler.py` of PyTorch 2.13), and
numpy's arrays besides. A call counts only with arguments that make it one of these: `builtins.bytearray(1 << 40)` does not.
"""

from __future__ import annotations

import re
from typing import Any

from inspector.describe.layers import is_class
from inspector.dtypes import ALIASES, DTYPES
from inspector.formats.dcp_metadata import CLASSES as CHECKPOINTS
from inspector.pickles.objects import Global, Instance
from inspector.pickles.tensors import BUILDERS

_TENSOR = re.compile(r"torch\.(cuda\.)?\w+(Tensor|Storage)")

_CALLS = frozenset({
    "torch.device", "torch.Size", "torch.storage._load_from_bytes", "numpy.dtype", "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar", "torch.nn.parameter.Parameter", "torch.autograd.variable.Variable",
    "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_tensorlist", "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_boollist", "torch.jit._pickle.restore_type_tag", *CHECKPOINTS,
})  # fmt: skip
"""Calls that no builder knows, or not with every argument, and that make nothing but data. `_load_from_bytes` reads a
file of its own, which is looked into like any other."""

_ARRAYS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")

_HELPERS = ("copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__", "copy_reg.__newobj__")

_NAMES = frozenset({
    *(f"torch.{name}" for name in (*DTYPES, *ALIASES)),
    *(f"torch.{name}" for name in (
        "strided", "jagged", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "per_tensor_affine",
        "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric", "per_channel_affine_float_qparams",
        "contiguous_format", "channels_last", "channels_last_3d", "preserve_format", "Tensor",
    )),
    "torch._tensor.Tensor", "torch.nn.parameter.Buffer", "torch.storage.UntypedStorage", "torch.storage.TypedStorage",
    "torch.storage._UntypedStorage", "torch.storage._TypedStorage", "torch._utils._rebuild_wrapper_subclass",
    "numpy.ndarray", *_ARRAYS, *_HELPERS, *_CALLS, *BUILDERS,
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("object", "type", "slice", "range")),
    *(f"numpy.{name}" for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool_")),
})  # fmt: skip
"""Names that may be imported for plain data."""


def made(instance: Instance) -> Any:
    """What a call calls in the end: of copyreg's helpers the class that they make."""
    called = instance.callable
    if type(called) is Global and called.path in _HELPERS:
        first = instance.arguments[0] if type(instance.arguments) is tuple and instance.arguments else None
        return first if type(first) is Global else called
    return called


def is_plain(instance: Instance) -> bool:
    """Whether a call that no builder took only makes plain data all the same."""
    called = instance.callable
    if type(called) is not Global or instance.opcode not in ("REDUCE", "NEWOBJ"):
        return False
    if called.path in _ARRAYS:
        first = instance.arguments[0] if type(instance.arguments) is tuple and instance.arguments else None
        return type(first) is Global and first.path == "numpy.ndarray"
    path = getattr(made(instance), "path", "")
    if path in _CALLS:
        return True
    return path.startswith("torch.") and instance.arguments == () and _TENSOR.fullmatch(path) is not None


def is_layer(name: Any) -> bool:
    """Whether it names a class of `torch.nn`."""
    return type(name) is Global and name.path.startswith("torch.nn.modules.") and is_class(name.path)


def makes_layer(instance: Instance) -> bool:
    """Whether a call makes an empty object of a class of `torch.nn`, as a saved module has it for each layer."""
    helper = instance.callable is not made(instance)
    return is_layer(made(instance)) and (helper or (instance.opcode == "NEWOBJ" and instance.arguments == ()))


def is_plain_name(name: Global) -> bool:
    """Whether importing it is all that is needed for plain data."""
    return name.path in _NAMES or _TENSOR.fullmatch(name.path) is not None
