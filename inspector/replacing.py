"""A file that takes its place once it is written, whole, and of which nothing is left if it is not."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from inspector.errors import InspectorError, TooLarge, visible

NAMELESS = getattr(os, "O_TMPFILE", 0)
"""What makes a file without a name (Linux, `open(2)`): it is gone with its process, whatever that ends by."""

DESCRIPTORS = "/proc/self/fd"
"""Where such a file can be given a name."""


class AlreadyThere(InspectorError):
    """There is a file of that name, and nobody said that it may be replaced."""


@contextmanager
def replacing(destination: str, replace: bool) -> Iterator[IO[bytes]]:
    """A file to write, which is `destination` from the end of the block on; if that raises, nothing of it is left.

    It is written in the folder of its destination, synced, and then named; where the system has files without names it
    has none until then. A file that is replaced hands on who may read it. Raises `AlreadyThere` for one that is there,
    also if it came in the meantime, unless `replace`; `TooLarge` if the disk is full; `InspectorError` for what is no
    place for a file.
    """
    part: Path | None = None
    try:
        target = Path(os.path.realpath(destination))
    except ValueError:
        raise InspectorError(f"{visible(destination)} is no name that a file can have") from None
    try:
        _check(target, destination, replace)
        descriptor, part = _opened(target.parent)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            _check(target, destination, replace)
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
            os.fsync(descriptor)
            part = _named(descriptor, part, target, replace)
        _sync(target.parent)
    except FileExistsError:
        raise AlreadyThere(f"{visible(destination)} is there already") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise TooLarge(f"{visible(destination)} does not fit onto its disk; nothing of it is left there") from None
        raise InspectorError(f"{visible(destination)} can't be written: {error.strerror}") from None
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()


def _check(target: Path, destination: str, replace: bool) -> None:
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise InspectorError(f"{visible(destination)} is a folder: name the file in it")
    if not stat.S_ISREG(mode):
        raise InspectorError(f"{visible(destination)} is no ordinary file")
    if not replace:
        raise AlreadyThere(f"{visible(destination)} is there already")


def _opened(folder: Path) -> tuple[int, Path | None]:
    """A new file in a folder, and the name that it has for now, if it has one."""
    if NAMELESS and Path(DESCRIPTORS).is_dir():
        with suppress(OSError):
            return os.open(folder, NAMELESS | os.O_RDWR, 0o666), None
    part = _part(folder)
    return os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), part


def _named(descriptor: int, part: Path | None, target: Path, replace: bool) -> Path | None:
    """Gives a file its name; the one that it still has besides. A name that is taken stays so, unless `replace`."""
    if part is None:
        if not replace:
            _link(descriptor, target)
            return None
        part = _part(target.parent)
        _link(descriptor, part)
    elif not replace:
        try:
            os.link(part, target)
            return part
        except FileExistsError:
            raise
        except OSError:
            # A file system without second names: a file that comes in this very moment is replaced.
            pass
    part.replace(target)
    return None


def _link(descriptor: int, name: Path) -> None:
    # What stands there are links, and Python's os.link follows one only if it is told a folder.
    folder = os.open(DESCRIPTORS, os.O_RDONLY)
    try:
        os.link(str(descriptor), name, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _part(folder: Path) -> Path:
    return folder / f".{secrets.token_hex(8)}.part"


def _sync(folder: Path) -> None:
    """Makes the new name last through a loss of power; some network disks can't, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
