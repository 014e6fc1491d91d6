"""Packed weights written by the documentation of each scheme, element by element, with the numbers that they stand for."""

from __future__ import annotations

import json
from typing import Any

import torch

Tensors = dict[str, torch.Tensor]

NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The table of NF4 (QLoRA, appendix E)."""

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
"""The sixteen values of a float4 (OCP Microscaling 1.0)."""


def words(rows: torch.Tensor, bits: int) -> torch.Tensor:
    """Each row as one number, lowest bits first, cut into int32."""
    packed = []
    for row in rows.tolist():
        number = sum(element << (bits * place) for place, element in enumerate(row))
        count = -(-len(row) * bits // 32)
        packed.append([(number >> (32 * word)) & 0xFFFFFFFF for word in range(count)])
    return torch.tensor(packed, dtype=torch.int64).to(torch.int32)


def pairs(elements: torch.Tensor, high_first: bool) -> torch.Tensor:
    """Two elements of 4 bits in a byte, along the last axis."""
    one, other = elements[..., ::2].to(torch.uint8), elements[..., 1::2].to(torch.uint8)
    return one << 4 | other if high_first else one | other << 4


def gptq(
    outputs: int,
    inputs: int,
    bits: int,
    size: int,
    dtype: torch.dtype = torch.float16,
    shuffled: bool = False,
    v2: bool = False,
) -> tuple[Tensors, torch.Tensor]:
    """A GPTQ layer of `size` inputs a group, and its weight."""
    groups = inputs // size
    q = torch.randint(0, 2**bits, (inputs, outputs))
    zeros = torch.randint(1, 2**bits, (groups, outputs))
    scales = torch.rand(groups, outputs).to(dtype) / 8
    group = torch.arange(inputs) // size
    if shuffled:
        group = group[torch.randperm(inputs)]
    tensors = {
        "qweight": words(q.T, bits).T.contiguous(),
        "qzeros": words(zeros if v2 else zeros - 1, bits),
        "scales": scales,
        "g_idx": group.to(torch.int32),
    }
    return tensors, ((q - zeros[group]) * scales[group]).T


def awq(outputs: int, inputs: int, size: int) -> tuple[Tensors, torch.Tensor]:
    """An AWQ layer, and its weight."""
    q = torch.randint(0, 16, (inputs, outputs))
    zeros = torch.randint(0, 16, (inputs // size, outputs))
    scales = torch.rand(inputs // size, outputs).half() / 8

    def packed(rows: torch.Tensor) -> torch.Tensor:
        made = torch.zeros(len(rows), outputs // 8, dtype=torch.int64)
        for column in range(outputs // 8):
            for place, element in enumerate((0, 2, 4, 6, 1, 3, 5, 7)):
                made[:, column] |= rows[:, 8 * column + element] << (4 * place)
        return made.to(torch.int32)

    group = torch.arange(inputs) // size
    tensors = {"qweight": packed(q), "qzeros": packed(zeros), "scales": scales}
    return tensors, ((q - zeros[group]) * scales[group]).T


def nf4(
    rows: int, columns: int, block: int = 64, nested: bool = False, dtype: str = "bfloat16"
) -> tuple[Tensors, torch.Tensor]:
    """A weight of bitsandbytes in NF4 under the name `weight`, and its values."""
    q = torch.randint(0, 16, (rows * columns,))
    table = torch.tensor(NF4)
    count = -(-len(q) // block)
    about: dict[str, Any] = {"quant_type": "nf4", "blocksize": block, "dtype": dtype, "shape": [rows, columns]}
    maxima = torch.rand(count)
    tensors = {"weight": pairs(q, high_first=True)[:, None], "weight.absmax": maxima, "weight.quant_map": table}
    if nested:
        codes, map_, outer = torch.randint(0, 256, (count,)), torch.linspace(-1, 1, 256), torch.rand(-(-count // 8))
        maxima = map_[codes] * outer[torch.arange(count) // 8] + 0.25
        tensors |= {
            "weight.absmax": codes.to(torch.uint8),
            "weight.nested_absmax": outer,
            "weight.nested_quant_map": map_,
        }
        about |= {"nested_blocksize": 8, "nested_offset": 0.25, "nested_dtype": "float32"}
    tensors["weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(json.dumps(about).encode()), dtype=torch.uint8)
    values = table[q] * maxima[torch.arange(len(q)) // block]
    return tensors, values.reshape(rows, columns).to(getattr(torch, dtype))


def compressed(rows: int, columns: int, bits: int, size: int, zero_points: bool = False) -> tuple[Tensors, torch.Tensor]:
    """A weight of compressed-tensors in `pack-quantized`, and its values."""
    half = 1 << (bits - 1)
    groups = columns // size
    q = torch.randint(-half, half, (rows, columns))
    zeros = torch.randint(-half, half, (rows, groups)) if zero_points else torch.zeros(rows, groups, dtype=torch.int64)
    scales = torch.rand(rows, groups).bfloat16()
    tensors = {
        "weight_packed": words(q + half, bits),
        "weight_scale": scales,
        "weight_shape": torch.tensor([rows, columns]),
    }
    if zero_points:
        tensors["weight_zero_point"] = words((zeros + half).T, bits).T.contiguous()
    group = torch.arange(columns) // size
    return tensors, (q - zeros[:, group]).bfloat16() * scales[:, group]


def hqq(rows: int, columns: int, bits: int, size: int, axis: int) -> tuple[Tensors, torch.Tensor]:
    """A weight of HQQ with its settings as tensors, and its values."""
    parts = 8 // bits
    matrix = (rows * columns // size, size) if axis == 1 else (size, rows * columns // size)
    q = torch.randint(0, 2**bits, matrix)
    along = (matrix[0], 1) if axis == 1 else (1, matrix[1])
    scale, zero = torch.rand(along).half(), (torch.rand(along) * 2**bits).half()
    step = matrix[0] // parts
    packed = torch.zeros(step, matrix[1], dtype=torch.int64)
    for part in range(parts):
        packed |= q[part * step : (part + 1) * step] << (8 - bits * (part + 1))

    def text(word: str) -> torch.Tensor:
        return torch.tensor([ord(letter) for letter in word], dtype=torch.uint8)

    tensors = {
        "W_q": packed.to(torch.uint8),
        "scale": scale,
        "zero": zero,
        "nbits": torch.tensor(bits, dtype=torch.int32),
        "group_size": torch.tensor(size, dtype=torch.int32),
        "axis": torch.tensor(axis, dtype=torch.int32),
        "shape": torch.tensor([rows, columns]),
        "packing": text(f"{bits}bit_u8"),
        "compute_dtype": text("torch.float16"),
    }
    return tensors, ((q.half() - zero) * scale).reshape(rows, columns)


def under(name: str, tensors: Tensors) -> Tensors:
    """The tensors as they are called within a model."""
    return {f"{name}.{key}": tensor.contiguous() for key, tensor in tensors.items()}
