"""Writing a file from the screen: it is there whole or not at all, and the program goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.terminal.endings import leaving, run_in_shell
from tests.terminal.terminal import Terminal

NAME = "../../escaped"
VALUES = torch.arange(100_000.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which there is nothing but a model, whose one tensor has a name that leads elsewhere."""
    torch.save({NAME: VALUES}, tmp_path / "model.pt")
    return tmp_path


def write(terminal: Terminal, path: str, sign: str) -> str:
    """Write the tensor to a path, until something is said."""
    terminal.wait_for("escaped")
    terminal.wait_until_quiet()
    terminal.press("G", "w")
    terminal.wait_for("write to")
    if path:
        terminal.press("\x15", path)
    terminal.press("enter")
    return terminal.wait_for(sign)


def here(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_name_from_the_file_is_no_path(folder: Path) -> None:
    with run_in_shell(folder, "", path="model.pt") as terminal, leaving(terminal):
        write(terminal, "", "Wrote ")
        terminal.press("q")
    (written,) = here(folder) - {"model.pt"}
    assert written == "escaped.npy"
    assert np.array_equal(np.load(folder / written), VALUES.numpy())


def test_a_full_disk_is_said_in_a_line_and_leaves_nothing_but_the_program(folder: Path) -> None:
    with run_in_shell(folder, "ulimit -f 100;", path="model.pt") as terminal, leaving(terminal):
        assert "nothing of it is left" in write(terminal, "x.npy", "does not fit onto its disk")
        assert here(folder) == {"model.pt"}
        terminal.press("i")
        terminal.wait_for("file size")
        terminal.press("q")
    assert terminal.process.returncode == 0


def test_a_file_that_is_there_is_asked_about(folder: Path) -> None:
    (folder / "x.npy").write_text("mine")
    with run_in_shell(folder, "", path="model.pt") as terminal, leaving(terminal):
        write(terminal, "x.npy", "is there already")
        terminal.press("escape")
        terminal.wait_until_quiet()
        assert (folder / "x.npy").read_text() == "mine"
        write(terminal, "x.npy", "is there already")
        terminal.press("r")
        terminal.wait_for("Wrote ")
        terminal.press("q")
    assert np.array_equal(np.load(folder / "x.npy"), VALUES.numpy())
    assert here(folder) == {"model.pt", "x.npy"}


def test_what_is_no_place_for_a_file_is_said_in_a_line(folder: Path) -> None:
    os.mkfifo(folder / "fifo.npy")
    (folder / "folder.npy").mkdir()
    with run_in_shell(folder, "", path="model.pt") as terminal, leaving(terminal):
        write(terminal, "fifo.npy", "no ordinary file")
        write(terminal, "folder.npy", "is a folder")
        write(terminal, "/sys/kernel/x.npy", "ermi")
        write(terminal, "none/x.npy", "No such file")
        write(terminal, "x.exe", "must end in one of")
        terminal.press("q")
    assert terminal.process.returncode == 0
    assert here(folder) == {"model.pt", "fifo.npy", "folder.npy"}


def test_ended_while_it_writes_it_leaves_nothing(folder: Path) -> None:
    with run_in_shell(folder, f"XDG_STATE_HOME={folder}/state;", "unsynced", "model.pt") as terminal, leaving(terminal):
        write(terminal, "x.npy", "writing")
        terminal.wait_until_quiet()
        os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.process.returncode == -signal.SIGTERM
    assert here(folder) == {"model.pt", "state"}
