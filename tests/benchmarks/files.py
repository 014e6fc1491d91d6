"""The files that are measured, made once into tests/.cache: `python -m tests.benchmarks.files NAME PATH` makes one.

Each is made by a process of its own, since torch in the measuring process would count as its children's memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache"

Shape = tuple[int, ...]

TENSORS = {"1k": 1_000, "10k": 10_000, "100k": 100_000, "1M": 1_000_000}


def model(blocks: int, width: int, inner: int) -> Iterator[tuple[str, Shape]]:
    """The names and shapes of a transformer's weights."""
    yield "embedding.weight", (inner, width)
    for number in range(blocks):
        yield f"blocks.{number}.norm.weight", (width,)
        yield f"blocks.{number}.mlp.up.weight", (inner, width)
        yield f"blocks.{number}.mlp.down.weight", (width, inner)


def experts(tensors: int) -> Iterator[tuple[str, Shape]]:
    """The names and small shapes of a mixture of experts with so many tensors."""
    for number in range(tensors):
        expert, part = divmod(number, 3)
        layer, expert = divmod(expert, 256)
        yield f"model.layers.{layer}.mlp.experts.{expert}.{('gate', 'up', 'down')[part]}_proj.weight", (4, 2)


def save_random(path: Path, shapes: Iterator[tuple[str, Shape]]) -> None:
    """A state_dict of bfloat16 tensors with random values."""
    import torch

    torch.manual_seed(0)
    torch.save({name: torch.randn(shape, dtype=torch.bfloat16) for name, shape in shapes}, path)


def save_sparse(path: Path, shapes: Iterator[tuple[str, Shape]]) -> None:
    """A state_dict of bfloat16 tensors whose bytes are a hole in the file: its size on disk is that of its names."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(), torch.serialization.skip_data(materialize_fake_tensors=True):
        torch.save({name: torch.empty(shape, dtype=torch.bfloat16) for name, shape in shapes}, path)


def save_blocks(path: Path, width: int) -> None:
    """A `save_sparse` of 142 tensors, however large they are."""
    save_sparse(path, model(47, width, 2 * width))


def save_experts(path: Path, tensors: int) -> None:
    """A state_dict of very many small tensors, each in a storage of its own."""
    import torch

    torch.save({name: torch.zeros(shape, dtype=torch.bfloat16) for name, shape in experts(tensors)}, path)


def save_safetensors(path: Path, shapes: Iterator[tuple[str, Shape]], dtype: str) -> None:
    """A safetensors file of random values."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file({name: 0.02 * torch.randn(shape, dtype=getattr(torch, dtype)) for name, shape in shapes}, path)


def save_matrix(path: Path, rows: int, columns: int) -> None:
    """A state_dict of one float32 matrix."""
    import torch

    torch.manual_seed(0)
    torch.save({"weight": torch.randn(rows, columns)}, path)


def save_shards(folder: Path, shapes: list[tuple[str, Shape]], files: int) -> None:
    """A folder of safetensors files with their index, as Hugging Face has it; the bytes of the tensors are holes."""
    folder.mkdir(exist_ok=True)
    where: dict[str, str] = {}
    for number in range(files):
        name = f"model-{number + 1:05}-of-{files:05}.safetensors"
        header: dict[str, object] = {}
        at = 0
        for key, shape in shapes[len(shapes) * number // files : len(shapes) * (number + 1) // files]:
            end = at + 2 * shape[0] * shape[1]
            header[key] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
            where[key] = name
            at = end
        text = json.dumps(header).encode()
        (folder / name).write_bytes(len(text).to_bytes(8, "little") + text)
        os.truncate(folder / name, 8 + len(text) + at)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


FILES: dict[str, Callable[[Path], None]] = {
    "2GB.pt": lambda path: save_random(path, model(15, 4096, 8192)),
    "100GB.pt": lambda path: save_sparse(path, model(47, 16384, 32768)),
    "2GB-tensor.pt": lambda path: save_sparse(path, iter([("weight", (32768, 32768))])),
    "100MB.pt": lambda path: save_random(path, model(47, 512, 1024)),
    **{f"{name}.pt": partial(save_blocks, width=width) for name, width in {"1MB": 50, "1GB": 1600, "1TB": 51_600}.items()},
    **{f"{name}.pt": partial(save_experts, tensors=tensors) for name, tensors in TENSORS.items()},
    "100k.safetensors": lambda path: save_safetensors(path, experts(100_000), "bfloat16"),
    "quick-shards": lambda path: save_shards(path, list(experts(9_000)), 16),
    "shards": lambda path: save_shards(path, list(experts(90_000)), 163),
    "matrix.pt": lambda path: save_matrix(path, 50_000, 4096),
    "bf16.safetensors": lambda path: save_safetensors(path, model(16, 4096, 8192), "bfloat16"),
    "fp32.safetensors": lambda path: save_safetensors(path, model(15, 2048, 4096), "float32"),
}


def path_of(name: str) -> str:
    """Where a file lies; it is made if it isn't there."""
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        print(f"making {path}", file=sys.stderr)
        partial = path.with_suffix(".partial")
        subprocess.run([sys.executable, "-m", __name__, name, str(partial)], check=True)
        partial.rename(path)
    return str(path)


if __name__ == "__main__":
    FILES[sys.argv[1]](Path(sys.argv[2]))
