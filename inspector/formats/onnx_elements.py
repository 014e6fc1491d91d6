"""Where the elements of an ONNX tensor lie in its protobuf message, and how numbers of variable length become bytes.

Source: `TensorProto` in `onnx/onnx.proto` of onnx 1.23.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inspector.dtypes import DType
from inspector.errors import DamagedFile
from inspector.formats.protobuf import fields
from inspector.pickles.cursor import Cursor
from inspector.sources import Source

if TYPE_CHECKING:
    import numpy as np

DIMS, DATA_TYPE, FLOATS, INTS, STRINGS, LONGS, TENSOR_NAME, RAW, DOUBLES, UNSIGNED, EXTERNAL, LOCATION = (
    1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14,
)  # fmt: skip
"""Fields of `TensorProto`."""

DATA = (FLOATS, INTS, STRINGS, LONGS, RAW, DOUBLES, UNSIGNED)
"""Those that hold elements."""

SIX_BITS = 3
"""Bytes that no dtype but those of 6 bits takes for a block."""


@dataclass(slots=True)
class Proto:
    """A `TensorProto`, its elements left out: they are in the fields of the number `data`, `count` of them, the first
    at `place`, `nbytes` in all; or in a file of their own, as `external` says.
    """

    start: int = 0
    end: int = 0
    name: str = ""
    kind: int = 0
    shape: list[int] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)
    elsewhere: bool = False
    data: int = RAW
    count: int = 0
    place: int = 0
    nbytes: int = 0
    problem: str = ""


class Runs:
    """A home for elements that lie in several fields of a `TensorProto`, one behind the other."""

    def __init__(self, source: Source, proto: Proto) -> None:
        self.source = source
        self.proto = proto
        self.whole: bytes | None = None

    def read(self, key: Any, offset: int, length: int) -> bytes:
        """`length` bytes from byte `offset` of the elements; the key is not looked at. Raises `DamagedFile`."""
        if self.whole is None:
            places = fields(Cursor(self.source), self.proto.start, self.proto.end)
            runs = (self.source.read(part[2], part[3] - part[2]) for part in places if part[0] == self.proto.data)
            self.whole = self.decode(b"".join(runs))
        if offset + length > len(self.whole):
            raise DamagedFile(f"there are {len(self.whole)} bytes of elements, and {offset + length} are wanted")
        return self.whole[offset : offset + length]

    def decode(self, data: bytes) -> bytes:
        """The elements, little-endian."""
        return data


class Varints(Runs):
    """A home for elements that are written as numbers of variable length."""

    def __init__(self, source: Source, proto: Proto, dtype: DType) -> None:
        super().__init__(source, proto)
        self.dtype = dtype

    def decode(self, data: bytes) -> bytes:
        """The elements: of each byte seven bits, the lowest first; the eighth says that more follow."""
        import numpy as np

        raw = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(raw < 0x80)
        if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
            raise DamagedFile("the last of its elements is cut off")
        starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.intp) if len(ends) else ends
        lengths = ends - starts + 1
        values: np.ndarray[Any, Any] = np.zeros(len(ends), np.uint64)
        for place in range(min(int(lengths.max(initial=0)), 10)):
            longer = lengths > place
            values[longer] |= (raw[starts[longer] + place] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * place)
        if self.dtype.bytes == SIX_BITS:
            return _six_bits(values)
        return values.astype(f"<u{self.dtype.bytes}").tobytes()


def _six_bits(codes: np.ndarray[Any, Any]) -> bytes:
    """Elements of 6 bits, given one in a number, packed as they are among raw bytes: four in three bytes."""
    import numpy as np

    fours = np.zeros((-(-len(codes) // 4), 4), np.uint32)
    fours.reshape(-1)[: len(codes)] = codes & np.uint64(63)
    words = fours[:, 0] | fours[:, 1] << 6 | fours[:, 2] << 12 | fours[:, 3] << 18
    return words.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
