"""What a model file is made of: modules, tensors and values. Plain data; nothing here reads a byte.

A checkpoint is one tree of three kinds of node. `Module` holds others: an `nn.Module`, a dict, a list, a foreign
object, or a level that exists only in dotted names (`fc` of `fc.weight`). `Tensor` says where an array lies and how it
is laid out, without its values. `Value` is everything else a file can say: numbers, texts, classes.

Keys, names, types and values come from the file, and the file may be hostile: pass every text through
`errors.visible` before it reaches a terminal, and never hash, compare or repr a `Value.value`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from inspector import dtypes, naming
from inspector.storage import PLAIN, Storage, Traits
from inspector.walks import Walks

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["parameter", "buffer", "tensor", "computed"]
"""What a tensor is. One that is `computed` is not in the file: it is what tensors that are mean together."""

Role = Literal["layer", "names", "container", "object", "arguments", "bundle"]
"""What a module is: an `nn.Module`; a level of dotted names that stands for one; a dict, list, tuple or set; an object
of any other class; what such an object was called with; several objects
of one file."""

Access = Literal["attribute", "item", "joined", "none"]
"""How a child is reached in Python: `.fc`, `["fc"]`, as part of a longer dotted key, or not at all."""

ACCESS: dict[Role, Access] = {
    "layer": "attribute",
    "names": "joined",
    "container": "item",
    "object": "attribute",
    "arguments": "none",
    "bundle": "none",
}


class Node:
    """One row of the tree: a `key` below a `parent`.

    `key` is the file's own key: mostly a text, but an int, tuple or anything else in a dict that has such keys.
    `twin` is the first node made from the very same object, where a file holds one object under two names. `whole` is
    the computed tensor that this node is a part of, where several make up one (a packed weight and its scales).
    """

    __slots__ = ("key", "parent", "twin", "whole")

    access: Access = "none"
    """How the children of this node are reached from it."""

    def __init__(self, key: Any = "", parent: Node | None = None) -> None:
        self.key = key
        self.parent = parent
        self.twin: Node | None = None
        self.whole: Tensor | None = None

    @property
    def children(self) -> Sequence[Node]:
        """The nodes below, in the file's order."""
        return ()

    @property
    def above(self) -> Node | None:
        """The node that this one is shown below: the tensor that it is a part of, or the parent."""
        return self.parent if self.whole is None else self.whole

    @property
    def below(self) -> Sequence[Node]:
        """The nodes that are shown below: the children, those that make up one tensor standing below that."""
        return self.children

    @property
    def label(self) -> str:
        """The key as a text."""
        return self.key if type(self.key) is str else naming.key_text(self.key)

    @property
    def name(self) -> str:
        """Keys and attributes from the root joined with dots; the root's is the empty text."""
        labels: list[str] = []
        node: Node = self
        while node.parent is not None:
            labels.append(node.label)
            node = node.parent
        return ".".join(reversed(labels))

    @property
    def path(self) -> tuple[Node, ...]:
        """The nodes from the root's child down to this one."""
        nodes: list[Node] = []
        node: Node = self
        while node.parent is not None:
            nodes.append(node)
            node = node.parent
        return tuple(reversed(nodes))

    @property
    def expression(self) -> str:
        """What to write in Python after the loaded object to reach this node: `["state_dict"]["fc.weight"]`.

        Empty for the root, and for what no expression reaches (a module that exists only in dotted names).
        """
        return naming.expression(self)

    def walk(self) -> Iterator[Node]:
        """This node and everything below it, in the file's order."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            below = node.children
            if below:
                stack.extend(reversed(below))

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor from this node down, in the file's order; the parts of a tensor are not tensors of their own."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            if isinstance(node, Tensor):
                yield node
            elif node.children:
                stack.extend(reversed(node.children))


class Value(Node):
    """A number, a text, a class, a list of those: what a file says that is neither tensor nor module.

    `value` is a Python scalar, bytes, a list or tuple of scalars, or one of the inert objects of `inspector.pickles`.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any, key: Any = "", parent: Node | None = None) -> None:
        super().__init__(key, parent)
        self.value = value


