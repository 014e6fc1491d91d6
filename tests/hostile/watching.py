"""Looks at a canary under an audit hook, and says what happened: nothing, it has to be.

Whatever the program needs is imported before: from then on any import, call of `exec`, process, socket or file opened
for writing is somebody else's. A hook can't be taken away: who watches ends his process then.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import os
import pkgutil
import sys
from typing import Any

import ml_dtypes
import numpy

import inspector
import tui.reports
from inspector import loading
from inspector.errors import InspectorError
from tests.hostile.walk import walk

USED = (bz2, gzip, lzma, ml_dtypes, numpy)

HARMLESS = frozenset({
    "os.scandir", "os.listdir", "sys._getframe", "object.__getattr__", "object.__setattr__", "builtins.id", "gc.get_objects",
    "array.__new__",
})  # fmt: skip
"""Events of looking at files and objects."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """What an audit hook sees while it is `on`."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[list[Any]] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keeps all that is not reading."""
        if not self.on or event in HARMLESS:
            return
        if event == "open" and not arguments[2] & WRITING:
            return
        self.seen.append([event, [repr(argument)[:80] for argument in arguments]])


def watched(path: str) -> tuple[list[list[Any]], list[str]]:
    """What the hook sees while a file is looked at, and what a scan of it names. Everything needed is imported first."""
    assert USED
    for package in (inspector, tui.reports):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    watch = Watch()
    before = set(sys.modules)
    watch.on = True
    walk(path)
    try:
        told = [finding.callable for finding in loading.scan(path).findings]
    except InspectorError:
        told = []
    watch.on = False
    return [*watch.seen, *(["imported", [name]] for name in set(sys.modules) - before)], told
