"""A key is answered by one paint, of all that it changes, and of nothing that looks as before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.widget import Widget

from tests.tui.conftest import Person, exploring
from tui.changed_cells import ChangedCells, Piece
from tui.painting import Painting


@pytest.fixture
def paints(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """For each paint the texts of its lines; those of Textual's own have none."""
    texts: list[list[str]] = []
    show = ChangedCells.show

    def noted(app: ChangedCells, screen: Painting, lines: Sequence[Piece], update: object) -> None:
        if lines or update is not None:
            texts.append([strips[0].text for _, _, strips in lines])
        show(app, screen, lines, update)  # type: ignore[arg-type]

    monkeypatch.setattr(ChangedCells, "show", noted)
    return texts


async def painted(person: Person, paints: list[list[str]], key: str) -> list[list[str]]:
    await person.pilot.pause(0.3)
    paints.clear()
    await person.press(key)
    return list(paints)


async def test_row_position_and_details_come_in_one_paint(module: Path, paints: list[list[str]]):
    async with exploring(module) as person:
        await person.see("Embedding")
        (lines,) = await painted(person, paints, "down")
        text = "\n".join(lines)
        assert "▾ 0" in text and "2/" in text and "torch.nn.modules.sparse.Embedding" in text


async def test_a_fold_comes_in_one_paint(module: Path, paints: list[list[str]]):
    async with exploring(module) as person:
        await person.see("Embedding")
        (lines,) = await painted(person, paints, "space")
        assert any("▸ module.pt" in line for line in lines)


async def test_what_textual_draws_for_itself_is_painted_too(module: Path, paints: list[list[str]]):
    async with exploring(module) as person:
        await person.see("Embedding")
        await person.press("/")
        drawn = await painted(person, paints, "w")
        assert any("w" in line for lines in drawn for line in lines)


async def test_a_widget_that_something_lies_over_is_left_to_textual(module: Path):
    async with exploring(module) as person:
        screen = person.app.explorer
        assert person.app.explorer.module_tree in dict(screen._uncovered())
        over = Widget()
        over.styles.layer, over.styles.width, over.styles.height = "over", 20, 5
        screen.styles.layers = ("default", "over")
        await screen.mount(over)
        await person.pilot.pause()
        covered = {person.app.explorer.title_line, person.app.explorer.module_tree}
        assert not covered & dict(screen._uncovered()).keys()
