"""`torch.export` archives (`.pt2`): the exported program's parameters, buffers and constants, and its graph as text.

Since 2.7 an archive of raw weights beside JSON; until 2.6 a flat zip that holds torch.save files. Native code of
AOTInductor is listed, never loaded. Source: `torch/export/pt2_archive/_package.py`, `constants.py` and
`torch/_export/serde/schema.py` of PyTorch 2.13; `torch/export/__init__.py` of 2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.dotted_names import join
from inspector.errors import DamagedFile, InspectorError, brief
from inspector.formats import Call, Contents, Found, Opening
from inspector.formats import read as read_any
from inspector.formats.graphs import graph_text, module_types
from inspector.json_texts import loaded
from inspector.nodes import Kind, Module, Node, Tensor, Value
from inspector.storage import PLAIN, Storage

if TYPE_CHECKING:
    from inspector.formats.zips import Zip

NAME, FLAT = "torch.export archive", "torch.export archive (2.6 and older)"

PROGRAM = "torch.export.exported_program.ExportedProgram"

DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
    29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu",
    34: "uint32", 35: "uint64",
}  # fmt: skip
"""`ScalarType` of the schema: not c10's numbers, which begin at 0."""

SPECS: dict[str, Kind] = {"parameter": "parameter", "buffer": "buffer", "tensor_constant": "tensor"}
"""The kinds of inputs in a signature that are tensors of the program."""

OLD_PARTS = {"serialized_state_dict": "state_dict", "serialized_constants": "constants"}


def recognises(found: Found) -> bool:
    """Whether it is a zip with an `archive_format` of `pt2`, or one with the older `serialized_exported_program.json`."""
    archive = found.archive
    if archive is None:
        return False
    if "serialized_exported_program.json" in archive.members:
        return True
    root = _root(archive)
    try:
        return root is not None and archive.read(root + "archive_format", 0, 3) == b"pt2"
    except InspectorError:
        return False


def read(found: Found, opening: Opening) -> Contents:
    """The exported programs of the archive, as trees. Raises `DamagedFile`, `LimitReached`."""
    archive = found.archive
    if archive is None:
        raise DamagedFile("the zip archive can't be read")
    if "serialized_exported_program.json" in archive.members:
        return _read_flat(archive, opening)
    return _Reader(archive, _root(archive) or "", opening).read()


