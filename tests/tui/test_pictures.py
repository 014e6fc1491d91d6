"""Whole screens, as pictures. Few of them: what they show is asserted elsewhere, how it looks only here.

After a change that is meant: `pytest tests/tui/test_pictures.py --snapshot-update`, and look at the pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tui.app import TorchTUI


@pytest.mark.parametrize(
    ("theme", "size", "keys"),
    [
        ("torchtui-dark", (120, 30), ["G", "k"]),
        ("torchtui-light", (120, 30), ["j", "slash", *"bias"]),
        ("torchtui-dark", (80, 24), ["j", "j", "y"]),
        ("torchtui-16", (80, 24), ["j", "j", "tab"]),
    ],
    ids=["a tensor", "a search in the light theme", "the copy menu on a narrow terminal", "sixteen colours"],
)
def test_the_screen_looks_as_it_did(tutorial: Path, snap_compare: Any, theme: str, size: tuple[int, int], keys: list[str]):
    app = TorchTUI(str(tutorial / "model.pt"))
    app.theme = theme

    async def look(pilot: Pilot[None]) -> None:
        while app.explorer.module_tree.rows is None:
            await pilot.pause(0.02)
        await pilot.press(*keys)
        await pilot.pause(0.5)

    assert snap_compare(app, terminal_size=size, run_before=look)
