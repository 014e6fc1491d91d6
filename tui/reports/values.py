"""One thing of a file by its name: the values of a tensor or of a slice of it, a value, a module."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from inspector import Checkpoint
from inspector.errors import InspectorError, visible
from inspector.nodes import Module, Node, Tensor, Value
from inspector.query import Query
from inspector.query.table import YES, Table
from inspector.values import json_value, text
from tui.reports.document import module_entry
from tui.reports.listing import Listing

if TYPE_CHECKING:
    import numpy as np

LONGEST = 1_000_000
"""Characters of a value that is printed."""

LONGEST_NAME = 200
"""Characters of a name that a message shows."""

Index = tuple[Any, ...]


def find(checkpoint: Checkpoint, wanted: str, query: Query) -> tuple[Node, Index | None]:
    """The node of this name, and the index where a slice stands behind the name (`fc.weight[0, :]`).

    A name may hold brackets itself, so the whole text counts as a name first. Raises `InspectorError` if nothing is
    called so, or the query leaves it out.
    """
    node, index = _look_up(checkpoint, wanted), None
    if node is None and wanted.endswith("]"):
        name, _, inner = wanted[:-1].rpartition("[")
        node, index = _look_up(checkpoint, name), parse_index(inner)
        if node is not None and not isinstance(node, Tensor):
            raise InspectorError(f"{visible(name)} is no tensor, so it has no [{visible(inner)}]")
    if node is None:
        raise InspectorError(f"nothing in it is named {visible(wanted)}; {_advice(checkpoint, wanted)}")
    if query and not any(YES in query.states(Table([link], [link.name])) for link in node.path):
        raise InspectorError(f"{visible(wanted)} does not match the filter {visible(query.text)}")
    return node, index


def _advice(checkpoint: Checkpoint, wanted: str) -> str:
    """Some names that hold what was wanted, or how to see all."""
    listed = Listing(checkpoint.root, Query("")).named()
    similar = list(islice((name for name, _ in listed if wanted in name), 3))
    if not similar:
        return "--print shows all names"
    return f"but {', '.join(visible(name[-LONGEST_NAME:]) for name in similar)}"


def _look_up(checkpoint: Checkpoint, name: str) -> Node | None:
    if not name:
        return checkpoint.root
    try:
        return checkpoint[name]
    except KeyError:
        above, _, last = name.rpartition(".")
    parent = _look_up(checkpoint, above) if above else checkpoint.root
    if isinstance(parent, Module) and last in parent.attributes:
        return Value(parent.attributes[last], last, parent)
    return None


def parse_index(inner: str) -> Index:
    """What stands between the brackets of an index, `0, 1:3, ...`. Raises `InspectorError` for anything else."""
    try:
        return tuple(_index_part(part.strip()) for part in inner.split(","))
    except ValueError:
        message = f"[{visible(inner)}] is no index: write ints, slices and ... with commas between, as [0, :, 1:3]"
        raise InspectorError(message) from None


def _index_part(part: str) -> Any:
    if part == "...":
        return ...
    if ":" not in part:
        return int(part)
    bounds = [int(bound) if bound.strip() else None for bound in part.split(":")]
    if len(bounds) > 3 or (len(bounds) == 3 and bounds[2] == 0):
        raise ValueError(part)
    return slice(*bounds)


def write_values(checkpoint: Checkpoint, wanted: str, query: Query, as_json: bool, write: Callable[[str], object]) -> None:
    """Writes what `print` would say of it in Python, as torch has it; with `as_json`, all values as JSON."""
    node, index = find(checkpoint, wanted, query)
    if isinstance(node, Tensor):
        block = None if index is None else _block(node, wanted, index)
        if as_json:
            from inspector.streams import write_json

            write_json(node if block is None else block, write)
        else:
            write(repr(node) if block is None else block_text(node, block))
    elif isinstance(node, Value):
        write(json.dumps(json_value(node.value)) if as_json else visible(text(node.value, LONGEST)))
    elif isinstance(node, Module):
        write(json.dumps(module_entry(node.name, node)) if as_json else repr(node))
    write("\n")


def tensors_to_export(checkpoint: Checkpoint, wanted: str | None, query: Query) -> dict[str, Tensor]:
    """The tensors by the names they are written under: of the state_dict of the whole file, or of what is `wanted`.

    A module's tensors are named as from the module. Raises `InspectorError` if there are none, or a slice is wanted.
    """
    root: Node = checkpoint.root
    if wanted is not None:
        root, index = find(checkpoint, wanted, query)
        if index is not None:
            raise InspectorError(f"--export writes whole tensors: leave the brackets of {visible(wanted)} out")
    if isinstance(root, Tensor):
        return {root.name or "tensor": root}
    if not isinstance(root, Module):
        raise InspectorError("there is no tensor in it to write")
    tensors = root.state_dict()
    if wanted is None and query:
        left = {id(tensor) for tensor in Listing(root, query).tensors()}
        tensors = {name: tensor for name, tensor in tensors.items() if id(tensor) in left}
        if not tensors:
            raise InspectorError(f"no tensor matches the filter {visible(query.text)}")
    return tensors


def _block(tensor: Tensor, wanted: str, index: Index) -> np.ndarray[Any, Any]:
    import numpy as np

    try:
        return np.asarray(tensor[index])
    except IndexError as error:
        raise InspectorError(f"{visible(wanted)}: {error}") from None


def block_text(tensor: Tensor, block: np.ndarray[Any, Any]) -> str:
    """What torch prints of a slice of a tensor that needs no gradient."""
    from inspector.describe.printing import elements, with_suffixes
    from inspector.describe.tensor_text import DEFAULTS

    dtype = "float32" if tensor.traits.quantization is not None else tensor.dtype
    body = elements(block.shape, dtype, lambda place: block[place], len("tensor("))
    suffixes = [f"size={block.shape}"] if block.size == 0 and block.ndim != 1 else []
    if dtype not in (DEFAULTS if block.size else {"float32"}):
        suffixes.append(f"dtype=torch.{dtype}")
    return with_suffixes(f"tensor({body}", suffixes, len("tensor("))
