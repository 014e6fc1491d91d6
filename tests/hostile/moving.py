"""Files that change while they are open: what is read is what was opened, or an error says that it is no longer there."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import inspector
from inspector import sources
from inspector.statistics.scan import scan as statistics
from tests.hostile.archives import Entry, archive
from tests.hostile.files import lay
from tests.hostile.runner import Case

SIZE = 3_000_000
"""Elements of the one large tensor: read in one piece of 12 MB."""

EVERY = 0.05
"""Seconds between two saves of the program that saves all the time."""


def version(number: int, size: int) -> bytes:
    """A file whose values all are one number, and whose structure is of that version too."""
    pickled = b"\x80\x02}(" + tensor("w", "0", size) + tensor(f"v{number}", "1", 10) + b"u."
    small, large = (np.full(count, number, "<f4").tobytes() for count in (10, size))
    members = (("data.pkl", pickled), ("version", b"3\n"), ("data/0", large), ("data/1", small))
    return archive(*(Entry(f"a/{name}", data) for name, data in members))


def tensor(name: str, key: str, size: int) -> bytes:
    """The opcodes of an entry of a dict: a tensor that is all of a storage."""
    number = b"J" + size.to_bytes(4, "little")
    pid = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + key.encode() + b"X\x03\0\0\0cpu" + number + b"tQ"
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"K\0" + number + b"\x85K\x01\x85\x89}tR"
    return b"X" + len(name).to_bytes(4, "little") + name.encode() + made


# What happens to the file.


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(version(2, SIZE))


def replace(path: Path) -> None:
    path.with_suffix(".new").write_bytes(version(2, SIZE))
    path.with_suffix(".new").rename(path)


def delete(path: Path) -> None:
    path.unlink()


def fail(path: Path) -> None:
    """From now on the disk gives an error instead of bytes."""

    def unreadable(*_: Any) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    sources.os.pread = unreadable  # type: ignore[attr-defined]


KINDS: dict[str, Callable[[Path], None]] = {
    "shrunk": shrink, "rewritten": rewrite, "replaced": replace, "deleted": delete, "unreadable": fail,
}  # fmt: skip

LOST = {"shrunk", "rewritten", "unreadable"}
"""After these the old bytes are gone; after the others they are still there for whoever has the file open."""

TOLD = {
    "shrunk": "it shrank from", "rewritten": "it was written to", "replaced": "it was replaced by another file",
    "deleted": "it was deleted", "unreadable": "",
}  # fmt: skip
"""What is said of the file then."""

GONE = {"unreadable": "Input/output error"}
"""What whoever wants bytes that are gone is told, if not that the file was written to."""


# When it happens.


def before_read(number: int, change: Callable[[], None]) -> None:
    """Changes the file just before the read of a number, counted from now."""
    left, real = number, os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        nonlocal left
        left -= 1
        if left == 0:
            sources.os.pread = real  # type: ignore[attr-defined]
            change()
        return sources.os.pread(descriptor, length, offset)  # type: ignore[attr-defined]

    sources.os.pread = pread  # type: ignore[attr-defined]


def opening(path: Path, kind: str) -> None:
    """While it is opened."""
    before_read(4, lambda: KINDS[kind](path))
    with inspector.open(path) as model:
        found = {}
        for name, one in model.state_dict().items():
            try:
                found[name] = one.numpy()
            except inspector.InspectorError as error:
                expect_loss(error, kind)
        assert model.changed().startswith(TOLD[kind]), model.changed()
        assert kind in LOST or set(found) == {"w", "v1"}
        assert all((array == 1).all() for array in found.values())


def opened(path: Path, kind: str) -> None:
    """Once it is open, before anything is read."""
    with inspector.open(path) as model:
        assert model.changed() == ""
        KINDS[kind](path)
        assert model.changed().startswith(TOLD[kind]), model.changed()
        assert (model["w"][5] == 1).all()
        assert kind not in LOST


def between_blocks(path: Path, kind: str) -> None:
    """Between two blocks of one tensor."""
    with inspector.open(path) as model:
        assert (model["w"][:10] == 1).all()
        KINDS[kind](path)
        assert (model["w"][SIZE - 10 :] == 1).all()
        assert kind not in LOST


def in_an_array(path: Path, kind: str) -> None:
    """In the middle of reading one tensor whole."""
    sources.LONGEST_READ = 1 << 20
    with inspector.open(path) as model:
        before_read(6, lambda: KINDS[kind](path))
        assert (model["w"].numpy() == 1).all()
        assert kind not in LOST


def in_a_pass(path: Path, kind: str) -> None:
    """In the middle of counting its values."""
    with inspector.open(path) as model:
        before_read(3, lambda: KINDS[kind](path))
        result = statistics(model["w"])
        assert (result.min, result.max) == (1.0, 1.0)
        assert kind not in LOST


MOMENTS = (opening, opened, between_blocks, in_an_array, in_a_pass)


def cases() -> Iterator[Case]:
    """Every change at every moment."""
    folder = Path(tempfile.mkdtemp(prefix="moving-"))
    for kind in KINDS:
        for moment in MOMENTS:
            yield f"{kind}, {moment.__name__}", partial(look_at, kind, moment, folder / "model.pt")


def look_at(kind: str, moment: Callable[[Path, str], None], path: Path) -> str:
    """Only old values are read; what is gone is said to be."""
    lay(path, {"": version(1, SIZE)})
    try:
        moment(path, kind)
    except inspector.InspectorError as error:
        expect_loss(error, kind)
        return str(error)
    return "all old values"


def expect_loss(error: inspector.InspectorError, kind: str) -> None:
    """The error is the right one for what happened."""
    assert kind in LOST, error
    assert GONE.get(kind, "was written to while it was open; reload it") in str(error), error


# A program that saves all the time.


def writer_cases(seconds: float) -> Iterator[Case]:
    """It writes over its file, or renames a new one to its name."""
    folder = Path(tempfile.mkdtemp(prefix="writer-"))
    for how in ("in place", "by rename"):
        yield how, partial(watch_writer, how, folder / "model.pt", seconds)


def watch_writer(how: str, path: Path, seconds: float) -> str:
    """Opens the file again and again: no opening that tells no problem ever mixes two versions."""
    versions = [version(number, 20_000) for number in range(1, 5)]
    path.write_bytes(versions[0])
    stop = threading.Event()

    def save() -> None:
        count = 0
        while not stop.wait(EVERY):
            count += 1
            place = path if how == "in place" else path.with_suffix(".new")
            place.write_bytes(versions[count % 4])
            if place != path:
                place.rename(path)

    saving = threading.Thread(target=save)
    saving.start()
    whole = told = 0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                with inspector.open(path) as model:
                    arrays = {name: one.numpy() for name, one in model.state_dict().items()}
            except inspector.InspectorError:
                told += 1
                continue
            if model.problems:
                told += 1
                continue
            number = next(int(name[1:]) for name in arrays if name != "w")
            assert set(arrays) == {"w", f"v{number}"}, arrays
            assert all((array == number).all() for array in arrays.values()), "two versions are mixed"
            whole += 1
    finally:
        stop.set()
        saving.join()
    assert whole > seconds, f"seen whole {whole} times"
    return f"{whole} times whole, {told} times told"
