"""The tree of nodes that an unpickled object makes: an `nn.Module`, a state_dict, nested dicts, anything.

A module's tree comes from `_modules`, `_parameters`, `_buffers` and its other attributes; a state_dict's from its
dotted names and its `_metadata`; every other object shows its class, arguments and state. Objects are told apart by
identity. What stands under several names is shown under each until `limits.nodes` copies were made; what contains
itself is shown once, and named where it comes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.dotted_names import is_place, join
from inspector.limits import DEFAULT, Limits
from inspector.naming import ITEMS, key_text
from inspector.nodes import Module, Node, Tensor, Value
from inspector.pickles.configs import held
from inspector.pickles.entries import last_entries
from inspector.pickles.looks import LAYER_TABLES, fits_a_line, holds_tensor, is_state_dict, width
from inspector.pickles.objects import Dict, Global, Instance, Set
from inspector.pickles.variables import completed

Work = tuple[Module, Any, Any]
"""A module, and the key and value of a child to be made below it."""

WRAPPERS = {"torch._dynamo.eval_frame.OptimizedModule": "_orig_mod"}
"""Modules that are saved as a call with the module they wrap, and the name that it has in them."""

GRAPH = "torch.fx.graph_module.reduce_graph_module"
"""The call as which a traced module is saved: with what it holds, and with the text of its imports."""

HIDDEN = frozenset({"_flat_weights"})
"""Private attributes of torch's own layers that hold their parameters again (`nn.LSTM`)."""

PACKED = frozenset({"_packed_params", "_packed_weight"})
"""Private attributes of torch's own layers that are all they have of their parameters (`nn.quantized.Linear`)."""

PRINTED = frozenset({"_keys", "_code"})
"""Private attributes that are told: the text of `nn.ParameterDict` is made from one, a traced module's code is another."""


