"""A piece of work for Python alone, much like what opening a file is: the short form measures against it.

How fast a machine and a Python are, and how busy, they are so for both.
"""

from __future__ import annotations

import struct


class Thing:
    __slots__ = ("above", "name", "number")

    def __init__(self, name: str, number: int, above: Thing | None) -> None:
        self.name = name
        self.number = number
        self.above = above


def work(times: int) -> int:
    """Makes objects of bytes, names of numbers, and looks them up again."""
    packed = b"".join(struct.pack("<HL", number % 7, number) for number in range(1000))
    found: dict[str, Thing] = {}
    for _ in range(times):
        last = None
        for at in range(0, len(packed), 6):
            kind, number = struct.unpack_from("<HL", packed, at)
            name = f"layers.{number}.part{kind}"
            prefix, _, label = name.rpartition(".")
            last = found.get(name)
            if last is None or last.number != number:
                last = Thing(label, number, last)
                found[name] = last
            elif prefix in found:
                found[prefix].number += 1
    return len(found)


if __name__ == "__main__":
    work(400)
