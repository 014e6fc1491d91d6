"""The heat map of a tensor, as a person sees and walks it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from inspector.statistics import heat
from tests.tui.conftest import Person, exploring
from tui.colour_scale import NEGATIVE, POSITIVE
from tui.picture import Picture
from tui.widgets.heat_map import BAD, HeatMap


@pytest.fixture(autouse=True)
def true_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A matrix much larger than any pane: 1 above, -1 below, zero at the left, one NaN; and kernels of a convolution."""
    large = torch.ones(4000, 600)
    large[2000:] = -1
    large[:, :300] = 0
    large[3999, 599] = torch.nan
    kernels = torch.zeros(40, 30, 3, 3)
    kernels[:, :, 1, 1] = 1
    kernels[0, 1, 0, 2] = -1
    torch.save(
        {"large": large, "kernels": kernels, "small": torch.tensor([[1.0, -1.0], [0.0, 1.0]])}, tmp_path / "model.pt"
    )
    return tmp_path / "model.pt"


def colours(person: Person) -> list[list[tuple[int, int, int] | None]]:
    """The background of the points of the map, from the top: two in each character."""
    region = person.app.explorer.heat_map.region
    rows: list[list[tuple[int, int, int] | None]] = []
    for y in range(1, region.height):
        halves: list[list[tuple[int, int, int] | None]] = [[], []]
        for segment in person.app.explorer.heat_map.render_line(y):
            style = segment.style
            assert style is not None
            for half, colour in zip(halves, (style.color, style.bgcolor), strict=True):
                half += [tuple(colour.triplet) if colour is not None and colour.triplet else None] * len(segment.text)
        rows += halves
    return rows


async def drawn(person: Person, what: str) -> HeatMap:
    await person.see(what)
    heat_map = person.app.explorer.heat_map
    await person.until(lambda: "%" not in heat_map.text, "the whole map")
    return heat_map


async def on_the_map(person: Person, *keys: str) -> None:
    await person.press(*keys, "v", "tab")
    await person.until(lambda: person.app.explorer.heat_map.picture is not None)


async def test_a_matrix_is_reduced_to_the_pane_blue_below_zero_and_red_above(saved: Path):
    async with exploring(saved) as person:
        await person.press("j", "v")
        heat_map = await drawn(person, "largest |x|")
        assert "-1.000 to 1.000" in heat_map.text
        points = colours(person)
        top, bottom = points[1], points[-2]
        assert top[-2] == POSITIVE.rgb and bottom[-4] == NEGATIVE.rgb
        assert top[1] not in (POSITIVE.rgb, NEGATIVE.rgb)
        assert BAD.bgcolor is not None
        assert tuple(BAD.bgcolor.triplet or ()) in {point for row in points for point in row}
        await person.press("v")
        await person.until(lambda: "largest |x|" not in person.screen)


async def test_the_cell_under_the_cursor_is_told_and_enter_goes_to_its_values(saved: Path):
    async with exploring(saved) as person:
        await on_the_map(person, "j")
        await drawn(person, "largest |x|")
        await person.press("l", "j")
        assert ":" in person.bottom and "largest 0, mean 0" in person.bottom
        for _ in range(12):
            await person.press("ctrl+d", "L")
        await person.until(lambda: "1 NaN" in person.bottom)
        await person.press("enter")
        await person.until(lambda: person.focused == "ValueGrid" and "large[" in person.bottom)
        assert person.app.explorer.grid.index is not None and person.app.explorer.grid.index[0] > 3880


async def test_space_draws_each_element_around_the_cursor_and_moving_on_reads_the_next(saved: Path):
    async with exploring(saved) as person:
        await on_the_map(person, "j")
        heat_map = await drawn(person, "largest |x|")
        for _ in range(12):
            await person.press("ctrl+d", "L")
        await person.press("space")
        await drawn(person, "an element a cell")
        await person.until(lambda: ", 589]" in person.bottom or ", 590]" in person.bottom)
        for _ in range(12):
            await person.press("ctrl+d", "L")
        await person.until(lambda: person.bottom.endswith("[3999, 599] nan"))
        assert BAD.bgcolor is not None
        await person.press("k")
        await person.until(lambda: person.bottom.endswith("[3998, 599] -1.000"))
        assert tuple(BAD.bgcolor.triplet or ()) in {point for row in colours(person) for point in row}
        await person.press("space")
        await person.until(lambda: " x 10 a cell" in heat_map.text)


async def test_V_draws_the_mean_then_what_is_not_finite(saved: Path):
    async with exploring(saved) as person:
        await on_the_map(person, "j")
        heat_map = await drawn(person, "largest |x|")
        await person.press("V")
        assert " mean " in heat_map.text
        await person.press("V")
        assert "NaN and Inf" in heat_map.text
        strong = [point for row in colours(person) for point in row if point == POSITIVE.rgb]
        assert len(strong) == 1


