"""The values of a tensor of any size as JSON or CSV, written block by block with the numbers of `literals`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from inspector.blocks import Index, Values, blocks
from inspector.describe.literals import csv_text, json_text

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Write = Callable[[str], object]

WIDTH = 128
"""Bytes that an element takes while it becomes text."""


def write_json(values: Values, write: Write) -> None:
    """Nested lists in the order of the shape, as `json_text` has them; a tensor without elements is `[]`."""
    between = ""
    for index, block in _arrays(values):
        opened, closed = _borders(index, values.shape)
        text = json_text(block)
        write(between + "[" * opened + (text[1:-1] if index else text) + "]" * closed)
        between = ", "
    if not between:
        write("[]")


def write_csv(values: Values, write: Write) -> None:
    """Of a matrix its rows; of one axis or none, a number a line; of more axes, a number a line behind its index.

    Of more than 2 axes the first line is headings. Numbers are as in `csv_text`: `nan`, `inf`, `True`, `1.0+2.0j`.
    """
    shape = values.shape
    if len(shape) > 2:
        write(",".join([*(f"axis {axis}" for axis in range(len(shape))), "value"]) + "\n")
    for index, block in _arrays(values):
        if len(shape) == 2:
            whole_rows = len(index) == 1 or _borders(index, shape)[1]
            write(csv_text(block) + ("\n" if whole_rows else ","))
            continue
        cells = csv_text(block.reshape(-1)).split(",")
        if len(shape) > 2:
            cells = [f"{place},{cell}" for place, cell in zip(_places(index, shape), cells, strict=True)]
        write("\n".join(cells) + "\n")


def _arrays(values: Values) -> Iterator[tuple[Index, Array]]:
    import numpy as np

    return ((index, np.asarray(block)) for index, block in blocks(values, WIDTH))


def _places(index: Index, shape: tuple[int, ...]) -> Iterator[str]:
    """The index of each element of a block, as `3,0,17`."""
    spans = [range(start, stop) for start, stop in _spans(index)]
    spans += [range(size) for size in shape[len(index) :]]
    return (",".join(place) for place in product(*([str(at) for at in span] for span in spans)))


def _borders(index: Index, shape: tuple[int, ...]) -> tuple[int, int]:
    """How many axes begin with a block, and how many end with it."""
    spans = _spans(index)
    begins = [start == 0 for start, _ in spans]
    ends = [stop == size for (_, stop), size in zip(spans, shape, strict=False)]
    return _trailing(begins), _trailing(ends)


def _spans(index: Index) -> list[tuple[int, int]]:
    return [(part.start, part.stop) if isinstance(part, slice) else (part, part + 1) for part in index]


def _trailing(marks: list[bool]) -> int:
    """How many are true at the end."""
    return next((count for count, mark in enumerate(reversed(marks)) if not mark), len(marks))
