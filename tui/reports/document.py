"""The JSON document: everything that a file says of itself, written piece by piece, so that no size is too large."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from inspector import Checkpoint, describe
from inspector.nodes import Module, Tensor, Value
from inspector.query import Query
from inspector.values import json_value
from tui.reports.listing import Listing, is_tensor

if TYPE_CHECKING:
    from inspector.storage import Computed
    from tui.reports.counted import Counted

Entry = dict[str, Any]


def write_document(
    checkpoint: Checkpoint, query: Query, write: Callable[[str], object], counted: Counted | None = None
) -> None:
    """Writes the document of what the query leaves: an object with an entry a line in its lists, all ASCII.

    Texts from the file stand in it exactly as they are, lone surrogates as `\\udXXX`. With `counted`, each tensor has
    its statistics.
    """
    listing = Listing(checkpoint.root, query)
    facts = {
        "path": checkpoint.path,
        "format": checkpoint.format,
        **({"misnamed": checkpoint.misnamed} if checkpoint.misnamed else {}),
        "bytes": checkpoint.nbytes,
        "problems": checkpoint.problems,
        "metadata": {key: json_value(value) for key, value in checkpoint.metadata.items()},
    }
    groups = list(_groups(listing))
    lists = {
        "modules": (module_entry(name, node) for name, node in listing.named() if isinstance(node, Module)),
        "tensors": _tensors(listing, counted),
        "values": _values(listing),
        "calls": _calls(checkpoint),
        **({"groups": groups} if groups else {}),
    }
    if counted is not None:
        lists |= _looked(checkpoint, listing, counted)
    write("{")
    for key, fact in facts.items():
        write(f"{json.dumps(key)}: {json.dumps(fact)},\n ")
    between = ""
    for key, entries in lists.items():
        write(f"{between}{json.dumps(key)}: ")
        _write_list(entries, write)
        between = ",\n "
    write("}\n")


def module_entry(name: str, module: Module) -> Entry:
    """What the document says of a module; `text` is what torch prints, so it is empty for what is no `nn.Module`."""
    return {"name": name, "type": module.type, "text": describe.module(module) if module.role == "layer" else ""}


def tensor_entry(name: str, tensor: Tensor) -> Entry:
    """What the document says of a tensor."""
    first = tensor.shares
    state = tensor.parent if isinstance(tensor.parent, Module) else None
    return {
        "name": name,
        "kind": tensor.kind,
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        "stride": tensor.stride,
        "numel": tensor.numel,
        "nbytes": tensor.nbytes,
        "requires_grad": tensor.requires_grad,
        "device": tensor.device,
        "shares": first.name if first is not None else None,
        "expression": tensor.expression,
        **({"belongs": state.belongs.name} if state is not None and state.belongs is not None else {}),
    }


def _tensors(listing: Listing, counted: Counted | None) -> Iterator[Entry]:
    tensors = ((name, node) for name, node in listing.named() if is_tensor(node))
    if counted is None:
        yield from (tensor_entry(name, node) for name, node in tensors)
        return
    from tui.reports.counted import spectrum_entry, stats_entry

    named = list(tensors)
    for (name, node), result in zip(named, counted.figures(node for _, node in named), strict=True):
        stats = stats_entry(result)
        spectrum = counted.spectrum(node)
        if stats is not None and spectrum is not None:
            stats["spectrum"] = spectrum_entry(spectrum)
        yield tensor_entry(name, node) | {"stats": stats}


def _looked(checkpoint: Checkpoint, listing: Listing, counted: Counted) -> dict[str, Iterator[Entry]]:
    """What is wrong with the values, looked for when it is first written: after the tensors."""
    from tui.reports.health import Looked

    looked: list[dict[str, list[Entry]]] = []

    def entries(key: str) -> Iterator[Entry]:
        if not looked:
            tensors = [node for _, node in listing.named() if is_tensor(node)]
            looked.append(Looked(checkpoint, tensors, counted).entries())
        yield from looked[0][key]

    return {key: entries(key) for key in ("health", "depth")}


def _groups(listing: Listing) -> Iterator[Entry]:
    """The tensors whose values follow from others: those that several make up, and those of classes of their own."""
    told: set[int] = set()
    for _, node in listing.named():
        for tensor in node.below if isinstance(node, Module) and node.grouped is not None else (node.whole or node,):
            if isinstance(tensor, Tensor) and tensor.traits.computed is not None and id(tensor) not in told:
                told.add(id(tensor))
                yield group_entry(tensor, tensor.traits.computed)


def group_entry(tensor: Tensor, computed: Computed) -> Entry:
    """What the document says of a tensor that is computed from others."""
    return {
        "name": tensor.name,
        "scheme": computed.scheme,
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        **{name.replace(" ", "_"): json_value(value) for name, value in computed.facts.items()},
        "values": computed.origin,
        "parts": [part.name for part in tensor.traits.parts],
    }


def _values(listing: Listing) -> Iterator[Entry]:
    """The values, and the attributes of the modules."""
    for name, node in listing.named():
        if isinstance(node, Value):
            yield {"name": name, "value": json_value(node.value)}
        elif isinstance(node, Module):
            for key, value in node.attributes.items():
                yield {"name": f"{name}.{key}" if name else key, "value": json_value(value)}


def _calls(checkpoint: Checkpoint) -> Iterator[Entry]:
    """What a real load of the file would call or import outside plain data: what `--scan` says."""
    for finding in checkpoint.scan().findings:
        yield {
            "callable": finding.callable,
            "arguments": finding.arguments,
            "member": finding.member,
            "offset": finding.offset,
            "opcode": finding.opcode,
            "name": finding.place,
            "note": finding.note,
        }


def _write_list(entries: Iterable[Entry], write: Callable[[str], object]) -> None:
    write("[")
    between = "\n  "
    for entry in entries:
        write(between + json.dumps(entry))
        between = ",\n  "
    write("]")
