"""Builders for the calls by which torch and its kin write tensors: each makes a `Tensor` node, no values read.

The calls are those of torch's `torch/_utils.py`, `torch/_tensor.py` and `torch/nested/_internal/nested_tensor.py`.
A builder that does not find what it expects gives None, and the call stays a call.
"""

from __future__ import annotations

from typing import Any

from inspector.nodes import Kind, Tensor
from inspector.pickles import arrays
from inspector.pickles.arguments import device_name, dtype_name, guarded, integers, torch_size
from inspector.pickles.objects import Dict, Global, Instance
from inspector.pickles.parts import copied, made_of, with_state
from inspector.pickles.pickled import Builder
from inspector.pickles.plain import PLAIN
from inspector.storage import PLAIN as NO_TRAITS
from inspector.storage import Quantization, Storage, Traits

SPARSE_PARTS = {
    "sparse_coo": ("indices()", "values()"),
    "sparse_csr": ("crow_indices()", "col_indices()", "values()"),
    "sparse_bsr": ("crow_indices()", "col_indices()", "values()"),
    "sparse_csc": ("ccol_indices()", "row_indices()", "values()"),
    "sparse_bsc": ("ccol_indices()", "row_indices()", "values()"),
}
"""What torch calls the inner tensors of each sparse layout."""

SHARDED = (
    "torch.distributed._shard.sharded_tensor.api.ShardedTensor",
    "torch.distributed.tensor.DTensor",
    "torch.distributed._tensor.api.DTensor",
)
"""Classes of tensors of which each rank of a distributed run has a part."""

NESTED_PARTS = ("values()", "_nested_tensor_size()", "_nested_tensor_strides()", "_nested_tensor_storage_offsets()")


def plain(arguments: Any) -> Tensor | None:
    """`_rebuild_tensor(storage, offset, size, stride)` and `_v2` with `(requires_grad, hooks[, metadata])` behind."""
    storage, offset, size, stride = arguments[:4]
    if type(storage) is not Storage:
        return None
    return _strided(storage, storage.dtype, offset, size, stride, arguments[4:5], arguments[6:7])


def _typed(arguments: Any) -> Tensor | None:
    """`_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])`."""
    storage, offset, size, stride, _, _, dtype = arguments[:7]
    name = dtype_name(dtype)
    if type(storage) is not Storage or name is None:
        return None
    return _strided(storage, name, offset, size, stride, arguments[4:5], arguments[7:8])


def _strided(
    storage: Storage, dtype: str, offset: Any, size: Any, stride: Any, requires_grad: Any, metadata: Any
) -> Tensor | None:
    shape, strides = integers(size), integers(stride)
    if shape is None or strides is None or type(offset) is not int:
        return None
    traits = NO_TRAITS
    bits = metadata[0] if metadata else None
    if type(bits) is Dict and bits.keys:
        traits = Traits(conj=bits.get("conj") is True, neg=bits.get("neg") is True)
    return Tensor(dtype, shape, strides, storage, offset, bool(requires_grad) and requires_grad[0] is True, traits)


def _quantized(arguments: Any) -> Tensor | None:
    """`_rebuild_qtensor(storage, offset, size, stride, quantizer, requires_grad, hooks)`."""
    storage, offset, size, stride, quantizer, requires_grad = arguments[:6]
    if type(storage) is not Storage or type(quantizer) is not tuple or len(quantizer) < 3:
        return None
    made = _strided(storage, storage.dtype, offset, size, stride, (requires_grad,), ())
    scheme = quantizer[0]
    if made is None or type(scheme) is not Global:
        return None
    scale, zero_point = quantizer[1:3]
    if scheme.name == "per_tensor_affine":
        if not _is_number(scale) or type(zero_point) is not int or not _is_number(zero_point):
            return None
        quantization = Quantization(scheme.name, float(scale), zero_point)
    else:
        axis = quantizer[3] if len(quantizer) > 3 else None
        if type(axis) is not int or not all(type(part) is Tensor or _are_numbers(part) for part in (scale, zero_point)):
            return None
        # torch says "per_channel_affine" also where the zero points are floats, which count otherwise.
        floats = type(zero_point) is Tensor and zero_point.dtype.startswith("float")
        name = "per_channel_affine_float_qparams" if floats else scheme.name
        quantization = Quantization(name, scale, zero_point, axis)
    made.traits = Traits(quantization=quantization)
    return made


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and value.bit_length() < 64)


def _are_numbers(values: Any) -> bool:
    return type(values) is list and all(_is_number(value) for value in values)


def _sparse(arguments: Any) -> Tensor | None:
    """`_rebuild_sparse_tensor(layout, (indices, values, size[, is_coalesced]))`; compressed layouts have two indices."""
    layout, data = arguments
    names = SPARSE_PARTS.get(layout.name) if type(layout) is Global else None
    if names is None or type(data) is not tuple or len(data) <= len(names):
        return None
    parts, shape = data[: len(names)], integers(data[len(names)])
    if shape is None or any(type(part) is not Tensor for part in parts):
        return None
    return made_of(Tensor(parts[-1].dtype, shape, (), None), layout.name, dict(zip(names, parts, strict=True)))


def _nested(arguments: Any) -> Tensor | None:
    """`_rebuild_nested_tensor(buffer, sizes, strides, storage_offsets)`: shape `(number of tensors,)`."""
    if len(arguments) != 4 or any(type(part) is not Tensor for part in arguments):
        return None
    buffer, offsets = arguments[0], arguments[3]
    if len(offsets.shape) != 1:
        return None
    parts = dict(zip(NESTED_PARTS, arguments, strict=True))
    return made_of(Tensor(buffer.dtype, offsets.shape, (1,), None), "nested", parts)


