"""Any model file inside gzip, bzip2, xz or zstd: unpacked into memory, then opened as what it is."""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from inspector import formats
from inspector.errors import DamagedFile, InspectorError, MissingExtra, NotAModel, visible
from inspector.formats import Contents, Found, Opening
from inspector.formats.zips import HARMLESS
from inspector.sources import Bytes

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from inspector.sources import Source

PIECE = 1 << 20
"""Bytes that are unpacked at a time."""

READ = 1 << 16
"""Bytes of the packed file that are read at a time."""

KINDS = {b"\x1f\x8b\x08": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""What each begins with (RFC 1952, the bzip2 manual, the .xz file format, RFC 8878)."""


def recognises(found: Found) -> bool:
    """Whether it begins as one of the four does."""
    return found.source is not None and _kind(found.head) is not None


def read(found: Found, opening: Opening) -> Contents:
    """What the file inside holds. Raises `MissingExtra` for zstd, `LimitReached`, and what the format inside does."""
    source, kind = found.source, _kind(found.head)
    if source is None or kind is None:
        raise DamagedFile("the file is not compressed")
    inner = unpacked(found, opening)
    inside = Found(f"{found.path} (unpacked)", Bytes(inner.data), limits=opening.limits)
    if recognises(inside):
        raise NotAModel(f"{visible(found.path)} is compressed twice: unpack it with {kind} first")
    contents = formats.read(inside, opening)
    contents.format = f"{contents.format} in {kind}"
    contents.metadata["compression"] = f"{kind}: {source.size} bytes hold {len(inner.data)}, unpacked into memory"
    if inner.problem:
        contents.problems.insert(0, inner.problem)
    return contents


def _kind(head: bytes) -> str | None:
    return next((kind for magic, kind in KINDS.items() if head.startswith(magic)), None)


class Unpacked(NamedTuple):
    """What could be unpacked, and why it was no more."""

    data: bytes
    problem: str


def unpacked(found: Found, opening: Opening) -> Unpacked:
    """All that unpacks within `limits.inflated`; of a file that is cut off or damaged what stands before that."""
    source, kind = found.source, _kind(found.head)
    if source is None or kind is None:
        raise DamagedFile("the file is not compressed")
    raw = _File(source)
    made = io.BytesIO()
    tick = opening.tick(source.size)
    problem = ""
    stream = _stream(raw, kind)
    while True:
        try:
            # read() would go on until it has so many, and lose what it has if that ends in an error.
            piece = stream.read1(PIECE)
        except EOFError:
            problem = f"the {kind} file is cut off: {made.tell()} bytes could be unpacked"
            break
        except InspectorError:
            raise
        except Exception:
            # Each of the four has errors of its own, and those of zstd are not always there to be named.
            problem = f"the {kind} file is damaged: {made.tell()} bytes could be unpacked, and they may be wrong"
            break
        if not piece:
            break
        made.write(piece)
        if made.tell() > opening.limits.inflated:
            raise opening.limits.reached("inflated", "it unpacks to more bytes")
        if made.tell() > max(opening.limits.ratio * raw.tell(), HARMLESS):
            raise opening.limits.reached("ratio", f"{raw.tell()} bytes of it unpack to {made.tell()} and more")
        tick(raw.tell())
    if problem and not made.tell():
        raise DamagedFile(problem)
    return Unpacked(made.getvalue(), problem)


def _stream(raw: _File, kind: str) -> Any:
    """A file object that gives what is inside."""
    buffered: Any = io.BufferedReader(raw, READ)
    # Imported here: recognition asks this file first, whatever is opened, and these cost as much as all the rest of it.
    if kind == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=buffered)
    if kind == "bzip2":
        import bz2

        return bz2.BZ2File(buffered)
    if kind == "xz":
        import lzma

        return lzma.LZMAFile(buffered)
    # Python has it since 3.14, and the package has the same words for older ones.
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name).ZstdFile(buffered)
        except ImportError:
            continue
    raise MissingExtra("to unpack zstd, pip install 'torchtui[zstd]'")


class _File(io.RawIOBase):
    """A source as Python's own readers want it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """No: it is read once."""
        return False

    def tell(self) -> int:
        """How far it was read."""
        return self.position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the buffer from where it stands."""
        view = memoryview(buffer).cast("B")
        length = min(len(view), self.source.size - self.position)
        view[:length] = self.source.read(self.position, length)
        self.position += length
        return length
