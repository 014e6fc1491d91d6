"""Makes `tui/demo.pt`, what `torchtui --demo` opens: `python tests/make_demo.py [DEST]`, the same bytes each time.

A training checkpoint of a small reader of handwriting: the module saved whole, although its classes exist in no package,
the optimizer's state, and the settings. It has a bit of all that a checkpoint can have: tied, frozen, half, bfloat16,
float8, quantised and complex tensors, buffers of which one is not saved in a state_dict, and one NaN to find.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

DEMO = Path(__file__).parent.parent / "tui" / "demo.pt"

LETTERS = 40
WIDTH = 16


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = 4
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH)
        angles = torch.outer(torch.arange(32.0), 10000 ** (-torch.arange(2.0) / 2))
        self.register_buffer("rotation", torch.polar(torch.ones_like(angles), angles), persistent=False)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.feed_norm = nn.LayerNorm(WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * WIDTH, WIDTH))


class Compressed(nn.Module):
    """The first query in fewer bits, and which letters it was made from."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        scale = weight.abs().max().item() / 127
        integers = (weight / scale).round().clamp(-128, 127).to(torch.int8)
        self.register_buffer("query_int8", torch._make_per_tensor_quantized_tensor(integers, scale, 0))
        self.register_buffer("query_float8", weight.to(torch.float8_e4m3fn))
        self.register_buffer("seen", torch.arange(LETTERS) % 3 != 0)
        self.register_buffer("counts", (1000 / torch.arange(1, LETTERS + 1)).int())


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.strokes = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.letters = nn.Embedding(LETTERS, WIDTH, padding_idx=0)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.spelling = nn.Linear(WIDTH, LETTERS, bias=False)
        self.spelling.weight = self.letters.weight
        self.compressed = Compressed(self.blocks[0].attention.query.weight.detach())
        self.alphabet = "abcdefghijklmnopqrstuvwxyz .,;:-'?!()"


class Settings:
    """How it was trained: of a class that only the author has."""

    def __init__(self) -> None:
        self.learning_rate = 0.003
        self.batch = 16
        self.warmup = (10, 0.1)
        self.corpus = "letters-1912"


def checkpoint() -> dict[str, object]:
    """What is saved: the seeded module after a few steps of an optimizer on made-up targets, and what goes with it."""
    torch.manual_seed(1912)
    model = Reader()
    model.letters.requires_grad_(False)
    trained = [*model.blocks[0].feed.parameters(), model.strokes[0].weight]
    optimizer = torch.optim.AdamW(trained, lr=0.003)
    for step in range(3):
        optimizer.zero_grad()
        sum(((parameter - 0.1 * math.sin(step + 1)) ** 2).sum() for parameter in trained).backward()
        optimizer.step()
    model.zero_grad(set_to_none=True)
    model.strokes[1].running_mean.uniform_(-0.2, 0.2)
    model.strokes[1].num_batches_tracked.fill_(3)
    model.blocks[1].feed.bfloat16()
    model.blocks[1].attention.half()
    with torch.no_grad():
        model.blocks[1].feed[0].weight[5, 3] = float("nan")
    return {
        "model": model,
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "losses": [2.31, 1.78, float("inf")],
        "settings": Settings(),
    }


def make(destination: Path) -> None:
    """Saves the checkpoint with its classes as those of a package that nobody has."""
    package = ModuleType("handwriting")
    for made in (Attention, Block, Compressed, Reader, Settings):
        made.__module__ = "handwriting"
        setattr(package, made.__name__, made)
    sys.modules["handwriting"] = package
    try:
        with destination.open("wb") as file:
            torch.save(checkpoint(), file)
    finally:
        del sys.modules["handwriting"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", nargs="?", type=Path, default=DEMO)
    make(parser.parse_args().dest)
