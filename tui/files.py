"""The model files below a folder: found by their first bytes, the near ones first."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from inspector import formats
from inspector.checkpoint import look
from inspector.errors import InspectorError

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders in which nobody keeps models; hidden ones are skipped too."""

SYSTEM = frozenset({"/proc", "/sys", "/dev", "/run"})
"""Folders whose files are none."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that can be opened: its path relative to the folder, its format, its bytes, when it was written."""

    path: str
    format: str
    nbytes: int
    modified: float


def model_files(folder: str, tick: Callable[[], None]) -> Iterator[ModelFile]:
    """The model files below `folder`, level by level. `tick` is called for every entry, and may raise to stop.

    What can't be read is passed over; links to folders are not followed.
    """
    waiting = deque([folder])
    while waiting:
        here = waiting.popleft()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            tick()
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith(".") and entry.name not in SKIPPED and entry.path not in SYSTEM:
                        waiting.append(entry.path)
                elif entry.is_file():
                    found = _recognised(folder, entry.path, entry.stat())
                    if found is not None:
                        yield found
            except (OSError, InspectorError):
                continue


def named_files(folder: str, paths: Sequence[str], tick: Callable[[], None]) -> Iterator[ModelFile]:
    """The files and folders of these paths, also those that hold no model: opening them says why."""
    for path in paths:
        tick()
        found: ModelFile | None = None
        size, modified = 0, 0.0
        with suppress(OSError, InspectorError):
            status = Path(path).stat()
            size, modified = status.st_size, status.st_mtime
            found = _recognised(folder, path, status)
        yield found or ModelFile(os.path.relpath(path, folder), "?", size, modified)


def _recognised(folder: str, path: str, status: os.stat_result) -> ModelFile | None:
    if not status.st_size:
        return None
    found = look(path)
    try:
        row = formats.recognise(found)
    finally:
        if found.source is not None:
            found.source.close()
    if row is None:
        return None
    name = re.split(r"[(,]", row.name.replace("`", ""))[0].strip()
    return ModelFile(os.path.relpath(path, folder), name, status.st_size, status.st_mtime)
