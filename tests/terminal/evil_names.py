"""A walk over every screen and report of files whose names are evil, in a real terminal; what went wrong on it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from inspector.errors import visible
from tests.hostile import named, names
from tests.terminal.sent import OWN, strange
from tests.terminal.terminal import ALTERNATE_SCREEN, Terminal, environment

TUI = [sys.executable, "-m", "tui"]

SEVERAL = """
import json, os, sys
import numpy, ml_dtypes, inspector
from tui.cli import main
statuses = []
for words in json.loads(sys.argv[1]):
    if not os.fork():
        sys.exit(main(words))
    statuses.append(os.waitstatus_to_exitcode(os.wait()[1]))
sys.exit(max(statuses) if min(statuses) >= 0 else 3)
"""
"""Runs several command lines: most of what one costs is the start of Python, which is done once for all."""

LONGEST = 3.0
"""Seconds of the processor within which a key has done what it does."""

ESCAPE = "\x1b[27u"
"""The escape key as newer terminals send it: a byte alone could be the beginning of another key, for which is waited."""


def walk(folder: Path, labels: Iterable[str]) -> list[str]:
    """Every screen and every report of the files with these names; each thing that went wrong, in a line."""
    wanted = {label: names.NAMES[label] for label in labels}
    named.write(folder / "files", wanted)
    walked = Walk(folder, wanted)
    walked.explorer()
    walked.layers()
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
        with self.run([*TUI, *arguments]) as terminal:
            terminal.wait_for("q quit")
            terminal.settle()
            yield terminal
            terminal.settle()
            terminal.press("q")

    @contextmanager
    def run(self, command: list[str]) -> Iterator[Terminal]:
        """A command in a terminal, which ends by itself when what is done within is done."""
        with Terminal(command, columns=130, rows=50, env=self.env, cwd=self.files) as terminal:
            yield terminal
            status = terminal.wait(60)
            self.expect(status in (0, 1, 2), f"{command}: status {status}")
            self.expect("Traceback" not in terminal.text, f"{command}: a traceback")
            self.look(terminal.raw, ascii(command[3:]))

    def look(self, raw: bytes, where: str) -> None:
        """Nothing of it does anything but show."""
        self.wrong += [f"{where}: {piece}" for piece in strange(raw)]
        # Half a sequence may be a part of one of the program's own.
        others = OWN.sub("", raw.decode("latin1")).encode("latin1")
        for label, name in self.wanted.items():
            if visible(name) != name:
                self.expect(name.encode("utf-8", "surrogatepass") not in others, f"{where}: {label}, raw")

    def expect(self, right: bool, wrong: str) -> None:
        """Note what is wrong."""
        if not right:
            self.wrong.append(wrong)

    def step(self, terminal: Terminal, *keys: str, sign: str = "") -> str:
        """What shows once some keys have done what they do, which is soon."""
        before = terminal.seconds
        terminal.press(*(ESCAPE if key == "escape" else key for key in keys))
        screen = terminal.wait_for(sign, 60) if sign else terminal.settle()
        taken = terminal.seconds - before
        self.expect(taken < LONGEST * len(keys), f"{keys}: {taken:.1f} s")
        return screen

    def expect_all(self, screens: Iterable[str], where: str) -> None:
        """Every name is to be seen, as what it is: by its mark."""
        text = "\n".join(screens)
        for label, name in self.wanted.items():
            if name:
                self.expect(names.mark(label) in text, f"{where}: {label} does not show")

    def pages(self, terminal: Terminal, *keys: str, count: int = 9) -> list[str]:
        """What a page shows from its beginning to its end; it is left again."""
        screens = [self.step(terminal, *keys)]
        for _ in range(count):
            screens.append(self.step(terminal, "pagedown"))
            if screens[-1] == screens[-2]:
                break
        self.step(terminal, "escape")
        return screens

    def explorer(self) -> None:
        """The tree, its details, values, statistics, menus, messages, prompts, pages; of a file with names of all kinds."""
        with self.terminal("model.pt") as terminal:
            screens = [terminal.screen()]
            opened = self.step(terminal, "E", "s")
            # A name with dots takes several rows.
            rows = min(int(opened.partition(" 1/")[2].split()[0]), 20 + len(self.wanted))
            for row in range(2, rows + 1):
                screens.append(self.step(terminal, "j", sign=f" {row}/"))
                if row < 4 or row % 20 == 0:
                    # What it is called, the expression for it, what it says of itself, its figures and values.
                    screens += [self.step(terminal, "y", letter) for letter in "neysjb"]
            self.expect_all(screens, "the tree")
            self.expect_all(
                [self.step(terminal, "G"), *(self.step(terminal, "pageup") for _ in range(4))], "the pages of the tree"
            )
            self.step(terminal, "g", "m")
            self.expect_all(self.pages(terminal, "x"), "the calls")
            self.pages(terminal, "?", count=2)
            self.pages(terminal, "i")
            self.pages(terminal, "ctrl+p", count=2)
            self.prompts(terminal)
            self.values(terminal)
            self.health(terminal)
            self.step(terminal, "g", "j", "w", *["backspace"] * 100, "/proc/nowhere/x.npy", "enter", "escape")
            for _ in range(2):
                self.step(terminal, "p", sign="any key goes back")
                terminal.press("space")
                terminal.wait_for(lambda _: ALTERNATE_SCREEN in terminal.modes)
                self.step(terminal, "J")
            self.step(terminal, "r", sign="read again")

    def prompts(self, terminal: Terminal) -> None:
        """What is typed, what completes it, what it finds, what is wrong with it, and what is pasted."""
        mark = names.mark(next(iter(self.wanted)))
        for keys in (["/", "n"], ["/", mark], ["f", "n0"], ["f", f"/{mark}.*/"], [":", "n"], [":", mark, "right"], ["w"]):
            self.step(terminal, *keys)
            for key in ("down", "tab", "right", "enter", "n", "n", "escape", "escape"):
                self.step(terminal, key)
        self.step(terminal, "/", "\x1b[200~a\x1b]0;b\x07\u202ec\x1b[201~", "escape", "escape")

    def values(self, terminal: Terminal) -> None:
        """The grid and its axes, the heat map, the singular values, more and no statistics; of the first tensor."""
        self.step(terminal, "g", "]", "enter", "l", "j", "t", "+", ":", "1", "enter")
        self.step(terminal, "a", "l", "w", "enter")
        for keys in ("vjVV v", "u", "u", "sb", "s", "s", "zz", "D"):
            self.step(terminal, *keys)
        self.step(terminal, "escape")

    def health(self, terminal: Terminal) -> None:
        """What is wrong with the values of each, in the line at the bottom and as a list."""
        self.step(terminal, "S", sign="S lists")
        self.step(terminal, "n", "n", "N")
        self.expect_all(self.pages(terminal, "S"), "the health")
        self.step(terminal, "S", "j", "enter", "escape")

    def layers(self) -> None:
        """Repeated layers in one row, and each of their tensors over depth."""
        with self.terminal("blocks.pt") as terminal:
            self.step(terminal, "D")
            screens = [self.step(terminal, key) for key in ["E", *"j" * min(2 + len(self.wanted), 12)]]
            self.step(terminal, "tab", "tab")
            screens += self.pages(terminal, "j", count=3)
            self.step(terminal, "D")
            self.expect_all(
                [*screens, self.step(terminal, "E"), *(self.step(terminal, "pagedown") for _ in range(6))], "the layers"
            )

    def problems_and_metadata(self) -> None:
        """What is wrong with each, and what the file says of itself."""
        with self.terminal("model.safetensors") as terminal:
            for key, where in (("!", "the problems"), ("i", "the metadata")):
                screens = self.pages(terminal, key)
                if not {"half a character", "a megabyte"} & set(self.wanted):
                    self.expect_all(screens, where)
            self.step(terminal, "!", "j", "enter", "escape")

    def texts(self) -> None:
        """The texts, by name and each for itself, and those of classes, functions and graphs."""
        for name in ("package.pt", "script.pt", "graph.onnx"):
            with self.terminal(name) as terminal:
                self.step(terminal, "T")
                for _ in range(min(4, len(self.wanted))):
                    self.step(terminal, "enter")
                    self.step(terminal, "pagedown", "y", "escape")
                    self.step(terminal, "j")
                self.step(terminal, "escape", "escape")
                self.step(terminal, "E", "g")
                for _ in range(min(4, 1 + len(self.wanted))):
                    # The text about what the cursor is on.
                    self.step(terminal, "j")
                    self.step(terminal, "T")
                    self.step(terminal, "T", "escape", "escape")
                self.pages(terminal, "x")
                self.pages(terminal, "i")

    def chooser(self) -> None:
        """Files that are called so: found, filtered, opened, and refused."""
        with self.terminal() as terminal:
            terminal.wait_for("model.safetensors")
            self.step(terminal, "/", "n", "escape")
            for down in range(3):
                self.step(terminal, *["j"] * down, "enter")
                self.step(terminal, "o")
            self.step(terminal, "o", "/nowhere/\x1b[200~a\x1b]0;b\x07\x1b[201~", "enter", "escape")

    def reports(self) -> None:
        """What is written without a screen."""
        model, tensors = "model.pt", "model.safetensors"
        first = names.mark(next(iter(self.wanted)))
        others = [path.name for path in self.files.glob("n*")][:4]
        words = [
            [model, "--print"],
            [model, "--stats", "--filter", f"{first}*"],
            [model, "--scan"],
            [model, "--get", first],
            [model, tensors, "--diff"],
            [tensors, "--print"],
            [tensors, "--verify"],
            [model, "--verify"],
            *([name, "--print"] for name in ("package.pt", "script.pt", "graph.onnx", "blocks.pt")),
            ["package.pt", "--scan"],
            [model, "--export", "/proc/nowhere/all.npz"],
            [model, "--export", "all.npy"],
            [tensors, "--export", "all.json"],
            [model, "--filter", "\x1b]0;b\x07", "--json"],
            *([name, "--print"] for name in others),
        ]
        with self.run([sys.executable, "-c", SEVERAL, json.dumps(words)]) as terminal:
            terminal.wait(60)
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
