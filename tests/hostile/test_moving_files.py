"""Files that change while they are open: what is read is what was opened, or an error says that it is no longer there."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inspector
from inspector import sources
from inspector.statistics.scan import scan as statistics
from tests.inspector.samples import saved

SIZE = 3_000_000
"""Elements of the one tensor: read in one piece of 12 MB."""


def version(number: int, size: int = SIZE) -> bytes:
    """A file whose values all are one number, and whose structure is of that version too."""
    return saved({"w": torch.full((size,), float(number)), f"v{number}": torch.full((10,), float(number))})


OLD, NEW = version(1), version(2)


def shrink(path: Path) -> None:
    os.truncate(path, len(OLD) // 2)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(NEW)


def replace(path: Path) -> None:
    path.with_suffix(".new").write_bytes(NEW)
    path.with_suffix(".new").rename(path)


def delete(path: Path) -> None:
    path.unlink()


KINDS: dict[str, Callable[[Path], None]] = {"shrunk": shrink, "rewritten": rewrite, "replaced": replace, "deleted": delete}
LOST = {"shrunk", "rewritten"}
"""After these the old bytes are gone; after the others they are still there for whoever has the file open."""

TOLD = {
    "shrunk": "it shrank from",
    "rewritten": "it was written to",
    "replaced": "it was replaced by another file",
    "deleted": "it was deleted",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(OLD)
    return path


class At:
    """Does something to the file just before the read of a number, counted from now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, change: Callable[[], None]) -> None:
        self.left = number
        self.change = change
        self.real = os.pread
        monkeypatch.setattr(sources.os, "pread", self.pread)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self.left -= 1
        if self.left == 0:
            self.change()
        return self.real(descriptor, length, offset)


def read_all(model: inspector.Checkpoint) -> dict[str, set[float]]:
    """All that can be read: by name the different values."""
    found = {}
    for name, tensor in model.state_dict().items():
        try:
            found[name] = set(np.unique(tensor.numpy()).tolist())
        except inspector.ChangedFile:
            continue
    return found


def check(found: dict[str, set[float]], kind: str) -> None:
    """Nothing new is among what was read, and nothing old is missing that is still there."""
    assert all(values == {1.0} for values in found.values()), found
    if kind not in LOST:
        assert set(found) == {"w", "v1"}


@pytest.mark.parametrize("kind", KINDS)
def test_while_it_is_opened(kind: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (2, 4):
        path.write_bytes(OLD)
        time.sleep(0.05)
        with monkeypatch.context() as patch:
            At(patch, number, lambda: KINDS[kind](path))
            try:
                with inspector.open(path) as model:
                    check(read_all(model), kind)
                    assert model.changed().startswith(TOLD[kind])
            except inspector.ChangedFile as error:
                assert kind in LOST and "reload it" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_after_it_was_opened(kind: str, path: Path) -> None:
    with inspector.open(path) as model:
        assert model.changed() == ""
        KINDS[kind](path)
        assert model.changed().startswith(TOLD[kind])
        found = read_all(model)
        check(found, kind)
        if kind in LOST:
            assert not found
            with pytest.raises(inspector.ChangedFile, match="was written to while it was open; reload it"):
                model["w"][5]


@pytest.mark.parametrize("kind", KINDS)
def test_between_two_blocks(kind: str, path: Path) -> None:
    with inspector.open(path) as model:
        assert model["w"][:10].tolist() == [1.0] * 10
        KINDS[kind](path)
        try:
            assert set(model["w"][SIZE - 10 :].tolist()) == {1.0}
            assert kind not in LOST
        except inspector.ChangedFile:
            assert kind in LOST


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_middle_of_an_array(kind: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LONGEST_READ", 1 << 20)
    with inspector.open(path) as model:
        At(monkeypatch, 6, lambda: KINDS[kind](path))
        try:
            assert set(np.unique(model["w"].numpy()).tolist()) == {1.0}
            assert kind not in LOST
        except inspector.ChangedFile:
            assert kind in LOST


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_middle_of_a_pass_over_it(kind: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inspector.open(path) as model:
        At(monkeypatch, 3, lambda: KINDS[kind](path))
        try:
            result = statistics(model["w"])
            assert (result.min, result.max) == (1.0, 1.0)
            assert kind not in LOST
        except inspector.ChangedFile:
            assert kind in LOST


def unreadable(*_: Any) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("number", [1, 3, 5, 6, 7])
def test_a_disk_that_fails_at_any_moment_is_told(number: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LONGEST_READ", 4 << 20)

    def fail() -> None:
        monkeypatch.setattr(sources.os, "pread", unreadable)
        unreadable()

    At(monkeypatch, number, fail)
    try:
        with inspector.open(path) as model:
            assert set(model["w"].numpy().tolist()) == {1.0}
    except inspector.InspectorError as error:
        assert "can't be read at byte" in str(error) and "Input/output error" in str(error)


def writers(path: Path, how: str, stop: threading.Event) -> Iterator[int]:
    """Saves one version after the other, every 50 ms."""
    versions = [version(number, 20_000) for number in range(1, 5)]
    count = 0
    while not stop.is_set():
        data = versions[count % 4]
        count += 1
        if how == "in place":
            path.write_bytes(data)
        else:
            path.with_suffix(".new").write_bytes(data)
            path.with_suffix(".new").rename(path)
        time.sleep(0.05)
        yield count


@pytest.mark.parametrize("how", ["in place", "by rename"])
def test_a_program_that_saves_all_the_time_is_never_seen_half(how: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(version(1, 20_000))
    stop = threading.Event()
    saving = threading.Thread(target=lambda: [None for _ in writers(path, how, stop)])
    saving.start()
    whole = 0
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                with inspector.open(path) as model:
                    names = list(model.state_dict())
                    if len(names) != 2:
                        # Cut off by the writer before anything was written: told as such.
                        assert model.problems
                        continue
                    values = [set(tensor.numpy().tolist()) for tensor in model.state_dict().values()]
            except inspector.InspectorError:
                continue
            if not model.problems:
                assert values == [{float(names[1][1:])}] * 2, (names, values)
                whole += 1
    finally:
        stop.set()
        saving.join()
    assert whole > 3
