"""protobuf's wire format, read field by field: no schema, nothing unpacked that nobody asks for.

Source: "Encoding" of the Protocol Buffers documentation. A message is a run of fields, each a number, a wire type and a
payload; what a payload means is up to whoever reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from inspector.errors import DamagedFile
from inspector.pickles.cursor import Cursor

VARINT, WIDE, RUN, NARROW = 0, 1, 2, 5
"""Wire types: a number of variable length, 8 bytes, a run of bytes with its length, 4 bytes."""

LONGEST = 10
"""Bytes of the longest number."""

Field = tuple[int, int, int, int]
"""A field's number and wire type, and its payload: the first byte and the one behind the last, in the source."""


def fields(cursor: Cursor, start: int, end: int) -> Iterator[Field]:
    """The fields of the message from byte `start` to `end`. Raises `DamagedFile` where they are none.

    Between two of them the cursor may be used for other things. A payload may claim to reach beyond `end`: a file that
    is cut off ends like that.
    """
    while start < end:
        cursor.position = start
        tag = varint(cursor)
        number, wire = tag >> 3, tag & 7
        first = cursor.position
        if wire == VARINT:
            varint(cursor)
            start = cursor.position
        elif wire == RUN:
            length = varint(cursor)
            first = cursor.position
            start = first + length
        elif wire in (WIDE, NARROW):
            start = first + (8 if wire == WIDE else 4)
        else:
            raise DamagedFile(f"there is no protobuf field at byte {first}")
        yield number, wire, first, start


def varint(cursor: Cursor) -> int:
    """The number at the cursor, which moves behind it."""
    data = cursor.peek(LONGEST)
    value = 0
    for place, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            cursor.position += place + 1
            return value & 0xFFFF_FFFF_FFFF_FFFF
    raise DamagedFile(f"there is no protobuf number at byte {cursor.position}")


def number(cursor: Cursor, field: Field) -> int:
    """The payload of a field that is a signed number."""
    cursor.position = field[2]
    value = varint(cursor)
    return value - (1 << 64) if value >> 63 else value


def text(cursor: Cursor, field: Field, limit: int = 1 << 16) -> str:
    """The payload of a field that is a text, cut after `limit` bytes."""
    _, _, start, end = field
    cursor.position = start
    cut = cursor.take(min(end - start, limit)).decode("utf-8", "replace")
    return cut if end - start <= limit else cut + "…"
