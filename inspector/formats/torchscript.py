"""TorchScript: what `torch.jit.save` writes, and the mobile `.ptl`, as a tree of modules, without running any of it.

The pickle `data.pkl` holds an object for each module; which of its tensors are parameters and which are buffers stands
only in the class's code under `code/`. Tensors that were frozen into the code are in `constants.pkl`.
Source: `torch/csrc/jit/serialization/export_module.cpp` and `python_print.cpp` of PyTorch 2.13.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from inspector.errors import DamagedFile, InspectorError, brief
from inspector.formats import Call, Contents, Found, Opening
from inspector.formats.torch_zip import Storages, records, root_of, unpickled
from inspector.nodes import Module, Node
from inspector.pickles.objects import Dict, Global, Instance
from inspector.pickles.pickled import Builder, Pickled
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build

if TYPE_CHECKING:
    from inspector.formats.zips import Zip

NAME, MOBILE = "TorchScript", "TorchScript for mobile"

_CLASS = re.compile(r"^class (\w+)\(.*\):\n((?:  .*\n|\n)*)", re.MULTILINE)
_NAMES = re.compile(r"^  __(parameters|buffers)__ = \[(.*)\]$", re.MULTILINE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_MANGLE = re.compile(r"\.___torch_mangle_\d+")


def recognises(found: Found) -> bool:
    """Whether it is a zip with both `data.pkl` and `constants.pkl`, as `torch.load` tells TorchScript."""
    root = root_of(found.archive) if found.archive is not None else None
    return root is not None and found.archive is not None and root + "constants.pkl" in found.archive.members


def read(found: Found, opening: Opening) -> Contents:
    """The module that `torch.jit.load` would give, as a tree. Raises `DamagedFile`, `LimitReached`."""
    archive = found.archive
    root = root_of(archive) if archive is not None else None
    if archive is None or root is None:
        raise DamagedFile("the zip archive holds no TorchScript module")
    about = records(archive, root)
    big = about.get("byteorder") == "big"
    code = _Code(archive, root)
    storages = Storages(archive, root + "data/", big)
    pickled = unpickled(archive, root + "data.pkl", storages, opening, _BUILDERS)
    problems = archive.problems
    if pickled.broken is not None:
        problems.append(f"data.pkl: {pickled.broken}; what stands before that is shown")
    # What the code declares is no Python class: loading calls nothing for it.
    calls = [Call(instance, "data.pkl") for instance in pickled.calls if not instance.type.startswith("__torch__.")]
    for instance in pickled.calls:
        code.make_layer(instance)
    made: dict[int, Node] = {}
    tree = build(pickled.value, opening.limits, problems, made)
    for node in tree.walk():
        if isinstance(node, Module):
            node.scripted = True
    # An archive that is cut off may have none.
    if root + "constants.pkl" in archive.members:
        constants = Storages(archive, root + "constants/", big)
        _add_constants(tree, unpickled(archive, root + "constants.pkl", constants, opening, _BUILDERS), opening, problems)
    name = MOBILE if root + "bytecode.pkl" in archive.members else NAME
    metadata = {"folder": root.rstrip("/"), **about, **_extras(archive, root)}
    problems += code.problems
    text_of = {made[number]: text for number, text in code.homes.items() if number in made}
    return Contents(tree, name, problems, metadata, calls, texts=code.texts, text_of=text_of)


class _Code:
    """The classes of the code, by the paths that the pickle names them by, each file read when it is first needed.

    `homes` are the names of the texts that hold the classes of objects, by the objects' ids.
    """

    def __init__(self, archive: Zip, root: str) -> None:
        self.archive = archive
        self.prefix = root + "code/"
        self.problems: list[str] = []
        self.files: dict[str, dict[str, dict[str, list[str]]]] = {}
        self.homes: dict[int, str] = {}
        names = [name for name in archive.ending(".py") if name.startswith(self.prefix)]
        self.texts = {name.removeprefix(root): self._reader(name) for name in names}

    def _reader(self, name: str) -> Any:
        return lambda: self.archive.contents(name).decode("utf-8", "replace")

    def make_layer(self, instance: Instance) -> None:
        """Gives an object of a class of the code the tables that an `nn.Module` has, from what its class says."""
        path = instance.type
        if not path.startswith("__torch__.") or type(instance.callable) is not Global:
            return
        module, _, name = path.rpartition(".")
        said = self._classes(module).get(name)
        self.homes[id(instance)] = f"code/{module.replace('.', '/')}.py"
        instance.callable = Global(*_MANGLE.sub("", path).removeprefix("__torch__.").rpartition(".")[::2])
        if said is None:
            return
        given = instance.attributes()
        parameters, buffers, modules, others = Dict(), Dict(), Dict(), Dict()
        for key, item in given.items():
            if key in said["parameters"]:
                table = parameters
            elif key in said["buffers"]:
                table = buffers
            elif (type(item) is Instance and item.type.startswith("__torch__.")) or _is_layer(item):
                table = modules
            else:
                table = others
            table.keys.append(key)
            table.values.append(item)
        tables = {"_parameters": parameters, "_buffers": buffers, "_modules": modules}
        others.keys.extend(tables)
        others.values.extend(tables.values())
        instance.state = others

    def _classes(self, module: str) -> dict[str, dict[str, list[str]]]:
        """The classes in the code of a module path, each with the names of its parameters and buffers."""
        found = self.files.get(module)
        if found is None:
            found = self.files[module] = {}
            try:
                text = self.archive.contents(f"{self.prefix}{module.replace('.', '/')}.py").decode("utf-8", "replace")
            except InspectorError as error:
                self.problems.append(f"the code of {brief(module)} can't be read: {error}")
                return found
            for match in _CLASS.finditer(text):
                names = {"parameters": [""], "buffers": [""]}
                for table, listed in _NAMES.findall(match[2]):
                    names[table] = _QUOTED.findall(listed)
                found[match[1]] = names
        return found


def _is_layer(item: Any) -> bool:
    return type(item) is Instance and "_modules" in item.attributes()


def _add_constants(tree: Node, pickled: Pickled, opening: Opening, problems: list[str]) -> None:
    """Hangs the tensors that were frozen into the code below the module, under the names the code has for them."""
    values = pickled.value
    if not isinstance(tree, Module) or type(values) is not tuple or not values:
        return
    held = Dict("constants")
    held.keys = [f"c{number}" for number in range(len(values))]
    held.values = list(values)
    node = build(held, opening.limits, problems)
    node.key, node.parent = "CONSTANTS", tree
    if isinstance(node, Module):
        # No attribute of a loaded module leads to them.
        node.role = "bundle"
    tree.children.append(node)


def _extras(archive: Zip, root: str) -> dict[str, str]:
    """The files that were saved along (`_extra_files`): their sizes."""
    prefix = root + "extra/"
    return {
        f"extra file {name.removeprefix(prefix)}": f"{archive.members[name].size} bytes"
        for name in archive.members
        if name.startswith(prefix)
    }


def _given(arguments: Any) -> Any:
    """`build_intlist([1, 2])` and its sisters give back the list."""
    return arguments[0] if arguments and type(arguments[0]) in (list, Dict) else None


_BUILDERS: dict[str, Builder] = BUILDERS | {
    f"torch.jit._pickle.{name}": _given
    for name in ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")
}