class _Reader:
    """Reads an archive of 2.7 or later, whose members lie below `root`."""

    def __init__(self, archive: Zip, root: str, opening: Opening) -> None:
        self.archive = archive
        self.root = root
        self.opening = opening
        self.storages: dict[str, Storage] = {}
        self.contents = Contents(Value(None), NAME, archive.problems)

    def read(self) -> Contents:
        prefix = self.root + "models/"
        names = [
            name.removeprefix(prefix).removesuffix(".json") for name in self.archive.members if name.startswith(prefix)
        ]
        programs = [self.program(name) for name in names]
        if len(programs) == 1:
            self.contents.root = programs[0]
        else:
            self.contents.root = whole = Module("archive", "bundle")
            for name, program in zip(names, programs, strict=True):
                program.key, program.parent = name, whole
                whole.children.append(program)
        native = [name for name in self.archive.members if name.startswith(self.root + "data/aotinductor/")]
        about = {"folder": self.root.rstrip("/"), "archive version": self.small("archive_version")}
        self.contents.metadata |= {name: text for name, text in about.items() if text}
        if native:
            listed = {name.removeprefix(self.root): f"{self.archive.members[name].size} bytes" for name in native}
            self.contents.metadata["native code (never loaded)"] = listed
        return self.contents

    def program(self, name: str) -> Module:
        """One exported program: its weights and constants below the names of its modules."""
        described = self.json(f"models/{name}.json")
        made = Module(PROGRAM, "object")
        kinds, order = _signature(described)
        types = module_types(described)
        for key, member in (("state_dict", f"weights/{name}_weights"), ("constants", f"constants/{name}_constants")):
            config = self.json(f"data/{member}_config.json", missing={}).get("config")
            entries = config if isinstance(config, dict) else {}
            folder = f"data/{member.partition('/')[0]}/"
            part = Module("dict", "container", key, made)
            made.children.append(part)
            names = sorted(entries, key=lambda entry: order.get(entry, len(order)))
            levels = types if key == "state_dict" else {}
            join(part, ((entry, entries[entry]) for entry in names), self._maker(folder, kinds), levels)
            _give_types(part, levels)
        version = described.get("torch_version")
        if isinstance(version, str):
            self.contents.metadata["torch version"] = version
        self.contents.texts[f"graph of {name}"] = lambda: graph_text(described)
        self.contents.text_of[made] = f"graph of {name}"
        return made

    def _maker(self, folder: str, kinds: dict[str, tuple[Kind, bool]]) -> Any:
        def make(parent: Module, key: Any, entry: Any) -> Node:
            name = ".".join([*(node.label for node in parent.path[1:]), key])
            node = self.entry(folder, entry, name)
            node.key, node.parent = key, parent
            if isinstance(node, Tensor):
                node.kind, persistent = kinds.get(name, ("tensor", True))
                if not persistent:
                    node.traits = node.traits._replace(persistent=False)
            return node

        return make

    def entry(self, folder: str, entry: Any, name: str) -> Node:
        """The node of one entry of a config: a tensor in a raw member, or whatever a pickle in the member holds."""
        path = entry.get("path_name") if isinstance(entry, dict) else None
        if not isinstance(path, str):
            self.contents.problems.append(f"{brief(name)}: its entry in the archive makes no sense")
            return Value(None)
        member = self.root + folder + path
        if entry.get("use_pickle") or path.startswith(("custom_obj", "opaque_obj")):
            return self.nested(member, name)
        described = _tensor(entry.get("tensor_meta"))
        if described is None:
            self.contents.problems.append(f"{brief(name)}: what the archive says of its sizes makes no sense")
            return Value(path)
        dtype, shape, stride, offset, requires_grad, device = described
        storage = self.storages.get(member)
        if storage is None:
            held = self.archive.members.get(member)
            if held is None:
                self.contents.problems.append(f"{brief(name)}: its data, {brief(path)}, is missing from the archive")
            size = held.size if held is not None else 0
            storage = self.storages[member] = Storage(self.archive, member, size, device, dtype=dtype)
        return Tensor(dtype, shape, stride, storage, offset, requires_grad, PLAIN)

    def nested(self, member: str, name: str) -> Node:
        """What a torch.save file within the archive holds; native or unknown objects as their size."""
        try:
            inner = read_any(
                Found(name, self.archive.part(self.archive.member(member)), limits=self.opening.limits), self.opening
            )
        except InspectorError as error:
            self.contents.problems.append(f"{brief(name)}: {error}")
            return Value(f"<{self.archive.members[member].size} bytes>" if member in self.archive.members else None)
        self.contents.problems += inner.problems
        self.contents.calls += [Call(call.instance, member) for call in inner.calls]
        return inner.root

    def json(self, member: str, missing: Any = None) -> dict[str, Any]:
        """A JSON member as a dict. Raises `DamagedFile` if it is none, unless something else is given for a missing one."""
        if missing is not None and self.root + member not in self.archive.members:
            return dict(missing)
        return parsed(self.archive.contents(self.root + member), member, self.contents.problems)

    def small(self, member: str) -> str:
        """A short text member, or the empty text."""
        try:
            return self.archive.contents(self.root + member)[:100].decode("utf-8", "replace").strip()
        except InspectorError:
            return ""


