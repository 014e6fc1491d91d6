"""One function for each parser: it is given any bytes, and nothing but the reader's own errors may come out of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from inspector import json_texts
from inspector.errors import InspectorError, visible
from inspector.formats import Found, Opening, cut_archives, cut_zip, gguf, legacy, npy_header, onnx, safetensors, tar01
from inspector.formats.class_sources import written_out
from inspector.formats.zips import Zip
from inspector.limits import Clock, Limits
from inspector.loading.places import places
from inspector.loading.search import Search
from inspector.pickles.cursor import Cursor
from inspector.pickles.frames import crossing
from inspector.pickles.objects import text
from inspector.pickles.running import run
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.query import Query, QueryError
from inspector.sources import Bytes

LIMITS = Limits(opcodes=200_000, memo=100_000, stack=100_000, inflated=1 << 20, members=1000, nodes=2000, seconds=5)


def pickles(data: bytes) -> None:
    pickled = run(data, builders=BUILDERS, limits=LIMITS, beyond=True)
    for node in build(pickled.value, LIMITS).walk():
        assert type(node.name) is type(node.expression) is str
    places(pickled.value, pickled.calls)
    assert all(len(text(call)) <= 201 for call in pickled.calls)
    crossing(data)


def archives(data: bytes) -> None:
    archive = Zip(Bytes(b"PK\3\4" + data), LIMITS)
    for name in list(archive.members)[:20]:
        with suppress(InspectorError):
            archive.contents(name)
        with suppress(InspectorError):
            archive.verify(name)
    assert all(visible(problem) == problem for problem in archive.problems)


def searches(data: bytes) -> None:
    Search(Found("fuzz", Bytes(data), limits=LIMITS), Opening(LIMITS, None, Clock(LIMITS))).run()


def legacy_files(data: bytes) -> None:
    magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}."
    legacy.load(Cursor(Bytes(magic + data), 0, LIMITS))


def tars(data: bytes) -> None:
    found = Found("fuzz", Bytes(data), limits=LIMITS)
    if tar01.recognises(found):
        tar01.read(found, Opening(LIMITS))


def headers_of_numpy(data: bytes) -> None:
    source = Bytes(b"\x93NUMPY\x01\x00" + len(data).to_bytes(4, "little")[:2] + data)
    npy_header.read(source.read)
    npy_header.literal(data.decode("latin1"))


def reading(module: object, head: bytes) -> Callable[[bytes], None]:
    """A format that reads a whole file which begins so."""

    def target(data: bytes) -> None:
        found = Found("fuzz", Bytes(head + data), limits=LIMITS)
        if module.recognises(found):  # type: ignore[attr-defined]
            module.read(found, Opening(LIMITS, None, Clock(LIMITS)))  # type: ignore[attr-defined]

    return target


def safetensors_files(data: bytes) -> None:
    found = Found("fuzz", Bytes(len(data).to_bytes(8, "little") + data), limits=LIMITS)
    if safetensors.recognises(found):
        safetensors.read(found, Opening(LIMITS))


def json_files(data: bytes) -> None:
    written = data.decode("utf-8", "surrogateescape")
    json_texts.parsed(written)
    with suppress(ValueError, RecursionError):
        json_texts.loaded(written, [])


def texts(data: bytes) -> None:
    written = data.decode("utf-8", "surrogateescape")
    shown = visible(written)
    assert visible(shown) == shown
    written_out(written)
    with suppress(QueryError):
        Query(written[:200])


TARGETS: dict[str, Callable[[bytes], None]] = {
    "pickles": pickles,
    "archives": archives,
    "cut zip": reading(cut_zip, b"PK\3\4"),
    "cut archives": reading(cut_archives, b"PK\3\4"),
    "searches": searches,
    "legacy": legacy_files,
    "tar": tars,
    "numpy": headers_of_numpy,
    "gguf": reading(gguf, b"GGUF"),
    "onnx": reading(onnx, b"\x08\x08"),
    "safetensors": safetensors_files,
    "json": json_files,
    "texts": texts,
}


def once(target: Callable[[bytes], None], data: bytes) -> None:
    """Runs a target on some bytes; only the reader's own errors pass, and they are one line that shows."""
    try:
        target(data)
    except InspectorError as error:
        assert visible(str(error)) == str(error), str(error)[:200]
