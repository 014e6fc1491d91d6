"""What really loading a file would do: every call and import outside plain data, found without making one.

`scan` looks at all pickles of a file, whatever its format, also at those that torch.load would not come to. It does not
say that a file is safe: a class that is only imported can run code too, and what a call does is not looked at.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from inspector.checkpoint import look
from inspector.formats import Opening
from inspector.limits import DEFAULT, Clock, Limits
from inspector.loading.places import places
from inspector.loading.plain_data import is_layer, is_plain, is_plain_name, makes_layer
from inspector.loading.search import Search
from inspector.loading.within import Within
from inspector.pickles.objects import Global, Instance, text

Group = Literal["call", "import", "torch"]
"""A call; a name that is only imported; either of a class of `torch.nn`."""

LONGEST = 1000
"""Characters of what is called and of its arguments."""

SHORT = 20
"""The same where there are very many calls."""

BUDGET = 1_000_000
"""Characters of all arguments together, beyond which they are written `SHORT`."""

MOST = 20_000
"""Findings that are told one by one."""

NATIVE = "__torch__."
"""What begins the names of TorchScript's own code."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a load would do.

    `callable` with `arguments` (empty for an import) is done by `opcode` at byte `offset` of a pickle that begins at
    byte `start` of `member`; `member` is empty for the file itself. `place` is the name of what it makes in the object
    that this pickle holds; `note` says why a load might not come to it. Both may be empty. With `state` the object is
    given one afterwards, by its own `__setstate__` if its class has that.
    """

    group: Group
    callable: str
    arguments: str
    opcode: str
    member: str
    offset: int
    place: str
    note: str
    state: bool = False


@dataclass(slots=True)
class Scan:
    """What a load would do outside plain data, in the order of the file; `more` findings are only counted.

    `problems` are what could not be looked at, or is read otherwise by others; with any of them that nothing was found
    does not mean that there is nothing: then the scan is not `complete`.
    """

    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    problems: list[str] = field(default_factory=list)
    pickles: int = 0
    complete: bool = True


def scan(path: str | os.PathLike[str], limits: Limits = DEFAULT, progress: Callable[[float], None] | None = None) -> Scan:
    """Looks at every pickle in a file, or in the folder that holds one model. Reads no values.

    Raises `NotAModel` for what is no model file and holds no pickle, `InspectorError` where nothing can be read. What
    hits a limit is among the problems.
    """
    collecting = gc.isenabled()
    # A scan makes objects by the million and drops them; the collector would look at all of them again and again.
    gc.disable()
    try:
        return _scan(os.fspath(path), limits, progress)
    finally:
        if collecting:
            gc.enable()


def _scan(path: str, limits: Limits, progress: Callable[[float], None] | None) -> Scan:
    found = look(path, limits)
    search = Search(found, Opening(limits, progress, Clock(limits)))
    try:
        search.run()
    finally:
        if found.source is not None:
            found.source.close()
    result = Scan([], 0, search.problems, len(search.pickles), search.complete)
    budget = BUDGET
    for within in search.pickles:
        calls = [call for call in within.pickled.calls if not _native(within, call.callable) and not is_plain(call)]
        room = MOST - len(result.findings)
        result.more += max(0, len(calls) - room)
        findings = _findings(within, calls[:room], budget)
        budget -= sum(len(finding.arguments) for finding in findings)
        result.findings += findings
        _let_go(within.pickled.calls)
    return result


def _let_go(calls: list[Instance]) -> None:
    """Takes apart what calls would make: objects in objects by the thousand are freed in one step, for which all wait."""
    for instance in calls:
        instance.arguments = instance.keywords = instance.state = instance.entries = None
        instance.elements = []


def _findings(within: Within, calls: list[Instance], budget: int) -> list[Finding]:
    pickled = within.pickled
    named = places(pickled.value, calls) if calls else {}
    called = {id(instance.callable) for instance in pickled.calls}
    imports = [
        name for name in pickled.names if id(name) not in called and not is_plain_name(name) and not _native(within, name)
    ]
    findings: list[Finding] = []
    for instance in calls:
        findings.append(_call(within, instance, named.get(id(instance), ""), LONGEST if budget > 0 else SHORT))
        budget -= len(findings[-1].arguments)
    findings += [
        Finding("torch" if is_layer(name) else "import", text(name, LONGEST), "", "import", within.member,
                within.offset + name.offset, "", within.note)
        for name in imports
    ]  # fmt: skip
    return sorted(findings, key=lambda finding: finding.offset)


def _call(within: Within, instance: Instance, place: str, longest: int) -> Finding:
    layer = makes_layer(instance)
    arguments = instance.arguments if type(instance.arguments) is tuple else (instance.arguments,)
    written = text(arguments, longest)
    if instance.keywords is not None:
        written += f", keywords {text(instance.keywords, longest)}"
    return Finding(
        "torch" if layer else "call",
        text(instance.callable, LONGEST),
        written,
        instance.opcode,
        within.member,
        within.offset + instance.offset,
        place,
        within.note,
        instance.state is not None,
    )


def _native(within: Within, called: Any) -> bool:
    """Whether a name is one of TorchScript's own code, for which nothing of Python is imported."""
    return within.native and type(called) is Global and called.path.startswith(NATIVE)
