"""Files of the libraries themselves: what they dequantise to is what is computed here, bit by bit.

Each test is skipped where its library is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import inspector
from inspector.nodes import Tensor
from tests.inspector.test_grouping import assert_is, whole

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_bitsandbytes_of_4_bits(tmp_path: Path, kind: str, nested: bool, dtype: torch.dtype):
    bnb = pytest.importorskip("bitsandbytes")
    layer = bnb.nn.Linear4bit(256, 48, bias=False, quant_type=kind, compress_statistics=nested)
    layer.weight = bnb.nn.Params4bit(
        torch.randn(48, 256, dtype=dtype), requires_grad=False, quant_type=kind, compress_statistics=nested, blocksize=64
    )._quantize("cpu")
    model = torch.nn.Sequential(layer)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, tmp_path / "model.safetensors")
    expected = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    assert_is(whole(inspector.open(tmp_path / "model.safetensors"), "0.weight.dequantize()"), expected)


def test_bitsandbytes_of_8_bits(tmp_path: Path):
    bnb = pytest.importorskip("bitsandbytes")
    q, scale, _ = bnb.functional.int8_vectorwise_quant(torch.randn(40, 64, dtype=torch.float16))
    save_file({"fc.weight": q, "fc.SCB": scale}, tmp_path / "model.safetensors")
    expected = bnb.functional.int8_vectorwise_dequant(q, scale)
    assert_is(whole(inspector.open(tmp_path / "model.safetensors"), "fc.weight.dequantize()"), expected)


def torchao_weight(kind: str) -> torch.Tensor:
    """A weight of 32 x 64 of one of torchao's classes."""
    torchao = pytest.importorskip("torchao.quantization")
    if kind in ("nvfp4", "mxfp4", "mxfp8"):
        formats = pytest.importorskip("torchao.prototype.mx_formats")
        from torchao.prototype.mx_formats import mx_tensor, nvfp4_tensor

        assert formats
        values = torch.randn(32, 64, dtype=torch.bfloat16)
        if kind == "nvfp4":
            return nvfp4_tensor.NVFP4Tensor.to_nvfp4(values)
        element = torch.float4_e2m1fn_x2 if kind == "mxfp4" else torch.float8_e4m3fn
        return mx_tensor.MXTensor.to_mx(values, element, 32)
    config = {
        "int8": lambda: torchao.Int8WeightOnlyConfig(),
        "int4": lambda: torchao.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=torchao.PerGroup(32)),
        "int2": lambda: torchao.IntxWeightOnlyConfig(weight_dtype=torch.int2, granularity=torchao.PerGroup(32)),
        "float8": lambda: torchao.Float8WeightOnlyConfig(),
    }[kind]()
    model = torch.nn.Sequential(torch.nn.Linear(64, 32, bias=False, dtype=torch.bfloat16))
    torchao.quantize_(model, config)
    return model[0].weight


@pytest.mark.parametrize("kind", ["int8", "int4", "int2", "float8", "nvfp4", "mxfp4", "mxfp8"])
def test_torchao_in_a_torch_file(tmp_path: Path, kind: str):
    weight: Any = torchao_weight(kind)
    torch.save({"fc.weight": weight}, tmp_path / "model.pt")
    found = inspector.open(tmp_path / "model.pt")["fc.weight"]
    assert isinstance(found, Tensor) and found.traits.computed is not None
    assert found.traits.computed.scheme == "torchao"
    assert_is(found, weight.dequantize())


@pytest.mark.parametrize("kind", ["int8", "int4", "float8", "nvfp4", "mxfp4"])
def test_torchao_flat_in_safetensors(tmp_path: Path, kind: str):
    weight: Any = torchao_weight(kind)
    support = pytest.importorskip("torchao.prototype.safetensors.safetensors_support")
    tensors, metadata = support.flatten_tensor_state_dict({"fc.weight": weight})
    save_file(tensors, tmp_path / "model.safetensors", metadata=metadata)
    found = whole(inspector.open(tmp_path / "model.safetensors"), "fc.weight")
    assert_is(found, weight.dequantize())


def test_torchao_int4_as_its_kernels_documentation_has_it(tmp_path: Path):
    torchao = pytest.importorskip("torchao.quantization")
    q = torch.randint(-8, 8, (12, 64), dtype=torch.int8)
    scale, zero = torch.rand(2, 12).bfloat16(), torch.randn(2, 12).bfloat16()
    packed = (q[:, 1::2] << 4) | (q[:, ::2] & 15)
    weight = torchao.Int4Tensor(packed, scale, zero, [1, 32], torch.Size([12, 64]))
    torch.save({"fc.weight": weight}, tmp_path / "model.pt")
    expected = q * scale.T.float().repeat_interleave(32, 1) + zero.T.float().repeat_interleave(32, 1)
    found = inspector.open(tmp_path / "model.pt")["fc.weight"]
    assert isinstance(found, Tensor)
    assert_is(found, expected.bfloat16())


