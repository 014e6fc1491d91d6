"""What lies at a path and is no file: one line within a second, and nothing waits, wakes or is read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import inspector
from tui.cli import main

ROOT = Path(__file__).parents[2]


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def listening(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


def loop(path: Path) -> Path:
    other = path.with_suffix(".other")
    path.symlink_to(other)
    other.symlink_to(path)
    return path


def dangling(path: Path) -> Path:
    path.symlink_to(path.parent / "gone.pt")
    return path


def link_to(target: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.symlink_to(target)
        return path

    return make


THINGS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a FIFO": (fifo, "is a FIFO, not a file"),
    "a socket": (listening, "is a socket, not a file"),
    "a device": (lambda path: Path("/dev/zero"), "is a device, not a file"),
    "a link to a device": (link_to("/dev/zero"), "is a device, not a file"),
    "a terminal": (lambda path: Path("/dev/ptmx"), "is a device, not a file"),
    "links in a circle": (loop, "symbolic links"),
    "a link to nothing": (dangling, "there is no file"),
    "nothing": (lambda path: path, "there is no file"),
    "nothing in no folder": (lambda path: path / "a" / "b.pt", "nor is there a folder"),
    "a file taken for a folder": (lambda path: Path(__file__) / "a.pt", "Not a directory"),
    "a name that is too long": (lambda path: path.parent / ("x" * 5000), "File name too long"),
    "an empty folder": (lambda path: path.mkdir() or path, "holds no model"),
    "a file of the system": (lambda path: Path("/proc/self/status"), "is empty"),
}


@pytest.mark.parametrize("thing", THINGS)
def test_it_is_told_in_one_line_at_once(thing: str, tmp_path: Path, capsys: Any) -> None:
    make, said = THINGS[thing]
    path = make(tmp_path / "model.pt")
    for option in ("--print", "--scan", "--json"):
        began = time.monotonic()
        assert main([str(path), option]) == 2
        assert time.monotonic() - began < 1
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and said in line, line


def test_a_path_that_can_be_none(tmp_path: Path) -> None:
    for path in ("a\0b", "\udc00\ud800", ""):
        with pytest.raises(inspector.InspectorError):
            inspector.open(path)


def test_whoever_writes_into_a_fifo_is_not_woken(tmp_path: Path) -> None:
    path = fifo(tmp_path / "model.pt")
    with pytest.raises(inspector.NotAModel):
        inspector.open(path)
    # Opening it for writing still finds nobody that reads.
    with pytest.raises(OSError, match="No such device"):
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)


def test_a_folder_of_100_000_files(tmp_path: Path, capsys: Any) -> None:
    for number in range(100_000):
        os.close(os.open(tmp_path / f"{number}.txt", os.O_CREAT | os.O_WRONLY))
    began = time.process_time()
    assert main([str(tmp_path), "--print"]) == 2
    assert time.process_time() - began < 1
    assert "holds no model" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """As another user, for whom permissions count."""
    (tmp_path / "model.pt").write_bytes(b"x")
    (tmp_path / "model.pt").chmod(0)
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "model.pt").write_bytes(b"x")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and str(folder) != "/":
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "closed").chmod(0o700)
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import inspector\n"
        "from inspector.checkpoint import look; import inspector.formats.hf_folder\n"
        "os.setuid(65534)\n"
        "for path in sys.argv[2:]:\n"
        "    try: inspector.open(path)\n"
        "    except inspector.InspectorError as error: print(error)\n"
    )
    paths = [str(tmp_path / "model.pt"), str(tmp_path / "closed" / "model.pt"), str(tmp_path / "closed")]
    run = subprocess.run([sys.executable, "-c", code, str(ROOT), *paths], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines() == [f"{path} may not be read by this user" for path in paths], run.stderr
