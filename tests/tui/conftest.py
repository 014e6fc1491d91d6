"""A person before the screen: opens a file, presses keys, reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tui import clipboard
from tui.app import TorchTUI

PATIENCE = 10
"""Seconds after which a person gives up waiting for something to show."""

SOURCE = '''\
from torch import nn


class Tagger(nn.Module):
    """Tags words,\tand writes \x1b[31mred\u202e."""

    def __init__(self, words=50):
        super().__init__()
        self.embed = nn.Embedding(words, 8)  # one for each
        self.out = nn.Linear(8, 3)
'''


class Person:
    """Sees the screen of a running app, and presses keys."""

    def __init__(self, app: TorchTUI, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        """The screen, line by line, without blanks at the ends."""
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    @property
    def screen(self) -> str:
        return "\n".join(self.lines)

    @property
    def bottom(self) -> str:
        return self.lines[-1].strip()

    @property
    def row(self) -> str:
        """The name of the node under the tree's cursor."""
        node = self.app.explorer.module_tree.node
        return "" if node is None else node.name

    @property
    def rows(self) -> list[str]:
        """The names of the tree's rows below the root, on the screen or not."""
        rows = self.app.explorer.module_tree.rows
        return [] if rows is None else [node.name for node, _ in list(rows)[1:]]

    @property
    def focused(self) -> str:
        return type(self.app.focused).__name__

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*text)

    async def until(
        self, holds: Callable[[], object], what: str = "what was waited for", patience: float = PATIENCE
    ) -> None:
        deadline = time.monotonic() + patience
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come; the screen:\n{self.screen}")
            await asyncio.sleep(0.01)
        await self.pilot.pause()

    async def see(self, text: str) -> None:
        await self.until(lambda: text in self.screen, repr(text))

    def colours(self, text: str) -> tuple[str, str]:
        """Foreground and background of the first piece of the screen that holds this text."""
        for strip in self.app.screen._compositor.render_strips():
            for segment in strip:
                if text in segment.text and segment.style is not None:
                    return str(segment.style.color), str(segment.style.bgcolor)
        raise AssertionError(f"{text!r} is not on the screen:\n{self.screen}")


@asynccontextmanager
async def exploring(
    path: str | Path | None, size: tuple[int, int] = (120, 36), *, others: Sequence[str] = (), query: str = ""
) -> AsyncIterator[Person]:
    """A person who has typed `torchtui PATH [OTHERS ...] --filter QUERY`, and sees the tree if there is one to see."""
    app = TorchTUI(*([] if path is None else [str(path)]), *others, query=query)
    app.theme = "torchtui-dark"
    async with app.run_test(size=size) as pilot:
        person = Person(app, pilot)
        await person.until(
            lambda: app.explorer.checkpoint is not None or len(app.screen_stack) > 1 or app.screen.has_class("-small"),
            "the tree",
        )
        await pilot.pause()
        yield person


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to the clipboard, in place of any clipboard."""
    texts: list[str] = []

    def copy(text: str, write: Callable[[str], None]) -> clipboard.Outcome:
        size = len(text.encode())
        if size > clipboard.LIMIT:
            return clipboard.Outcome("failed", f"{size:,} B are too much for a clipboard: p prints it, w writes a file")
        texts.append(text)
        return clipboard.Outcome("sent", f"Sent to the terminal ({size} B)")

    monkeypatch.setattr(clipboard, "copy", copy)
    return texts


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training checkpoint: a model with tied, frozen and nested weights, its optimizer, numbers, texts, odd names."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    body = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3, enable_nested_tensor=False)
    model = nn.ModuleDict({"embed": nn.Embedding(20, 8), "body": body, "head": nn.Linear(8, 20, bias=False)})
    model["head"].weight = model["embed"].weight
    for parameter in body.layers[0].parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.AdamW(parameter for parameter in model.parameters() if parameter.requires_grad)
    model["head"](body(model["embed"](torch.zeros(1, 3, dtype=torch.long)))).sum().backward()
    optimizer.step()
    path = tmp_path_factory.mktemp("checkpoint") / "run.pt"
    torch.save(
        {
            "epoch": 3,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "config": {"lr": 3e-4, "name": "tiny [bold]run[/bold]\x1b[31m", 7: "seven"},
            "big": torch.arange(90_000).reshape(300, 300),
            "half": torch.linspace(-1, 1, 24, dtype=torch.bfloat16).reshape(2, 3, 4),
        },
        path,
    )
    return path


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module saved whole, with tied and frozen parameters."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 20, bias=False))
    model[3].weight = model[0].weight
    model[1].bias.requires_grad_(False)
    path = tmp_path_factory.mktemp("module") / "module.pt"
    torch.save(model, path)
    return path


@pytest.fixture(scope="session")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module saved before 1.6, which carries the source of its class."""
    import importlib.util
    import sys

    import torch

    folder = tmp_path_factory.mktemp("legacy")
    (folder / "oldnet.py").write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("oldnet", folder / "oldnet.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "oldnet", module)
        spec.loader.exec_module(module)
        torch.save(module.Tagger(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    return folder / "legacy.pt"
