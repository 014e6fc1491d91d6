"""ONNX: the initializers and constants of a model's graphs, and what the model says of itself.

Source: `onnx/onnx.proto` of onnx 1.23 (`ModelProto`, `GraphProto`, `TensorProto`) and `docs/ExternalData.md`. The file is
one protobuf message of any size. Its fields are walked here, from length to length, rather than loaded by the package
`onnx`, which reads and copies all of it: so a model opens at once, and nothing has to be installed for it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from inspector.dotted_names import join
from inspector.errors import DamagedFile, visible
from inspector.formats import Contents, Found, Opening
from inspector.formats.onnx_elements import (
    DATA,
    DATA_TYPE,
    DIMS,
    EXTERNAL,
    LOCATION,
    TENSOR_NAME,
    Proto,
)
from inspector.formats.onnx_nodes import held
from inspector.formats.onnx_tensors import KEPT, Tensors
from inspector.formats.onnx_text import graph_text
from inspector.formats.protobuf import RUN, VARINT, Field, fields, number, text, varint
from inspector.nodes import Module
from inspector.pickles.cursor import Cursor
from inspector.sources import Source

MODEL = {1: VARINT, 2: RUN, 3: RUN, 4: RUN, 5: VARINT, 6: RUN, 7: RUN, 8: RUN, 14: RUN, 20: RUN, 25: RUN, 26: RUN}
"""The fields of `ModelProto` and their wire types; the first is `ir_version`."""

IR_VERSION, OPSETS, GRAPH, PROPERTIES = 1, 8, 7, 14

TEXTS = {2: "producer_name", 3: "producer_version", 4: "domain", 6: "doc_string"}

GRAPH_FIELDS = (1, 2, 5, 10, 11, 12, 13, 14, 15, 16)
NODE, NAME, INITIALIZER, INPUT, OUTPUT, SPARSE = 1, 2, 5, 11, 12, 15

FIRST_FIELDS = 1000
"""How many fields of a model are looked at for its graph."""

CONSTANTS = "constants"
"""The level that constants stand on, beside the initializers of their graph."""

DEEPEST_GRAPH = 50
"""Graphs within graphs that are looked into."""


def recognises(found: Found) -> bool:
    """Whether it is a `ModelProto`: the version, then other fields of it, then a graph whose first field is a graph's."""
    if found.source is None or not found.head.startswith(b"\x08"):
        return False
    cursor = Cursor(found.source)
    try:
        for count, (name, wire, start, end) in enumerate(fields(cursor, 0, found.source.size)):
            if MODEL.get(name) != wire or count > FIRST_FIELDS:
                return False
            if name == GRAPH:
                inner = next(fields(cursor, start, min(end, found.source.size)), (NODE, RUN, 0, 0))
                return inner[0] in GRAPH_FIELDS and inner[1] == RUN
    except DamagedFile:
        pass
    return False


def read(found: Found, opening: Opening) -> Contents:
    """The initializers and constants by their names, as a tree. Raises `LimitReached`; what is damaged is told."""
    assert found.source is not None
    reader = _Reader(found.source, Path(found.path).parent, opening)
    try:
        return reader.contents()
    except BaseException:
        reader.nodes.pool.close()
        raise


