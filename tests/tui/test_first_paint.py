"""What stands between the command and the first rows: one paint, and the modules that are named here."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.terminal.terminal import Terminal

SCRIPT = """\
import sys
from pathlib import Path
from tui.screens.explorer import ExplorerScreen
paint = ExplorerScreen.paint
def noted(self):
    if self.waiting:
        Path("modules.txt").write_text("\\n".join(sys.modules))
    paint(self)
ExplorerScreen.paint = noted
from tui.cli import main
sys.exit(main())
"""

PACKAGES = {"inspector", "tui", "textual", "rich", "typing_extensions", "platformdirs", "pygments", "markdown_it"}
"""Textual with what it imports of itself, and ours."""

OF_INSPECTOR = """
checkpoint counting dotted_names dtypes errors formats grouping inventory json_texts lightning limits naming nodes optimizers
pickles schemes settings soundness sources storage verifying walks window wrappers
"""

OF_TUI = """
app block_cache blocks changed_cells cli colour_scale figures first_paint guardian head_start index keys known lasting leaving
lines log messages misuse number_format ordered_keys outline painting picture plain_ascii reader reports rows screens settings
stacks summary terminal theme troubles viewport widgets
"""

SCREENS = "checking counting explorer finding heating stacking taking telling watching workspace"

LATER = {
    "argparse",
    "numpy",
    "torch",
    "ml_dtypes",
    "http",
    "json",
    "email",
    "zipfile",
    "unittest",
    "multiprocessing",
    "textual.widgets._markdown",
    "tui.clipboard",
    "tui.copying",
    "tui.options",
    "tui.widgets.prompt",
}
"""What is imported when it is wanted, if at all."""


def test_the_modules_that_are_imported_by_the_first_paint_are_these(tutorial: Path):
    with Terminal([sys.executable, "-c", SCRIPT, "model.pt"], cwd=tutorial) as terminal:
        terminal.wait_for("fc3")
        terminal.press("q")
        terminal.wait()
    modules = (tutorial / "modules.txt").read_text().split()
    parts = [name.split(".") for name in modules]
    foreign = {top for top, *_ in parts if top not in sys.stdlib_module_names and not top.startswith("_")}
    assert foreign - {"sitecustomize"} <= PACKAGES
    assert LATER & set(modules) == set()
    # Whoever adds a name here has looked at what it costs: python -X importtime -c "import tui.cli, tui.app"
    assert below("inspector", parts) - set(OF_INSPECTOR.split()) == set()
    assert below("tui", parts) - set(OF_TUI.split()) == set()
    assert below("tui.screens", parts) - set(SCREENS.split()) == set()


def below(package: str, parts: list[list[str]]) -> set[str]:
    """What was imported directly below a package."""
    above = package.split(".")
    return {path[len(above)] for path in parts if path[: len(above)] == above and len(path) > len(above)}


def test_the_first_screen_takes_less_than_25_KB(tutorial: Path):
    with Terminal([sys.executable, "-c", SCRIPT, "model.pt"], cwd=tutorial, columns=160, rows=45) as terminal:
        terminal.wait_for("fc3")
        terminal.wait_until_quiet()
        assert len(terminal.raw) < 25_000
        terminal.press("q")
        terminal.wait()
