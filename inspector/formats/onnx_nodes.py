"""What the nodes of an ONNX graph hold themselves: the tensor of a `Constant`, the graphs that an `If` or a `Loop` runs.

Source: `NodeProto` and `AttributeProto` in `onnx/onnx.proto` of onnx 1.23, and the operators of those names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from inspector.errors import DamagedFile
from inspector.formats.protobuf import RUN, Field, fields, text
from inspector.pickles.cursor import Cursor

OUTPUT, NAME, OPERATOR, ATTRIBUTE = 2, 3, 4, 5
"""Fields of `NodeProto`."""

ATTRIBUTE_NAME, TENSOR, GRAPH = 1, 5, 6
"""Fields of `AttributeProto`."""

HOLDERS = ("Constant", "If", "Loop", "Scan")
"""Operators with a tensor or a graph among their attributes that may be weights."""

MARKS = re.compile(b"|".join(re.escape(bytes([OPERATOR << 3 | RUN, len(name)]) + name.encode()) for name in HOLDERS))
"""How a node of one of these operators says so."""

SHORT = 1 << 12
"""Bytes of a node that are looked through for its operator, which takes a tenth of the time of walking its fields."""


@dataclass(slots=True)
class Held:
    """What a node holds: `tensors` are the messages of a constant, `graphs` those of graphs by their attribute's name."""

    operator: str = ""
    name: str = ""
    output: str = ""
    tensors: list[Field] = field(default_factory=list)
    graphs: list[tuple[str, Field]] = field(default_factory=list)

    @property
    def called(self) -> str:
        """The node's name, or what else tells it from others."""
        return self.name or self.output or self.operator


def held(cursor: Cursor, node: Field) -> Held | None:
    """What the node holds; None if its operator is none that holds anything. Raises `DamagedFile`."""
    cursor.position = node[2]
    if node[3] - node[2] <= SHORT and not MARKS.search(cursor.peek(node[3] - node[2])):
        return None
    made = Held()
    attributes: list[Field] = []
    for part in within(cursor, node):
        if part[0] == OPERATOR:
            made.operator = text(cursor, part)
            if made.operator not in HOLDERS:
                return None
        elif part[0] == NAME:
            made.name = text(cursor, part)
        elif part[0] == OUTPUT:
            made.output = made.output or text(cursor, part)
        elif part[0] == ATTRIBUTE:
            attributes.append(part)
    for attribute in attributes:
        name = ""
        for part in within(cursor, attribute):
            if part[0] == ATTRIBUTE_NAME:
                name = text(cursor, part)
            elif part[0] == TENSOR and made.operator == "Constant":
                made.tensors.append(part)
            elif part[0] == GRAPH and made.operator != "Constant":
                made.graphs.append((name, part))
    return made


def within(cursor: Cursor, message: Field) -> Iterator[Field]:
    """The fields of a message that is a field's payload, none of them reaching beyond it. Raises `DamagedFile`."""
    if message[1] != RUN:
        raise DamagedFile(f"there is no message at byte {message[2]}")
    end = min(message[3], cursor.source.size)
    for name, wire, start, stop in fields(cursor, message[2], end):
        yield name, wire, start, min(stop, end)
