"""The files that are measured, made once into tests/.cache: `python -m tests.benchmarks.files NAME PATH` makes one.

Each is made by a process of its own, since torch in the measuring process would count as its children's memory.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache"

Shape = tuple[int, ...]


def model(blocks: int, width: int, inner: int) -> Iterator[tuple[str, Shape]]:
    """The names and shapes of a transformer's weights."""
    yield "embedding.weight", (inner, width)
    for number in range(blocks):
        yield f"blocks.{number}.norm.weight", (width,)
        yield f"blocks.{number}.mlp.up.weight", (inner, width)
        yield f"blocks.{number}.mlp.down.weight", (width, inner)


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


FILES: dict[str, Callable[[Path], None]] = {
    "2GB.pt": lambda path: save_random(path, model(15, 4096, 8192)),
    "100GB.pt": lambda path: save_sparse(path, model(47, 16384, 32768)),
    "100MB.pt": lambda path: save_random(path, model(47, 512, 1024)),
    "matrix.pt": lambda path: save_matrix(path, 50_000, 4096),
    "bf16.safetensors": lambda path: save_safetensors(path, model(16, 4096, 8192), "bfloat16"),
    "fp32.safetensors": lambda path: save_safetensors(path, model(15, 2048, 4096), "float32"),
    "quick-bf16.safetensors": lambda path: save_safetensors(path, model(16, 1024, 4096), "bfloat16"),
    "quick-fp32.safetensors": lambda path: save_safetensors(path, model(15, 1024, 2048), "float32"),
    "quick-2GB.pt": lambda path: save_random(path, model(15, 1024, 2048)),
    "quick-matrix.pt": lambda path: save_matrix(path, 50_000, 512),
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


def quick_path(name: str) -> str:
    """The same for its smaller form, where it has one."""
    return path_of(f"quick-{name}" if f"quick-{name}" in FILES else name)


if __name__ == "__main__":
    FILES[sys.argv[1]](Path(sys.argv[2]))
