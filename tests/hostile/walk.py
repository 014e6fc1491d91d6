"""Everything that the program does with a file without a screen: opens it, asks all there is to ask, reads values."""

from __future__ import annotations

from itertools import islice
from typing import Any

import inspector
from inspector import loading
from inspector.errors import visible
from inspector.limits import DEFAULT, Limits
from inspector.nodes import Module, Tensor, Value
from inspector.pickles.objects import text
from inspector.query import Query
from inspector.soundness import troubles
from inspector.statistics.scan import scan as statistics
from tui.reports.document import write_document
from tui.reports.tree import write_tree

NODES = 2000
"""Nodes that are asked one by one."""

SMALL = 1 << 16
"""Elements of a tensor that is read whole; of a larger one a corner is."""


def walk(path: str, limits: Limits = DEFAULT) -> str:
    """Does it all, and says how it ended. Nothing but `InspectorError` may come, in one printable line."""
    try:
        scan = loading.scan(path, limits)
        assert all(
            type(said) is str for finding in scan.findings for said in (finding.callable, finding.arguments, finding.place)
        )
        printable(*scan.problems)
    except inspector.InspectorError as error:
        printable(str(error))
    try:
        with inspector.open(path, limits) as model:
            ask(model)
            return f"opened, {len(model.problems)} problems"
    except inspector.InspectorError as error:
        printable(str(error))
        return str(error)


def ask(model: inspector.Checkpoint) -> None:
    """Everything about an opened file."""
    printable(*model.problems)
    pieces: list[str] = []
    write_tree(model, Query(""), pieces.append)
    printable(*"".join(pieces).split("\n"))
    write_document(model, Query(""), lambda piece: None)
    repr(model)
    model.state_dict(), list(model.named_parameters()), list(model.named_modules()), list(model.named_buffers())
    for read in model.texts.values():
        quietly(read)
    for node in islice(model.root.walk(), NODES):
        assert type(node.label) is type(node.name) is type(node.expression) is str
        if isinstance(node, Value):
            assert len(text(node.value)) <= 201
        elif isinstance(node, Module):
            assert type(text(list(node.attributes.values()))) is str
            repr(node)
        elif isinstance(node, Tensor):
            ask_tensor(node)
    quietly(model.verify)
    printable(*model.problems)
    assert model.changed() == ""


def ask_tensor(tensor: Tensor) -> None:
    """Everything about a tensor."""
    printable(*troubles(tensor))
    tensor.contiguous, tensor.shares, tensor.nbytes, tensor.kind, tensor.device  # noqa: B018
    quietly(lambda: repr(tensor))
    small = 0 <= tensor.numel <= SMALL
    quietly(lambda: tensor[...] if small else tensor[tuple(slice(0, 2) for _ in tensor.shape)])
    if small:
        quietly(tensor.numpy)
        quietly(tensor.int_repr)
        quietly(lambda: statistics(tensor))


def quietly(ask_for: Any) -> Any:
    """What is asked for, or None where the file can't say it."""
    try:
        return ask_for()
    except inspector.InspectorError as error:
        printable(str(error))
        return None


def printable(*lines: str) -> None:
    """Lines for a person: nothing in them that does something else to a terminal than show."""
    for line in lines:
        assert visible(line) == line, line[:300]
