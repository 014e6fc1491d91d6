"""One model that lies in several files: their trees grafted onto one another, and what is missing or too many named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inspector import formats
from inspector.dotted_names import join, sort_numbers
from inspector.errors import InspectorError, NotAModel, brief, visible
from inspector.formats import Call, Contents, Found, Opening
from inspector.naming import state_dict
from inspector.nodes import Module, Node, Value
from inspector.sources import Pool, Source

NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})(?P<extension>\.\w+)")
"""How shards are named: `model-00001-of-00003.safetensors`."""

LISTED = 50
"""Shards that can't be read and are told of one by one."""

NAMED = 5
"""How many names a problem lists."""


class Shards:
    """The files of a folder that make up one model; `contents` is what they give together.

    Few of them are open at a time. A file that is missing or can't be read is a problem, and the names that should be
    in it are values that say so.
    """

    def __init__(self, folder: Path, opening: Opening) -> None:
        self.folder = folder
        self.opening = opening
        self.pool = Pool()
        self.root = Module("dict")
        self.contents = Contents(self.root, "")
        self.formats: list[str] = []
        self.grafted: dict[int, Module] = {}
        self.levels: dict[int, dict[Any, Module]] = {}
        self.unread = 0

    def file(self, name: str) -> Source:
        """A file of the folder."""
        return self.pool.file(str(self.folder / name))

    def join(self, expected: Mapping[str, Iterable[str] | None]) -> Contents:
        """The model in these files; for each the names of the tensors that an index expects in it, or None without one."""
        for number, (file, names) in enumerate(expected.items()):
            part = self._part(file, number, len(expected))
            missing = list(names or ())
            if part is not None:
                missing = self._compared(file, part, missing) if names is not None else []
                self._add(file, part)
            self._graft(_absent(missing, file))
        if self.unread > LISTED:
            self.contents.problems.append(f"{self.unread - LISTED} more shards can't be read")
        for module in self.grafted.values():
            sort_numbers(module.children)
        kinds = " and ".join(dict.fromkeys(self.formats)) or "Hugging Face index"
        self.contents.format = f"{kinds}, {_count(len(expected), 'shard')}"
        return self.contents

    def read(self, name: str, source: Source, opening: Opening) -> Contents:
        """What is in one file. Raises `NotAModel` for another index, which could lead in a circle."""
        found = Found(str(self.folder / name), source, limits=opening.limits)
        row = formats.recognise(found)
        if row is not None and row.module == "hf_folder":
            raise NotAModel(f"{brief(name)} is an index, not a shard")
        try:
            return formats.read(found, opening, row)
        except NotAModel:
            raise
        except InspectorError as error:
            raise type(error)(f"{brief(name)}: {error}") from None

    def _part(self, file: str, number: int, total: int) -> Contents | None:
        """What is in a shard, or None if that can't be said, which then is a problem."""
        # A shard is small beside the whole: that it is begun is progress enough.
        self.opening.tick(total)(number)
        if Path(file).name != file or file in ("", ".", "..") or "\0" in file:
            problem = f"the index names {brief(file)}, which is no file of its folder: it is not opened"
            self.contents.problems.append(problem)
            return None
        try:
            source = self.file(file)
            self.contents.sources.append(source)
            return self.read(file, source, self.opening.quietly())
        except (InspectorError, UnicodeEncodeError) as error:
            self.unread += 1
            if self.unread <= LISTED:
                self.contents.problems.append(visible(str(error)))
            return None

    def _compared(self, file: str, part: Contents, expected: list[str]) -> list[str]:
        """The names that are expected of a file and not there; these, and those there that are not expected, are told."""
        if part.names == set(expected):
            return []
        there = state_dict(part.root)
        missing = [name for name in expected if name not in there]
        wanted = set(expected)
        surplus = [name for name in there if name not in wanted]
        if missing:
            self.contents.problems.append(f"{brief(file)} lacks what the index says is in it: {listed(missing)}")
        if surplus:
            self.contents.problems.append(f"{brief(file)} holds what the index does not say is in it: {listed(surplus)}")
        return missing

    def _add(self, file: str, part: Contents) -> None:
        if not isinstance(part.root, Module):
            self.contents.problems.append(f"{brief(file)} holds no tensors by name")
            return
        if not self.formats:
            self.root.type = part.root.type
            self.contents.metadata = part.metadata
        self.formats.append(part.format)
        self.contents.ordered &= part.ordered
        self._graft(part.root)
        self.contents.problems += [f"{brief(file)}: {problem}" for problem in part.problems]
        self.contents.calls += [Call(call.instance, f"{file}: {call.member}") for call in part.calls]
        self.contents.texts |= {f"{file}: {name}": text for name, text in part.texts.items()}
        self.contents.sources += part.sources

    def _graft(self, tree: Module) -> None:
        """Hangs a tree's nodes into the whole; levels of names that are in both become one."""
        stack = [(self.root, tree)]
        while stack:
            into, source = stack.pop()
            self.grafted[id(into)] = into
            levels = self.levels.get(id(into))
            if levels is None:
                levels = {
                    child.key: child for child in into.children if isinstance(child, Module) and child.role == "names"
                }
                self.levels[id(into)] = levels
            for child in source.children:
                is_level = isinstance(child, Module) and child.role == "names"
                same = levels.get(child.key) if is_level else None
                if same is not None and isinstance(child, Module):
                    stack.append((same, child))
                    continue
                child.parent = into
                into.children.append(child)
                if isinstance(child, Module) and is_level:
                    levels[child.key] = child


def _absent(names: Iterable[str], file: str) -> Module:
    """A tree of the names whose tensors are missing."""
    tree = Module("dict")

    def make(parent: Module, key: Any, text: str) -> Node:
        return Value(text, key, parent)

    join(tree, [(name, f"missing: it should be in {file}") for name in names], make)
    return tree


def unlisted(names: Iterable[str], files: Iterable[str]) -> list[str]:
    """Those of a folder's names that look like shards of the same model as `files`, and are none of them."""
    known = set(files)
    families = {(match["stem"], match["extension"]) for name in known if (match := NUMBERED.fullmatch(name))}
    shards = (match for name in sorted(names) if (match := NUMBERED.fullmatch(name)))
    return [match[0] for match in shards if (match["stem"], match["extension"]) in families and match[0] not in known]


def listed(names: list[str]) -> str:
    """The first few of some names, and how many more there are."""
    shown = ", ".join(brief(name) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
