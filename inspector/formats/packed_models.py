"""Archives that are no model but hold some: Stable-Baselines3's zip, NeMo's tar, TorchServe's `.mar`, whatever was packed.

The largest members are looked at, and those that are model files are opened where they lie: the one model, or each below
its name. Nothing is unpacked to disk. Archives within archives are not looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from inspector import formats
from inspector.errors import DamagedFile, InspectorError, brief
from inspector.formats import Call, Contents, Found, Opening, Row, tar01
from inspector.formats.zips import LOCAL
from inspector.nodes import Module
from inspector.sources import Source

HELD = frozenset({
    "pt2", "torch_package", "torchscript", "torch_zip", "cut_zip", "safetensors", "gguf", "legacy",
})  # fmt: skip
"""The formats of what may lie in it."""

LOOKED = 16
"""Members that are looked at, the largest ones."""

BEGINNING = 9
"""Bytes by which a member is known to be none."""

LISTED = 50
"""Other members that are listed."""

TEXTS = (".json", ".yaml", ".yml", ".txt", ".md", ".py", ".cfg", ".toml", "_version")
"""Endings of members that are there to be read."""

LONGEST = 1 << 20
"""Bytes of such a member."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive: its size in bytes, how to read so many from its beginning, and how to open it."""

    name: str
    size: int
    beginning: Callable[[int], bytes]
    open: Callable[[], Source]


def recognises(found: Found) -> bool:
    """Whether it is a zip or tar with a model file among its largest members."""
    return next(_models(found), None) is not None


def read(found: Found, opening: Opening) -> Contents:
    """The model, or all of them below their names. Raises what opening the only one does, `LimitReached`."""
    models = list(_models(found))
    kind = "zip" if found.archive is not None else "tar"
    if not models:
        raise DamagedFile(f"the {kind} archive holds no model file")
    inner = {name: formats.module(row).read(held, opening.quietly()) for name, held, row in models}
    if len(inner) == 1:
        ((only, contents),) = inner.items()
        whole = Contents(contents.root, f"{contents.format} in a {kind}", metadata={"member": only, **contents.metadata})
    else:
        whole = Contents(Module("archive", "bundle"), f"model files in a {kind}")
        for name, contents in inner.items():
            _hang(whole, name, contents)
    whole.ordered = all(contents.ordered for contents in inner.values())
    for name, contents in inner.items():
        lead = f"{brief(name)}: " if len(inner) > 1 else ""
        whole.problems += [f"{lead}{problem}" for problem in contents.problems]
        whole.calls += [Call(call.instance, f"{name}: {call.member}") for call in contents.calls]
        whole.sources += contents.sources
        whole.texts |= {f"{name}: {text}": reader for text, reader in contents.texts.items()}
    others = [member for member in _members(found) if member.name not in inner]
    whole.texts |= {
        member.name: _reader(member) for member in others if member.name.endswith(TEXTS) and member.size <= LONGEST
    }
    if others:
        more = {"…": f"{len(others) - LISTED} more"} if len(others) > LISTED else {}
        whole.metadata["also in it"] = {member.name: f"{member.size} bytes" for member in others[:LISTED]} | more
    return whole


def _hang(whole: Contents, name: str, inner: Contents) -> None:
    """Hangs a model below the root."""
    assert isinstance(whole.root, Module)
    inner.root.key, inner.root.parent = name, whole.root
    whole.root.children.append(inner.root)
    whole.metadata[name] = {"format": inner.format, **inner.metadata}


def _models(found: Found) -> Iterator[tuple[str, Found, Row]]:
    """The members that are model files, each ready to be read, in the order of the archive."""
    listed = list(_members(found))
    largest = {member.name for member in sorted(listed, key=lambda member: -member.size)[:LOOKED]}
    for member in listed:
        if member.name not in largest or member.size < BEGINNING:
            continue
        try:
            # What is packed has to be unpacked whole to be opened.
            if not _may_be(member.beginning(BEGINNING)):
                continue
            inner = Found(member.name, member.open(), limits=found.limits)
            row = next(
                (row for row in formats.FORMATS if row.module in HELD and formats.module(row).recognises(inner)), None
            )
        except InspectorError:
            continue
        if row is not None:
            yield member.name, inner, row


def _may_be(beginning: bytes) -> bool:
    """Whether a model file may begin so: a zip, a pickle, GGUF, safetensors."""
    return beginning.startswith((LOCAL, b"\x80", b"GGUF")) or beginning[8:9] == b"{"


def _members(found: Found) -> Iterator[Member]:
    """The members of a zip or tar."""
    archive = found.archive
    if archive is not None:
        for name, member in archive.members.items():
            if not name.endswith("/"):
                yield Member(name, member.size, partial(archive.beginning, name), partial(archive.part, member))
    elif found.source is not None and found.head[257:262] == b"ustar":
        for name, part in tar01.members(found.source).items():
            yield Member(name, part.size, partial(part.read, 0), partial(_same, part))


def _same(source: Source) -> Source:
    return source


def _reader(member: Member) -> Callable[[], str]:
    def reader() -> str:
        source = member.open()
        return source.read(0, source.size).decode("utf-8", "replace")

    return reader
