"""The tensors that an ONNX file describes as nodes: elements in the message itself, or in a file beside the model.

Source: `onnx/onnx.proto` (`TensorProto`, `SparseTensorProto`) and `docs/ExternalData.md` of onnx 1.23.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from inspector.dtypes import DTYPES
from inspector.errors import InspectorError, visible
from inspector.formats.onnx_elements import INTS, LONGS, STRINGS, UNSIGNED, Proto, Runs, Varints
from inspector.formats.protobuf import fields, text
from inspector.nodes import Module, Node, Tensor, Value
from inspector.pickles.cursor import Cursor
from inspector.sources import Flat, Pool, Source
from inspector.storage import Nowhere, Storage, contiguous

TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8_e4m3fn",
    18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "UINT4", 22: "INT4", 23: "float4_e2m1fn",
    24: "float8_e8m0fnu", 25: "UINT2", 26: "INT2", 27: "float6_e2m3fn", 28: "float6_e3m2fn",
}  # fmt: skip
"""Our names for `TensorProto.DataType`; 8 is a text."""

TEXT = 8

KEPT = 1000
"""How many inputs, outputs, axes, texts of a tensor are kept."""


class Tensors:
    """Makes the nodes of a model's tensors; the files that they lie in are opened once, and none outside its folder."""

    def __init__(self, source: Source, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.home = Flat(source)
        self.cursor = Cursor(source)
        self.pool = Pool()
        self.files: dict[str, Source | str] = {}

    def tensor(self, parent: Module, key: Any, proto: Proto) -> Node:
        """The node of one tensor below its parent; texts are a value."""
        shape = tuple(proto.shape)
        if proto.kind == TEXT:
            return self.strings(parent, key, proto)
        dtype = TYPES.get(proto.kind, f"ONNX type {proto.kind}")
        made = Tensor(dtype, shape, contiguous(shape), None, key=key, parent=parent)
        if dtype in DTYPES:
            made.storage = self.elsewhere(proto, made) if proto.elsewhere else self.here(proto, made)
        return made

    def here(self, proto: Proto, tensor: Tensor) -> Storage:
        """The storage of elements that the message itself holds: as raw bytes, or as numbers of protobuf's."""
        if proto.data in (INTS, LONGS, UNSIGNED):
            made = Storage(Varints(self.source, proto, DTYPES[tensor.dtype]), None, tensor.nbytes)
        elif proto.count == 1:
            made = Storage(self.home, proto.place, proto.nbytes)
        else:
            made = Storage(Runs(self.source, proto), None, proto.nbytes)
        made.dtype, made.problem = tensor.dtype, proto.problem
        return made

    def elsewhere(self, proto: Proto, tensor: Tensor) -> Storage:
        """The storage of elements in a file of their own; the folder of the model is not left."""
        location = proto.external.get("location", "")
        offset, length = (proto.external.get(key, "") for key in ("offset", "length"))
        start = int(offset) if offset.isascii() and offset.isdecimal() and len(offset) < 20 else 0
        size = int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else tensor.nbytes
        file = self.file(location)
        if isinstance(file, str):
            made = Storage(Nowhere(file), None, size, dtype=tensor.dtype)
            made.problem = file
            return made
        made = Storage(Flat(file), start, size, dtype=tensor.dtype)
        if start + size > file.size:
            made.problem = f"its bytes lie behind the end of {visible(location)}"
        return made

    def file(self, location: str) -> Source | str:
        """The file at a place, opened once, or why there is none."""
        found = self.files.get(location)
        if found is None:
            found = self.files[location] = self.opened(location)
        return found

    def opened(self, location: str) -> Source | str:
        """The file at a place below the model's folder, or why there is none."""
        path = PurePosixPath(location)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in location or "\\" in location:
            return f"it is said to be in {visible(location)}, which is no place below the model's folder: not opened"
        try:
            return self.pool.file(str(self.folder / path))
        except InspectorError as error:
            return f"its file can't be opened: {error}"

    def strings(self, parent: Module, key: Any, proto: Proto) -> Node:
        """A tensor of texts as a value, the first of them."""
        kept: list[str] = []
        for part in fields(self.cursor, proto.start, proto.end):
            if part[0] == STRINGS and len(kept) < KEPT and part[3] <= self.source.size:
                kept.append(text(self.cursor, part))
        if proto.count > len(kept):
            kept.append(f"… {proto.count - len(kept)} more")
        return Value(kept, key, parent)

    def sparse_tensor(self, parent: Module, key: Any, parts: tuple[Proto, Proto, list[int]]) -> Node:
        """A sparse tensor: its values, their indices, and its sizes."""
        values, indices, shape = parts
        made = Module("SparseTensorProto", "container", key, parent)
        made.children.append(self.tensor(made, "values", values))
        made.children.append(self.tensor(made, "indices", indices))
        made.children.append(Value(shape, "dims", made))
        return made
