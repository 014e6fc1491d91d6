"""What the program is made for: log in to a box, `torchtui model.pt`, walk to a weight, read it, copy it, leave.

The box knows neither the model's class nor torch; the model was saved whole by the tutorial's own script.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.terminal.ssh import Server
from tests.terminal.terminal import ALTERNATE_SCREEN, MOUSE_MODES, Terminal

NAME = "fc3.weight"
PLACES = ["a terminal", "ssh", "tmux", "tmux over ssh"]


@pytest.fixture
def weight(tutorial: Path) -> torch.Tensor:
    return torch.load(tutorial / "state_dict.pt")[NAME]


@pytest.fixture
def open_in(tutorial: Path, box: dict[str, str], request: pytest.FixtureRequest) -> Callable[..., Terminal]:
    """Types `torchtui model.pt` in one of `PLACES`."""

    def opened(place: str, **size: int) -> Terminal:
        command = ["torchtui", "model.pt"]
        if "tmux" in place:
            command = request.getfixturevalue("tmux")(*command)
        if "ssh" in place:
            server: Server = request.getfixturevalue("ssh")
            return Terminal(server.command(f"cd {shlex.quote(str(tutorial))} && {shlex.join(command)}"), **size)
        return Terminal(command, env=box, cwd=tutorial, **size)

    return opened


def under_the_cursor(screen: str) -> str:
    """The name below the root, as the expression in the details says it; empty at the root."""
    found = re.search(r" expression +\.(\S+)", screen)
    return found[1] if found else ""


def walk_to(terminal: Terminal, name: str) -> None:
    """Go down the tree with `j`, into what the name lies in with `l`, as a person who sees the rows would."""
    screen = terminal.wait_for(NAME.partition(".")[0])
    for _ in range(20):
        here = under_the_cursor(screen)
        if here == name:
            return
        terminal.press("l" if name.startswith(f"{here}." if here else "") else "j")
        terminal.wait_for(lambda now, before=screen: now != before)
        screen = terminal.wait_until_quiet()
    raise AssertionError(f"the walk did not lead to {name}:\n{screen}")


def read_off(terminal: Terminal, values: torch.Tensor) -> None:
    """Wait until all these values stand on the screen, to four decimals."""

    def there(screen: str) -> bool:
        shown = [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", screen)]
        return all(any(abs(number - value) <= 0.00005 for number in shown) for value in values.flatten().tolist())

    terminal.wait_for(there)


def literal(values: torch.Tensor) -> str:
    """What makes a float32 tensor again in Python, with as few digits as tell its values apart, in one line."""
    texts = iter(str(value) for value in values.numpy().flatten())
    text = re.sub(r"-?\d[\d.e-]*", lambda _: next(texts), str(values.tolist()))
    return f"torch.tensor({text}, dtype=torch.float32)"


def leave(terminal: Terminal) -> None:
    """Quit with `q`: status 0, and the terminal as it was."""
    terminal.press("q")
    assert terminal.wait() == 0
    assert ALTERNATE_SCREEN not in terminal.modes
    assert not terminal.modes & MOUSE_MODES
    assert 25 in terminal.modes, "the cursor is still hidden"
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize("place", PLACES)
def test_walk_to_a_weight_read_it_copy_it_and_leave(place: str, open_in, weight: torch.Tensor) -> None:
    with open_in(place) as terminal:
        before = terminal.settings
        walk_to(terminal, NAME)
        read_off(terminal, weight[0, 0])
        terminal.press("y", "y")
        terminal.wait_for("Sent to tmux (" if "tmux" in place else "Sent to the terminal (")
        terminal.wait_for(lambda _: terminal.clipboard)
        (text,) = terminal.clipboard
        assert " ".join(text.split()) == literal(weight)
        assert torch.equal(eval(text, {"torch": torch}), weight)
        leave(terminal)
        assert terminal.settings == before


def test_in_the_smallest_usual_window_the_values_have_a_pane_of_their_own(open_in, weight: torch.Tensor) -> None:
    with open_in("a terminal", columns=80, rows=24) as terminal:
        terminal.wait_for("fc3")
        terminal.press(":", NAME, "enter")
        terminal.wait_until_quiet()
        terminal.press("enter")
        read_off(terminal, weight[0, 0])
        leave(terminal)


@pytest.mark.parametrize("place", ["a terminal", "tmux over ssh"])
def test_the_name_and_the_expression_are_copied_as_they_are(place: str, open_in) -> None:
    with open_in(place) as terminal:
        walk_to(terminal, NAME)
        terminal.press("y", "n")
        terminal.wait_for("(10 B)")
        terminal.press("y", "e")
        terminal.wait_for("(11 B)")
        terminal.wait_for(lambda _: terminal.clipboard == ["fc3.weight", ".fc3.weight"])
        leave(terminal)


def test_printing_leaves_the_values_in_the_terminals_own_scrollback(open_in, weight: torch.Tensor) -> None:
    with open_in("ssh") as terminal:
        walk_to(terminal, NAME)
        terminal.press("p")
        terminal.wait_for("tensor(")
        if ALTERNATE_SCREEN not in terminal.modes:
            terminal.press("enter")
        terminal.wait_until_quiet()
        leave(terminal)
        first = f"{weight.flatten()[0].item():.4f}"
        assert first in terminal.screen()


def test_control_c_leaves_too(open_in) -> None:
    with open_in("a terminal") as terminal:
        before = terminal.settings
        terminal.wait_for("fc1")
        terminal.press("ctrl+c")
        terminal.wait()
        assert ALTERNATE_SCREEN not in terminal.modes
        assert not terminal.modes & MOUSE_MODES
        assert terminal.settings == before