class Tensor(Node):
    """An array: where its elements lie and how, without their values, which are read when they are asked for.

    `dtype` is torch's name without `torch.`; `shape` and `stride` count elements, `offset` is the first element's
    index in `storage`, as in `torch.Tensor`. `storage` is None where the file holds no bytes (a meta tensor, a
    wrapper whose bytes are in its parts).
    """

    __slots__ = ("dtype", "kind", "offset", "requires_grad", "shape", "storage", "stride", "traits")

    access: Access = "attribute"

    def __init__(
        self,
        dtype: str,
        shape: tuple[int, ...],
        stride: tuple[int, ...],
        storage: Storage | None,
        offset: int = 0,
        requires_grad: bool = False,
        traits: Traits = PLAIN,
        kind: Kind = "tensor",
        key: Any = "",
        parent: Node | None = None,
    ) -> None:
        # Not by super(): there may be a million of them.
        self.key = key
        self.parent = parent
        self.twin = None
        self.whole = None
        self.dtype = dtype
        self.shape = shape
        self.stride = stride
        self.storage = storage
        self.offset = offset
        self.requires_grad = requires_grad
        self.traits = traits
        self.kind = kind

    @property
    def children(self) -> Sequence[Node]:
        """The parts of a tensor that is made of others; mostly none."""
        return self.traits.parts

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def numel(self) -> int:
        """The number of elements, exact at any size; 0 for a damaged shape with negative sizes."""
        return math.prod(self.shape) if not self.shape or min(self.shape) >= 0 else 0

    @property
    def nbytes(self) -> int:
        """What the elements would take, written once each, in bytes; for a tensor made of parts, theirs."""
        parts = self.traits.parts
        if (parts or self.kind == "computed") and self.storage is None:
            return sum(part.nbytes for part in parts if isinstance(part, Tensor | Module))
        return dtypes.nbytes(self.dtype, self.shape)

    @property
    def device(self) -> str:
        """Where the saving program had it: `cpu`, `cuda:0`, `meta`."""
        for tensor in (self, *self.traits.parts):
            if isinstance(tensor, Tensor):
                if tensor.traits.device:
                    return tensor.traits.device
                if tensor.storage is not None:
                    return tensor.storage.device
        return "meta"

    @property
    def shares(self) -> Tensor | None:
        """The first tensor that lies in the same storage, or None if that is this one."""
        first = self.storage.first if self.storage is not None else None
        return None if first is self else first

    @property
    def place(self) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
        """Where the elements lie: the same of those that are one tensor under several names."""
        return id(self.storage), self.offset, self.shape, self.stride

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie in the order of the shape without gaps (as `Tensor.is_contiguous`)."""
        if len(self.stride) != len(self.shape):
            return False
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and stride != expected:
                return self.numel == 0
            expected *= size
        return True

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values, read now, in the order of the shape: contiguous, conj and neg resolved, dequantised.

        The array has numpy's dtype or ml_dtypes' where numpy has none (bfloat16, float8); complex32 comes as
        complex64, quantised integers as float32. Raises `DamagedFile` if the bytes are not all there, `NoValues` if
        the file holds none, `TooLarge` if the array would not fit into memory.
        """
        from inspector import window

        return window.read(self)

    def int_repr(self) -> np.ndarray[Any, Any]:
        """The stored integers of a quantised tensor (as `Tensor.int_repr`), in the order of the shape."""
        from inspector import window

        return window.read(self, dequantize=False)

    def torch(self) -> Any:
        """The values as a `torch.Tensor` of this dtype and shape. Raises `MissingExtra` if torch is not installed."""
        from inspector import export

        return export.to_torch(self)

    def __getitem__(self, index: Any) -> np.ndarray[Any, Any]:
        """The elements at `index` (integers, slices, an ellipsis), as numpy has it; only these are read."""
        from inspector import window

        return window.read(self, index)

    def __repr__(self) -> str:
        """What `print(tensor)` says in torch, values included; of a large tensor only the shown corners are read."""
        from inspector import describe

        return describe.tensor(self)


