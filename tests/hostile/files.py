"""The files of a case, on the disk."""

from __future__ import annotations

import os
from pathlib import Path

Files = dict[str, bytes]
"""A folder's files by name; a file alone is called by the empty text."""

LONG_AGO = 1_000_000_000
"""When they were written, in seconds since 1970: a file that was just written is given a moment, time and again."""


def lay(place: Path, files: Files) -> Path:
    """Writes a file, or a folder of files."""
    if "" not in files:
        place.mkdir(exist_ok=True)
    for name, data in files.items():
        path = place / name if name else place
        path.write_bytes(data)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return place
