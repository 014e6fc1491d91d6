"""Finds in a finished tree what several tensors mean together, whatever the format: packed weights, adapters.

The tree stays as the file has it. Each tensor that is made up of others is laid over it: it stands in `Module.grouped`
in their place, its parts are below it, and its values are computed from theirs when they are asked for.
"""

from __future__ import annotations

from inspector import schemes
from inspector.errors import InspectorError, visible
from inspector.formats import Contents, Opening
from inspector.inventory import Inventory
from inspector.nodes import Module
from inspector.storage import PLAIN

ROWS: dict[str, tuple[schemes.Row, ...]] = {
    key: tuple(row for row in schemes.SCHEMES if key in row.keys) for row in schemes.SCHEMES for key in row.keys
}
"""The schemes that a key may belong to."""

NAMED = 5
"""Modules that are named where something of a scheme does not fit together."""

TORCHAO = "torchao."
"""Where the classes of tensors come from that carry their parts."""


def group(inventory: Inventory, contents: Contents, opening: Opening, path: str = "") -> None:
    """Lays over the tree of a file the tensors that others make up; `path` is where the file lies.

    Modules that have keys of a scheme cost a few small reads. What does not fit together stays as it is, and is told among
    the problems.
    """
    for tensor in inventory.tensors:
        if tensor.traits is not PLAIN and tensor.traits.type.startswith(TORCHAO):
            from inspector.schemes import torchao

            torchao.compute(tensor)
    if not may_group(inventory):
        return
    candidates: list[tuple[Module, tuple[schemes.Row, ...]]] = []
    for module in inventory.modules:
        rows = [row for child in module.children if type(child.key) is str for row in ROWS.get(child.key, ())]
        if rows:
            candidates.append((module, tuple(dict.fromkeys(rows))))
    if candidates:
        _find(candidates, contents, opening, path)


def may_group(inventory: Inventory) -> bool:
    """Whether there are keys of any scheme: then rows of the tree may turn out to be parts of others."""
    return not inventory.keys.isdisjoint(ROWS)


def _find(
    candidates: list[tuple[Module, tuple[schemes.Row, ...]]], contents: Contents, opening: Opening, path: str
) -> None:
    """Asks the schemes about the modules that have keys of theirs."""
    from inspector.schemes.site import Sites
    from inspector.settings import Settings

    sites = Sites(Settings(path, contents.metadata))
    wrong: dict[str, list[Module]] = {}
    for module, rows in candidates:
        opening.clock.check()
        for row in rows:
            try:
                schemes.module(row).find(sites.at(module))
            except InspectorError as error:
                wrong.setdefault(f"{row.name}: {error}", []).append(module)
    for site in sites.made.values():
        if site.wholes:
            site.arrange()
    for text, modules in wrong.items():
        names = ", ".join(visible(module.name) or "the whole" for module in modules[:NAMED])
        more = f" and {len(modules) - NAMED} more" if len(modules) > NAMED else ""
        contents.problems.append(f"{names}{more}: {text}")
