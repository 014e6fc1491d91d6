"""Seeded mutants of files of every format: cut, bits turned, bytes put in, left out, doubled, numbers replaced."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.hostile.files import lay
from tests.hostile.originals import originals
from tests.hostile.runner import Case
from tests.hostile.walk import walk

NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 1 << 31, (1 << 31) - 1, (1 << 63) - 1, (1 << 64) - 1, 1 << 40)
PIECES = (b"9" * 30, b"-", b"h\x00", *(bytes([op]) for op in b"(tRb.0\x81\x93]}ue2Q"))


def cases(count: int, first: int = 0) -> Iterator[Case]:
    """`count` mutants over all kinds of files, in turn."""
    kinds = sorted(originals())
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    for number in range(first, first + count):
        kind = kinds[number % len(kinds)]
        yield f"{kind} {number}", partial(look_at, kind, number, folder)


def look_at(kind: str, number: int, folder: Path) -> str:
    """Writes one mutant and does everything with it."""
    return walk(str(write(kind, number, folder)))


def write(kind: str, number: int, folder: Path) -> Path:
    """The mutant of a number, as a file or as a folder of which one file is changed."""
    chance = random.Random(f"{kind} {number}")
    files = originals()[kind]
    changed = chance.choice(sorted(files))
    place = folder / f"mutant-{kind}"
    return lay(place, {name: mutate(data, chance) if name == changed else data for name, data in files.items()})


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A mutant of some bytes."""
    changed = bytearray(data)
    if chance.random() < 0.25:
        del changed[chance.randrange(len(changed) + 1) :]
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        if not changed:
            break
        # Headers, directories and ends are where structure stands: half of the changes are there.
        at = chance.randrange(min(chance.choice([len(changed), len(changed), 300, 2000]), len(changed)))
        at = len(changed) - 1 - at if chance.random() < 0.3 else at
        change(changed, at, chance)
    return bytes(changed)


def change(data: bytearray, at: int, chance: random.Random) -> None:
    """One change at a place."""
    how = chance.randrange(8)
    source = chance.randrange(len(data))
    if how == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif how == 1:
        data[at] = chance.randrange(256)
    elif how == 2:
        data[at:at] = bytes(chance.choices(range(256), k=chance.randint(1, 20)))
    elif how == 3:
        del data[at : at + chance.randint(1, 40)]
    elif how == 4:
        data[at:at] = data[source : source + chance.randint(1, 200)]
    elif how == 5:
        piece = data[source : source + chance.randint(1, 60)]
        data[at : at + len(piece)] = piece
    elif how == 6:
        width = chance.choice([2, 4, 8])
        data[at : at + width] = (chance.choice(NUMBERS) % (1 << 8 * width)).to_bytes(width, "little")
    else:
        data[at : at + 1] = chance.choice(PIECES)
