"""A walk over every screen and report of files whose names are evil, in a real terminal; what went wrong on it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from inspector.errors import visible
from tests.hostile import names
from tests.terminal.sent import strange
from tests.terminal.terminal import ALTERNATE_SCREEN, Terminal, environment

TUI = [sys.executable, "-m", "tui"]

LONGEST = 3.0
"""Seconds within which a key has done what it does, on a machine that does other work too."""


def walk(folder: Path, labels: Iterable[str]) -> list[str]:
    """Every screen and every report of the files with these names; each thing that went wrong, in a line."""
    wanted = {label: names.NAMES[label] for label in labels}
    names.write(folder / "files", wanted)
    walked = Walk(folder, wanted)
    walked.explorer()
    walked.problems_and_metadata()
    walked.texts()
    walked.chooser()
    walked.reports()
    return walked.wrong


def cases(full: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """A walk for each name; in the quick form one for all of them."""
    for labels in [[label] for label in names.NAMES] if full else [list(names.NAMES)]:
        yield ", ".join(labels), partial(assert_walk, labels)


def assert_walk(labels: Iterable[str]) -> None:
    """Nothing is wrong on a walk."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = walk(Path(folder), labels)
    assert not wrong, "\n".join(wrong)


class Walk:
    """The terminals that the files are shown in, and what was wrong there."""

    def __init__(self, folder: Path, wanted: dict[str, str]) -> None:
        self.files = folder / "files"
        self.env = environment(XDG_STATE_HOME=str(folder / "state"))
        self.wanted = wanted
        self.wrong: list[str] = []

    @contextmanager
    def terminal(self, *arguments: str) -> Iterator[Terminal]:
        """The program in a terminal, every byte of which is looked at when it is left."""
        with Terminal([*TUI, *arguments], columns=130, rows=50, env=self.env, cwd=self.files) as terminal:
            yield terminal
            if not terminal.ended:
                # Right behind an escape it would be another key.
                terminal.wait_until_quiet(0.5)
                terminal.press("q")
            status = terminal.wait()
            self.expect(status in (0, 1, 2), f"{arguments}: status {status}")
            self.expect("Traceback" not in terminal.text, f"{arguments}: a traceback")
            self.look(terminal.raw, ascii(arguments))

    def look(self, raw: bytes, where: str) -> None:
        """Nothing of it does anything but show."""
        self.wrong += [f"{where}: {piece}" for piece in strange(raw)]
        for label, name in self.wanted.items():
            if visible(name) != name:
                self.expect(name.encode("utf-8", "surrogatepass") not in raw, f"{where}: {label}, raw")

    def expect(self, right: bool, wrong: str) -> None:
        """Note what is wrong."""
        if not right:
            self.wrong.append(wrong)

    def step(self, terminal: Terminal, *keys: str, sign: str = "", quiet: float = 0.1) -> str:
        """What shows after some keys, which is there soon."""
        since = time.monotonic()
        terminal.press(*keys)
        screen = terminal.wait_for(sign) if sign else terminal.wait_until_quiet(quiet)
        if time.monotonic() - since > LONGEST + quiet:
            self.wrong.append(f"{keys}: {time.monotonic() - since:.1f} s")
        return screen

    def expect_all(self, screens: Iterable[str], where: str) -> None:
        """Every name is to be seen, as what it is: by its mark, and no two of them in a line."""
        text = "\n".join(screens)
        for label, name in self.wanted.items():
            if name:
                self.expect(names.mark(label) in text, f"{where}: {label} does not show")

    def explorer(self) -> None:
        """The tree, its details, values, statistics, menus, messages, prompts, pages; of a file with names of all kinds."""
        with self.terminal("model.pt") as terminal:
            screens = [terminal.wait_for("values")]
            terminal.wait_for("q quit")
            opened = self.step(terminal, "E", "s")
            # A name with dots takes several rows.
            rows = min(int(opened.partition(" 1/")[2].split()[0]), 20 + len(self.wanted))
            for row in range(2, rows + 1):
                screens.append(self.step(terminal, "j", sign=f" {row}/"))
                if row < 4 or row % 20 == 0:
                    # What it is called, the expression for it, what it says of itself.
                    screens += [self.step(terminal, "y", letter, quiet=0.05) for letter in "ney"]
            self.expect_all(screens, "the tree")
            self.expect_all(
                [self.step(terminal, "G"), *(self.step(terminal, "pageup", quiet=0.05) for _ in range(4))],
                "the pages of the tree",
            )
            for keys in (["g", "j", "enter", "i"], ["?"], ["x"], ["ctrl+p"]):
                self.step(terminal, *keys)
                self.step(terminal, *["pagedown"] * 9, "escape", "escape", "escape")
            for keys in (["/", "n"], ["f", "n0"], [":", "n"], ["w"]):
                self.step(terminal, *keys)
                for key in ("down", "tab", "right", "enter", "n", "n", "escape", "escape"):
                    self.step(terminal, key, quiet=0.03)
            # What is pasted may be evil too.
            self.step(terminal, "/", "\x1b[200~a\x1b]0;b\x07\u202ec\x1b[201~", "escape", "escape")
            self.step(terminal, "g", "j", "w", *["backspace"] * 100, "/proc/nowhere/x.npy", "enter", "escape")
            for _ in range(2):
                self.step(terminal, "p", sign="any key goes back")
                terminal.press("space")
                terminal.wait_for(lambda _: ALTERNATE_SCREEN in terminal.modes)
                self.step(terminal, "J")

    def problems_and_metadata(self) -> None:
        """What is wrong with each, and what the file says of itself."""
        with self.terminal("model.safetensors") as terminal:
            terminal.wait_for("there")
            terminal.wait_until_quiet()
            for key, where in (("!", "the problems"), ("i", "the metadata")):
                screens = [self.step(terminal, key), *(self.step(terminal, "pagedown", quiet=0.05) for _ in range(8))]
                if not {"half a character", "a megabyte"} & set(self.wanted):
                    self.expect_all(screens, where)
                self.step(terminal, "escape")

    def texts(self) -> None:
        """The texts, by name and each for itself."""
        with self.terminal("package.pt") as terminal:
            terminal.wait_for("package.pt")
            terminal.wait_until_quiet()
            self.step(terminal, "T")
            for _ in range(min(4, len(self.wanted))):
                self.step(terminal, "enter")
                self.step(terminal, "escape")
                self.step(terminal, "j")

    def chooser(self) -> None:
        """Files that are called so: found, filtered, opened, and refused."""
        with self.terminal() as terminal:
            terminal.wait_for("model.safetensors")
            self.step(terminal, "/", "n", "escape")
            for down in range(3):
                self.step(terminal, *["j"] * down, "enter", quiet=0.2)
                self.step(terminal, "o", quiet=0.2)
            self.step(terminal, "o", "/nowhere/\x1b[200~a\x1b]0;b\x07\x1b[201~", "enter", "escape")

    def reports(self) -> None:
        """What is written without a screen."""
        model, tensors = "model.pt", "model.safetensors"
        first = names.mark(next(iter(self.wanted)))
        for arguments in (
            (model, "--print"),
            (model, "--stats", "--filter", f"{first}*"),
            (model, "--scan"),
            (model, "--get", first),
            (tensors, "--print"),
            (tensors, "--verify"),
            ("package.pt", "--print"),
            (model, "--export", "/proc/nowhere/all.npz"),
            (model, "--export", "all.npy"),
            (tensors, "--export", "all.json"),
            (model, "--filter", "\x1b]0;b\x07", "--json"),
            *((path.name, "--print") for path in list(self.files.glob("n*"))[:4]),
        ):
            with self.terminal(*arguments):
                pass
        said = subprocess.run([*TUI, model, "--json"], env=self.env, cwd=self.files, capture_output=True, check=True).stdout
        self.expect(not strange(said.replace(b"\n", b"")), "--json: control characters")
        document = json.loads(said)
        # 1, True and 1.0 are one key in Python; "1", b"1", (1,), None, "None" and two with a blank are seven more.
        alike = [value["name"] for value in document["values"] if value["name"].startswith("alike.")]
        self.expect(len(alike) == 8, f"--json: {alike}")
        kept = [tensor["name"] for tensor in document["tensors"]]
        self.expect(
            kept == [f"{names.mark(label)} {name}" if name else "" for label, name in self.wanted.items()], "--json: names"
        )
