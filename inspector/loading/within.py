"""Where pickles lie in a file, and where further ones may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inspector.pickles.objects import Dict, Global, Set
from inspector.pickles.pickled import Pickled
from inspector.sources import Source

LOOKED = 1000
"""Objects among the arguments of a call that are looked at for bytes."""


@dataclass(frozen=True, slots=True)
class Within:
    """A pickle that begins at byte `offset` of `member`, which is empty for the file itself.

    `note` says why a load might not read it, or is empty. With `native` no Python reads it but the loader of
    TorchScript, for which the names of the archive's own code are no imports.
    """

    member: str
    offset: int
    pickled: Pickled
    note: str = ""
    native: bool = False


@dataclass(slots=True)
class Place:
    """Somewhere to look: what `open` gives is called `name` and lies `depth` files deep; the rest as in `Within`.

    It is `expected` to hold a pickle: other bytes may look like the beginning of one.
    """

    name: str
    open: Callable[[], Source]
    depth: int = 0
    note: str = ""
    native: bool = False
    expected: bool = False

    def inner(self, name: str, open: Callable[[], Source], note: str = "") -> Place:
        """A place in this one."""
        return Place(f"{self.name}: {name}" if self.name else name, open, self.depth + 1, self.note or note)


def there(source: Source) -> Callable[[], Source]:
    """What opens a source that is open."""
    return lambda: source


def bytes_in(pickled: Pickled) -> Iterator[tuple[str, bytes]]:
    """Bytes that calls are given, which may be pickles or files themselves, and what to call them."""
    for instance in pickled.calls:
        called = instance.callable.path if type(instance.callable) is Global else "what"
        stack, seen = [instance.arguments, instance.keywords], 0
        while stack and seen < LOOKED:
            value = stack.pop()
            seen += 1
            kind = type(value)
            if kind is bytes and len(value) > 1:
                yield f"bytes for {called} at byte {instance.offset}", value
            elif kind in (list, tuple):
                stack.extend(value[:LOOKED])
            elif kind is Dict:
                stack.extend(value.values[:LOOKED])
            elif kind is Set:
                stack.extend(value.items[:LOOKED])