class _Reader:
    def __init__(self, source: Source, folder: Path, opening: Opening) -> None:
        self.source = source
        self.limits = opening.limits
        self.tick = opening.tick(source.size)
        self.cursor = Cursor(source)
        self.nodes = Tensors(source, folder)
        self.result = Contents(Module("dict"), "ONNX")
        self.tensors: list[tuple[str, Proto]] = []
        self.constants: list[tuple[str, Proto]] = []
        self.sparse: list[tuple[str, tuple[Proto, Proto, list[int]]]] = []

    def contents(self) -> Contents:
        about = self.result.metadata
        try:
            for part in fields(self.cursor, 0, self.source.size):
                name = part[0]
                if name in TEXTS:
                    about[TEXTS[name]] = text(self.cursor, part)
                elif name == IR_VERSION:
                    about["ir_version"] = number(self.cursor, part)
                elif name == 5:
                    about["model_version"] = number(self.cursor, part)
                elif name == OPSETS:
                    domain, version = self.opset(part)
                    about.setdefault("opsets", {})[domain] = version
                elif name == PROPERTIES:
                    key, value = self.pair(part)
                    about[key] = value
                elif name == GRAPH:
                    self.result.texts["graph"] = partial(graph_text, self.source, part)
                    self.graphs(part)
                if part[3] > self.source.size:
                    self.result.problems.append(f"the file is cut off: {part[3]} bytes or more belong to it")
        except DamagedFile as error:
            self.result.problems.append(f"{error}; what stands before that is shown")
        root = self.result.root
        assert isinstance(root, Module)
        join(root, self.tensors + self.constants, self.nodes.tensor)
        join(root, self.sparse, self.nodes.sparse_tensor)
        self.result.sources += [file for file in self.nodes.files.values() if not isinstance(file, str)]
        return self.result

    def opset(self, part: Field) -> tuple[str, int]:
        domain, version = "ai.onnx", 0
        for inner in self.inside(part):
            if inner[0] == 1:
                domain = text(self.cursor, inner) or domain
            elif inner[0] == 2:
                version = number(self.cursor, inner)
        return domain, version

    def pair(self, part: Field) -> tuple[str, str]:
        """The key and value of a `StringStringEntryProto`."""
        both = {inner[0]: text(self.cursor, inner) for inner in self.inside(part) if inner[0] in (1, 2)}
        return both.get(1, ""), both.get(2, "")

    def inside(self, part: Field) -> Any:
        """The fields of a message that is a field's payload."""
        if part[1] != RUN:
            raise DamagedFile(f"there is no message at byte {part[2]}")
        if part[3] > self.source.size:
            # What lies before the cut is read; the last field in it then can't be.
            return fields(self.cursor, part[2], self.source.size)
        return fields(self.cursor, part[2], part[3])

    def graphs(self, part: Field) -> None:
        """The graph of the model, then the graphs that its nodes hold, their tensors named below the node."""
        about = self.result.metadata
        about["nodes"] = 0
        waiting: list[tuple[tuple[str, ...], Field]] = [((), part)]
        while waiting:
            place, part = waiting.pop()
            below: list[tuple[tuple[str, ...], Field]] = []
            for inner in self.inside(part):
                self.tick(inner[2])
                if inner[0] == NODE:
                    about["nodes"] += not place
                    below += self.node(inner, place)
                elif inner[0] == INITIALIZER:
                    self.add(self.tensors, place, self.proto(inner))
                elif inner[0] == SPARSE:
                    self.sparse_proto(inner)
                elif not place:
                    self.tell(inner)
            waiting += reversed(below)

    def node(self, part: Field, place: tuple[str, ...]) -> list[tuple[tuple[str, ...], Field]]:
        """Keeps the constant that a node is; gives the graphs that it holds, each with its place in the tree."""
        found = held(self.cursor, part)
        if found is None:
            return []
        for tensor in found.tensors:
            proto = self.proto(tensor)
            proto.name = found.output
            self.add(self.constants, (*place, CONSTANTS), proto)
        if found.graphs and len(place) >= 2 * DEEPEST_GRAPH:
            self.result.problems.append(f"{visible(found.called)} holds graphs too deep inside others: they are not shown")
            return []
        return [((*place, found.called, name), graph) for name, graph in found.graphs]

    def add(self, tensors: list[tuple[str, Proto]], place: tuple[str, ...], proto: Proto) -> None:
        tensors.append((".".join((*place, proto.name)), proto))
        if len(self.tensors) + len(self.constants) > self.limits.members:
            raise self.limits.reached("members", "it has more tensors")

    def tell(self, part: Field) -> None:
        """Keeps what a field says of the model's graph: its name, the names of its inputs and outputs."""
        about = self.result.metadata
        name = part[0]
        if name == NAME:
            about["graph"] = text(self.cursor, part)
        elif name in (INPUT, OUTPUT):
            said = about.setdefault("inputs" if name == INPUT else "outputs", [])
            if len(said) < KEPT:
                said += [text(self.cursor, value) for value in self.inside(part) if value[0] == 1]

    def sparse_proto(self, part: Field) -> None:
        values, indices, shape = Proto(), Proto(), list[int]()
        for inner in self.inside(part):
            if inner[0] == 1:
                values = self.proto(inner)
            elif inner[0] == 2:
                indices = self.proto(inner)
            elif inner[0] == 3:
                shape += self.numbers(inner)
        self.sparse.append((values.name, (values, indices, shape)))

    def proto(self, part: Field) -> Proto:
        made = Proto(part[2], min(part[3], self.source.size))
        for inner in self.inside(part):
            name, _, start, end = inner
            if name == DIMS:
                made.shape += self.numbers(inner)
                if len(made.shape) > KEPT:
                    raise DamagedFile(f"the initializer at byte {part[2]} has more than {KEPT} axes")
            elif name == DATA_TYPE:
                made.kind = number(self.cursor, inner)
            elif name == TENSOR_NAME:
                made.name = text(self.cursor, inner)
            elif name == EXTERNAL:
                key, value = self.pair(inner)
                made.external[key] = value
            elif name == LOCATION:
                made.elsewhere = number(self.cursor, inner) == 1
            elif name in DATA:
                if made.count and made.data != name:
                    made.problem = "it has its elements in two ways"
                if not made.count:
                    made.data, made.place = name, start
                made.count += 1
                made.nbytes += end - start
                if end > self.source.size:
                    made.problem = "its bytes lie behind the end of the file"
        return made

    def numbers(self, part: Field) -> list[int]:
        """A repeated number, packed into one field or not; no more of them than are kept."""
        if part[1] == VARINT:
            return [number(self.cursor, part)]
        found: list[int] = []
        self.cursor.position = part[2]
        while self.cursor.position < part[3] and len(found) <= KEPT:
            value = varint(self.cursor)
            found.append(value - (1 << 64) if value >> 63 else value)
        return found
