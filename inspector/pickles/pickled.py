"""What one pickle holds, as the machine tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from inspector.pickles.objects import Global, Instance
from inspector.pickles.opcodes import Broken

Builder = Callable[[Any], Any]
"""Takes a call's arguments, gives the inert object it makes, or None where the arguments are not as expected."""


@dataclass(slots=True)
class Pickled:
    """What one pickle holds.

    `value` is the object; `end` the byte behind the pickle; `protocol` as it declares; `calls` everything that a real
    load would call and no builder knows, in order; `names` what it would import, called or not; `broken` is where and
    why it ended early, or None.
    """

    value: Any = None
    end: int = 0
    protocol: int = 0
    calls: list[Instance] = field(default_factory=list)
    names: list[Global] = field(default_factory=list)
    broken: Broken | None = None
