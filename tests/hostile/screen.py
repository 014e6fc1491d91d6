"""A walk over the whole screen with a file in it, and how long the screen was ever kept from drawing."""

from __future__ import annotations

import asyncio
import time

from textual.pilot import Pilot

from tui.app import TorchTUI

FRAME = 0.1
"""Seconds that no frame may wait for."""

PATIENCE = 30
"""Seconds in which a file has to be open, or refused."""

KEYS = (
    # The tree: everything unfolded, its end, pages, folded; a search, a filter, a name.
    "E", "G", "ctrl+u", "k", "J", "g", "ctrl+d", "C", "e", "slash", "a", "enter", "n", "escape",
    "f", "a", "enter", "escape", "colon", "a", "tab", "escape", "right_square_bracket", "left_square_bracket",
    # The pages: metadata, problems, calls, texts, help; each moved in and left.
    "i", "G", "escape", "exclamation_mark", "G", "escape", "x", "G", "escape", "T", "j", "escape", "question_mark", "escape",
    # Details and values.
    "tab", "G", "j", "tab", "l", "j", "G", "d", "s", "v", "t", "escape", "z", "r",
)  # fmt: skip


def walk_screen(path: str, frame: float = FRAME) -> str:
    """Opens it, presses keys, and asks that all this kept no frame waiting so long; says how long the longest took."""
    return f"{asyncio.run(_walk(path, frame)) * 1000:.0f} ms"


async def _walk(path: str, frame: float) -> float:
    app = TorchTUI(path)
    async with app.run_test(size=(160, 45)) as pilot:
        watch = Watch()
        ticking = asyncio.create_task(watch.tick())
        try:
            await _opened(app, pilot)
            for key in KEYS:
                watch.key = key
                await pilot.press(key)
            await _opened(app, pilot)
        finally:
            ticking.cancel()
        assert app.return_code is None, "it ended"
        assert watch.longest < frame, f"at {watch.at or 'opening'} the screen stood still for {watch.longest * 1000:.0f} ms"
        return watch.longest


async def _opened(app: TorchTUI, pilot: Pilot[None]) -> None:
    """Waits until the file shows, or the choice of another one with the reason."""
    end = time.monotonic() + PATIENCE
    while app.explorer.module_tree.node is None and not app.error:
        assert time.monotonic() < end, "it neither opens nor is refused"
        await pilot.pause(0.02)


class Watch:
    """Ticks in the screen's own loop: `longest` is what passed between two ticks.

    In seconds of this process's processor, which other work on the machine does not change; what runs in threads beside
    is in it too.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.key = self.at = ""

    async def tick(self) -> None:
        """Until it is cancelled."""
        before = time.process_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.process_time()
            if now - before > self.longest:
                self.longest, self.at = now - before, self.key
            before = now
