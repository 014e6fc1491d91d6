"""The command line: which words do what, what goes where, and with which exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tui import cli

Run = Callable[..., tuple[int, str, str]]

SOURCE = str(Path(cli.__file__).parent.parent)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program with these words; gives its exit status, what it printed, and what it complained of."""

    def call(*words: object) -> tuple[int, str, str]:
        status = cli.main([str(word) for word in words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of nested dicts."""
    path = tmp_path / "checkpoint.pt"
    model = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.tensor([1.0, float("nan")])}
    torch.save({"model": model, "step": torch.tensor(3), "epoch": 7, "rate": float("inf")}, path)
    return path


def process(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": SOURCE}
    command = [sys.executable, "-m", "tui", *map(str, words)]
    return subprocess.run(command, env=environment, text=True, timeout=60, **options)


def one_line(err: str) -> str:
    """The one line that was said."""
    assert err.startswith("torchtui: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.removeprefix("torchtui: ").removesuffix("\n")


# What the words do


def test_print_shows_the_tree(run: Run, tutorial: Path) -> None:
    status, out, err = run(tutorial / "model.pt", "--print")
    assert (status, err) == (0, "")
    assert out.startswith("model.pt · PyTorch zip · 6 tensors · 65 parameters · 260 B · float32\n")
    assert re.search(r"^    weight +float32 \[4, 2, 2, 2\] +32 +128 B$", out, re.MULTILINE)


def test_json_is_one_document(run: Run, tutorial: Path) -> None:
    status, out, _ = run(tutorial / "model.pt", "--json")
    assert status == 0
    assert json.loads(out)["format"] == "PyTorch zip"


def test_get_prints_a_tensor_as_torch_does(run: Run, checkpoint: Path) -> None:
    weight = torch.load(checkpoint)["model"]["fc.weight"]
    assert run(checkpoint, "--get", "model.fc.weight") == (0, f"{weight}\n", "")
    assert run(checkpoint, "--get", "model.fc.weight[1, ::2]") == (0, f"{weight[1, ::2]}\n", "")


def test_get_with_json_writes_lists(run: Run, checkpoint: Path) -> None:
    assert run(checkpoint, "--get", "model.fc.weight[:, 1]", "--json") == (0, "[1.0, 4.0]\n", "")
    assert run(checkpoint, "--get", "model.fc.bias", "--json") == (0, '[1.0, "NaN"]\n', "")
    assert run(checkpoint, "--get", "epoch", "--json") == (0, "7\n", "")


def test_several_files_are_printed_one_after_the_other(run: Run, tutorial: Path, checkpoint: Path) -> None:
    status, out, err = run(tutorial / "model.pt", tutorial / "none.pt", checkpoint, "--print")
    assert status == 2
    assert re.findall(r"^\S+\.pt", out, re.MULTILINE) == ["model.pt", "checkpoint.pt"]
    assert "none.pt" in one_line(err)


@pytest.mark.parametrize("words", [["--json"], ["--get", "x"], ["--export", "x.npz"]])
def test_what_is_about_one_file_refuses_two(run: Run, words: list[str]) -> None:
    status, out, err = run("a.pt", "b.pt", *words)
    assert (status, out) == (2, "")
    assert one_line(err) == "this takes one PATH, and here are 2"


def test_demo_is_a_file_like_any_other(run: Run) -> None:
    status, out, _ = run("--demo", "--get", "epoch")
    assert (status, out) == (0, "3\n")


def test_help_fits_a_terminal_and_names_every_option(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for option in ("--demo", "--print", "--json", "--get", "--stats", "--filter", "--export", "--force", "--version"):
        assert option in out
    assert "NotImplemented" not in out


def test_version_is_one_line(run: Run) -> None:
    assert re.fullmatch(r"torchtui\b.*\n", run("--version")[1])


# Without a screen


def test_without_a_terminal_the_tree_is_printed(run: Run, checkpoint: Path) -> None:
    assert run(checkpoint)[1] == run(checkpoint, "--print")[1]


@pytest.mark.parametrize(
    ("term", "terminals", "shown"),
    [
        ("xterm", (True, True), True),
        ("dumb", (True, True), False),
        ("xterm", (False, True), False),
        ("xterm", (True, False), False),
    ],
)
def test_a_screen_needs_a_terminal_to_read_keys_from_and_one_to_show_itself_on(
    monkeypatch: pytest.MonkeyPatch, term: str, terminals: tuple[bool, bool], shown: bool
) -> None:
    for name, is_terminal in zip(("stdin", "stdout"), terminals, strict=True):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda is_terminal=is_terminal: is_terminal)
    assert cli._is_terminal({"TERM": term}) is shown


def test_with_neither_terminal_nor_file_it_says_so(run: Run) -> None:
    status, out, err = run()
    assert (status, out) == (2, "")
    assert "name a file" in one_line(err)


# Filter and export


def test_the_filter_holds_for_every_report(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    tree = run(checkpoint, "--print", "--filter", "*.bias")[1]
    assert "bias" in tree
    assert "weight" not in tree
    document = json.loads(run(checkpoint, "--json", "--filter", "*.bias")[1])
    assert [tensor["name"] for tensor in document["tensors"]] == ["model.fc.bias"]
    assert run(checkpoint, "--get", "model.fc.bias", "--filter", "*.bias")[0] == 0
    status, _, err = run(checkpoint, "--get", "model.fc.weight", "--filter", "*.bias")
    assert status == 2
    assert "does not match the filter *.bias" in one_line(err)
    run(checkpoint, "--export", tmp_path / "x.npz", "--filter", "*.bias")
    assert list(np.load(tmp_path / "x.npz")) == ["model.fc.bias"]


def test_export_writes_the_tensors_and_says_so(run: Run, tutorial: Path, tmp_path: Path) -> None:
    status, out, _ = run(tutorial / "model.pt", "--export", tmp_path / "parm.npz")
    size = (tmp_path / "parm.npz").stat().st_size
    assert (status, out) == (0, f"Wrote {tmp_path}/parm.npz (6 tensors, {size / 1000:.1f} kB)\n")
    saved = torch.load(tutorial / "state_dict.pt")
    with np.load(tmp_path / "parm.npz") as read:
        assert {name: read[name].tolist() for name in read} == {name: saved[name].tolist() for name in saved}


def test_export_of_a_part_names_its_tensors_as_from_there(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    assert run(checkpoint, "--get", "model", "--export", tmp_path / "x.safetensors")[0] == 0
    assert set(load_file(tmp_path / "x.safetensors")) == {"fc.weight", "fc.bias"}
    assert run(checkpoint, "--get", "model.fc.weight", "--export", tmp_path / "w.npy")[0] == 0
    assert np.load(tmp_path / "w.npy").shape == (2, 3)


def test_export_replaces_a_file_only_with_force(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.npz"
    target.write_text("precious")
    status, out, err = run(checkpoint, "--export", target)
    assert (status, out) == (2, "")
    assert one_line(err) == f"{checkpoint}: {target} is there already; --force replaces it"
    assert run(checkpoint, "--export", target, "--force")[0] == 0
    assert "step" in np.load(target)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--get", "epoch", "--export", "x.npz"], "there is no tensor in it to write"),
        (["--get", "step[0]", "--export", "x.npz"], "--export writes whole tensors"),
        (["--filter", "zzz", "--export", "x.npz"], "no tensor matches the filter zzz"),
        (["--export", "x"], "must end in one of .npy .npz"),
        (["--export", "x.npy"], "holds one tensor and here are 3"),
    ],
)
def test_an_export_that_can_not_be_says_why(
    run: Run, checkpoint: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkpoint.parent)
    status, out, err = run("checkpoint.pt", *words)
    assert (status, out) == (2, "")
    assert said in one_line(err)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]


# Mistakes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nonsense"], "--nonsense"),
        (["x.pt", "--get"], "--get: expected one argument"),
        (["x.pt", "--print", "--json"], "--print goes with neither"),
        (["x.pt", "--export", "x.npz", "--json"], "--export writes JSON where DEST ends in .json"),
        (["x.pt", "--print", "--force"], "--force belongs to --export"),
        (["x.pt", "--print", "--filter", '"'], 'a closing " is missing'),
        (["x\x1b[31m\n.pt", "--print"], r"x\x1b[31m\n.pt"),
        (["--\x1b[31m\n"], r"--\x1b[31m\n"),
    ],
)
def test_words_that_make_no_sense_are_answered_in_one_line(run: Run, words: list[str], said: str) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert said in one_line(err)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("nope", "nothing in it is named nope; --print shows all names"),
        ("fc.bias", "nothing in it is named fc.bias; but model.fc.bias"),
        ("model.fc.weight[2]", "model.fc.weight[2]: index 2 is out of bounds for axis 0 with size 2"),
        ("model.fc.weight[0, 0, 0]", "too many indices"),
        ("model.fc.weight[x]", "[x] is no index"),
        ("model.fc.weight[]", "[] is no index"),
        ("model.fc.weight[::0]", "[::0] is no index"),
        ("model[0]", "model is no tensor"),
        ("\x1b]0;x", r"nothing in it is named \x1b]0;x"),
    ],
)
def test_a_name_that_leads_nowhere_is_said_with_the_file(run: Run, checkpoint: Path, wanted: str, said: str) -> None:
    status, out, err = run(checkpoint, "--get", wanted)
    assert (status, out) == (2, "")
    assert one_line(err).startswith(f"{checkpoint}: ")
    assert said in one_line(err)


def test_a_path_is_named_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pt").touch()
    for name in ("none.pt", "a.pt"):
        assert one_line(run(tmp_path / name, "--print")[2]).count(str(tmp_path / name)) == 1


def test_a_mistake_of_the_program_is_one_line_and_a_log(
    run: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of the\nprogram\x1b[2J")

    monkeypatch.setattr("tui.reports.tree.write_tree", fail)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    status, _, err = run(checkpoint, "--print")
    assert status == 2
    log = Path(one_line(err).rpartition(" ")[2])
    assert log.parent == tmp_path / "torchtui"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "ZeroDivisionError: of the\nprogram\\x1b[2J" in log.read_text()
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    assert "please report it" in one_line(run(checkpoint, "--print")[2])


def test_too_little_memory_is_said(run: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tui.reports.tree.write_tree", fail)
    status, _, err = run(checkpoint, "--print")
    assert status == 2
    assert "not enough memory" in one_line(err)


# Processes


IMPORTS = """\
import sys
from tui.cli import main
assert main(sys.argv[2:]) == 0
loaded = [name for name in sys.argv[1].split(",") if name in sys.modules]
assert not loaded, loaded
"""


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--print"], "textual,rich,torch,numpy,ml_dtypes"),
        (["--json"], "textual,rich,torch,numpy,ml_dtypes"),
        (["--get", "model.fc.weight"], "textual,rich,torch"),
    ],
)
def test_a_report_imports_neither_screen_nor_torch_nor_what_reads_values(
    checkpoint: Path, words: list[str], absent: str
) -> None:
    command = [sys.executable, "-c", IMPORTS, absent, str(checkpoint), *words]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": SOURCE}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    torch.save({f"layer.{number}.weight": torch.zeros(1) for number in range(20_000)}, tmp_path / "many.pt")
    command = [sys.executable, "-m", "tui", str(tmp_path / "many.pt")]
    environment = os.environ | {"PYTHONPATH": SOURCE}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_is_full_is_said_in_one_line(checkpoint: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = process(checkpoint, "--print", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert one_line(done.stderr) == "the output can't be written: No space left on device"


def test_a_closed_output_is_said_in_one_line(checkpoint: Path) -> None:
    script = f'{sys.executable} -m tui "$1" --print >&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", str(checkpoint)],
        env=os.environ | {"PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert one_line(done.stderr) == "there is no standard output to write to"


LOCALES = [{"PYTHONIOENCODING": "ascii:strict"}, {"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "de_DE"}]


@pytest.mark.parametrize("locale", LOCALES, ids=str)
@pytest.mark.parametrize(
    ("words", "status", "wanted"),
    [
        (["重み.pt", "--stats"], 0, r"\u91cd\u307f.pt - PyTorch zip - 1 tensor - "),
        (["重み.pt", "--stats"], 0, r"  \u03bc\u307f  float32 [2]  2  8 B  x in [0.500, 1.500] mean=1.000 std=0.707"),
        (["重み.pt", "--get", "–"], 0, r"'\u201c\u65e5\u672c\u201d'"),
        (["ない.pt"], 2, r"torchtui: there is no file \u306a\u3044.pt"),
    ],
)  # fmt: skip
def test_without_utf8_a_report_is_in_ascii_and_readable(
    tmp_path: Path, locale: dict[str, str], words: list[str], status: int, wanted: str
) -> None:
    torch.save({"μみ": torch.tensor([0.5, 1.5]), "–": "“日本”"}, tmp_path / "重み.pt")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE} | locale
    command = [sys.executable, "-m", "tui", *words]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == status
    assert wanted in re.sub("  +", "  ", (done.stdout + done.stderr).decode("ascii"))


def test_json_is_exact_without_utf8(tmp_path: Path) -> None:
    torch.save({"重み": torch.ones(1)}, tmp_path / "x.pt")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "LC_ALL": "C"}
    command = [sys.executable, "-m", "tui", str(tmp_path / "x.pt"), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert json.loads(done.stdout.decode("ascii"))["tensors"][0]["name"] == "重み"