class Module(Walks, Node):
    """What holds others: an `nn.Module`, a dict, a list, a foreign object, a level of dotted names.

    `children` are the nodes below, in the file's order. `type` is the class as the file names it
    (`torch.nn.modules.linear.Linear`, `__main__.Net`, `dict`), empty for a level that exists only in names. `attributes`
    are an object's other attributes, by name: for an `nn.Module` what its `extra_repr` speaks of (`in_features`). Totals
    of everything below: `tensor_count` tensors under all their names, `numel` elements of parameters and `nbytes` of all
    tensors, what lies under several names counted once. Buffers and the state of an optimizer are no parameters.

    `grouped` are the children as they are shown, where some of them make up one tensor. `belongs` is the parameter that
    this module is an optimizer's state of, where that is known; `note` is what was found out about an optimizer. A module
    that is `scripted` comes as a `torch.jit.ScriptModule`, which has neither `[0]` nor `get_submodule`.
    """

    __slots__ = (
        "_attributes", "belongs", "children", "grouped", "nbytes", "note",
        "numel", "role", "scripted", "tensor_count", "type",
    )  # fmt: skip

    def __init__(self, type: str = "", role: Role = "container", key: Any = "", parent: Node | None = None) -> None:
        # Not by super(): there may be a million of them.
        self.key = key
        self.parent = parent
        self.twin = None
        self.whole = None
        self.type = type
        self.role: Role = role
        self.children: list[Node] = []
        self.grouped: list[Node] | None = None
        self.belongs: Tensor | None = None
        self.note = ""
        self.scripted = False
        self._attributes: dict[str, Any] | None = None
        self.tensor_count = 0
        self.numel = 0
        self.nbytes = 0

    @property
    def _top(self) -> Node:
        """Itself: where its walks begin."""
        return self

    @property
    def access(self) -> Access:  # type: ignore[override]
        """How the children of this module are reached from it."""
        return ACCESS[self.role]

    @property
    def attributes(self) -> dict[str, Any]:
        """An object's attributes that are no children, by name."""
        if self._attributes is None:
            self._attributes = {}
        return self._attributes

    @property
    def below(self) -> list[Node]:
        """The nodes that are shown below, as `Node.below`."""
        return self.children if self.grouped is None else self.grouped

    @property
    def short_type(self) -> str:
        """The class without its package: `Linear`."""
        return self.type.rpartition(".")[2]

    @property
    def opaque(self) -> bool:
        """Whether it is an object of a class that is neither torch's nor Python's, of which nobody knows what it means."""
        return self.role == "object" and not self.type.startswith("torch.")

    def isinstance(self, class_name: str) -> bool:
        """Whether this module is of that class or, for a class of `torch.nn`, of a subclass of it in `torch.nn`.

        `class_name` may be short (`Linear`, `nn.Linear`) or whole (`torch.nn.modules.linear.Linear`, `__main__.Net`).
        """
        from inspector.describe import layers

        if layers.is_subclass(self.type, class_name):
            return True
        # Of a class of the user's own the file does not say more than that it is a module.
        return self.role == "layer" and layers.is_subclass("torch.nn.modules.module.Module", class_name)

    def __getattr__(self, name: str) -> Any:
        """A child (`layer.weight`) or one of the object's other attributes (`layer.in_features`)."""
        if not name.startswith("__"):
            for node in self.children:
                if node.key == name:
                    return node
            if name in self.attributes:
                return self.attributes[name]
        raise AttributeError(f"{self.type or 'module'} {self.name!r} has no {name!r}")

    def __repr__(self) -> str:
        """What `print(module)` says in torch."""
        from inspector import describe

        return describe.module(self)
