"""Names in a tree of nodes: dotted names, torch's own walks by them, the Python expression that reaches a node."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator
from typing import Any

from inspector import nodes

BUFFER_NAMES = frozenset({"running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_v", "weight_mask"})
"""Names that torch's own layers give to buffers only."""

RNG_STATES = frozenset(
    {
        "rng_state", "rng_states", "torch_rng_state", "cpu_rng_state", "cuda_rng_state", "cuda_rng_states", "gpu_rng_state",
        "rng_tracker_states", "torch_manual_seed", "torch_cuda_manual_seed",
    }
)  # fmt: skip
"""Keys under which training programs (Megatron, fairseq, Accelerate, Lightning) keep where random numbers go on."""

SETS = ("set", "frozenset")

UNREACHED = ("(called)", "(state)")
"""Keys of what an object was made of, to which no Python expression leads."""

CALL = re.compile(r"[A-Za-z_]\w*\(\)(\[\d+\]\.[A-Za-z_]\w*)?", re.ASCII)
"""What a part of a tensor is called that a method gives: `indices()`, `local_shards()[0].tensor`."""

LONGEST_KEY = 1000
"""Characters of a dict key, or items of a tuple, that are written out."""

INDEXED = frozenset({"Sequential", "ModuleList", "ParameterList"})
"""Layers whose children are reached by `[0]`."""

ITEMS = "(items)"
"""The key of what an object holds as a dict or list, beside its attributes: the items of the very same object."""


PARAM_GROUPS = "param_groups"
"""The key by which the state of an optimizer is known."""


def is_optimizer(node: nodes.Node) -> bool:
    """Whether this is the state_dict of a `torch.optim.Optimizer`: a dict of `state` and `param_groups`."""
    return (
        isinstance(node, nodes.Module)
        and node.role == "container"
        and {"state", PARAM_GROUPS} <= {child.key for child in node.children if type(child.key) is str}
    )


LIGHTNING = "pytorch-lightning_version"
"""The key by which a checkpoint of PyTorch Lightning is known."""

LIGHTNINGS_OWN = frozenset({"callbacks", "loops", "lr_schedulers"})
"""Entries in which it keeps what it knows of the training."""


def has_no_parameters(node: nodes.Node) -> bool:
    """Whether the tensors below this node are no parameters: an optimizer's state, random numbers', Lightning's notes."""
    if is_optimizer(node) or (type(node.key) is str and node.key in RNG_STATES):
        return True
    root = node.parent
    return (
        root is not None
        and root.parent is None
        and type(node.key) is str
        and node.key in LIGHTNINGS_OWN
        and any(type(child.key) is str and child.key == LIGHTNING for child in root.children)
    )


def likely_kind(tensor: nodes.Tensor, has_layers: bool = True) -> nodes.Kind:
    """What a tensor is: as the file says; where it does not (a state_dict), a parameter unless its name says otherwise.

    `has_layers` is false where it is known that nothing above it is an `nn.Module`.
    """
    if tensor.kind != "tensor" or (has_layers and _within_layer(tensor)):
        return tensor.kind
    if tensor.label in RNG_STATES:
        return "tensor"
    return "buffer" if tensor.label in BUFFER_NAMES else "parameter"


def named(root: nodes.Node, below: Callable[[nodes.Node], bool] = lambda _: True) -> Iterator[tuple[str, nodes.Node]]:
    """Names relative to `root` and the nodes from it down, in the file's order, tensors' parts left out.

    Below an `nn.Module` only what torch's own walks see: submodules, parameters, buffers and tensor attributes. What
    is below a node for which `below` is false is left out.
    """
    stack: list[tuple[str, nodes.Node]] = [("", root)]
    while stack:
        name, node = stack.pop()
        yield name, node
        if isinstance(node, nodes.Module) and below(node):
            dot = f"{name}." if name else ""
            for child in reversed(node.children):
                if node.role == "layer" and isinstance(child, nodes.Module) and child.role != "layer":
                    continue
                stack.append((dot + child.label, child))


def find(root: nodes.Node, name: str) -> nodes.Node | None:
    """The node at a dotted name below `root`; keys may hold dots themselves. The empty name is `root`.

    What is in the file comes before what is computed from it.
    """
    if not name:
        return root
    computed: nodes.Node | None = None
    stack = [(root, name)]
    while stack:
        node, rest = stack.pop()
        if isinstance(node, nodes.Module) and node.grouped is not None and computed is None:
            computed = next((child for child in node.grouped if child.label == rest and _is_computed(child)), None)
        for child in reversed(node.children):
            label = child.label
            if rest == label:
                return child
            if rest.startswith(label) and rest[len(label) : len(label) + 1] == ".":
                stack.append((child, rest[len(label) + 1 :]))
    return computed


def key_text(key: Any) -> str:
    """A dict key as Python would write it, inert objects by their class; a text as it is."""
    if type(key) is str:
        return key
    from inspector.pickles.objects import text

    return text(key)