COMPRESSED = [
    (width, strategy, symmetric) for width in (3, 4, 8) for strategy in ("group", "channel") for symmetric in (True, False)
]


@pytest.mark.parametrize(("width", "strategy", "symmetric"), COMPRESSED)
def test_compressed_tensors_packed(tmp_path: Path, width: int, strategy: str, symmetric: bool):
    compressors = pytest.importorskip("compressed_tensors.compressors.pack_quantized.base")
    quantization = pytest.importorskip("compressed_tensors.quantization")
    size = 32 if strategy == "group" else None
    about = quantization.QuantizationArgs(num_bits=width, strategy=strategy, group_size=size, symmetric=symmetric)
    scheme = quantization.QuantizationScheme(targets=["Linear"], weights=about)
    scale = torch.rand(24, 4 if size else 1, dtype=torch.bfloat16) + 0.1
    given = {"weight": torch.randn(24, 128, dtype=torch.bfloat16), "weight_scale": scale}
    if not symmetric:
        half = 2 ** (width - 1)
        given["weight_zero_point"] = torch.randint(-half, half, scale.shape, dtype=torch.int8)
    packed = compressors.PackedQuantizationCompressor.compress(given, scheme)
    save_file({f"fc.{name}": tensor.contiguous() for name, tensor in packed.items()}, tmp_path / "model.safetensors")
    expected = compressors.PackedQuantizationCompressor.decompress(dict(packed), scheme)["weight"]
    assert_is(whole(inspector.open(tmp_path / "model.safetensors"), "fc.weight"), expected)


@pytest.mark.parametrize("kind", ["nvfp4", "mxfp4"])
def test_compressed_tensors_of_4_bit_floats(tmp_path: Path, kind: str):
    quantization = pytest.importorskip("compressed_tensors.quantization")
    module = pytest.importorskip(f"compressed_tensors.compressors.{kind}.base")
    compressor = module.NVFP4PackedCompressor if kind == "nvfp4" else module.MXFP4PackedCompressor
    size = 16 if kind == "nvfp4" else 32
    strategy = "tensor_group" if kind == "nvfp4" else "group"
    about = quantization.QuantizationArgs(num_bits=4, type="float", strategy=strategy, group_size=size, symmetric=True)
    scheme = quantization.QuantizationScheme(targets=["Linear"], weights=about)
    given = {"weight": torch.randn(32, 256, dtype=torch.bfloat16)}
    if kind == "nvfp4":
        given["weight_scale"] = (torch.rand(32, 16) * 400 + 1).to(torch.float8_e4m3fn).float()
        given["weight_global_scale"] = torch.tensor([300.0])
    else:
        given["weight_scale"] = torch.exp2(torch.randint(-3, 3, (32, 8)).float()).bfloat16()
    packed = compressor.compress(given, scheme)
    save_file({f"fc.{name}": tensor.contiguous() for name, tensor in packed.items()}, tmp_path / "model.safetensors")
    expected = compressor.decompress(dict(packed), scheme)["weight"]
    assert_is(whole(inspector.open(tmp_path / "model.safetensors"), "fc.weight"), expected)


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"alpha_pattern": {"lin": 32}, "rank_pattern": {"out": 2}}])
def test_peft(tmp_path: Path, settings: dict[str, Any]):
    peft = pytest.importorskip("peft")
    layers = {"emb": torch.nn.Embedding(50, 16), "lin": torch.nn.Linear(16, 24), "out": torch.nn.Linear(24, 5)}
    base = torch.nn.Sequential()
    for name, layer in {**layers, "conv": torch.nn.Conv2d(3, 8, 3)}.items():
        base.add_module(name, layer)
    names = ["emb", "lin", "out", "conv"]
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=names, init_lora_weights=False, **settings)
    model = peft.get_peft_model(base, config)
    model.save_pretrained(tmp_path)
    for path in (tmp_path, tmp_path / "adapter_model.safetensors"):
        checkpoint = inspector.open(path)
        for name in names:
            expected = getattr(model.base_model.model, name).get_delta_weight("default").detach()
            found = whole(checkpoint, f"base_model.model.{name}.delta_weight")
            assert found.shape == tuple(expected.shape)
            assert np.allclose(found.numpy(), expected.numpy(), atol=1e-6)


def test_a_peft_model_saved_as_a_module_has_its_own_scaling(tmp_path: Path):
    peft = pytest.importorskip("peft")
    base = torch.nn.Sequential(torch.nn.Linear(6, 4))
    model = peft.get_peft_model(base, peft.LoraConfig(r=2, lora_alpha=6, target_modules=["0"], init_lora_weights=False))
    torch.save(model, tmp_path / "model.pt")
    found = whole(inspector.open(tmp_path / "model.pt"), "base_model.model.0.delta_weight")
    expected = model.base_model.model[0].get_delta_weight("default").detach()
    assert np.allclose(found.numpy(), expected.numpy(), atol=1e-6)
