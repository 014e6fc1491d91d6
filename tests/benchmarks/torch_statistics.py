"""What somebody with torch writes to see the figures of a file, on two threads: `python torch_statistics.py FILE`."""

from __future__ import annotations

import sys

import torch
from safetensors.torch import load_file

torch.set_num_threads(2)
for tensor in load_file(sys.argv[1]).values():
    tensor.min(), tensor.max(), tensor.mean(), tensor.std()
    tensor.isnan().sum(), tensor.isinf().sum(), (tensor == 0).sum()
    sample = tensor.flatten()[torch.randint(tensor.numel(), (1_000_000,))].sort().values
    sample[[1_000, 10_000, 50_000, 250_000, 500_000, 750_000, 950_000, 990_000, 999_000]]
