"""The graph of an ONNX model as text: a line for each node, the graphs that nodes hold indented below them.

Source: `GraphProto`, `NodeProto`, `AttributeProto`, `ValueInfoProto` and `TypeProto` in `onnx/onnx.proto` of onnx 1.23.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from inspector.errors import DamagedFile
from inspector.formats.onnx_nodes import within
from inspector.formats.onnx_tensors import TYPES
from inspector.formats.protobuf import NARROW, RUN, VARINT, Field, number, text, varint
from inspector.pickles.cursor import Cursor
from inspector.sources import Source

NODE, NAME, INPUT, OUTPUT = 1, 2, 11, 12
"""Fields of `GraphProto`."""

ATTRIBUTE = 5
"""The field of `NodeProto`; before it are inputs, outputs, its name and its operator."""

FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS = range(2, 9)
"""Fields of `AttributeProto` with its value."""

LONGEST = 100_000
"""Lines that are written."""

MOST_ITEMS = 16
"""Numbers of an attribute that are written."""

DEEPEST = 50
"""Graphs within graphs that are written."""


@dataclass(slots=True)
class _Level:
    """A graph that is being written, or is still to be: then it has no `parts`."""

    graph: Field
    prefix: str
    indent: str
    parts: Iterator[Field] | None = None
    returned: str = ""


def graph_text(source: Source, graph: Field) -> str:
    """The graph as text; one that is damaged ends early, and says so."""
    cursor = Cursor(source)
    lines: list[str] = []
    levels = [_Level(graph, "", "    ")]
    while levels and len(lines) < LONGEST:
        level = levels[-1]
        try:
            if level.parts is None:
                head, level.returned = _head(cursor, level.graph)
                lines.append(level.prefix + head)
                level.parts = within(cursor, level.graph)
            part = next(level.parts, None)
            if part is None:
                lines.append(f"{level.indent}return {level.returned}".rstrip())
                levels.pop()
            elif part[0] == NODE:
                line, graphs = _node(cursor, part)
                lines.append(level.indent + line)
                for name, held in reversed(graphs if len(levels) < DEEPEST else []):
                    levels.append(_Level(held, f"{level.indent}    {name} = ", f"{level.indent}        "))
        except DamagedFile as error:
            return "\n".join([*lines, f"… {error}"])
    if levels:
        lines.append(f"… more than {LONGEST} lines")
    elif graph[3] > source.size:
        lines.append("… the file is cut off before the graph ends")
    return "\n".join(lines)


def _head(cursor: Cursor, graph: Field) -> tuple[str, str]:
    """The line in which a graph begins, and what it returns."""
    name = ""
    inputs: list[str] = []
    outputs: list[str] = []
    for part in within(cursor, graph):
        if part[0] == NAME:
            name = text(cursor, part)
        elif part[0] in (INPUT, OUTPUT):
            (inputs if part[0] == INPUT else outputs).append(_value(cursor, part))
    returned = ", ".join(value.partition(": ")[0] for value in outputs)
    return f"{name or 'graph'}({', '.join(inputs)}) -> ({', '.join(outputs)}):", returned


def _value(cursor: Cursor, part: Field) -> str:
    """An input or output with its type: `x: float32[N, 3]`."""
    name, kind = "", ""
    for field in list(within(cursor, part)):
        if field[0] == 1:
            name = text(cursor, field)
        elif field[0] == 2:
            for described in list(within(cursor, field)):
                kind = _tensor_type(cursor, described) if described[0] == 1 else "?"
    return f"{name}: {kind}" if kind else name


def _tensor_type(cursor: Cursor, part: Field) -> str:
    dtype, shape = "?", ""
    for field in list(within(cursor, part)):
        if field[0] == 1:
            kind = number(cursor, field)
            dtype = TYPES.get(kind, f"type {kind}")
        elif field[0] == 2:
            sizes = [_size(cursor, size) for size in list(within(cursor, field))[:MOST_ITEMS] if size[0] == 1]
            shape = f"[{', '.join(sizes)}]"
    return dtype + shape


def _size(cursor: Cursor, part: Field) -> str:
    said = "?"
    for field in list(within(cursor, part)):
        said = str(number(cursor, field)) if field[0] == 1 else text(cursor, field) if field[0] == 2 else said
    return said


def _node(cursor: Cursor, part: Field) -> tuple[str, list[tuple[str, Field]]]:
    """The line of a node, and the graphs that it holds by the names of their attributes."""
    names: dict[int, list[str]] = {1: [], 2: [], 4: [], 7: []}
    given: list[str] = []
    graphs: list[tuple[str, Field]] = []
    for field in list(within(cursor, part)):
        if field[0] in names:
            names[field[0]].append(text(cursor, field))
        elif field[0] == ATTRIBUTE:
            name, value, graph = _attribute(cursor, field)
            if graph is not None:
                graphs.append((name, graph))
            else:
                given.append(f"{name}={value}")
    domain = "".join(f"{name}." for name in names[7] if name not in ("", "ai.onnx"))
    operator = "".join(names[4]) or "?"
    results = ", ".join(names[2])
    return f"{f'{results} = ' if results else ''}{domain}{operator}({', '.join([*names[1], *given])})", graphs


def _attribute(cursor: Cursor, part: Field) -> tuple[str, str, Field | None]:
    """The name of an attribute and its value as text, or the graph that it is."""
    name, value = "", "?"
    several: list[str] = []
    for field in list(within(cursor, part)):
        kind, wire, start, _ = field
        if kind == 1:
            name = text(cursor, field)
        elif kind == GRAPH:
            return name, "", field
        elif kind == TENSOR:
            value = "<tensor>"
        elif kind == STRING:
            value = repr(text(cursor, field, 200))
        elif kind == FLOAT and wire == NARROW:
            value = _float(cursor, start)
        elif kind == INT and wire == VARINT:
            value = str(number(cursor, field))
        elif kind in (FLOATS, INTS) and len(several) <= MOST_ITEMS:
            several += _numbers(cursor, field)
        elif kind == 9 and len(several) <= MOST_ITEMS:
            several.append(repr(text(cursor, field, 200)))
    if several:
        value = f"[{', '.join(several[:MOST_ITEMS])}{', …' if len(several) > MOST_ITEMS else ''}]"
    return name, value, None


def _numbers(cursor: Cursor, field: Field) -> list[str]:
    """Repeated numbers, packed into one field or not; one more than is written, if there are more."""
    kind, wire, start, end = field
    if wire == NARROW:
        return [_float(cursor, start)]
    if wire == VARINT:
        return [str(number(cursor, field))]
    found: list[str] = []
    cursor.position = start
    while wire == RUN and cursor.position < end and len(found) <= MOST_ITEMS:
        if kind == FLOATS:
            found.append(_float(cursor, cursor.position))
        else:
            value = varint(cursor)
            found.append(str(value - (1 << 64) if value >> 63 else value))
    return found


def _float(cursor: Cursor, start: int) -> str:
    cursor.position = start
    (value,) = struct.unpack("<f", cursor.take(4))
    return f"{value:.6g}"
