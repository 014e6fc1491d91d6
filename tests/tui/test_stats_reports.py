"""Statistics in the reports: exact figures in JSON, the same digits in the tree, filters that need them, Ctrl+C."""

from __future__ import annotations

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inspector
from inspector.nodes import Tensor
from inspector.statistics import QUANTILES, cuts
from inspector.statistics.scan import scan
from inspector.statistics.spectrum import spectrum
from tests.tui.conftest import exploring
from tui import cli
from tui.reports.progress import Progress, duration
from tui.summary import figure, short_form, summary
from tui.widgets.spectrum import Decomposition, spectrum_lines

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        status = cli.main([str(word) for word in words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of a sound matrix, one with NaN and Inf, integers, zeros, a scalar, complex numbers, nothing, meta."""
    generator = torch.Generator().manual_seed(0)
    sick = torch.randn(30, 40, generator=generator)
    sick[3, 4:7] = torch.nan
    sick[5, 6] = -torch.inf
    made = {
        "sound": torch.randn(30, 40, generator=generator).bfloat16() * 0.02,
        "sick": sick,
        "count": torch.arange(9).reshape(3, 3),
        "zeros": torch.zeros(5),
        "step": torch.tensor(7),
        "wave": torch.tensor([3 + 4j, 0]),
        "nothing": torch.zeros(0, 4),
        "meta": torch.empty(3, device="meta"),
    }
    torch.save(made, tmp_path / "model.pt")
    return tmp_path / "model.pt"


# One form of the figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1.000"), (-2.1179, "-2.118"), (0.3884, "0.388"), (0.0199812, "0.01998"), (999.96, "999.960"),
        (1234.5678, "1235"), (12345.678, "1.235e+04"), (1.5e-7, "1.500e-07"), (math.nan, "nan"), (-math.inf, "-inf"),
        (1234567, "1234567"), (-3, "-3"), (12345678, "1.235e+07"),
    ],
)  # fmt: skip
def test_a_figure_has_four_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_the_short_form_is_the_one_that_is_known(path: Path) -> None:
    with inspector.open(path) as checkpoint:
        forms = {tensor.name: short_form(tensor, scan(tensor)) for tensor in checkpoint.tensors() if tensor.name != "meta"}
    assert re.fullmatch(r"tensor\[30, 40\] n=1200 x∈\[-3\.\d{3}, \d\.\d{3}\] μ=\S+ σ=\S+ -Inf! NaN!", forms["sick"])
    assert forms["count"] == "tensor[3, 3] int64 n=9 x∈[0, 8] μ=4.000 σ=2.739"
    assert forms["zeros"] == "tensor[5] n=5 all zero"
    assert forms["step"] == "tensor int64 n=1 x=7"
    assert forms["wave"] == "tensor[2] complex64 n=2 |x|∈[0, 5.000] μ=2.500 σ=3.536"
    assert forms["nothing"] == "tensor[0, 4] n=0"


# The document


def test_json_has_the_statistics_of_every_tensor_and_no_more_than_that(run: Run, path: Path) -> None:
    status, out, err = run(path, "--json", "--stats")
    assert (status, err) == (0, "")
    document = json.loads(out, parse_constant=pytest.fail)
    stats = {entry["name"]: entry["stats"] for entry in document["tensors"]}
    names = ["min", "max", "mean", "std", "norm", "nan", "inf", "zero", "quantiles", "exact"]
    names += ["bound", "abs_max", "posinf", "neginf", "denormal", "distinct"]
    assert all(list(entry) == names for name, entry in stats.items() if name not in ("meta", "wave"))
    assert list(stats["wave"]) == [*names, "parts"]
    assert [list(stats["wave"]["parts"][part]) for part in ("real", "imag")] == [names, names]
    assert (stats["wave"]["abs_max"], stats["wave"]["parts"]["imag"]["max"]) == (5, 4)
    assert (stats["sick"]["posinf"], stats["sick"]["neginf"], stats["sick"]["distinct"]) == (0, 1, None)
    assert stats["sick"]["abs_max"] == max(stats["sick"]["max"], -stats["sick"]["min"])
    assert stats["meta"] is None
    values = torch.load(path, weights_only=False)
    sound = values["sound"].double().numpy()
    assert stats["sound"]["exact"] is True
    assert (stats["sound"]["min"], stats["sound"]["max"]) == (sound.min(), sound.max())
    assert (stats["sound"]["mean"], stats["sound"]["std"]) == pytest.approx((sound.mean(), sound.std(ddof=1)), rel=1e-14)
    assert stats["sound"]["quantiles"] == {str(part): np.quantile(sound, part, method="inverted_cdf") for part in QUANTILES}
    assert (stats["sick"]["nan"], stats["sick"]["inf"], stats["sick"]["exact"]) == (3, 1, False)
    assert stats["zeros"]["zero"] == 5
    assert (stats["step"]["max"], stats["step"]["std"]) == (7, "NaN")
    assert (stats["nothing"]["min"], stats["nothing"]["quantiles"]) == ("NaN", {})
    without = json.loads(run(path, "--json")[1])
    for entry in document["tensors"]:
        del entry["stats"]
    assert {finding["name"] for finding in document.pop("health")} == {"sick", "zeros"}
    assert document.pop("depth") == []
    assert document == without


def test_the_tree_shows_the_same_digits(run: Run, path: Path) -> None:
    status, out, err = run(path, "--print", "--stats")
    assert (status, err) == (0, "")
    stats = {entry["name"]: entry["stats"] for entry in json.loads(run(path, "--json", "--stats")[1])["tensors"]}
    tree = out[: out.index("health:")].splitlines()
    lines = {line.split()[0]: line for line in tree[2:]}
    for name in ("sound", "sick", "count"):
        low, high, mean, std = (figure(stats[name][key]) for key in ("min", "max", "mean", "std"))
        assert f"x∈[{low}, {high}] μ={mean} σ={std}" in lines[name]
    assert lines["sick"].endswith("-Inf! NaN!")
    assert "! the file holds no values for this tensor" in lines["meta"]
    without = run(path, "--print")[1].splitlines()
    assert [line[: len(short)] for line, short in zip(tree, without, strict=True)] == without


def test_stats_alone_is_a_report(run: Run, path: Path) -> None:
    assert run(path, "--stats") == run(path, "--print", "--stats")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--export", "x.npz"], "--stats and --spectrum go with --print, --json and --get"),
        (["--get", "sound[0]"], "{path}: --stats is of whole tensors: leave the brackets of sound[0] out"),
        (["--get", ""], "{path}: the whole file is no tensor: --stats --filter is of several"),
        (["--get", "meta"], "{path}: the file holds no values for this tensor: it was saved from the meta device"),
    ],
)
def test_stats_go_with_what_has_them(run: Run, path: Path, words: list[str], problem: str) -> None:
    status, out, err = run(path, "--stats", *words)
    assert (status, out, err) == (2, "", f"torchtui: {problem.format(path=path)}\n")


# All figures


def test_get_with_stats_has_all_figures_of_a_tensor_and_what_is_wrong_with_it(run: Run, path: Path) -> None:
    status, out, err = run(path, "--get", "sick", "--stats")
    assert (status, err) == (0, "")
    first, *lines, last = out.splitlines()
    assert first == "sick  float32 [30, 40]"
    assert lines[0].split() == ["elements", "1,200,", "quantiles", "±", "0.39", "%"]
    assert last == "! 1 Inf, the first at [5, 6]"
    entry = json.loads(run(path, "--get", "sick", "--stats", "--json")[1])
    (listed,) = (entry for entry in json.loads(run(path, "--json", "--stats")[1])["tensors"] if entry["name"] == "sick")
    assert [finding["kind"] for finding in entry.pop("health")] == ["nan", "inf"]
    assert entry == listed
    assert ["abs", "max", figure(entry["stats"]["abs_max"])] in map(str.split, lines)
    assert ["NaN", "3"] in map(str.split, lines)


# The spectrum


def test_the_spectrum_of_each_matrix_is_told_where_it_is_asked_for(run: Run, path: Path) -> None:
    status, out, err = run(path, "--spectrum", "--json")
    assert (status, err) == (0, "")
    stats = {entry["name"]: entry["stats"] for entry in json.loads(out, parse_constant=pytest.fail)["tensors"]}
    spectra = {name: entry["spectrum"] for name, entry in stats.items() if entry is not None and "spectrum" in entry}
    assert list(spectra) == ["sound", "sick", "count"]
    matrix = torch.load(path, weights_only=False)["sound"].double().numpy()
    values = np.linalg.svd(matrix, compute_uv=False)
    sound = spectra["sound"]
    assert sound["values"] == pytest.approx(values.tolist(), rel=1e-12)
    assert (sound["rows"], sound["columns"], sound["exact"]) == (30, 40, True)
    assert sound["condition"] == pytest.approx(values[0] / values[-1], rel=1e-9)
    assert spectra["sick"] == {"error": "it holds NaN or Inf, and so it has no singular values"}
    assert spectra["count"]["condition"] == "Infinity"
    for entry in stats.values():
        if entry is not None:
            entry.pop("spectrum", None)
    without = json.loads(run(path, "--stats", "--json")[1])["tensors"]
    assert stats == {entry["name"]: entry["stats"] for entry in without}


def test_the_tree_and_the_screen_say_the_same_of_a_spectrum(run: Run, path: Path) -> None:
    _, out, _ = run(path, "--spectrum")
    lines = {line.split()[0]: line for line in out.splitlines()[2:]}
    with inspector.open(path) as checkpoint:
        sound = checkpoint["sound"]
        assert isinstance(sound, Tensor)
        lines_of_panel = spectrum_lines(Decomposition(sound, spectrum(sound)), 120, 8)
    panel = "\n".join("".join(text for text, _ in line) for line in lines_of_panel)
    said = re.search(r"largest singular value (\S+), effective rank (\S+ of 30), condition (\S+)$", lines["sound"])
    assert said is not None
    for word, text in zip(("largest", "effective rank", "condition"), said.groups(), strict=True):
        assert re.search(rf"{word} +{re.escape(text)}(\s|$)", panel)
    assert lines["sick"].endswith("no spectrum: it holds NaN or Inf, and so it has no singular values")
    assert "singular" not in lines["zeros"] + lines["meta"]


def test_of_a_large_matrix_the_rank_and_the_condition_are_told_as_bounds(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.statistics.spectrum.EXACT", 20)
    line = run(path, "--spectrum", "--filter", "sound")[1].splitlines()[2]
    assert re.search(r"effective rank ≤ \S+ of 30, condition ≥ \S+$", line)


def test_ctrl_c_leaves_spectra_out(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(tensor: Tensor, progress: Callable[[float], None]) -> None:
        signal.raise_signal(signal.SIGINT)
        progress(0.5)

    monkeypatch.setattr("inspector.statistics.spectrum.spectrum", stop)
    status, out, _ = run(path, "--spectrum", "--json")
    assert status == 130
    assert "spectrum" not in json.loads(out)["tensors"][0]["stats"]


async def test_the_screen_shows_the_same_to_the_digit(tmp_path: Path) -> None:
    """What the command line tells of a tensor, of its spectrum and of its layers stands in the panels word for word."""
    path = layered(tmp_path)

    def told(*words: str) -> list[str]:
        out = subprocess.run([sys.executable, "-m", "tui", str(path), *words], capture_output=True, text=True, check=True)
        return [" ".join(line.split()) for line in out.stdout.splitlines()]

    _, elements, *figures = told("--get", "layers.7.weight", "--spectrum")
    middle = figures.index("spectrum: all singular values")
    tree = told("--print", "--stats")
    over_depth = tree[tree.index("depth: 1 parameter of repeated layers") + 2 :]
    async with exploring(path, size=(160, 50)) as person:
        explorer = person.app.explorer

        def panel() -> str:
            return " ".join(explorer.statistics.text.split())

        await person.press("E")
        while person.row != "layers.7.weight":
            await person.press("j")
        await person.press("s")
        await person.until(lambda: "quantiles ±" in panel() and "99.9 %" in panel())
        assert len(figures[:middle]) > 15
        assert [line for line in figures[:middle] if line not in panel()] == []
        assert elements.split(", ")[1] in panel()
        await person.press("u")
        await person.until(lambda: "condition" in panel())
        assert len(figures[middle + 1 :]) == 6
        assert [line for line in figures[middle + 1 :] if line not in panel()] == []
        await person.press("D")
        await person.see("×12")
        while person.row != "layers.0.weight":
            await person.press("l")
        await person.until(lambda: "counting" not in person.screen and "11" in explorer.depth_view.text)
        drawn = [" ".join(line.split()) for line in explorer.depth_view.text.splitlines()]
        assert drawn[:4] == over_depth


# Filters


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("nan>0", ["sick"]),
        ("inf>0 or max>=8", ["sick", "count"]),
        ("zero=5", ["zeros"]),
        ("std<0.1 not dtype:int64", ["sound", "zeros"]),
        ("not nan>0 mean<3 ndim=2", ["sound"]),
        ("s nan>=0 numel>5", ["sound", "sick"]),
    ],
)
@pytest.mark.parametrize("stats", [True, False])
def test_a_filter_finds_by_what_was_counted(run: Run, path: Path, query: str, names: list[str], stats: bool) -> None:
    status, out, _ = run(path, "--json", "--filter", query, *(["--stats"] if stats else []))
    entries = json.loads(out)["tensors"]
    assert (status, [entry["name"] for entry in entries]) == (0, names)
    assert all(("stats" in entry) == stats for entry in entries)


def test_a_filter_counts_only_what_may_match(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = cuts.cut
    monkeypatch.setattr(cuts, "cut", lambda tensor, **options: read.append(tensor.name) or real(tensor, **options))
    assert run(path, "--json", "--filter", "si nan>0")[0] == 0
    assert read == ["sick"]


def test_each_tensor_is_counted_once(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = cuts.cut
    monkeypatch.setattr(cuts, "cut", lambda tensor, **options: read.append(tensor.name) or real(tensor, **options))
    run(path, "--print", "--stats", "--filter", "nan>0 or zeros or count")
    assert sorted(read) == sorted(set(read))


def test_what_matches_by_its_figures_can_be_exported_and_shown(run: Run, path: Path, tmp_path: Path) -> None:
    assert run(path, "--export", tmp_path / "sick.npz", "--filter", "nan>0")[0] == 0
    assert list(np.load(tmp_path / "sick.npz")) == ["sick"]
    assert run(path, "--get", "sick", "--filter", "nan>0")[0] == 0
    assert run(path, "--get", "sound", "--filter", "nan>0")[0] == 2


def test_a_mistake_in_a_filter_is_pointed_at_on_a_terminal(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = run(path, "--json", "--filter", "fc foo>0")[2]
    assert line.count("\n") == 1
    assert "character 4: no field is called foo" in line
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert cli.main([str(path), "--json", "--filter", "fc foo>0"]) == 2
    assert sys.stderr.getvalue() == f"{line}fc foo>0\n   ^\n"  # type: ignore[attr-defined]


# Watching and stopping


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only_and_taken_away(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.reports.progress.EVERY", 0.0)
    assert run(path, "--json", "--stats")[2] == ""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    assert run(path, "--json", "--stats")[0] == 0
    looks = stream.getvalue().split("\r")
    assert any("%" in look and "left" in look for look in looks)
    assert looks[-2:] == [" " * 60, ""]
    assert "\x1b" not in stream.getvalue()


def interrupted_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C comes when so many blocks are counted."""
    real, told = Progress.tell, iter(range(10**6))

    def tell(self: Progress, nbytes: int) -> None:
        if next(told) == count:
            signal.raise_signal(signal.SIGINT)
        real(self, nbytes)

    monkeypatch.setattr(Progress, "tell", tell)


def test_ctrl_c_leaves_a_whole_document_of_what_is_known(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_after(2, monkeypatch)
    before = signal.getsignal(signal.SIGINT)
    status, out, err = run(path, "--json", "--stats")
    assert (status, err) == (130, "")
    stats = [entry["stats"] for entry in json.loads(out)["tensors"]]
    assert len(stats) == 8
    assert [entry is not None for entry in stats] == [True, *[False] * 7]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_leaves_the_whole_tree(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_after(2, monkeypatch)
    status, out, _ = run(path, "--print", "--stats")
    assert status == 130
    lines = out.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "health: 0 findings, but not all was looked at"
    assert "μ" in lines[2]
    assert lines[3].endswith("not counted")


def test_ctrl_c_during_an_export_exports_nothing(
    run: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_after(1, monkeypatch)
    assert run(path, "--export", tmp_path / "x.npz", "--filter", "nan>=0")[0] == 130
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65.9, "1:05"), (3600, "1:00:00"), (7265, "2:01:05")])
def test_a_duration_is_minutes_and_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_a_report_without_statistics_needs_is_not_more_than_before(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(1)}, tmp_path / "x.pt")
    code = (
        "import sys; from tui import cli; cli.main(sys.argv[1:]); "
        "sys.exit([name for name in ('numpy', 'fractions', 'subprocess', 'inspector.statistics.crew') if name in sys.modules] != [])"
    )
    for words in (["--print"], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "x.pt"), *words],
            env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parent.parent)},
            check=False,
        )
        assert done.returncode == 0