async def test_kernels_of_a_convolution_stand_side_by_side(saved: Path):
    async with exploring(saved) as person:
        await on_the_map(person, "j", "j")
        heat_map = await drawn(person, "of 40 x 30")
        points = colours(person)
        assert [column for column in range(12) if points[1][column] == POSITIVE.rgb] == [1, 5, 9]
        assert [row for row in range(9) if points[row][1] == POSITIVE.rgb] == [1, 5]
        assert points[0][4 + 2] == NEGATIVE.rgb
        await person.press("l", "j")
        assert person.bottom.endswith("[0, 0, 1, 1] 1.000, norm of this kernel 1.000")
        # At the edge the next kernels come.
        for _ in range(8):
            await person.press("L")
        await person.until(lambda: "kernels [0:" in heat_map.text and ", 0:" not in heat_map.text)


async def test_small_matrices_are_drawn_large(saved: Path):
    async with exploring(saved) as person:
        await person.press("G", "v")
        await drawn(person, "an element a cell")
        points = colours(person)
        assert points[5][5] == POSITIVE.rgb and points[5][6] == NEGATIVE.rgb and points[6][6] == POSITIVE.rgb


async def test_without_colours_there_are_shades_of_text(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with exploring(saved, size=(160, 36)) as person:
        await person.press("G", "v")
        await drawn(person, "an element a cell")
        assert any("██████≡≡≡≡≡≡" in line for line in person.lines)
        assert any(line.rstrip().endswith("-1.000 ≡=-. ░▒▓█ 1.000") for line in person.lines)
        assert any(line.rstrip().endswith("▏      ██████") for line in person.lines)


async def test_in_sixteen_colours_the_shades_are_red_and_blue_and_equally_strong(saved: Path):
    async with exploring(saved) as person:
        person.app.theme = "torchtui-16"
        await person.press("G", "v")
        await drawn(person, "an element a cell")
        first = next(line for line in shades(person) if any(text == "█" * 6 for text, _ in line))
        assert first[:2] == [("█" * 6, "red"), ("█" * 6, "blue")]


def shades(person: Person) -> list[list[tuple[str, str]]]:
    """The pieces of the lines of the map, with the names of their colours."""
    heat_map = person.app.explorer.heat_map
    return [
        [(part.text, part.style.color.name) for part in heat_map.render_line(y) if part.style and part.style.color]
        for y in range(1, heat_map.size.height)
    ]


@pytest.mark.parametrize("theme", ["torchtui-dark", "torchtui-light"])
async def test_in_256_colours_the_shades_are_colours_that_the_terminal_has(
    theme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv("TERM", "xterm-256color")
    steps = torch.arange(1.0, 25) / 24
    torch.save({"ramp": torch.stack([steps, -steps])}, tmp_path / "ramp.pt")
    async with exploring(tmp_path / "ramp.pt") as person:
        person.app.theme = theme
        await person.press("j", "v")
        await drawn(person, "an element a cell")
        points = colours(person)
        above = list(dict.fromkeys(points[0][: 24 * width_of_a_cell(person)]))
        below = list(dict.fromkeys(points[width_of_a_cell(person)][: 24 * width_of_a_cell(person)]))
        for ramp, strongest in ((above, 0), (below, 2)):
            assert len(ramp) == 6
            for shade in ramp:
                assert shade is not None
                assert set(shade) <= {0, 95, 135, 175, 215, 255}
                assert max(shade) == shade[strongest] > min(shade)
        # What is stronger is farther from the background: every step goes the same way.
        light = [[sum(shade or ()) for shade in ramp] for ramp in (above, below)]
        assert all(sums == sorted(sums, reverse=theme == "torchtui-light") for sums in light)


def width_of_a_cell(person: Person) -> int:
    picture = person.app.explorer.heat_map.picture
    assert picture is not None
    return picture.magnified


async def test_a_map_shows_while_it_is_made_and_stops_when_the_cursor_moves(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tui.screens.heating.EVERY", 0.0)
    monkeypatch.setattr(heat, "BLOCK", 6000)
    parts: list[float] = []
    show = HeatMap.show
    monkeypatch.setattr(
        HeatMap, "show", lambda self, picture, part, error="": (parts.append(part), show(self, picture, part, error))
    )
    async with exploring(saved) as person:
        await person.press("j", "v")
        await drawn(person, "largest |x|")
        assert sorted(parts) == parts and 0 < parts[0] < 1 and parts[-1] == 1


async def test_a_map_of_a_row_that_was_left_never_shows(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tui.screens.heating.EVERY", 0.0)
    monkeypatch.setattr(heat, "BLOCK", 6000)
    shown: list[tuple[str, bool]] = []
    show = HeatMap.show

    def noted(self: HeatMap, picture: Picture | None, part: float, error: str = "") -> None:
        tensor = self._tensor
        assert tensor is not None and picture is not None
        shown.append((tensor.name, " x 10 a cell" in picture.what))
        show(self, picture, part, error)

    monkeypatch.setattr(HeatMap, "show", noted)
    async with exploring(saved) as person:
        await person.press("j", "v")
        await person.until(lambda: shown)
        await person.press("G")
        assert person.app.explorer.heat_map.picture is None or shown[-1][0] == "small"
        await drawn(person, "an element a cell")
        await person.press("g")
        await person.pilot.pause(0.1)
        assert {large for name, large in shown if name == "large"} == {True}
        assert {large for name, large in shown if name == "small"} == {False}
