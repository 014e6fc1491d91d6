"""What torch's own layers say of themselves between the brackets of `print(layer)`, from their attributes.

The rules are those of each class's `extra_repr` in torch 2.13; what older files lack has its `__init__`'s default.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from inspector.describe.layers import lineage
from inspector.dtypes import DTYPES
from inspector.errors import visible
from inspector.nodes import Module, Tensor, Value
from inspector.pickles.objects import SCALARS, Dict, Global, Instance, Set, text

RULES = {
    "Threshold": "threshold= value= [inplace]",
    "ReLU": "[inplace]",
    "RReLU": "lower= upper= [inplace]",
    "Hardtanh": "min_val=-1.0 max_val=1.0 [inplace]",
    "ReLU6": "[inplace]",
    "SiLU": "[inplace]",
    "Mish": "[inplace]",
    "ELU": "alpha=1.0 [inplace]",
    "CELU": "alpha=1.0 [inplace]",
    "SELU": "[inplace]",
    "GLU": "dim=-1",
    "GELU": "approximate!='none'",
    "Hardshrink": "lambd",
    "LeakyReLU": "negative_slope=0.01 [inplace]",
    "Softplus": "beta=1 threshold=20",
    "Softshrink": "lambd",
    "PReLU": "num_parameters=1",
    "Softmin": "dim=None",
    "Softmax": "dim=None",
    "LogSoftmax": "dim=None",
    "_NormBase": "num_features eps=1e-05 momentum=0.1 affine=True bias? track_running_stats=True",
    "ChannelShuffle": "groups=",
    "_ConvNd": "in_channels out_channels kernel_size= stride= [padding=0] [dilation=1] [output_padding=0] [groups=1]"
    " [bias?] [padding_mode='zeros']",
    "_DropoutNd": "p=0.5 inplace=False",
    "Flatten": "start_dim=1 end_dim=-1",
    "Unflatten": "dim= unflattened_size=",
    "Fold": "output_size= kernel_size= dilation=1 padding=0 stride=1",
    "Unfold": "kernel_size= dilation=1 padding=0 stride=1",
    "Linear": "in_features= out_features= bias?",
    "Bilinear": "in1_features= in2_features= out_features= bias?",
    "LocalResponseNorm": "size alpha=0.0001 beta=0.75 k=1.0",
    "CrossMapLRN2d": "size alpha=0.0001 beta=0.75 k=1",
    "LayerNorm": "normalized_shape eps=1e-05 elementwise_affine=True bias?",
    "GroupNorm": "num_groups num_channels eps=1e-05 affine=True bias?",
    "RMSNorm": "normalized_shape eps=None elementwise_affine=True",
    "_CircularPadNd": "padding",
    "_ConstantPadNd": "padding= value=",
    "_ReflectionPadNd": "padding",
    "_ReplicationPadNd": "padding",
    "ZeroPad1d": "padding",
    "ZeroPad2d": "padding",
    "ZeroPad3d": "padding",
    "PixelShuffle": "upscale_factor=",
    "PixelUnshuffle": "downscale_factor=",
    "_MaxPoolNd": "kernel_size= stride=None padding=0 dilation=1 ceil_mode=False",
    "_MaxUnpoolNd": "kernel_size= stride=None padding=0",
    "_AvgPoolNd": "kernel_size= stride=None padding=0",
    "_LPPoolNd": "norm_type= kernel_size= stride=None ceil_mode=False",
    "_AdaptiveMaxPoolNd": "output_size=",
    "_AdaptiveAvgPoolNd": "output_size=",
    "RNNBase": "input_size hidden_size [proj_size=0] [num_layers=1] [bias=True] [batch_first=False] [dropout=0]"
    " [bidirectional=False]",
    "RNNCellBase": "input_size hidden_size [bias=True] [nonlinearity='tanh']",
    "Embedding": "num_embeddings embedding_dim [padding_idx=None] [max_norm=None] [norm_type=2]"
    " [scale_grad_by_freq=False] [sparse]",
    "EmbeddingBag": "num_embeddings embedding_dim [max_norm=None] [norm_type=2] [scale_grad_by_freq=False]"
    " mode!='mean' [padding_idx=None]",
    "Upsample": "scale_factor!=None|size!=None mode!='nearest'",
}
"""By class what is said, in order, of which attributes.

`size` is the value alone; `dim=` the name too; `dim=-1` has a default for a file without it; `mode!=` is written with
quotes; `[groups=1]` is said only if it is something else; `[inplace]` is said if it is true, `bias?` whether there is
such a parameter, `[bias?]` only if there is none; of `a|b` the first that is not None is said.
"""

OPTIONS = ("allow_retain_graph", "batch_chunk_size", "chunking_method", "acc_policy", "acc_dtype")
"""The fields of torch's `LinearCrossEntropyOptions`, which is pickled without their names."""


class Item(NamedTuple):
    """One attribute of a rule, as `RULES` explains."""

    attribute: str
    form: str
    default: Any
    optional: bool


def lines(layer: Module) -> list[str]:
    """The lines of a layer's `extra_repr`, mostly one; none for a class that has nothing to say or is not torch's."""
    for path in lineage(layer.type):
        name = path.rpartition(".")[2] if path.startswith("torch.nn.") else ""
        if name in RULES:
            said = ", ".join(_said(layer, name))
            return [said] if said else []
        if name in SPECIAL:
            return SPECIAL[name](layer)
    return []


@cache
def _rule(name: str) -> list[list[Item]]:
    """A rule taken apart: for each place the items of which the first that is not None is said."""
    return [[_item(alternative) for alternative in place.split("|")] for place in RULES[name].split()]


