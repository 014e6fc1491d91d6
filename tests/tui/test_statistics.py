"""The statistics of the tensor under the cursor, as a person reads them while and after they are counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import inspector
from inspector.statistics import crew
from inspector.statistics.scan import scan
from tests.tui.conftest import Person, exploring
from tests.tui.slow import BLOCK, SlowBlocks
from tui.cli import main
from tui.known import Known
from tui.summary import figure, summary
from tui.widgets.statistics import Count

BLOCKS = 64


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowBlocks:
    monkeypatch.setattr("tui.screens.counting.FIRST", 0.0)
    monkeypatch.setattr("tui.screens.counting.EVERY", 0.0)
    return SlowBlocks(monkeypatch)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def save(**tensors: torch.Tensor) -> Path:
        torch.save(tensors, tmp_path / "model.pt")
        return tmp_path / "model.pt"

    return save


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def panel(person: Person) -> str:
    return person.app.explorer.statistics.text


async def counted(person: Person) -> None:
    await person.until(lambda: (count := person.app.explorer.statistics.count) is not None and count.done, "all figures")


def reported(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, float]]:
    main([str(path), "--stats", "--json"])
    return {tensor["name"]: tensor["stats"] for tensor in json.loads(capsys.readouterr().out)["tensors"]}


async def test_the_figures_are_those_of_the_reports_to_the_digit(
    save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
):
    path = save(a=normal(300, 40), h=(normal(70, 30) / 50).bfloat16(), i=torch.arange(-5, 900))
    stats = reported(path, capsys)
    main([str(path), "--stats", "--print"])
    printed = capsys.readouterr().out
    async with exploring(path) as person:
        await person.press("s")
        for name in "ahi":
            await person.press("]")
            await counted(person)
            words = panel(person).split()
            for figure_name in ("min", "max", "mean", "std", "norm"):
                text = figure(stats[name][figure_name])
                assert words[words.index(figure_name) + 1] == text
                assert figure_name == "norm" or text in printed
            for part, value in stats[name]["quantiles"].items():
                assert f"{100 * float(part):.3g} % {figure(value)}" in " ".join(words), part


async def test_first_figures_come_early_and_say_that_they_are_not_of_all(save: Callable[..., Path], slow: SlowBlocks):
    async with exploring(save(a=normal(BLOCKS, BLOCK // 4))) as person:
        await person.press("j")
        slow.allow(3)
        await person.see("so far  of 768 elements")
        assert "5%" in panel(person) and "min" in panel(person) and "quantiles" not in panel(person)
        slow.allow(BLOCKS // 2)
        await person.see("so far  of 8,960 elements")
        slow.flow()
        await counted(person)
        assert "so far" not in panel(person)


async def test_figures_of_a_row_that_was_left_never_show(save: Callable[..., Path], slow: SlowBlocks):
    shown: list[Count | None] = []
    path = save(a=normal(BLOCKS, BLOCK // 4), b=normal(BLOCKS, BLOCK // 4) + 100, c=torch.ones(3))
    async with exploring(path) as person:
        await person.press("j")
        slow.allow(5)
        await person.see("so far")
        show = person.app.explorer.statistics.show
        person.app.explorer.statistics.show = lambda count: (shown.append(count), show(count))[1]  # type: ignore
        await person.press("j")
        assert panel(person) == ""
        slow.flow()
        await counted(person)
        assert {count.tensor.name for count in shown if count is not None} == {"b"}
        assert "min         95.6" in panel(person)


async def test_moving_on_ends_the_count_within_a_block(save: Callable[..., Path], slow: SlowBlocks):
    async with exploring(save(a=normal(BLOCKS, BLOCK // 4), b=torch.tensor(3.0))) as person:
        await person.press("j")
        slow.allow(5)
        await person.until(lambda: slow.read == 5)
        await person.press("g")
        slow.flow()
        # What is asked for later is answered: the thread is free again.
        await person.press("G")
        await counted(person)
        assert slow.read <= 5 + 1 + 1


async def test_large_tensors_are_counted_by_a_helper_that_stays_for_the_next(
    save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(crew, "ALONE", 0)
    monkeypatch.setattr(crew, "SMALL", 0)
    monkeypatch.setattr("tui.screens.counting.FIRST", 0.0)
    monkeypatch.setattr("tui.screens.counting.EVERY", 0.0)
    path = save(a=normal(6000, 1024), b=normal(6000, 1024).bfloat16(), c=torch.ones(3))
    alone = reported(path, capsys)
    shown: list[Count | None] = []
    async with exploring(path) as person:
        explorer = person.app.explorer
        show = explorer.statistics.show
        explorer.statistics.show = lambda count: (shown.append(count), show(count))[1]  # type: ignore
        helpers = []
        for name in "ab":
            await person.press("j")
            await counted(person)
            assert explorer.statistics.count is not None and explorer._crew is not None
            found = explorer.statistics.count.statistics
            assert found is not None and found.histogram is not None
            assert {figure_name: getattr(found, figure_name) for figure_name in ("min", "mean", "std", "norm")} == {
                figure_name: alone[name][figure_name] for figure_name in ("min", "mean", "std", "norm")
            }
            (helper,) = explorer._crew.helpers
            helpers.append(helper.process)
        assert helpers[0] is helpers[1]
        parts = [count.part for count in shown if count is not None and count.tensor.name == "a"]
        assert parts == sorted(parts) and len(parts) > 10
        await person.press("r")
        await person.until(lambda: helpers[0].returncode is not None, "the end of who counted in the file as it was")


async def test_a_count_that_was_left_is_not_taken_for_the_next_one(
    save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(crew, "ALONE", 0)
    monkeypatch.setattr(crew, "LOOK", 0)
    path = save(a=torch.full((9 << 20,), 7.0), b=normal(5000, 1024))
    alone = reported(path, capsys)["b"]
    async with exploring(path) as person:
        await person.press("j")
        await person.until(
            lambda: (made := person.app.explorer._crew) is not None and made.helpers and made.helpers[0].waiting
        )
        await person.press("j")
        await counted(person)
        found = person.app.explorer.statistics.count
        assert found is not None and found.statistics is not None
        assert (found.statistics.max, found.statistics.mean, found.statistics.count) == (
            alone["max"], alone["mean"], 5000 * 1024,
        )  # fmt: skip


async def test_nothing_is_counted_while_the_cursor_moves(save: Callable[..., Path], slow: SlowBlocks):
    slow.flow()
    async with exploring(save(**{f"t{number}": torch.ones(3) for number in range(6)})) as person:
        await person.pilot.press("j", "j", "j", "j", "j", "j")
        await counted(person)
        assert slow.read == 1


async def test_what_was_counted_is_known_when_the_cursor_comes_back(save: Callable[..., Path], slow: SlowBlocks):
    slow.flow()
    async with exploring(save(a=normal(50, 50), b=normal(3))) as person:
        await person.press("j")
        await counted(person)
        text, read = panel(person), slow.read
        await person.press("j")
        await counted(person)
        await person.press("k")
        await person.until(lambda: panel(person) == text)
        assert slow.read == read + 1


def test_another_files_figures_are_not_known(tmp_path: Path):
    known = Known()
    for number in range(2):
        torch.save({"a": torch.full((3,), number)}, tmp_path / f"{number}.pt")
    checkpoints = [inspector.open(tmp_path / f"{number}.pt") for number in range(2)]
    known.open(checkpoints[0])
    result = scan(checkpoints[0]["a"])  # type: ignore[arg-type]
    known.keep(checkpoints[0]["a"], result)  # type: ignore[arg-type]
    assert known.whole(checkpoints[0]["a"]) == result  # type: ignore[arg-type]
    known.open(checkpoints[1])
    assert known.whole(checkpoints[1]["a"]) is None  # type: ignore[arg-type]


async def test_nan_and_inf_have_bars_of_their_own_and_are_told(save: Callable[..., Path]):
    x = normal(100, 100)
    x[3, :7], x[4, 5], x[6, 7] = torch.nan, torch.inf, -torch.inf
    async with exploring(save(x=x)) as person:
        await person.press("j")
        await counted(person)
        head, *_, axis = panel(person).splitlines()
        assert "NaN 7  +Inf 1  -Inf 1" in head
        assert axis.split()[-3:] == ["-Inf", "+Inf", "NaN"]
        bars = panel(person).splitlines()[-2]
        assert bars.rstrip().endswith("▁▁▁▁  ▁▁▁▁  ▁▁▁▁")


async def test_b_makes_the_bars_logarithms(save: Callable[..., Path]):
    async with exploring(save(x=normal(100, 100))) as person:
        await person.press("j")
        await counted(person)
        linear = panel(person)
        await person.press("b")
        assert "log counts" in panel(person)
        assert panel(person).count("█") > linear.count("█")
        await person.press("b")
        assert panel(person) == linear


async def test_the_histogram_is_symmetric_around_zero(save: Callable[..., Path]):
    async with exploring(save(x=torch.cat([torch.zeros(5), torch.full((5,), 3.0)]))) as person:
        await person.press("j")
        await counted(person)
        axis = panel(person).splitlines()[-1].split()
        assert axis[-3:] == ["-3.000", "0", "3.000"]


async def test_the_bound_of_quantiles_is_told_where_they_are_not_exact(save: Callable[..., Path]):
    async with exploring(save(f=normal(40, 40), h=normal(40, 40).half())) as person:
        await person.press("j")
        await person.see("quantiles ± 0.39 %")
        await person.press("j")
        await person.until(lambda: "exact  1,600 elements" in panel(person))


async def test_complex_numbers_show_their_magnitudes_and_parts(save: Callable[..., Path]):
    async with exploring(save(c=torch.tensor([3 + 4j, 1j])), size=(120, 60)) as person:
        await person.press("j", "s")
        await person.see("magnitudes |x|")
        await person.see("real max")
        assert "max      5.000" in panel(person)


async def test_a_tensor_without_values_says_so(tmp_path: Path):
    torch.save({"m": torch.empty(3, 4, device="meta")}, tmp_path / "meta.pt")
    async with exploring(tmp_path / "meta.pt") as person:
        await person.press("j")
        await person.until(lambda: "no values" in panel(person))


async def test_s_shows_more_then_none_then_some(save: Callable[..., Path]):
    async with exploring(save(x=normal(100, 100))) as person:
        await person.press("j")
        await counted(person)
        assert "99.9 %" not in panel(person)
        await person.press("s")
        assert "99.9 %" in person.screen
        await person.press("s")
        assert "statistics  quantiles" not in person.screen
        await person.press("s")
        await person.see("statistics  quantiles")


async def test_on_a_narrow_screen_they_stand_below_the_tree(save: Callable[..., Path]):
    async with exploring(save(x=normal(100, 100)), size=(80, 24)) as person:
        await person.press("j")
        assert "statistics  quantiles" not in person.screen
        await person.press("s")
        await person.see("statistics  quantiles")
        assert "model.pt" in person.screen and "storage" not in person.screen
        await person.press("s")
        assert "statistics  quantiles" not in person.screen


async def test_statistics_are_copied_as_the_document_has_them(
    save: Callable[..., Path], sent: list[str], capsys: pytest.CaptureFixture[str]
):
    path = save(x=normal(100, 100))
    async with exploring(path) as person:
        await person.press("j", "y", "s")
        await person.until(lambda: sent)
    assert json.loads(sent[0]) == {"name": "x", **reported(path, capsys)["x"]}


async def test_m_shows_the_short_form_of_what_is_in_sight_in_the_tree(save: Callable[..., Path], slow: SlowBlocks):
    slow.flow()
    x = normal(100, 100)
    x[3, 4] = torch.nan
    tensors = {f"t{number:02}": torch.tensor([float(number)]) for number in range(60)}
    path = save(x=x, **tensors)
    async with exploring(path, size=(120, 30)) as person:
        await person.press("m")
        await person.see("x=5")
        (line,) = [line for line in person.lines if " x " in line[:12]]
        assert summary(scan(inspector.open(path)["x"])) in line  # type: ignore[arg-type]
        assert "NaN!" in line
        shown = sum("x=" in line for line in person.lines)
        await person.until(lambda: not any("…" in line[:60] for line in person.lines[2:-1]))
        assert len(person.app.explorer.module_tree.look.summaries or ()) < 40
        await person.press("G")
        await person.see("x=59")
        await person.press("m")
        assert "x=59" not in person.screen and "float32 [1]" in person.screen
        assert shown > 10
