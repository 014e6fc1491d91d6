"""A module whose children may make up one tensor: what a scheme asks of it, and what it tells about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from inspector import dtypes
from inspector.errors import DamagedFile, InspectorError
from inspector.nodes import Module, Node, Tensor, Value
from inspector.pickles.arguments import Size, integers
from inspector.pickles.objects import Global
from inspector.settings import Settings
from inspector.soundness import unsound
from inspector.storage import Computed, Traits, contiguous

SMALL = 4096
"""Bytes of a tensor that is read for its values while the file is opened."""

FLOATS = ("float16", "bfloat16", "float32")
"""Dtypes in which dequantised values are computed."""

LARGEST = 1 << 62
"""Elements that a tensor may have which is nowhere in the file."""


class Sites:
    """The sites of a file's modules, each made once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.made: dict[int, Site] = {}

    def at(self, module: Module) -> Site:
        """The site of a module."""
        found = self.made.get(id(module))
        if found is None:
            found = self.made[id(module)] = Site(module, self)
        return found


class Site:
    """The children of a module by their keys (`nodes`), and the tensors that some of them make up (`wholes`)."""

    def __init__(self, module: Module, sites: Sites) -> None:
        self.module = module
        self.sites = sites
        self.settings = sites.settings
        self.nodes: dict[str, Node] = {}
        for child in module.children:
            # Of a tensor and a level of names that are called the same, the tensor counts: `weight` and `weight.absmax`.
            if type(child.key) is str and not isinstance(self.nodes.get(child.key), Tensor):
                self.nodes[child.key] = child
        self.wholes: list[Tensor] = []

    def tensor(self, label: str, axes: Sequence[int] = (), dtypes: Sequence[str] = ()) -> Tensor | None:
        """The tensor of this label, if it is one of these dtypes, has so many axes, and is sound."""
        found = self.nodes.get(label)
        if not isinstance(found, Tensor) or unsound(found):
            return None
        if (axes and found.ndim not in axes) or (dtypes and found.dtype not in dtypes):
            return None
        return found if found.storage is not None or found.traits.pieces else None

    def integer(self, label: str) -> int | None:
        """The int of this label, which may be a tensor of one."""
        node = self.nodes.get(label)
        if isinstance(node, Value):
            return node.value if type(node.value) is int else None
        found = small_integers(node) if isinstance(node, Tensor) else None
        return found[0] if found is not None and len(found) == 1 else None

    def integers(self, label: str) -> tuple[int, ...] | None:
        """The size of this label, which may be a tensor."""
        node = self.nodes.get(label)
        if isinstance(node, Module) and node.type in ("list", "tuple"):
            return integers([child.value for child in node.children if isinstance(child, Value)])
        if isinstance(node, Value):
            return node.value.shape if type(node.value) is Size else integers(node.value)
        return small_integers(node) if isinstance(node, Tensor) else None

    def word(self, label: str) -> str | None:
        """The text of this label, which may be a dtype, or a tensor of its characters."""
        node = self.nodes.get(label)
        if isinstance(node, Value):
            if type(node.value) is Global:
                return node.value.path
            return node.value if type(node.value) is str else None
        if isinstance(node, Tensor) and node.dtype == "uint8" and node.ndim == 1:
            return small_bytes(node).decode("ascii", "replace")
        return None

    def free(self, key: str) -> str:
        """The label of a tensor that is computed: the key itself, or with `.dequantize()` where the file has that."""
        return f"{key}.dequantize()" if key in self.nodes else key

    def group(self, key: str, dtype: str, shape: tuple[int, ...], parts: Sequence[Node | None], computed: Computed) -> None:
        """Tells that these children make up one tensor. Raises `DamagedFile` for a shape that can't be."""
        if any(size < 0 for size in shape) or math.prod(shape) > LARGEST:
            raise DamagedFile("the shape of a packed tensor can't be")
        pieces = tuple(part for part in parts if part is not None and part.parent is self.module and part.whole is None)
        traits = Traits(parts=pieces, computed=computed)
        whole = Tensor(dtype, shape, contiguous(shape), None, 0, False, traits, "computed", self.free(key), self.module)
        for piece in pieces:
            piece.whole = whole
        self.wholes.append(whole)

    def arrange(self) -> None:
        """Gives the module its rows: each tensor that is computed in the place of the first of its parts."""
        rows: list[Node] = []
        shown: set[int] = set()
        for child in self.module.children:
            row = child.whole or child
            if id(row) not in shown:
                rows.append(row)
                shown.add(id(row))
        self.module.grouped = rows + [whole for whole in self.wholes if id(whole) not in shown]


def small_bytes(tensor: Tensor) -> bytes:
    """The bytes of a small tensor without numpy. Raises `DamagedFile` for one that is not small, or has gaps."""
    storage, length = tensor.storage, dtypes.nbytes(tensor.dtype, tensor.shape)
    if storage is None or unsound(tensor) or not tensor.contiguous or not 0 < length <= SMALL:
        raise DamagedFile("it should be a small tensor")
    return storage.read(tensor.offset * dtypes.DTYPES[tensor.dtype].bytes, length)


def small_integers(tensor: Tensor) -> tuple[int, ...] | None:
    """The ints of a small tensor without numpy; None if it is none of ints, not small, or can't be read."""
    dtype = dtypes.DTYPES.get(tensor.dtype)
    if dtype is None or dtype.family not in ("integer", "bool") or dtype.block > 1 or tensor.storage is None:
        return None
    order = "big" if tensor.storage.big else "little"
    signed = not tensor.dtype.startswith(("u", "bool"))
    try:
        data = small_bytes(tensor)
    except InspectorError:
        return None
    steps = range(0, len(data), dtype.bytes)
    return tuple(int.from_bytes(data[at : at + dtype.bytes], order, signed=signed) for at in steps)  # type: ignore[arg-type]


def facts(**known: Any) -> Mapping[str, Any]:
    """What is known of a scheme's settings, in words: `group_size=128` is `group size: 128`."""
    return {name.replace("_", " "): value for name, value in known.items() if value is not None}
