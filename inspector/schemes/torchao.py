"""torchao: tensors of classes of its own, whose parts are the packed data and its scales; the same flat in safetensors.

`Int8Tensor`, `IntxUnpackedToInt8Tensor`: `(qdata - zero_point) * scale` by blocks of `block_size`; `Float8Tensor`:
`qdata * scale`; `Int4Tensor`: two signed elements in a byte, the first in the low bits, `q * scale + zero_point`, whose
scales lie (groups, outputs); `NVFP4Tensor` and `MXTensor` as in `fp4`. Of classes whose data is laid out for one kind of
processor there are no values. Source: `quantization/quantize_/workflows`, `prototype/mx_formats` and
`prototype/safetensors` of torchao 0.18; of `Int4Tensor`, `int4_row_quantize_zp` of FBGEMM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector.dtypes import ALIASES, DTYPES
from inspector.json_texts import parsed
from inspector.nodes import Node, Tensor, Value
from inspector.pickles.arguments import Size, integers
from inspector.pickles.objects import Global
from inspector.schemes.fp4 import read_fp4
from inspector.schemes.scaled import read_scaled
from inspector.schemes.site import FLOATS, Site, facts
from inspector.schemes.unpack import Box, numbers, taken, unpacked
from inspector.soundness import unsound
from inspector.storage import Computed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PREFIX = "_weight_"
"""What the parts of a weight are called in safetensors, before their own names."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a tensor, and what it has besides, by their names."""

    tensors: Mapping[str, Tensor]
    others: Mapping[str, Any]

    def sizes(self, name: str) -> tuple[int, ...]:
        """A list of ints, or nothing."""
        value = self.others.get(name)
        return (value.shape if type(value) is Size else integers(value)) or ()


def compute(tensor: Tensor) -> None:
    """Gives a tensor of a class of torchao's the rule for its values, where its layout is documented."""
    parts = Parts(
        {part.label: part for part in tensor.traits.parts if isinstance(part, Tensor)},
        {part.label: part.value for part in tensor.traits.parts if isinstance(part, Value)}
        | dict(tensor.traits.attributes),
    )
    computed = _rule(tensor.traits.type.rpartition(".")[2], tensor.shape, parts)
    if computed is not None and tensor.dtype in FLOATS:
        tensor.traits = tensor.traits._replace(computed=computed)


def find(site: Site) -> None:
    """Groups the parts of a weight as they lie in safetensors, whose metadata tell its class."""
    module = site.module.name
    about = site.settings.metadata.get(f"{module}.weight" if module else "weight")
    about = parsed(about) if type(about) is str else about
    if not isinstance(about, dict) or type(about.get("_type")) is not str or not isinstance(about.get("_data"), dict):
        return
    nodes: dict[str, Node] = {key.removeprefix(PREFIX): node for key, node in site.nodes.items() if key.startswith(PREFIX)}
    tensors = {key: node for key, node in nodes.items() if isinstance(node, Tensor)}
    others = {key: _plain(value) for key, value in about["_data"].items()}
    data = tensors.get("qdata")
    if data is None:
        return
    shape = integers(others.get("shape")) or data.shape
    if about["_type"] in ("Int4Tensor", "NVFP4Tensor") or _word(others.get("elem_dtype")) == "float4_e2m1fn_x2":
        shape = (*data.shape[:-1], 2 * data.shape[-1])
    dtype = _word(others.get("dtype")) or _word(others.get("orig_dtype")) or tensors.get("scale", data).dtype
    computed = _rule(about["_type"], shape, Parts(tensors, others))
    if computed is not None and dtype in FLOATS:
        site.group("weight", dtype, shape, list(nodes.values()), computed)


def _plain(value: Any) -> Any:
    """A value as torchao's JSON has it: lists and dtypes stand in objects that name their types."""
    if isinstance(value, dict) and "_data" in value:
        return value["_data"]
    return value


def _word(value: Any) -> str:
    """The name of a dtype, as it stands in a pickle or as JSON."""
    name = value.name if type(value) is Global else value if type(value) is str else ""
    name = name.removeprefix("torch.")
    return ALIASES.get(name, name)


def _rule(name: str, shape: tuple[int, ...], parts: Parts) -> Computed | None:
    maker = RULES.get(name)
    data, scale = parts.tensors.get("qdata"), parts.tensors.get("scale")
    if maker is None or data is None or scale is None or 0 in (*shape, *scale.shape):
        return None
    if not all(map(_is_plain, parts.tensors.values())):
        return None
    return maker(shape, data, scale, parts)