def _read_flat(archive: Zip, opening: Opening) -> Contents:
    """An archive of 2.6 or older: a JSON of the program, and torch.save files of its tensors."""
    archive.as_python()
    program = "serialized_exported_program.json"
    described = parsed(archive.contents(program), program, archive.problems)
    root = Module(PROGRAM, "object")
    contents = Contents(root, FLAT, archive.problems)
    kinds, _ = _signature(described)
    for member in archive.members:
        key = OLD_PARTS.get(member.rpartition(".")[0])
        if key is None or not archive.members[member].size:
            continue
        try:
            inner = read_any(Found(member, archive.part(archive.member(member)), limits=opening.limits), opening)
        except InspectorError as error:
            contents.problems.append(f"{brief(member)}: {error}")
            continue
        inner.root.key, inner.root.parent = key, root
        root.children.append(inner.root)
        contents.problems += inner.problems
        contents.calls += [Call(call.instance, member) for call in inner.calls]
        for tensor in inner.root.tensors():
            tensor.kind, _ = kinds.get(tensor.name.removeprefix(f"{key}."), ("tensor", True))
        if key == "state_dict" and isinstance(inner.root, Module):
            _give_types(inner.root, module_types(described))
    contents.metadata = {
        name: archive.contents(name)[:200].decode("utf-8", "replace") for name in ("version",) if name in archive.members
    }
    contents.texts["graph"] = lambda: graph_text(described)
    return contents


def parsed(data: bytes, name: str, problems: list[str]) -> dict[str, Any]:
    """A JSON object. Raises `DamagedFile` for anything else."""
    repeated: list[str] = []
    try:
        found = loaded(data, repeated)
    except (ValueError, RecursionError):
        found = None
    problems += [f"{brief(name)}: {what}" for what in repeated]
    if not isinstance(found, dict):
        raise DamagedFile(f"{brief(name)} of the archive is no JSON that makes sense")
    return found


def _root(archive: Zip) -> str | None:
    """The folder, with its slash, in which `archive_format` lies."""
    return next((name.removesuffix("archive_format") for name in archive.ending("archive_format")), None)


def _signature(described: dict[str, Any]) -> tuple[dict[str, tuple[Kind, bool]], dict[str, int]]:
    """By fully qualified name: what a tensor is and whether it is persistent, and its place in the signature."""
    kinds: dict[str, tuple[Kind, bool]] = {}
    specs = _at(described, "graph_module", "signature", "input_specs")
    for spec in specs if isinstance(specs, list) else ():
        for word, kind in SPECS.items():
            given = spec.get(word) if isinstance(spec, dict) else None
            name = given.get(f"{word}_name") if isinstance(given, dict) else None
            if isinstance(given, dict) and isinstance(name, str):
                kinds[name] = (kind, given.get("persistent") is not False)
    return kinds, {name: place for place, name in enumerate(kinds)}


def _give_types(root: Module, types: dict[str, str]) -> None:
    """Notes the classes of modules that the graph names."""
    start = len(root.path)
    stack = [root]
    while stack:
        module = stack.pop()
        name = ".".join(node.label for node in module.path[start:])
        if module is not root and name in types:
            module.type = types[name]
        stack.extend(child for child in module.children if isinstance(child, Module) and child.role == "names")


def _tensor(meta: Any) -> tuple[str, tuple[int, ...], tuple[int, ...], int, bool, str] | None:
    """dtype, shape, stride, offset, requires_grad and device of a `tensor_meta`; None if it makes no sense."""
    if not isinstance(meta, dict):
        return None
    number = meta.get("dtype")
    dtype = DTYPES.get(number) if isinstance(number, int) else None
    shape, stride = _integers(meta.get("sizes")), _integers(meta.get("strides"))
    offset = _integers([meta.get("storage_offset")])
    if dtype is None or shape is None or stride is None or offset is None:
        return None
    device = meta.get("device")
    where = str(device.get("type", "cpu")) if isinstance(device, dict) else "cpu"
    if isinstance(device, dict) and isinstance(device.get("index"), int):
        where = f"{where}:{device['index']}"
    return dtype, shape, stride, offset[0], meta.get("requires_grad") is True, where


def _integers(items: Any) -> tuple[int, ...] | None:
    """`[{"as_int": 2}, ...]` as ints."""
    if not isinstance(items, list):
        return None
    numbers = [item.get("as_int") if isinstance(item, dict) else item for item in items]
    return tuple(numbers) if all(type(number) is int for number in numbers) else None  # type: ignore[arg-type]


def _at(value: Any, *keys: str) -> Any:
    """What lies at these keys of nested dicts, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
