"""The tree as text: a line for the file, one for each problem, and one for each node with what it is and its totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

from inspector import Checkpoint
from inspector.errors import InspectorError, visible
from inspector.nodes import Module, Node, Tensor, Value
from inspector.query import Query
from inspector.values import text
from tui.figures import plural, shape_text, short_size
from tui.reports.health import Looked
from tui.reports.listing import Listing
from tui.summary import condition_text, figure, rank_text, summary

if TYPE_CHECKING:
    from inspector.statistics.spectrum import Spectrum
    from tui.reports.counted import Counted, Result

LONGEST = 200
"""Characters of a name or value that one line shows."""

DEEPEST = 40
"""Levels that are indented."""

WIDEST = (60, 48)
"""Columns that names and kinds are given at most; a longer one pushes what is behind it."""

TOGETHER = 10_000
"""Rows that share the widths of their columns: a longer tree is written as it is walked, and its columns may grow."""

Row = tuple[str, str, str, str, str]
"""Name, kind, elements, bytes, marks."""


def write_tree(
    checkpoint: Checkpoint, query: Query, write: Callable[[str], object], counted: Counted | None = None
) -> None:
    """Writes the tree of what the query leaves; with `counted`, each tensor with its statistics in their short form,
    and at the end what is wrong with the values.
    """
    listing = Listing(checkpoint.root, query, grouped=True)
    write(_header(checkpoint, listing) + "\n")
    for problem in checkpoint.problems:
        write(f"! {visible(problem)}\n")
    widths = [0, 0, 0, 0]
    rows = _rows(listing, counted)
    while together := list(islice(rows, TOGETHER)):
        columns = zip(*together, strict=True)
        widths = [max(width, *map(len, cells)) for width, cells in zip(widths, columns, strict=False)]
        name, kind = (min(width, widest) for width, widest in zip(widths, WIDEST, strict=False))
        count, size = widths[2:]
        for row in together:
            line = f"{row[0]:<{name}}  {row[1]:<{kind}}  {row[2]:>{count}}  {row[3]:>{size}}  {row[4]}"
            write(line.rstrip() + "\n")
    if counted is not None:
        for line in Looked(checkpoint, list(listing.tensors()), counted).lines():
            write(line + "\n")


def _header(checkpoint: Checkpoint, listing: Listing) -> str:
    """File, format, tensors, parameters (tied ones once), bytes, dtypes."""
    dtypes = Counter(tensor.dtype for tensor in listing.tensors())
    root = checkpoint.root
    numel, nbytes = listing.totals(root) if isinstance(root, Module) else _totals(root)
    facts = [
        visible(PurePath(checkpoint.path).name or checkpoint.path),
        checkpoint.format + (f", not {visible(checkpoint.misnamed)}" if checkpoint.misnamed else ""),
        plural(dtypes.total(), "tensor"),
        plural(numel, "parameter"),
        short_size(nbytes),
    ]
    names = [f"{visible(name)} {count:,}" if len(dtypes) > 1 else visible(name) for name, count in dtypes.most_common()]
    return " · ".join([*facts, *([", ".join(names)] if names else [])])


def _totals(node: Node) -> tuple[int, int]:
    return (node.numel, node.nbytes) if isinstance(node, Tensor) else (0, 0)


def _rows(listing: Listing, counted: Counted | None) -> Iterator[Row]:
    tensors = list(listing.tensors()) if counted is not None else []
    results = dict.fromkeys(tensors)
    counting = counted.figures(tensors) if counted is not None else iter(())
    stack: list[tuple[Node, int]] = [(listing.root, 0)]
    while stack:
        node, depth = stack.pop()
        indent = "  " * min(depth, DEEPEST)
        if isinstance(node, Tensor):
            kind = f"{node.dtype} {shape_text(node.shape)}"
            figures = _figures(next(counting)) if node in results else ""
            spectrum = _spectrum(counted.spectrum(node)) if counted is not None else ""
            marks = "  ".join(filter(None, (figures, spectrum, _marks(node))))
            yield indent + _label(node), kind, f"{node.numel:,}", short_size(node.nbytes), marks
        elif isinstance(node, Module):
            numel, nbytes = listing.totals(node)
            sizes = (f"{numel:,}", short_size(nbytes)) if node.tensor_count else ("", "")
            kind = node.short_type if node.belongs is None else f"of {node.belongs.name}"
            yield indent + _label(node), _shown(kind), *sizes, "opaque" if node.role == "object" else ""
        elif isinstance(node, Value):
            yield indent + _label(node), _shown(text(node.value, LONGEST)), "", "", ""
        stack.extend([(child, depth + 1) for child in reversed(listing.below(node))])


def _figures(result: Result) -> str:
    if result is None:
        return "not counted"
    return f"! {visible(str(result))}" if isinstance(result, InspectorError) else summary(result)


def _spectrum(found: Spectrum | InspectorError | None) -> str:
    if found is None:
        return ""
    if isinstance(found, InspectorError):
        return f"no spectrum: {visible(str(found))}"
    largest = f"largest singular value {figure(float(found.values[0]))}"
    return f"{largest}, effective rank {rank_text(found)}, condition {condition_text(found)}"


def _label(node: Node) -> str:
    return _shown(node.label) if node.parent is not None else "."


def _shown(words: str) -> str:
    """A text from the file, fit for a line."""
    return visible(words if len(words) <= LONGEST else words[:LONGEST] + "…")


def _marks(tensor: Tensor) -> str:
    """What is special about a tensor."""
    marks = []
    if tensor.traits.computed is not None:
        marks.append(_shown(tensor.traits.computed.brief))
    first = tensor.shares
    if first is not None:
        where = (first.offset, first.shape, first.stride) == (tensor.offset, tensor.shape, tensor.stride)
        marks.append(f"{'tied to' if where else 'shares storage with'} {_shown(first.name)}")
    if tensor.kind == "buffer":
        marks.append("buffer")
    elif tensor.kind == "parameter" and not tensor.requires_grad:
        marks.append("frozen")
    marks += [f"! {visible(problem)}" for problem in tensor.traits.problems]
    return "  ".join(marks)
