"""Whether a pickle's frames end where opcodes do: where they don't, unpicklers differ about what follows.

Python's own reader in C, given a file, drops what is left of a frame when an opcode reaches beyond it; given a buffer it
reads on; the one in Python refuses. (`_Unpickler_ReadImpl` and `load_frame` in CPython's `Modules/_pickle.c`.)
"""

from __future__ import annotations

FRAME = 0x95

_FIXED = {
    **dict.fromkeys(b"K\x80\x82qh", 1),
    **dict.fromkeys(b"M\x83", 2),
    **dict.fromkeys(b"J\x84jr", 4),
    **dict.fromkeys(b"G", 8),
}
"""Bytes of the argument of an opcode, where it is always as long."""

_SIZED = {
    **dict.fromkeys(b"U\x8cC\x8a", 1),
    **dict.fromkeys(b"XTB\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e\x96", 8),
}
"""Bytes of the number in front of an argument that says how long it is."""

_LINES = {**dict.fromkeys(b"FILVSPgp", 1), **dict.fromkeys(b"ci", 2)}
"""Lines that an argument has."""


def crossing(data: bytes) -> int | None:
    """The byte of the first opcode of a pickle that reaches beyond its frame, or None."""
    if bytes([FRAME]) not in data:
        return None
    at, frame, end = 0, 0, len(data)
    while at < end:
        begin = at
        op = data[at]
        at += 1
        if op == FRAME:
            if begin < frame:
                return begin
            at += 8
            frame = at + int.from_bytes(data[begin + 1 : at], "little")
            continue
        if op in _FIXED:
            at += _FIXED[op]
        elif op in _SIZED:
            behind = at + _SIZED[op]
            at = behind + int.from_bytes(data[at:behind], "little")
        elif op in _LINES:
            for _ in range(_LINES[op]):
                at = data.find(b"\n", at) + 1 or end
        if begin < frame < at and frame > begin + 1:
            return begin
    return None
