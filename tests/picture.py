"""Makes the README's picture of the real screen: `python -m tests.picture` runs the program on its demo model.

With a file and keys of your own: `python -m tests.picture --keys :,fc3.weight,enter --size 100x30 --to fc3.svg model.pt`.
`--png` also draws the SVG with rsvg-convert (Debian's package librsvg2-bin), to look at it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.terminal.terminal import KEYS
from tui.app import TorchTUI
from tui.cli import DEMO

CELL = 12.2
"""The width of a character in Textual's SVG."""

PICTURE = Path(__file__).parent / "pictures" / "screen.svg"

A_WEIGHT = ":,model.letters.weight,enter,enter,c"
"""The keys that lead to the values of a weight, in colours."""


async def draw(path: str, keys: Sequence[str], size: tuple[int, int]) -> str:
    """The SVG of the screen of `torchtui PATH`, `size` cells wide and high, after these keys."""
    app = TorchTUI(*([path] if path else []))
    async with app.run_test(size=size) as pilot:
        await pilot.pause(1)
        for key in keys:
            await pilot.press(*([key] if key in KEYS or "+" in key else key))
            await pilot.pause(0.3)
        await pilot.pause(0.5)
        return anchored(app.export_screenshot(title="torchtui"))


def anchored(svg: str) -> str:
    """The same picture without blanks at the start of its texts, which librsvg swallows: they begin further right."""

    def moved(text: re.Match[str]) -> str:
        blanks = len(text["blanks"]) // len("&#160;")
        x, length = float(text["x"]) + blanks * CELL, float(text["length"]) - blanks * CELL
        return f'x="{x:g}"{text["between"]}textLength="{length:g}"{text["rest"]}>'

    found = r'x="(?P<x>[0-9.]+)"(?P<between>[^>]*)textLength="(?P<length>[0-9.]+)"(?P<rest>[^>]*)>(?P<blanks>(?:&#160;)+)'
    return re.sub(found, moved, svg)


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.picture", description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", default=str(DEMO), help="the model file; without one, the demo")
    parser.add_argument("--keys", default=A_WEIGHT, help="keys to press, with commas between; words are typed")
    parser.add_argument("--size", default="120x36", help="columns x rows")
    parser.add_argument("--to", type=Path, default=PICTURE, metavar="FILE.svg")
    parser.add_argument("--png", action="store_true", help="also as a PNG beside it")
    wanted = parser.parse_args()
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", COLORFGBG="15;0")
    columns, rows = (int(number) for number in wanted.size.split("x"))
    keys = [key for key in wanted.keys.split(",") if key]
    svg = asyncio.run(draw(wanted.path, keys, (columns, rows)))
    wanted.to.write_text(svg)
    if wanted.png:
        subprocess.run(["rsvg-convert", "-z", "1.5", "-o", wanted.to.with_suffix(".png"), wanted.to], check=True)


if __name__ == "__main__":
    main()