def _jagged(arguments: Any) -> Tensor | None:
    """`_rebuild_njt({"values": ..., "offsets": ..., ...})`: a nested tensor whose second size varies."""
    given = arguments[0].attributes() if type(arguments[0]) is Dict else {}
    parts = {f"{key.lstrip('_')}()": part for key, part in given.items() if type(part) is Tensor}
    values, offsets = parts.get("values()"), parts.get("offsets()")
    if values is None or offsets is None or not offsets.shape:
        return None
    return made_of(Tensor(values.dtype, (max(offsets.shape[0] - 1, 0),), (1,), None), "jagged", parts)


def _meta(arguments: Any) -> Tensor | None:
    """`_rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)`."""
    dtype, size, stride, requires_grad = arguments
    name, shape, strides = dtype_name(dtype), integers(size), integers(stride)
    if name is None or shape is None or strides is None:
        return None
    return Tensor(name, shape, strides, None, 0, requires_grad is True, Traits(device="meta"))


def _on_device(arguments: Any) -> Tensor | None:
    """`_rebuild_device_tensor_from_*(data, dtype, device, requires_grad)`: XLA and other accelerators."""
    data, dtype, device, requires_grad = arguments
    source = arrays.tensor(data) if type(data) is Instance else data
    name = dtype_name(dtype)
    if type(source) is not Tensor or name is None or type(device) is not str:
        return None
    made = copied(source)
    if name == made.dtype:
        made.traits = made.traits._replace(device=device, type="")
    else:
        # The file keeps the values as another dtype than the tensor had: shown as they are kept.
        made.traits = made.traits._replace(device=device, type="", attributes={"dtype": f"torch.{name}"})
    made.requires_grad = requires_grad is True
    return made


def _wrapper(arguments: Any) -> Tensor | None:
    """`_rebuild_wrapper_subclass(cls, dtype, size, stride, storage_offset, layout, device, requires_grad)`."""
    cls, dtype, size, stride, _, _, device, requires_grad = arguments
    name, shape, strides = dtype_name(dtype), integers(size), integers(stride)
    if type(cls) is not Global or name is None or shape is None or strides is None:
        return None
    where = device_name(device)
    return Tensor(name, shape, strides, None, 0, requires_grad is True, Traits(type=cls.path, device=where))


def _from_type(arguments: Any) -> Tensor | None:
    """`_rebuild_from_type_v2(func, type, args, state)`: a tensor of a subclass, or with Python attributes."""
    function, cls, inner, state = arguments
    builder = TENSORS.get(function.path) if type(function) is Global else None
    if builder is None or type(cls) is not Global or type(inner) is not tuple:
        return None
    made = builder(inner)
    if type(made) is not Tensor:
        return None
    if cls.path in ("torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"):
        made.kind = "parameter" if cls.name == "Parameter" else "buffer"
    elif cls.path not in ("torch.Tensor", "torch._tensor.Tensor"):
        made.traits = made.traits._replace(type=cls.path)
    made = with_state(made, state)
    if cls.path in SHARDED:
        from inspector.pickles import sharded

        return sharded.placed(made, state)
    return made


def _parameter(arguments: Any) -> Tensor | None:
    """`_rebuild_parameter(data, requires_grad, hooks)` and `_rebuild_parameter_with_state` with `(state,)` behind."""
    data = arrays.tensor(arguments[0]) if type(arguments[0]) is Instance else arguments[0]
    if type(data) is not Tensor:
        return None
    made = copied(data)
    made.kind = "parameter"
    made.requires_grad = arguments[1] is True
    return with_state(made, arguments[3]) if len(arguments) > 3 else made


def _uninitialized(path: str, kind: Kind) -> Builder:
    """`UninitializedParameter(requires_grad)`: a lazy layer's, of no shape yet; to torch it is `torch.empty(0)`."""

    def build(arguments: Any) -> Tensor | None:
        if not arguments or type(arguments[0]) is not bool:
            return None
        return Tensor("float32", (0,), (1,), None, 0, arguments[0], Traits(type=path, layout="uninitialized"), kind)

    return build


def _layout(arguments: Any) -> Global | None:
    """`torch.serialization._get_layout("torch.sparse_coo")`."""
    name = arguments[0]
    return Global("torch", name.removeprefix("torch.")) if type(name) is str and name.startswith("torch.") else None


_CALLS: dict[str, Builder] = {
    "torch._utils._rebuild_tensor": plain,
    "torch._utils._rebuild_tensor_v2": plain,
    "torch._utils._rebuild_tensor_v3": _typed,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_qtensor": _quantized,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_sparse_csr_tensor": _sparse,
    "torch._utils._rebuild_nested_tensor": _nested,
    "torch.nested._internal.nested_tensor._rebuild_njt": _jagged,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _on_device,
    "torch._utils._rebuild_device_tensor_from_numpy": _on_device,
    "torch._utils._rebuild_xla_tensor": _on_device,
    "torch._utils._rebuild_wrapper_subclass": _wrapper,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.tensor._rebuild_from_type_v2": _from_type,
    "torch.serialization._get_layout": _layout,
    "torch.Size": torch_size,
    "torch.nn.parameter.UninitializedParameter": _uninitialized("torch.nn.parameter.UninitializedParameter", "parameter"),
    "torch.nn.parameter.UninitializedBuffer": _uninitialized("torch.nn.parameter.UninitializedBuffer", "buffer"),
}

TENSORS: dict[str, Builder] = {name: guarded(build) for name, build in _CALLS.items()}

BUILDERS: dict[str, Builder] = PLAIN | TENSORS | arrays.ARRAYS
"""Every call whose inert form is known, for a pickle of torch's."""
