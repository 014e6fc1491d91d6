"""A pickle alone in a file: `pickle.dump` of a dict of arrays, of tensors, of a whole model.

A tensor in it holds its storage as a file of `torch.save` of its own, in bytes: `torch.storage._load_from_bytes`.
"""

from __future__ import annotations

from typing import Any

from inspector.errors import DamagedFile, InspectorError, NotAModel, visible
from inspector.formats import Call, Contents, Found, Opening, legacy
from inspector.formats.zips import LOCAL
from inspector.pickles.cursor import Cursor
from inspector.pickles.opcodes import AtLimit, Cut
from inspector.pickles.running import run
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.sources import Bytes

NAME = "pickle"

FIRST = b"(]}c"
"""What the pickle of an object can begin with in protocols 0 and 1, which have no mark of their own."""


def recognises(found: Found) -> bool:
    """Whether it begins as a pickle does; of the old protocols, whose pickles are text, whether all of it is one so far."""
    head = found.head
    if len(head) < 2 or found.source is None:
        return False
    if head[0] == 0x80:
        return head[1] in (2, 3, 4, 5)
    if head[0] not in FIRST:
        return False
    broken = run(head).broken
    return broken is None or isinstance(broken, AtLimit) or (isinstance(broken, Cut) and found.source.size > len(head))


def read(found: Found, opening: Opening) -> Contents:
    """The object that `pickle.load` would give, as a tree. Raises `NotAModel`, `DamagedFile`, `LimitReached`."""
    source = found.source
    if source is None:
        raise DamagedFile("there is no pickle")
    inner = _Inner(opening)
    cursor = Cursor(source, 0, opening.limits, opening.tick(source.size))
    pickled = cursor.pickle(BUILDERS | {"torch.storage._load_from_bytes": inner.load}, begin=inner.forget)
    if any(instance.type.startswith("joblib.numpy_pickle.") for instance in pickled.calls):
        raise NotAModel(f"{visible(found.path)} was written by joblib, not by PyTorch: open it with joblib.load")
    problems = inner.problems
    if pickled.broken is not None:
        problems.append(f"the pickle: {pickled.broken}; what stands before that is shown")
    elif cursor.position < source.size:
        problems.append(f"{source.size - cursor.position} bytes follow behind the pickle; they are not shown")
    root = build(pickled.value, opening.limits, problems)
    calls = [Call(instance, "the pickle") for instance in [*pickled.calls, *inner.calls]]
    return Contents(root, NAME, problems, {"pickle protocol": pickled.protocol}, calls)


class _Inner:
    """The files of `torch.save` that stand as bytes in a pickle; each is read once, however often it is named."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.forget()

    def forget(self) -> None:
        """Begins anew."""
        self.problems: list[str] = []
        self.calls: list[Any] = []
        self.known: dict[int, tuple[bytes, Any]] = {}

    def load(self, arguments: Any) -> Any:
        """What `_load_from_bytes(bytes)` gives: mostly a storage, but it may be any object. None if it can't be read."""
        data = arguments[0] if len(arguments) == 1 else None
        if type(data) is not bytes:
            return None
        if id(data) not in self.known:
            self.known[id(data)] = data, self._load(data)
        return self.known[id(data)][1]

    def _load(self, data: bytes) -> Any:
        try:
            # With the common builders: a file within a file within this one stays the bytes that it is.
            saved = legacy.load(Cursor(Bytes(data), 0, self.opening.limits))
        except InspectorError as error:
            where = "a zip archive" if data.startswith(LOCAL) else str(error)
            self.problems.append(f"a torch.save file within the pickle can't be read: {where}")
            return None
        self.problems += saved.problems
        self.calls += saved.pickled.calls
        return saved.pickled.value
