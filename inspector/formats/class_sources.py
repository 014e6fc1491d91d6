"""The source code of a model's classes, which `torch.save` before 1.6 put beside them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

from inspector.pickles.objects import Global


class ClassSources:
    """What the files said of classes: the `texts` of their sources and the `files` those came from, by class path."""

    def __init__(self) -> None:
        self.texts: dict[str, Callable[[], str]] = {}
        self.files: dict[str, str] = {}

    def keep(self, cls: Any, file: Any, source: Any) -> Any:
        """The class of `(class, file, source)`, whose source is kept if there is one."""
        if type(cls) is Global:
            if type(source) is bytes:
                source = source.decode("latin1")
            if type(source) is str and source:
                self.texts[cls.path] = lambda: source
            if type(file) is str and file:
                self.files[cls.path] = file
        return cls

    def about(self) -> dict[str, Any]:
        """What the file says of itself by them: where its classes stood on the machine that saved it."""
        return {"source files": self.files} if self.files else {}


_QUOTED = r"None|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_STORAGE = re.compile(r"\('storage', <class '([^']+)'>, '(\d+)', '([^']*)', (\d{1,19}), None\)")
_MODULE = re.compile(rf"\('module', <class '([^']+)'>, ({_QUOTED}), ({_QUOTED})\)")


def written_out(pid: str) -> Any:
    """A persistent id of protocol 0, which is the tuple as Python prints it, as that tuple; any other as it is.

    torch writes such files and does not read them.
    """
    storage = _STORAGE.fullmatch(pid)
    if storage is not None:
        return "storage", _global(storage[1]), storage[2], storage[3], int(storage[4]), None
    module = _MODULE.fullmatch(pid)
    if module is not None:
        return "module", _global(module[1]), _unquoted(module[2]), _unquoted(module[3])
    return pid


def _global(path: str) -> Global:
    module, _, name = path.rpartition(".")
    return Global(module, name)


def _unquoted(text: str) -> str | None:
    if text == "None":
        return None
    try:
        return codecs.decode(text[1:-1], "unicode_escape")
    except ValueError:
        return text[1:-1]
