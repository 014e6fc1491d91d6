"""Says by what a model was wrapped when it was saved, where the names of its parameters tell: `_orig_mod.fc.weight`."""

from __future__ import annotations

from collections import deque

from inspector.formats import Contents
from inspector.inventory import Inventory
from inspector.nodes import Module

WRAPPERS = {
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FSDP (version 1)",
    "_checkpoint_wrapped_module": "activation checkpointing",
}
"""Levels of names that only a wrapper makes."""

PARALLEL = "module"
"""What `DataParallel` and `DistributedDataParallel` call the model: only a name by which a whole state_dict begins."""

FLAT = ("_flat_param", "flat_param")
"""What FSDP (version 1) makes of all parameters of a module."""

FLATTENED = "FSDP (version 1): parameters flattened into one, in their order; their shapes are not in the file"

LOOKED = 1000
"""Modules that are looked at: what wraps a model stands near its top, or in each of its blocks."""


def tell(inventory: Inventory, contents: Contents) -> None:
    """Adds to the metadata the names that wrappers made, each with what it tells."""
    if inventory.keys.isdisjoint((*WRAPPERS, PARALLEL, *FLAT)):
        return
    found: dict[str, str] = {}
    waiting = deque([contents.root])
    for _ in range(LOOKED):
        if not waiting:
            break
        module = waiting.popleft()
        if not isinstance(module, Module):
            continue
        for child in module.children:
            if type(child.key) is not str:
                continue
            if child.key in FLAT:
                found[child.key] = FLATTENED
            elif isinstance(child, Module) and child.role == "names":
                if child.key in WRAPPERS:
                    found[child.key] = WRAPPERS[child.key]
                elif child.key == PARALLEL and len(module.children) == 1 and module.role != "names":
                    found[child.key] = "DataParallel or DistributedDataParallel"
        waiting.extend(child for child in module.children if isinstance(child, Module))
    if found:
        contents.metadata["wrapped by"] = found