def _is_plain(tensor: Tensor) -> bool:
    """Whether a part is sound, and one of plain numbers."""
    dtype = DTYPES.get(tensor.dtype)
    return dtype is not None and dtype.family in ("float", "integer") and dtype.block == 1 and not unsound(tensor)


def _affine(shape: tuple[int, ...], data: Tensor, scale: Tensor, parts: Parts) -> Computed | None:
    zeros = parts.tensors.get("zero_point")
    blocks = parts.sizes("block_size") or tuple(-(-size // count) for size, count in zip(shape, scale.shape, strict=False))
    counts = tuple(-(-size // block) if block > 0 else 0 for size, block in zip(shape, blocks, strict=False))
    if data.shape != shape or len(blocks) != len(shape) or scale.shape != counts:
        return None
    if zeros is not None and (zeros.shape != counts):
        return None
    target = _word(parts.others.get("target_dtype")) or data.dtype
    bits = int(target[3:]) if target.startswith("int") and target[3:].isdecimal() else 8
    known = facts(bits=bits, group_size=_group_size(blocks, shape))
    names = "qdata, scale" + (", zero_point" if zeros is not None else "")
    origin = f"{'(q - zero)' if zeros is not None else 'q'} * scale, from {names}"
    return Computed("torchao", origin, known, partial(read_scaled, data, scale, zeros, blocks))


def _int4(shape: tuple[int, ...], data: Tensor, scale: Tensor, parts: Parts) -> Computed | None:
    zeros = parts.tensors.get("zero_point")
    if (
        zeros is None
        or unsound(zeros)
        or zeros.shape != scale.shape
        or len(shape) < 2
        or data.dtype not in ("int8", "uint8")
    ):
        return None
    groups = scale.shape[-2] if scale.ndim == len(shape) else 0
    if data.shape != (*shape[:-1], -(-shape[-1] // 2)) or scale.shape != (*shape[:-2], groups, shape[-2]):
        return None
    size, rest = divmod(shape[-1], groups)
    if rest:
        return None
    known = facts(bits=4, group_size=size)
    read = partial(_read_int4, data, scale, zeros, size)
    return Computed("torchao", "q * scale + zero, from qdata, scale, zero_point", known, read)


def _read_int4(data: Tensor, scale: Tensor, zeros: Tensor, size: int, box: Box) -> Array:
    import numpy as np

    *outer, rows, (first, count) = box
    q = (unpacked(data, 4, data.ndim - 1, box) ^ 8) - 8
    span, group = taken(np.arange(first, first + count) // size, scale.shape[-2])
    where = [*outer, span, rows]
    by_group, zero = (np.moveaxis(numbers(part, where), -1, -2)[..., group] for part in (scale, zeros))
    values: Array = q * by_group + zero
    return values


def _fp4(shape: tuple[int, ...], data: Tensor, scale: Tensor, parts: Parts) -> Computed | None:
    whole = parts.tensors.get("per_tensor_scale")
    if parts.others.get("is_swizzled_scales") is True or (whole is not None and whole.numel != 1):
        return None
    if _word(parts.others.get("elem_dtype")) not in ("", "float4_e2m1fn_x2"):
        size = shape[-1] // scale.shape[-1]
        if data.shape != shape or scale.shape[:-1] != shape[:-1] or size * scale.shape[-1] != shape[-1]:
            return None
        read: Callable[[Box], Array] = partial(read_scaled, data, scale, None, (*(1,) * (len(shape) - 1), size))
        return Computed("torchao", "q * scale, from qdata, scale", facts(bits=8, group_size=size), read)
    groups = scale.shape[-1] if scale.shape[:-1] == shape[:-1] else 0
    if data.shape != (*shape[:-1], shape[-1] // 2) or not groups or shape[-1] % groups:
        return None
    size = shape[-1] // groups
    read = partial(read_fp4, data, scale, whole, False, size)
    names = "qdata, scale" + (", per_tensor_scale" if whole is not None else "")
    return Computed("torchao", f"q * scale, from {names}", facts(bits=4, group_size=size), read)


def _group_size(blocks: tuple[int, ...], shape: tuple[int, ...]) -> int | str:
    if blocks == shape:
        return "tensor"
    if all(block == 1 for block in blocks[:-1]):
        return "row" if blocks[-1] == shape[-1] else blocks[-1]
    return "x".join(map(str, blocks))


RULES: dict[str, Callable[[tuple[int, ...], Tensor, Tensor, Parts], Computed | None]] = {
    "Int8Tensor": _affine,
    "IntxUnpackedToInt8Tensor": _affine,
    "Float8Tensor": _affine,
    "Int4Tensor": _int4,
    "NVFP4Tensor": _fp4,
    "MXTensor": _fp4,
}
"""The rule of each class for its values."""
