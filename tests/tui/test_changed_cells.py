"""What the terminal is sent is little, and always makes it show what Textual meant to: read off a terminal, `pyte`."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.terminal.sent import strange
from tests.terminal.terminal import Terminal
from tui.changed_cells import Shown
from tui.lines import cells

WIDTH, HEIGHT = 40, 6
STYLES = [
    None,
    Style.parse("#ff0000 on #101010"),
    Style.parse("#00ff00 on #101010"),
    Style.parse("bold #00ff00 on #202020"),
    Style.parse("underline on #202020"),
    Style.parse("reverse"),
    Style.parse("on #303030"),
]
WORDS = ["weight", "  ", " ", "0.25", "│ ▾ ", "名前", "é", "e\u0301", "⏎ open", "·", "- 1 -", ""]


def strip(draw: random.Random, width: int) -> Strip:
    segments, left = [], width
    while left:
        text = draw.choice(WORDS) or " " * draw.randint(1, 12)
        if cells(text) <= left:
            segments.append(Segment(text, draw.choice(STYLES)))
            left -= cells(text)
    return Strip(segments, width)


def frames(seed: int) -> Iterator[list[tuple[int, int, Strip]]]:
    """Pieces as a screen of two panes has them: all of it, some rows of one, the beginning of one."""
    draw = random.Random(seed)
    middle = draw.randint(5, WIDTH - 5)
    panes = [(0, middle), (middle, WIDTH - middle)]
    held = {(x, y): strip(draw, width) for y in range(HEIGHT) for x, width in panes}
    for _ in range(12):
        for x, width in panes:
            for y in range(HEIGHT):
                if draw.random() < 0.4:
                    held[x, y] = strip(draw, width)
        kind = draw.randrange(3)
        if kind == 0:
            yield [(x, y, piece) for (x, y), piece in held.items()]
        else:
            rows = draw.sample(range(HEIGHT), 3)
            x, _ = panes[kind - 1]
            yield [(x, y, held[x, y].crop(0, draw.choice([3, 100]))) for y in rows]


def look(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """What can be seen: of a blank no foreground."""
    rows = []
    for y in range(HEIGHT):
        row = []
        for x in range(WIDTH):
            cell = screen.buffer[y][x]
            seen = cell.data.strip() or cell.underscore or cell.reverse
            row.append((cell.data, cell.bg, cell.underscore, cell.reverse, *((cell.fg, cell.bold) if seen else ())))
        rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(60))
def test_a_terminal_shows_the_same_as_if_everything_were_written(seed: int):
    shown = Shown()
    shown.fit(WIDTH, HEIGHT)
    screens = [pyte.Screen(WIDTH, HEIGHT) for _ in range(2)]
    streams = [pyte.Stream(screen) for screen in screens]
    for stream in streams:
        # As Textual has it: lines are not wrapped.
        stream.feed("\x1b[?7l")
    for frame in frames(seed):
        streams[0].feed(shown.write([(x, y, [piece]) for x, y, piece in frame], ColorSystem.TRUECOLOR))
        for x, y, piece in frame:
            text = "".join(segment.style.render(segment.text) if segment.style else segment.text for segment in piece)
            streams[1].feed(f"\x1b[{y + 1};{x + 1}H{text}")
        assert look(screens[0]) == look(screens[1])


def test_what_is_shown_already_costs_nothing():
    shown = Shown()
    shown.fit(WIDTH, HEIGHT)
    row = [Strip([Segment("weight  [4, 3]".ljust(WIDTH), STYLES[1])])]
    assert shown.write([(0, 0, row)], ColorSystem.TRUECOLOR)
    assert shown.write([(0, 0, row)], ColorSystem.TRUECOLOR) == ""
    assert shown.write([(0, 1, row)], ColorSystem.TRUECOLOR)
    shown.forget()
    assert shown.write([(0, 0, row)], ColorSystem.TRUECOLOR)


def test_of_a_line_only_the_cells_are_sent_that_differ():
    shown = Shown()
    shown.fit(WIDTH, HEIGHT)
    before, after = ("loss 0.25".ljust(WIDTH), "loss 0.75".ljust(WIDTH))
    shown.write([(0, 0, [Strip([Segment(before, STYLES[1])])])], ColorSystem.TRUECOLOR)
    sent = shown.write([(0, 0, [Strip([Segment(after, STYLES[1])])])], ColorSystem.TRUECOLOR)
    assert sent == "\x1b[1;8H\x1b[38;2;255;0;0;48;2;16;16;16m7\x1b[0m"


@pytest.mark.parametrize("text", ["\x1b[31m", "a\x07b", "\x9b5m", "\u202eab", "a\xadb", "a\x7f", "名\x1b]0;x\x07é"])
def test_what_every_other_place_forgot_to_make_visible_stops_here(text: str):
    shown = Shown()
    shown.fit(WIDTH, HEIGHT)
    sent = shown.write([(0, 0, [Strip([Segment(text)]).adjust_cell_length(WIDTH)])], ColorSystem.TRUECOLOR)
    assert strange(b"\x1b[?1049h" + sent.encode()) == []


@pytest.fixture
def explorer(tutorial: Path) -> Iterator[Terminal]:
    program = [sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())", "model.pt"]
    with Terminal(program, cwd=tutorial) as terminal:
        terminal.wait_for("fc3")
        terminal.wait_until_quiet()
        yield terminal


def test_where_something_else_wrote_over_the_screen_ctrl_l_draws_it_again(explorer: Terminal):
    before = explorer.screen()
    os.write(explorer._slave, b"\x1b[5;5Hsomebody is at the door")
    explorer.wait_for("somebody is at the door")
    explorer.press("ctrl+l")
    explorer.wait_for(lambda screen: screen == before)


def test_whatever_is_done_the_screen_is_as_if_it_were_drawn_afresh(explorer: Terminal):
    done = ["jjj", "z", "z", "\t", "lljj", "c", "?", "GG", "\x1b", "/", "bias", "\r", "f", "fc2", "\x1b", "i", "\x1b", "G"]
    for keys in done:
        explorer.press(*keys)
        before = explorer.wait_until_quiet()
        explorer.press("ctrl+l")
        assert explorer.wait_until_quiet() == before, keys
    for size in [(80, 24), (81, 24), (120, 40), (40, 10), (100, 30)]:
        explorer.resize(*size)
        before = explorer.wait_until_quiet()
        explorer.press("ctrl+l")
        assert explorer.wait_until_quiet() == before, size


def test_the_first_screen_may_be_another_one(tutorial: Path):
    program = [sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())", "model.pt", "state_dict.pt"]
    with Terminal(program, cwd=tutorial) as terminal:
        terminal.wait_for("2 files")
        terminal.press("enter")
        terminal.wait_for("fc3")


def test_looking_around_costs_few_bytes(explorer: Terminal):
    start = len(explorer.raw)
    assert start < 25_000
    explorer.press("j", "j")
    explorer.wait_for("float32")
    explorer.wait_until_quiet(1)
    first = len(explorer.raw) - start
    assert first < 10_000
    explorer.press("j")
    explorer.wait_until_quiet()
    assert len(explorer.raw) - start - first < 5_000
