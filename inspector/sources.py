"""Where bytes come from: a local file by `pread`, a range of another source, bytes in memory."""

from __future__ import annotations

import os
import stat
import time
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

from inspector.errors import ChangedFile, DamagedFile, InspectorError, NotAModel, UnreadableFile, visible

LONGEST_READ = 1 << 30
"""Bytes that one `pread` is asked for; Linux gives at most 2 GiB a call."""


SETTLED = 0.02
"""Seconds after which a write is sure to leave another mtime: the kernel's clock for files ticks every 1 to 10 ms."""

Identity = tuple[int, int, int, int]
"""Device, inode, size, mtime in ns."""


class Source(Protocol):
    """Bytes that can be read anywhere."""

    size: int
    """How many bytes there are."""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`. Raises `DamagedFile` where the source ends before, `InspectorError`
        where the system refuses, `ChangedFile` where the file is no longer the one that was opened."""
        ...

    def changed(self) -> str:
        """What became of the file since it was opened ("it was replaced by another file"), or the empty text.

        Reads nothing of it.
        """
        ...

    def close(self) -> None:
        """Gives back what the source holds; reading afterwards raises `InspectorError`."""
        ...


class LocalFile:
    """A file on this machine, read by `pread` on one descriptor: no mapping that a shrinking file turns into SIGBUS.

    `identity` is what the file was when it was opened. Bytes are given only as long as it still is that: what somebody
    writes into it meanwhile is never taken for what was there.
    Raises `NotAModel` for what is no regular file, `InspectorError` where the system refuses.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = -1
        try:
            # What is no file is not even opened: that alone can wait, rewind a tape, wake a writer.
            self._expect_file(Path(path).stat())
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            self._expect_file(os.fstat(self._descriptor))
            self.identity = _settled(self._descriptor)
        except OSError as error:
            raise refused(path, error) from None
        except ValueError:
            raise InspectorError(f"{visible(path)} can't be a path") from None
        self.size = self.identity[2]

    def _expect_file(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise NotAModel(f"{visible(self.path)} is {_kind(status.st_mode)}, not a file")

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, as `Source.read` says."""
        if offset < 0 or length < 0:
            raise DamagedFile(f"the file names bytes {offset} to {offset + length}, which can't be")
        if self._descriptor < 0:
            raise InspectorError(f"{visible(self.path)} is closed")
        if offset + length > self.size:
            raise DamagedFile(f"the file ends at byte {self.size}, before what needs bytes {offset} to {offset + length}")
        pieces: list[bytes] = []
        while length > 0:
            try:
                piece = os.pread(self._descriptor, min(length, LONGEST_READ), offset)
                now = identity(os.fstat(self._descriptor))
            except OSError as error:
                message = f"{visible(self.path)} can't be read at byte {offset}: {error.strerror}"
                raise UnreadableFile(message) from None
            # A write sets the mtime before the first byte: if that is still the old one, so are these bytes.
            if now != self.identity or not piece:
                raise ChangedFile(f"{visible(self.path)} was written to while it was open; reload it")
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def changed(self) -> str:
        """What became of the file since it was opened, as `Source.changed` says."""
        return changed(self.path, self.identity)

    def close(self) -> None:
        """Closes the descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Pool:
    """Files of which only some are open at a time: a checkpoint of many shards has more than a process may hold open."""

    def __init__(self, most: int = 64) -> None:
        self.most = most
        self.open: OrderedDict[str, LocalFile] = OrderedDict()

    def file(self, path: str) -> PooledFile:
        """A file as a source that is opened when it is read. Raises what `LocalFile` raises."""
        opened = self.opened(path)
        return PooledFile(self, path, opened.identity)

    def opened(self, path: str) -> LocalFile:
        """The open file; the one that was not used for longest is closed for it if there are too many."""
        found = self.open.pop(path, None) or LocalFile(path)
        self.open[path] = found
        if len(self.open) > self.most:
            self.open.popitem(last=False)[1].close()
        return found

    def close(self) -> None:
        """Closes them all."""
        while self.open:
            self.open.popitem()[1].close()


class PooledFile:
    """A file of a `Pool` as a source. Raises `ChangedFile` if another lies in its place when it is opened again."""

    def __init__(self, pool: Pool, path: str, identity: Identity) -> None:
        self.pool = pool
        self.path = path
        self.identity = identity
        self.size = identity[2]

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, as `Source.read` says."""
        file = self.pool.opened(self.path)
        if file.identity != self.identity:
            raise ChangedFile(f"{visible(self.path)} is not the file that was opened; reload it")
        return file.read(offset, length)

    def changed(self) -> str:
        """What became of the file since it was opened, as `Source.changed` says."""
        return changed(self.path, self.identity)

    def close(self) -> None:
        """Closes all files of the pool: whoever closes one of a checkpoint is done with it."""
        self.pool.close()


class Bytes:
    """Bytes in memory as a source."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, as `Source.read` says."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise DamagedFile(f"bytes {offset} to {offset + length} are wanted of {self.size}")
        return self.data[offset : offset + length]

    def changed(self) -> str:
        """Nothing ever did."""
        return ""

    def close(self) -> None:
        """Does nothing."""


class Part:
    """A range of another source, which stays open when this one is closed."""

    def __init__(self, whole: Source, start: int, size: int) -> None:
        self.whole = whole
        self.start = start
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, as `Source.read` says."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise DamagedFile(f"bytes {offset} to {offset + length} are wanted of a part of {self.size}")
        return self.whole.read(self.start + offset, length)

    def changed(self) -> str:
        """What became of the whole."""
        return self.whole.changed()

    def close(self) -> None:
        """Does nothing: the whole is somebody else's."""


class Flat:
    """A home for storages that lie in a source as they are: the key is the byte where one begins."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def read(self, key: int, offset: int, length: int) -> bytes:
        """`length` bytes from byte `offset` of the storage that begins at `key`."""
        return self.source.read(key + offset, length)


def identity(status: os.stat_result) -> Identity:
    """What tells whether a file is still the same."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def is_folder(path: str) -> bool:
    """Whether a folder lies at a path, as far as the system tells."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def changed(path: str, opened: Identity) -> str:
    """What became of the file of this identity at a path: words to stand behind its name, or the empty text."""
    try:
        now = identity(Path(path).stat())
    except FileNotFoundError:
        return "it was deleted"
    except OSError as error:
        return f"it can't be reached any more: {error.strerror}"
    if now[:2] != opened[:2]:
        return "it was replaced by another file"
    if now[2] < opened[2]:
        return f"it shrank from {opened[2]} to {now[2]} bytes"
    return "" if now == opened else "it was written to"


def _settled(descriptor: int) -> Identity:
    """The identity of an open file, once another write would change it: a file just written is given a moment."""
    for _ in range(3):
        status = os.fstat(descriptor)
        age = time.time() - status.st_mtime
        if not 0 <= age < SETTLED:
            break
        time.sleep(SETTLED - age)
    return identity(status)


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return name
    return "something else"


def refused(path: str, error: OSError) -> InspectorError:
    """What the system said about a path, in a line that a person can act on."""
    shown = visible(path)
    if isinstance(error, FileNotFoundError):
        parent = str(Path(path).parent)
        where = "" if is_folder(parent) else f" (nor is there a folder {visible(parent)})"
        return InspectorError(f"there is no file {shown}{where}")
    if isinstance(error, PermissionError):
        return InspectorError(f"{shown} may not be read by this user")
    return InspectorError(f"{shown} can't be opened: {error.strerror}")