def named_tensors(root: nodes.Node, kind: nodes.Kind) -> Iterator[tuple[str, nodes.Tensor]]:
    """The parameters or buffers at or below `root` with their names, as `Module.named_parameters` says."""
    seen: set[int] = set()
    for name, node in named(root, below=lambda node: not has_no_parameters(node)):
        if not isinstance(node, nodes.Tensor):
            continue
        if likely_kind(node) == kind and _first_time(node, seen):
            yield name, node


def named_modules(root: nodes.Node) -> Iterator[tuple[str, nodes.Module]]:
    """The modules at or below `root` with their names, each object once."""
    seen: set[int] = set()
    for name, node in named(root):
        if isinstance(node, nodes.Module) and _first_time(node, seen):
            yield name, node


def state_dict(root: nodes.Node) -> dict[str, nodes.Tensor]:
    """The tensors at or below `root` by name, as `Module.state_dict` says."""
    tensors: dict[str, nodes.Tensor] = {}
    copies: dict[str, int] = {}
    for name, node in named(root):
        if not isinstance(node, nodes.Tensor):
            continue
        if _in_layer(node) and (node.kind == "tensor" or not node.traits.persistent):
            continue
        unique = name
        while unique in tensors:
            copies[name] = copies.get(name, 1) + 1
            unique = f"{name}#{copies[name]}"
        tensors[unique] = node
    return tensors


def expression(node: nodes.Node) -> str:
    """What to write in Python after the loaded object to reach `node`, as `Node.expression` says."""
    if _is_computed(node):
        return ""
    steps: list[str] = []
    joined: list[str] = []
    for link in node.path:
        if link.key is ITEMS:
            continue
        if link.access == "joined":
            joined.append(link.label)
        elif joined:
            steps.append(f"[{'.'.join([*joined, link.label])!r}]")
            joined.clear()
        else:
            step = _step(link)
            if not step:
                return ""
            steps.append(step)
    return "" if joined else "".join(steps)


def _is_computed(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Tensor) and node.kind == "computed"


def _in_layer(node: nodes.Node) -> bool:
    return isinstance(node.parent, nodes.Module) and node.parent.role == "layer"


def _within_layer(tensor: nodes.Tensor) -> bool:
    """Whether it is in a layer or in what a layer has as an attribute: the layer said which its parameters are."""
    above = tensor.parent
    while isinstance(above, nodes.Module) and above.role != "layer":
        above = above.parent
    return isinstance(above, nodes.Module)


def _first_time(node: nodes.Node, seen: set[int]) -> bool:
    origin = id(node.twin or node)
    if origin in seen:
        return False
    seen.add(origin)
    return True


def _step(node: nodes.Node) -> str:
    """The Python step from a node's parent to it, where the parent is no level of names; empty where there is none."""
    parent, key = node.parent, node.key
    assert parent is not None
    if isinstance(parent, nodes.Tensor) and CALL.fullmatch(node.label):
        # `indices()` refuses to tell what may hold one place twice.
        return f"._{node.label}" if parent.traits.layout == "sparse_coo" else f".{node.label}"
    if parent.access == "none" or (isinstance(node, nodes.Module) and node.access == "none"):
        return ""
    if parent.access == "item":
        written = "" if isinstance(parent, nodes.Module) and parent.type in SETS else literal(key)
        return f"[{written}]" if written else ""
    if type(key) is not str or key in UNREACHED:
        return ""
    if key.isidentifier() and key.isascii() and not keyword.iskeyword(key):
        return f".{key}"
    if not isinstance(parent, nodes.Module) or parent.role != "layer":
        return f".__dict__[{key!r}]"
    if parent.short_type in INDEXED and not parent.scripted and key.isdecimal():
        return f"[{key}]"
    if isinstance(node, nodes.Module) and node.role == "layer":
        return f"._modules[{key!r}]" if parent.scripted else f".get_submodule({key!r})"
    table = {"parameter": "_parameters", "buffer": "_buffers"}.get(node.kind if isinstance(node, nodes.Tensor) else "")
    return f".{table or '__dict__'}[{key!r}]"


def literal(key: Any) -> str:
    """A dict key as Python source: scalars, bytes, and tuples of those; the empty text for any other, and for NaN."""
    from inspector.pickles.objects import LONGEST_INT, SCALARS, text

    stack, seen = [key], 0
    while stack:
        item = stack.pop()
        seen += 1
        kind = type(item)
        if kind is tuple and seen < LONGEST_KEY:
            stack.extend(item[:LONGEST_KEY])
        elif (
            (kind not in SCALARS and kind is not bytes)
            or (kind is int and item.bit_length() > LONGEST_INT)
            or (kind in (float, complex) and item - item != 0)
        ):
            return ""
    if type(key) in (str, bytes):
        return repr(key)
    written = text(key, LONGEST_KEY)
    return "" if written.endswith("…") else written