class Reference:
    """Stands for an object that is shown elsewhere in the tree, at `node`."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def inert_text(self) -> str:
        """Where it is shown."""
        return f"→ {self.node.name or 'the whole'}"


def build(
    value: Any, limits: Limits = DEFAULT, problems: list[str] | None = None, made: dict[int, Node] | None = None
) -> Node:
    """The tree of an unpickled object. What limits kept out of it is told in `problems`.

    `made` gets the first node that was made of each object, by the object's id.
    """
    return _Builder(limits, problems if problems is not None else [], made if made is not None else {}).build(value)


class _Builder:
    def __init__(self, limits: Limits, problems: list[str], made: dict[int, Node]) -> None:
        self.limits = limits
        self.problems = problems
        self.first = made
        self.turned_out: dict[int, Any] = {}
        self.lines: dict[int, bool] = {}
        self.copies = 0
        self.depths: dict[int, int] = {}

    def build(self, value: Any) -> Node:
        pending: list[Work] = []
        root = self.node(value, "", None, pending)
        # Depth first and in order: the first of several names of one object is the first a person sees.
        pending.reverse()
        while pending:
            parent, key, child = pending.pop()
            below: list[Work] = []
            parent.children.append(self.node(child, key, parent, below))
            pending.extend(reversed(below))
        return root

    def node(self, value: Any, key: Any, parent: Module | None, pending: list[Work]) -> Node:
        """The node of one object; its children go to `pending`."""
        kind = type(value)
        if kind is Instance and id(value) not in self.lines:
            value = self.same(value)
            kind = type(value)
        if kind is Tensor:
            return self.tensor(value, key, parent)
        if kind not in (Dict, Instance, Set, list, tuple) or (kind not in (Dict, Set) and self.is_line(value)):
            return Value(value, key, parent)
        first = self.first.get(id(value))
        if first is not None and _within(parent, first):
            return Value(Reference(first), key, parent)
        if first is not None and self.copies >= self.limits.nodes:
            self.tell("nodes", "objects stand under so many names that further ones are only referred to")
            return Value(Reference(first), key, parent)
        depth = self.depths.get(id(parent), 0) + 1
        if depth > self.limits.levels:
            self.tell("levels", "what is nested deeper is not shown")
            return Value(value, key, parent)
        made = self.module(value, key, parent, pending)
        self.depths[id(made)] = depth
        if first is None:
            self.first[id(value)] = made
        else:
            made.twin = first
            self.copies += 1 + width(value)
        return made

    def tell(self, limit: str, what: str) -> None:
        """Tells once that a limit keeps something out of the tree."""
        problem = str(self.limits.reached(limit, what))
        if problem not in self.problems:
            self.problems.append(problem)

    def is_line(self, value: Any) -> bool:
        """Whether one line can show the object; looked at once, however often it comes."""
        found = self.lines.get(id(value))
        if found is None:
            found = self.lines[id(value)] = fits_a_line(value)
        return found

    def same(self, value: Instance) -> Any:
        """What an object turns out to be, the same however often it comes: a tensor, what it holds; else itself."""
        if id(value) not in self.turned_out:
            tensor = completed(value)
            self.turned_out[id(value)] = held(value) if tensor is None else tensor
        return self.turned_out[id(value)]

    def tensor(self, tensor: Tensor, key: Any, parent: Module | None) -> Tensor:
        if tensor.parent is None:
            tensor.key, tensor.parent = key, parent
            return tensor
        made = Tensor(tensor.dtype, tensor.shape, tensor.stride, tensor.storage, tensor.offset, tensor.requires_grad)
        made.traits, made.kind, made.key, made.parent, made.twin = tensor.traits, tensor.kind, key, parent, tensor
        return made

    def module(self, value: Any, key: Any, parent: Module | None, pending: list[Work]) -> Module:
        kind = type(value)
        if kind is Dict:
            made = Module(value.type, "container", key, parent)
            if is_state_dict(value):
                self.state_dict(made, value, pending)
            else:
                pending.extend((made, entry, item) for entry, item in last_entries(value))
        elif kind is Instance:
            made = self.instance(value, key, parent, pending)
        else:
            made = Module(value.type if kind is Set else kind.__name__, "container", key, parent)
            pending.extend((made, index, item) for index, item in enumerate(value.items if kind is Set else value))
        return made

    def instance(self, value: Instance, key: Any, parent: Module | None, pending: list[Work]) -> Module:
        attributes = value.attributes()
        if all(type(attributes.get(table)) is Dict for table in LAYER_TABLES):
            return self.layer(value.type, attributes, key, parent, pending)
        body = value.arguments[0] if value.type == GRAPH and type(value.arguments) is tuple and value.arguments else None
        if type(body) is Dict and all(type(body.get(table)) is Dict for table in LAYER_TABLES):
            return self.layer("torch.fx.graph_module.GraphModule", body.attributes(), key, parent, pending)
        wrapped = WRAPPERS.get(value.type)
        if wrapped is not None and type(value.arguments) is tuple and value.arguments:
            made = Module(value.type, "layer", key, parent)
            pending.append((made, wrapped, value.arguments[0]))
            return made
        made = Module(value.type, "object", key, parent)
        arguments = value.arguments if type(value.arguments) is tuple else (value.arguments,)
        if arguments or value.keywords is not None:
            called = Module("arguments", "arguments", "(arguments)", made)
            made.children.append(called)
            pending.extend((called, index, item) for index, item in enumerate(arguments))
            if type(value.keywords) is Dict:
                pending.extend((called, entry, item) for entry, item in last_entries(value.keywords))
        self.items(value, made, pending)
        if type(value.callable) is not Global:
            pending.append((made, "(called)", value.callable))
        if attributes:
            pending.extend((made, name, item) for name, item in attributes.items())
        elif value.state is not None and not (type(value.state) is Dict and not value.state.keys):
            pending.append((made, "(state)", value.state))
        return made

    def items(self, value: Instance, made: Module, pending: list[Work]) -> None:
        """What a list or dict of a class of its own holds: below a node of its own if there is anything else to show."""
        items: list[tuple[Any, Any]] = [*enumerate(value.elements)]
        if value.entries is not None:
            items.extend(last_entries(value.entries))
        if not items:
            return
        holder = made
        if made.children or value.state is not None:
            holder = Module(value.type, "container", ITEMS, made)
            made.children.append(holder)
        else:
            made.role = "container"
        pending.extend((holder, entry, item) for entry, item in items)

    def layer(
        self, type_path: str, attributes: dict[str, Any], key: Any, parent: Module | None, pending: list[Work]
    ) -> Module:
        made = Module(type_path, "layer", key, parent)
        unsaved = attributes.get("_non_persistent_buffers_set")
        passing = {name for name in unsaved.items if type(name) is str} if type(unsaved) is Set else set()
        for name, item in last_entries(attributes["_parameters"]):
            self.member(made, name, item, "parameter", pending)
        for name, item in last_entries(attributes["_buffers"]):
            self.member(made, name, item, "buffer", pending, persistent=name not in passing)
        pending.extend((made, name, item) for name, item in last_entries(attributes["_modules"]))
        for name, item in attributes.items():
            if name in LAYER_TABLES or name in HIDDEN:
                continue
            item = self.same(item) if type(item) is Instance else item
            if type(item) is Tensor:
                self.member(made, name, item, "tensor", pending)
            elif (not name.startswith("_") or name in PACKED) and holds_tensor(item):
                pending.append((made, name, item))
            elif not name.startswith("_") or name in PRINTED:
                made.attributes[name] = item
        return made

    def member(self, layer: Module, name: Any, item: Any, kind: Any, pending: list[Work], persistent: bool = True) -> None:
        """A parameter or buffer of a layer; one that is None only leaves its mark among the attributes."""
        if item is None:
            layer.attributes[key_text(name)] = None
            return
        node = self.node(item, name, layer, pending)
        if type(node) is Tensor:
            node.kind = kind
            if node.traits.persistent != persistent:
                node.traits = node.traits._replace(persistent=persistent)
        layer.children.append(node)

    def state_dict(self, root: Module, value: Dict, pending: list[Work]) -> None:
        """Hangs the entries of a dict of dotted names below modules made from those names."""
        metadata = value.state.get("_metadata") if type(value.state) is Dict else None
        versions = metadata if type(metadata) is Dict else None

        def make(parent: Module, key: Any, item: Any) -> Node:
            if type(item) is not Tensor:
                return self.node(item, key, parent, pending)
            if item.parent is not None:
                return self.tensor(item, key, parent)
            item.key, item.parent = key, parent
            return item

        join(root, last_entries(value), make, _paths(versions))
        if versions is not None:
            _give_versions(root, versions)


def _paths(versions: Dict | None) -> Iterator[str]:
    return (key for key in versions.keys if is_place(key) and key) if versions is not None else iter(())


def _give_versions(root: Module, versions: Dict) -> None:
    """Notes each module's version, as `_metadata` has it, among its attributes."""
    by_name = {key: value for key, value in last_entries(versions) if type(key) is str}
    stack: list[tuple[str, Module]] = [("", root)]
    while stack:
        name, module = stack.pop()
        about = by_name.get(name)
        if type(about) is Dict:
            module.attributes.update(about.attributes())
        stack.extend(
            (f"{name}.{child.key}" if name else child.key, child)
            for child in module.children
            if isinstance(child, Module) and child.role == "names"
        )


def _within(node: Node | None, first: Node) -> bool:
    """Whether `node` lies in a copy of what `first` was made from."""
    while node is not None:
        if node is first or node.twin is first:
            return True
        node = node.parent
    return False
