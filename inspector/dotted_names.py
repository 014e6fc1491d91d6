"""Modules made from dotted names: `fc.weight` is hung below a module `fc`, whatever format says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from sys import intern
from typing import Any

from inspector.nodes import Module, Node

DEEPEST_NAME = 200
"""Dots up to which a name is taken for a place in a model."""


def join(
    root: Module,
    items: Iterable[tuple[Any, Any]],
    make: Callable[[Module, Any, Any], Node],
    modules: Iterable[str] = (),
) -> None:
    """Hangs items below `root` at the places that their dotted keys name, with a module for each level of the names.

    `make(parent, key, item)` makes a node. `modules` are names of levels in the order of the model, also of such as
    hold nothing; they count only if they name every level that the items need. Children come in the order of the
    items; levels whose names are all numbers are sorted as numbers.
    """
    levels: dict[str, Module] = {"": root}
    known = list(modules)
    if known:
        items = list(items)
        needed = {key.rpartition(".")[0] for key, _ in items if is_place(key)}
        if needed <= set(known) | {""}:
            for name in known:
                if name not in levels:
                    _level(levels, name)
    # Where the model told its modules, what a module owns comes before what it contains, as in a module's tree.
    own: dict[int, list[Node]] = {id(module): [] for module in levels.values()} if len(levels) > 1 else {}
    for key, item in items:
        parent, last = root, key
        # `is_place`, not by a call: there may be a million.
        if type(key) is str and key[:1] != "." and key.count(".") <= DEEPEST_NAME:
            prefix, _, last = key.rpartition(".")
            # Few different texts end the names: each is kept once.
            last = intern(last)
            parent = levels.get(prefix) or _level(levels, prefix)
        children = own[id(parent)] if own and id(parent) in own else parent.children
        children.append(make(parent, last, item))
    for module in levels.values():
        if own and id(module) in own:
            module.children[:0] = own[id(module)]
        if len(module.children) > 1:
            sort_numbers(module.children)


def sort_numbers(children: list[Node]) -> None:
    """Sorts children whose keys are all numbers written out."""
    for child in children:
        key = child.key
        if type(key) is not str or not key.isdecimal() or not key.isascii():
            return
    children.sort(key=lambda child: (len(child.key.lstrip("0")), child.key.lstrip("0")))


def is_place(key: Any) -> bool:
    """Whether a key can be taken for the place of something in a model."""
    return type(key) is str and key[:1] != "." and key.count(".") <= DEEPEST_NAME


def _level(levels: dict[str, Module], name: str) -> Module:
    """Makes the module for a dotted name that has none yet, with those above it if need be."""
    missing: list[tuple[str, str]] = []
    found: Module | None = None
    while found is None:
        above, _, last = name.rpartition(".")
        missing.append((name, intern(last)))
        found = levels.get(above)
        name = above
    while missing:
        name, last = missing.pop()
        made = levels[name] = Module("", "names", last, found)
        found.children.append(made)
        found = made
    return found