def _item(written: str) -> Item:
    optional = written.startswith("[")
    written = written.strip("[]")
    for form in ("!=", "=", "?"):
        attribute, found, default = written.partition(form)
        if found:
            return Item(attribute, form, ast.literal_eval(default) if default else "?", optional)
    return Item(written, "flag" if optional else "", "?", optional)


def _said(layer: Module, rule: str) -> Iterator[str]:
    for alternatives in _rule(rule):
        for item in alternatives:
            if item.form == "?":
                present = has(layer, item.attribute)
                if not (item.optional and present):
                    yield f"{item.attribute}={present}"
                break
            value = layer.attributes.get(item.attribute, item.default)
            if item.form == "flag":
                if type(value) in SCALARS and value and value != item.default:
                    yield f"{item.attribute}=True"
            elif value is not None or item is alternatives[-1]:
                if not item.optional or _differs(value, item.default):
                    written = quoted(value) if item.form == "!=" else plain(value)
                    yield f"{item.attribute}={written}" if item.form else written
                break


def has(layer: Module, name: str) -> bool:
    """Whether a layer has a parameter of that name, an uninitialised one of a lazy layer too."""
    return any(child.key == name for child in layer.children if type(child.key) is str) or (
        layer.attributes.get(name) is not None
    )


def plain(value: Any) -> str:
    """A value as Python's `str` writes it."""
    return visible(value[:LONGEST]) if type(value) is str else quoted(value)


def quoted(value: Any) -> str:
    """A value as Python's `repr` writes it."""
    if type(value) is Instance and value.type.rpartition(".")[2] == "LinearCrossEntropyOptions":
        fields = value.state if type(value.state) is list else []
        said = ", ".join(f"{name}={quoted(field)}" for name, field in zip(OPTIONS, fields, strict=False))
        return f"LinearCrossEntropyOptions({said})"
    return visible(text(value, LONGEST))


def _differs(value: Any, default: Any) -> bool:
    """Whether a value is something else than the default, which a tuple has in each place."""
    parts = value if type(value) is tuple and type(default) is int else (value,)
    return any(type(part) not in SCALARS or part != default for part in parts)


def _cross_entropy(layer: Module) -> list[str]:
    linear = next((child for child in layer.children if child.key == "linear" and isinstance(child, Module)), layer)
    given = layer.attributes
    said = [f"in_features={plain(linear.attributes.get('in_features', '?'))}"]
    said += [f"{name}={plain(given.get(name, '?'))}" for name in ("num_classes", "out_features")]
    said.append(f"bias={has(linear, 'bias')}")
    said += [f"{name}={plain(given.get(name))}" for name in ("reduction", "ignore_index", "label_smoothing", "options")]
    return [", ".join(said)]


def _parameter_list(layer: Module) -> list[str]:
    entries = {name: entry for name, entry in _entries(layer) if name.isdecimal() and name.isascii()}
    order = sorted(entries, key=lambda name: (len(name), name))
    return [f"  ({name}): {_content(entries[name], dtype=True)}" for name in order]


def _parameter_dict(layer: Module) -> list[str]:
    keys = layer.attributes.get("_keys")
    entries = dict(_entries(layer))
    order = [key for key in keys.keys if type(key) is str and key in entries] if type(keys) is Dict else list(entries)
    return [f"  ({visible(name)}): {_content(entries[name], dtype=False)}" for name in order]


def _entries(layer: Module) -> Iterator[tuple[str, Any]]:
    """What a list or dict of parameters holds by name: tensors, and whatever else was put into it."""
    for child in layer.children:
        yield child.label, child.value if isinstance(child, Value) else child
    for name, value in layer.attributes.items():
        if name not in ("training", "_keys"):
            yield name, value


def _content(entry: Any, dtype: bool) -> str:
    """The line for one parameter, with torch's name of its dtype or of its type, or for any other object."""
    if not isinstance(entry, Tensor):
        return f"Object of type: {visible(_type_name(entry))}"
    kind = "Parameter" if entry.kind == "parameter" else "Tensor"
    size = "x".join(map(str, entry.shape))
    on_gpu = entry.device.partition(":")[0] == "cuda"
    where = f" ({visible(entry.device)})" if on_gpu else ""
    name = f"torch.{visible(entry.dtype)}" if dtype else _tensor_type(entry.dtype, on_gpu)
    return f"{kind} containing: [{name} of size {size}{where}]"


def _tensor_type(dtype: str, on_gpu: bool) -> str:
    """`torch.FloatTensor`, as `Tensor.type()` has it: the name of the old storage class, where there is one."""
    known = DTYPES.get(dtype)
    storage = known.storage.removesuffix("Storage") if known is not None else ""
    name = storage or visible(dtype[:1].upper() + dtype[1:]).replace("Uint", "UInt")
    return f"torch.{'cuda.' if on_gpu else ''}{name}Tensor"


def _type_name(value: Any) -> str:
    if isinstance(value, Module | Dict | Instance | Set):
        return value.type.rpartition(".")[2]
    return "type" if type(value) is Global else type(value).__name__


LONGEST = 1000
"""Characters of one attribute that are shown."""

SPECIAL: dict[str, Callable[[Module], list[str]]] = {
    "LinearCrossEntropyLoss": _cross_entropy,
    "ParameterList": _parameter_list,
    "ParameterDict": _parameter_dict,
}
"""The classes whose `extra_repr` no rule of `RULES` can say."""