def test_summary_of_a_brief_result_is_the_same(path: Path) -> None:
    with inspector.open(path) as checkpoint:
        result: Any = scan(checkpoint["sick"])  # type: ignore[arg-type]
    assert summary(result) == summary(result.brief())


# Health and depth


def layered(folder: Path) -> Path:
    """Twelve layers, of which the eighth diverged and the third is in another dtype; in the sixth is a NaN."""
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(8, 8, generator=generator) for _ in range(12)]
    weights[5][3, 2] = torch.nan
    weights[7] *= 100
    weights[2] = weights[2].half()
    torch.save({f"layers.{number}.weight": weight for number, weight in enumerate(weights)}, folder / "layers.pt")
    return folder / "layers.pt"


def test_stats_tell_what_is_wrong_with_values_and_which_layers_are_unlike_the_others(run: Run, tmp_path: Path) -> None:
    status, out, _ = run(layered(tmp_path), "--stats", "--json")
    document = json.loads(out)
    assert status == 0
    assert [(finding["name"], finding["kind"], finding["index"]) for finding in document["health"]] == [
        ("layers.5.weight", "nan", [3, 2]), ("layers.7.weight", "exploding", None),
    ]  # fmt: skip
    (depth,) = document["depth"]
    assert (depth["layers"], depth["parameter"]) == ("layers.*", "weight")
    assert [(row["layer"], row["name"]) for row in depth["rows"]] == [(n, f"layers.{n}.weight") for n in range(12)]
    assert [
        (row["layer"], sorted(row["outliers"]), row["unlike"]) for row in depth["rows"] if row["outliers"] or row["unlike"]
    ] == [(2, [], "dtype float16, the others float32"), (7, ["abs_max", "norm", "std"], "")]
    stats = {entry["name"]: entry["stats"] for entry in document["tensors"]}
    for row in depth["rows"]:
        assert {key: row[key] for key in ("norm", "std", "abs_max", "zero")}.items() <= stats[row["name"]].items()
    _, out, _ = run(layered(tmp_path), "--stats", "--print")
    lines = out.splitlines()
    start = lines.index("health: 2 findings")
    assert lines[start + 1] == "! layers.5.weight: 1 NaN, the first at [3, 2]"
    assert lines[start + 3] == "! layers.*.weight, layer 2: dtype float16, the others float32"
    assert lines[start + 5 : start + 7] == ["depth: 1 parameter of repeated layers", "layers.*.weight  layers 0 to 11"]
    norms = [row["norm"] for row in depth["rows"]]
    assert lines[start + 7] == f"  norm     {'▁' * 7}█{'▁' * 4}  {figure(min(norms))} to {figure(max(norms))}"


def test_of_what_a_filter_leaves_out_nothing_is_said(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(layered(tmp_path), "--stats", "--json", "--filter", "layers.1")
    document = json.loads(out)
    assert document["health"] == []
    assert [(row["layer"], row["outliers"], row["unlike"]) for row in document["depth"][0]["rows"]] == [
        (1, {}, ""), (10, {}, ""), (11, {}, ""),
    ]  # fmt: skip


def test_without_stats_nobody_looks_for_it(run: Run, path: Path) -> None:
    _, out, _ = run(path, "--json")
    assert not {"health", "depth"} & set(json.loads(out))
