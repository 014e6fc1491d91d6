"""`torchtui` on what is no model file: one line that says what it is and what to do, status 2, never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terminal.terminal import ALTERNATE_SCREEN, Terminal


def empty(path: Path) -> None:
    path.touch()


def zeros(path: Path) -> None:
    path.write_bytes(bytes(4096))


def text(path: Path) -> None:
    path.write_text("epoch,loss\n1,0.5\n")


def lfs_pointer(path: Path) -> None:
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 440449768\n")


def web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found</body></html>\n")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("nothing here\n")


def foreign_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("report/readme.txt", "no model\n")


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(128, 256)) * 40)


def missing(path: Path) -> None:
    """Nothing: the file is missing."""


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (missing, "no file"),
    "a folder without models": (folder, "no model"),
    "empty": (empty, "empty"),
    "all zero": (zeros, "zero"),
    "a text": (text, "text"),
    "an LFS pointer": (lfs_pointer, "LFS pointer.*440449768.*git lfs pull"),
    "a web page": (web_page, "web page"),
    "a FIFO": (fifo, "FIFO|pipe"),
    "a zip that is no model": (foreign_zip, "zip"),
    "noise": (noise, "no model file"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A path and what its message must say."""
    make, said = CASES[request.param]
    path = tmp_path / "model.pt"
    make(path)
    return path, said


def run(box: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["torchtui", *arguments], env=box, capture_output=True, text=True, timeout=20, check=False)


def assert_one_line(message: str, path: Path, said: str) -> None:
    assert re.search(said, message, re.IGNORECASE), message
    assert str(path) in message or path.name in message, "the line does not say which file"
    assert message.endswith("\n")
    assert message.count("\n") == 1
    assert "Traceback" not in message


@pytest.mark.parametrize("option", ["--print", "--json", "--get=fc.weight"])
def test_reports_say_it_on_stderr_with_status_2(case: tuple[Path, str], option: str, box: dict[str, str]) -> None:
    path, said = case
    done = run(box, str(path), option)
    assert_one_line(done.stderr, path, said)
    assert (done.returncode, done.stdout) == (2, "")


def cut(tutorial: Path, folder: Path, size: int) -> Path:
    path = folder / "model.pt"
    path.write_bytes((tutorial / "model.pt").read_bytes()[:size])
    return path


def test_a_file_cut_off_before_anything_it_says_is_no_model(tutorial: Path, tmp_path: Path, box: dict[str, str]) -> None:
    path = cut(tutorial, tmp_path, 20)
    done = run(box, str(path), "--print")
    assert_one_line(done.stderr, path, "end is missing")
    assert (done.returncode, done.stdout) == (2, "")


def test_of_a_file_cut_off_later_what_is_there_is_shown_and_the_cut_told(
    tutorial: Path, tmp_path: Path, box: dict[str, str]
) -> None:
    done = run(box, str(cut(tutorial, tmp_path, 2000)), "--print")
    assert "cut off at byte 2000" in done.stdout
    assert re.search(r"fc3 +Conv2d", done.stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_on_a_terminal_the_same_line_is_left_behind(case: tuple[Path, str], box: dict[str, str]) -> None:
    path, said = case
    with Terminal(["torchtui", str(path)], columns=200, env=box) as terminal:
        before = terminal.settings
        terminal.wait_for(lambda screen: terminal.ended or re.search(said, screen, re.IGNORECASE))
        if not terminal.ended:
            terminal.press("q")
        assert terminal.wait() == 2
        assert re.search(said, terminal.screen(), re.IGNORECASE)
        assert "Traceback" not in terminal.text
        assert ALTERNATE_SCREEN not in terminal.modes
        assert terminal.settings == before


def test_an_unknown_option_is_one_more_thing_that_is_said_in_words(box: dict[str, str]) -> None:
    done = run(box, "--nonsense")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
    assert "Traceback" not in done.stderr
