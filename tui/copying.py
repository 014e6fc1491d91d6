"""What can be copied of a node, by letter, and the text of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from inspector.nodes import Module, Node, Tensor, Value

if TYPE_CHECKING:
    from inspector.statistics import Statistics

Block = tuple[str, Any]
"""The visible part of a tensor: its index as Python has it, and its values."""


Make = Callable[[Node, Block | None], str]
"""The text of a node, and for the shown block of that; only for the reader's thread, because it may read values."""


class Kind(NamedTuple):
    """Something to copy: its `letter` in the menu, the `word` for it (none: not in the menu), and the text of it.

    `extension` is that of the file which holds the same where it is too large for a clipboard; empty for what is not
    made of values.
    """

    letter: str
    word: str
    make: Make
    extension: str = ""


def _name(node: Node, _: Block | None) -> str:
    return node.name


def _expression(node: Node, _: Block | None) -> str:
    return node.expression


def _printed(node: Node, _: Block | None) -> str:
    return printed(node)


def _values(literal: Callable[[Tensor, Any], str]) -> Make:
    def make(node: Node, _: Block | None) -> str:
        from inspector import window

        assert isinstance(node, Tensor)
        return literal(node, window.read(node))

    return make


def _torch(tensor: Tensor, array: Any) -> str:
    from inspector.describe import literals

    return literals.torch_literal(array, tensor.dtype)


def _numpy(_: Tensor, array: Any) -> str:
    from inspector.describe import literals

    return literals.numpy_literal(array)


def _list(_: Tensor, array: Any) -> str:
    from inspector.describe import literals

    return literals.python_list(array)


def _json(_: Tensor, array: Any) -> str:
    from inspector.describe import literals

    return literals.json_text(array)


def _csv(_: Tensor, array: Any) -> str:
    from inspector.describe import literals

    return literals.csv_text(array)


def _block(node: Node, block: Block | None) -> str:
    assert isinstance(node, Tensor) and block is not None
    return _torch(node, block[1])


_NAMES = (Kind("n", "name", _name), Kind("e", "expression", _expression))
_OF_TENSOR = (
    Kind("y", "values (torch)", _values(_torch), ".npy"),
    Kind("v", "", _values(_torch), ".npy"),
    Kind("a", "numpy", _values(_numpy), ".npy"),
    Kind("l", "list", _values(_list), ".json"),
    Kind("j", "JSON", _values(_json), ".json"),
    Kind("c", "CSV", _values(_csv), ".csv"),
)
_SHOWN_BLOCK = Kind("b", "shown block", _block, ".npy")
_OF_TEXT = (Kind("y", "text", _printed), Kind("v", "", _printed))


def kinds(node: Node, has_block: bool) -> tuple[Kind, ...]:
    """What can be copied of a node; `has_block` says whether values of it are on the screen."""
    if isinstance(node, Tensor):
        return (*_OF_TENSOR, *((_SHOWN_BLOCK,) if has_block else ()), *_NAMES)
    return (*_OF_TEXT, *_NAMES)


def statistics_text(tensor: Tensor, statistics: Statistics) -> str:
    """The statistics of a tensor as the JSON document has them, with its name."""
    import json

    from tui.reports.counted import stats_entry

    return json.dumps({"name": tensor.name, **(stats_entry(statistics) or {})})


def least_size(tensor: Tensor) -> int:
    """A bound from below, in bytes, on the text of a tensor's values, known without reading them: `0,` for each."""
    return 2 * tensor.numel


def printed(node: Node) -> str:
    """What `print` says of a node in Python, as torch has it."""
    if isinstance(node, Value):
        from inspector.pickles.objects import text

        return text(node.value, 1_000_000)
    assert isinstance(node, Module | Tensor)
    return repr(node)
