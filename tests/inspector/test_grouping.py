"""Several tensors that make up one: found by what is there, laid over a tree that stays the file's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import inspector
from inspector.errors import InspectorError
from inspector.nodes import Module, Tensor
from tests.inspector import packings
from tests.inspector.packings import Tensors, under

Opened = Callable[..., inspector.Checkpoint]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Writes tensors as safetensors or as a torch file, settings beside them, and opens them."""

    def write(tensors: Tensors, kind: str = "safetensors", **settings: Any) -> inspector.Checkpoint:
        path = tmp_path / f"model.{kind}"
        if kind == "safetensors":
            save_file(tensors, path)
        else:
            torch.save(tensors, path)
        for name, value in settings.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(value))
        return inspector.open(path)

    return write


def whole(checkpoint: inspector.Checkpoint, name: str) -> Tensor:
    """The computed tensor of this name."""
    found = checkpoint[name]
    assert isinstance(found, Tensor) and found.kind == "computed"
    return found


def bits(values: Any) -> Any:
    """Values as bytes, so that NaN and -0 count."""
    array = values.contiguous().reshape(-1).view(torch.uint8).numpy() if isinstance(values, torch.Tensor) else values
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def assert_is(tensor: Tensor, expected: torch.Tensor) -> None:
    """The shape, dtype and bits of all of it, and of some boxes."""
    assert tensor.shape == tuple(expected.shape)
    assert f"torch.{tensor.dtype}" == str(expected.dtype)
    values = tensor.numpy()
    assert values.flags.c_contiguous
    assert np.array_equal(bits(values), bits(expected))
    random = np.random.default_rng(0)
    for _ in range(8):
        first = [int(random.integers(0, size)) for size in tensor.shape]
        box = tuple(
            slice(start, int(random.integers(start + 1, size + 1))) for start, size in zip(first, tensor.shape, strict=True)
        )
        assert np.array_equal(bits(tensor[box]), bits(expected[box]))


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
@pytest.mark.parametrize("width", [2, 3, 4, 8])
def test_a_gptq_weight_is_computed_from_its_pieces(opened: Opened, kind: str, width: int):
    tensors, weight = packings.gptq(32, 128, width, 32)
    checkpoint = opened(under("model.q_proj", tensors), kind)
    found = whole(checkpoint, "model.q_proj.weight")
    assert_is(found, weight)
    assert found.traits.computed is not None
    assert found.traits.computed.brief == f"GPTQ {width}-bit g32"


def test_gptq_groups_may_be_in_the_order_of_activations(opened: Opened):
    tensors, weight = packings.gptq(32, 128, 4, 32, shuffled=True)
    assert_is(whole(opened(under("q_proj", tensors)), "q_proj.weight"), weight)


def test_gptq_zero_points_are_stored_less_one_unless_the_settings_say_v2(opened: Opened):
    tensors, weight = packings.gptq(32, 64, 4, 32, v2=True)
    settings = {"quant_method": "gptq", "bits": 4, "group_size": 32, "checkpoint_format": "gptq_v2"}
    checkpoint = opened(under("q_proj", tensors), config={"quantization_config": settings})
    found = whole(checkpoint, "q_proj.weight")
    assert_is(found, weight)
    assert found.traits.computed is not None
    assert found.traits.computed.facts["zero points"] == "stored as they are (gptq_v2)"


@pytest.mark.parametrize("key", ["checkpoint_format", "format"])
def test_gptq_in_planes_has_zero_points_as_they_are_and_is_not_misread_where_it_packs_otherwise(opened: Opened, key: str):
    settings = {"quant_method": "gptq", key: "gptq_p"}
    tensors, weight = packings.gptq(32, 64, 4, 32, v2=True)
    checkpoint = opened(under("q_proj", tensors), config={"quantization_config": settings})
    assert_is(whole(checkpoint, "q_proj.weight"), weight)
    tensors, _ = packings.gptq(32, 64, 3, 32, v2=True)
    checkpoint = opened(under("q_proj", tensors), config={"quantization_config": settings})
    assert checkpoint.problems == ["q_proj: GPTQ: 3 bits in planes (gptq_p) are not unpacked here"]
    assert "q_proj.qweight" in checkpoint.state_dict()


def test_what_is_taken_for_granted_about_zero_points_is_said(opened: Opened):
    tensors, _ = packings.gptq(32, 64, 4, 32)
    computed = whole(opened(under("q_proj", tensors)), "q_proj.weight").traits.computed
    assert computed is not None
    assert "taken for granted" in computed.facts["zero points"]


def test_a_gptq_zero_point_of_all_ones_stands_for_zero(opened: Opened):
    tensors, _ = packings.gptq(8, 32, 4, 32)
    tensors["qzeros"] = torch.full_like(tensors["qzeros"], -1)
    tensors["scales"] = torch.ones_like(tensors["scales"])
    values = whole(opened(under("q_proj", tensors)), "q_proj.weight").numpy()
    assert values.min() >= 0 and values.max() <= 15


def test_an_awq_weight_is_computed_from_its_pieces(opened: Opened):
    tensors, weight = packings.awq(64, 128, 32)
    found = whole(opened(under("q_proj", tensors)), "q_proj.weight")
    assert_is(found, weight)
    assert found.traits.computed is not None
    assert found.traits.computed.brief == "AWQ 4-bit g32"


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_weight_of_bitsandbytes_is_computed_from_its_pieces(opened: Opened, nested: bool, dtype: str):
    tensors, weight = packings.nf4(10, 96, nested=nested, dtype=dtype)
    checkpoint = opened(under("q_proj", tensors))
    found = whole(checkpoint, "q_proj.weight.dequantize()")
    assert_is(found, weight)
    assert found.traits.computed is not None
    assert found.traits.computed.brief == "bitsandbytes NF4 4-bit g64"


def test_the_packed_weight_keeps_its_name_beside_the_computed_one(opened: Opened):
    tensors, _ = packings.nf4(8, 64)
    checkpoint = opened(under("q_proj", tensors))
    packed = checkpoint["q_proj.weight"]
    assert isinstance(packed, Tensor) and packed.dtype == "uint8"
    assert packed.whole is whole(checkpoint, "q_proj.weight.dequantize()")


def test_a_weight_of_8_bits_of_bitsandbytes_is_scaled_by_rows(opened: Opened):
    q, scale = torch.randint(-127, 128, (6, 10), dtype=torch.int8), torch.rand(6)
    tensors = {"weight": q, "SCB": scale, "weight_format": torch.tensor(0, dtype=torch.uint8)}
    found = whole(opened(under("fc", tensors)), "fc.weight.dequantize()")
    assert np.allclose(found.numpy(), (q * scale[:, None] / 127).numpy(), rtol=1e-6)


@pytest.mark.parametrize("zero_points", [False, True])
@pytest.mark.parametrize("width", [2, 3, 4, 8])
def test_a_weight_of_compressed_tensors_is_computed_from_its_pieces(opened: Opened, width: int, zero_points: bool):
    tensors, weight = packings.compressed(24, 96, width, 32, zero_points)
    settings = {"quantization_config": {"config_groups": {"group_0": {"weights": {"num_bits": width}}}}}
    checkpoint = opened(under("fc", tensors), config=settings)
    assert_is(whole(checkpoint, "fc.weight"), weight)


def test_float8_with_a_scale_for_each_block_is_computed_as_deepseek_does(opened: Opened):
    weight = torch.randn(200, 300).to(torch.float8_e4m3fn)
    scale = torch.rand(2, 3)
    expected = weight.float() * scale.repeat_interleave(128, 0).repeat_interleave(128, 1)[:200, :300]
    found = whole(opened({"fc.weight": weight, "fc.weight_scale_inv": scale}), "fc.weight.dequantize()")
    assert_is(found, expected)
    assert found.traits.computed is not None
    assert found.traits.computed.facts["group size"] == "128x128"


@pytest.mark.parametrize("shape", [(), (1,), (6,), (6, 1)])
def test_float8_may_have_one_scale_or_one_for_each_row(opened: Opened, shape: tuple[int, ...]):
    weight, scale = torch.randn(6, 8).to(torch.float8_e5m2), torch.rand(shape)
    expected = weight.float() * (scale if scale.numel() == 1 else scale.reshape(6, 1))
    assert_is(whole(opened({"fc.weight": weight, "fc.weight_scale": scale}), "fc.weight.dequantize()"), expected)


@pytest.mark.parametrize("by", ["weight_scale_2", "weight_global_scale"])
def test_nvfp4_has_two_levels_of_scales(opened: Opened, by: str):
    q = torch.randint(0, 16, (6, 64))
    scale, one = (torch.rand(6, 4) * 400).to(torch.float8_e4m3fn), torch.tensor([0.5])
    factor = scale.float() * one if by == "weight_scale_2" else scale.float() / one
    expected = torch.tensor(packings.E2M1)[q] * factor.repeat_interleave(16, 1)
    name = "weight" if by == "weight_scale_2" else "weight_packed"
    checkpoint = opened({f"fc.{name}": packings.pairs(q, high_first=False), "fc.weight_scale": scale, f"fc.{by}": one})
    key = "fc.weight.dequantize()" if name == "weight" else "fc.weight"
    assert_is(whole(checkpoint, key), expected.bfloat16())


def test_mxfp4_of_gpt_oss_has_powers_of_two_for_scales(opened: Opened):
    q = torch.randint(0, 16, (2, 6, 64))
    exponent = torch.randint(120, 134, (2, 6, 2), dtype=torch.uint8)
    expected = torch.tensor(packings.E2M1)[q] * torch.exp2(exponent.float() - 127).repeat_interleave(32, 2)
    blocks = packings.pairs(q, high_first=False).reshape(2, 6, 2, 16)
    checkpoint = opened({"mlp.gate_up_proj_blocks": blocks, "mlp.gate_up_proj_scales": exponent})
    assert_is(whole(checkpoint, "mlp.gate_up_proj"), expected.bfloat16())


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_a_weight_of_hqq_is_computed_from_its_pieces(opened: Opened, width: int, axis: int):
    tensors, weight = packings.hqq(16, 96, width, 32, axis)
    found = whole(opened(under("fc", tensors)), "fc.weight")
    assert_is(found, weight)
    assert found.traits.computed is not None
    assert found.traits.computed.brief == f"HQQ {width}-bit g32"


def lora(a: str = "lora_A.weight", b: str = "lora_B.weight") -> tuple[Tensors, torch.Tensor]:
    """The matrices of an adapter of rank 4, and their product."""
    first, second = torch.randn(4, 12), torch.randn(10, 4)
    return {a: first, b: second}, second @ first


def close(tensor: Tensor, expected: torch.Tensor) -> bool:
    """Whether a product is right, up to the order in which it is summed."""
    return np.allclose(tensor.numpy(), expected.numpy(), atol=1e-5) and np.allclose(
        tensor[2:5, 3:7], expected[2:5, 3:7].numpy(), atol=1e-5
    )


def test_an_adapters_matrices_stand_for_what_they_add(opened: Opened):
    tensors, product = lora()
    checkpoint = opened(under("model.q_proj", tensors), adapter_config={"r": 4, "lora_alpha": 8})
    found = whole(checkpoint, "model.q_proj.delta_weight")
    assert close(found, product * 2)
    assert found.traits.computed is not None
    assert found.traits.computed.facts == {"rank": 4, "scaling": "8 / 4"}


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"lora_alpha": 8, "use_rslora": True}, 4.0),
        ({"lora_alpha": 8, "alpha_pattern": {"q_proj": 2}}, 0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"k_proj": 2}}, 2.0),
        ({"lora_alpha": 8, "alpha_pattern": {".*proj": 2}}, 1.0),
    ],
)
def test_the_scaling_is_what_the_adapters_settings_say(opened: Opened, settings: dict[str, Any], factor: float):
    tensors, product = lora()
    checkpoint = opened(under("model.q_proj", tensors), adapter_config=settings)
    assert close(whole(checkpoint, "model.q_proj.delta_weight"), product * factor)


def test_without_alpha_the_scaling_is_unknown_and_said_to_be(opened: Opened):
    tensors, product = lora()
    found = whole(opened(under("q_proj", tensors)), "q_proj.delta_weight")
    assert close(found, product)
    assert found.traits.computed is not None
    assert found.traits.computed.facts["scaling"].startswith("unknown, 1 is taken")


def test_kohyas_adapters_have_alpha_as_a_tensor(opened: Opened):
    tensors, product = lora("lora_down.weight", "lora_up.weight")
    checkpoint = opened(under("lora_unet_to_q", tensors | {"alpha": torch.tensor(2.0)}))
    found = whole(checkpoint, "lora_unet_to_q.delta_weight")
    assert close(found, product / 2)
    assert [part.label for part in found.traits.parts] == ["lora_down", "lora_up", "alpha"]


def test_several_adapters_of_a_weight_are_told_apart(opened: Opened):
    one, first = lora("lora_A.one.weight", "lora_B.one.weight")
    two, second = lora("lora_A.two.weight", "lora_B.two.weight")
    checkpoint = opened(under("q_proj", one | two), "pt")
    assert close(whole(checkpoint, "q_proj.delta_weight[one]"), first)
    assert close(whole(checkpoint, "q_proj.delta_weight[two]"), second)


def test_an_adapter_of_an_embedding_is_as_the_embedding_lies(opened: Opened):
    a, b = torch.randn(4, 50), torch.randn(16, 4)
    checkpoint = opened({"emb.lora_embedding_A": a, "emb.lora_embedding_B": b})
    assert close(whole(checkpoint, "emb.delta_weight"), (b @ a).T)


def test_an_adapter_of_a_convolution_has_the_shape_of_its_kernel(opened: Opened):
    a, b = torch.randn(4, 3, 5, 5), torch.randn(8, 4, 1, 1)
    checkpoint = opened({"conv.lora_A.weight": a, "conv.lora_B.weight": b})
    found = whole(checkpoint, "conv.delta_weight")
    expected = torch.einsum("orxy,rikl->oikl", b, a)
    assert found.shape == (8, 3, 5, 5)
    assert np.allclose(found[1:3, :, 2:4].squeeze(), expected[1:3, :, 2:4].numpy(), atol=1e-5)


def model() -> Tensors:
    """A few layers, packed by several schemes."""
    quantised = under("layers.0.q_proj", packings.gptq(32, 64, 4, 32)[0])
    four = under("layers.1.q_proj", packings.nf4(8, 64)[0])
    adapter = under("layers.2.q_proj", lora()[0])
    return {"norm.weight": torch.ones(3), **quantised, **four, **adapter}


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_names_expressions_and_counts_stay_those_of_the_file(opened: Opened, kind: str, monkeypatch: pytest.MonkeyPatch):
    tensors = model()
    grouped = opened(tensors, kind)
    monkeypatch.setattr("inspector.checkpoint.group", lambda *_: None)
    plain = opened(tensors, kind)

    def told(checkpoint: inspector.Checkpoint) -> Any:
        root = checkpoint.root
        assert isinstance(root, Module)
        return (
            [(node.name, node.expression, [child.name for child in node.children]) for node in root.walk()],
            list(checkpoint.state_dict()),
            [name for name, _ in checkpoint.named_parameters()],
            [name for name, _ in checkpoint.named_modules()],
            (root.tensor_count, root.numel, root.nbytes),
            repr(root),
        )

    assert told(grouped) == told(plain)
    assert set(grouped.state_dict()) == set(tensors)
    assert any(isinstance(node, Module) and node.grouped is not None for node in grouped.root.walk())


def test_what_is_shown_below_a_module_are_the_computed_tensors_in_place_of_their_parts(opened: Opened):
    tensors = under("fc", packings.gptq(32, 64, 4, 32)[0]) | {"fc.bias": torch.zeros(32)}
    checkpoint = opened(tensors, "pt")
    module = checkpoint["fc"]
    assert [node.label for node in module.below] == ["weight", "bias"]
    assert [node.label for node in module.below[0].below] == ["qweight", "qzeros", "scales", "g_idx"]
    assert all(part.above is module.below[0] for part in module.below[0].below)
    assert [node.label for node in module.children] == ["qweight", "qzeros", "scales", "g_idx", "bias"]


def test_a_computed_tensor_counts_the_bytes_of_its_parts(opened: Opened):
    tensors = packings.gptq(32, 64, 4, 32)[0]
    found = whole(opened(under("fc", tensors)), "fc.weight")
    assert found.nbytes == sum(tensor.nbytes for tensor in tensors.values())


def test_no_expression_leads_to_a_computed_tensor(opened: Opened):
    found = whole(opened(under("fc", packings.gptq(32, 64, 4, 32)[0])), "fc.weight")
    assert (found.name, found.expression) == ("fc.weight", "")


def test_a_computed_tensor_prints_as_torch_prints_its_values(opened: Opened):
    tensors, weight = packings.gptq(32, 64, 4, 32)
    assert repr(whole(opened(under("fc", tensors)), "fc.weight")) == str(weight)


def test_opening_reads_no_packed_value(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    import inspector.window

    monkeypatch.setattr(inspector.window, "read_box", lambda *_: pytest.fail("values are read"))
    checkpoint = opened(model())
    assert whole(checkpoint, "layers.0.q_proj.weight").shape == (32, 64)


def test_a_model_that_is_not_packed_is_left_alone(opened: Opened):
    checkpoint = opened({"fc.weight": torch.ones(3, 3), "fc.scales": torch.ones(3), "weight_scale": torch.ones(1)})
    assert all(node.whole is None and getattr(node, "grouped", None) is None for node in checkpoint.root.walk())


def damaged(**changes: torch.Tensor | None) -> Tensors:
    """A GPTQ layer with some tensors changed or missing."""
    tensors = packings.gptq(32, 64, 4, 32)[0] | changes
    return {key: tensor for key, tensor in tensors.items() if tensor is not None}


@pytest.mark.parametrize(
    "tensors",
    [
        damaged(scales=None),
        damaged(qzeros=torch.zeros(2, 5, dtype=torch.int32)),
        damaged(scales=torch.zeros(2, 32, dtype=torch.int32)),
        damaged(qweight=torch.zeros(8, 0, dtype=torch.int32)),
        damaged(g_idx=torch.zeros(9, dtype=torch.int32)),
        damaged(scales=torch.zeros(0, 32)),
        {"qweight": torch.zeros(2)},
    ],
)
def test_what_does_not_fit_together_stays_as_it_is(opened: Opened, tensors: Tensors):
    checkpoint = opened(under("fc", tensors))
    assert [node.label for node in checkpoint["fc"].below] == [node.label for node in checkpoint["fc"].children]


def test_group_indices_outside_of_the_groups_are_told_when_values_are_read(opened: Opened):
    tensors = damaged(g_idx=torch.full((64,), 7, dtype=torch.int32))
    found = whole(opened(under("fc", tensors)), "fc.weight")
    with pytest.raises(InspectorError, match="a group index is outside of the 2 groups"):
        found.numpy()


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"[]",
        b"{",
        b'{"shape": [8, 64]}',
        b'{"shape": [-8, 64], "dtype": "bfloat16", "blocksize": 64}',
        b'{"shape": [8, 64], "dtype": "bfloat16", "blocksize": 0}',
        b'{"shape": [80, 64], "dtype": "bfloat16", "blocksize": 64}',
        b'{"shape": [4611686018427387904, 4], "dtype": "bfloat16", "blocksize": 64}',
        b'{"shape": [8, 64], "dtype": "object", "blocksize": 64}',
        b"[" * 4000,
        b"x" * 5000,
    ],
)
def test_a_state_of_bitsandbytes_that_lies_is_a_problem_and_nothing_else(opened: Opened, state: bytes):
    tensors = packings.nf4(8, 64)[0]
    tensors["weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(state), dtype=torch.uint8)
    checkpoint = opened(under("fc", tensors))
    assert [problem for problem in checkpoint.problems if problem.startswith("fc.weight: bitsandbytes, 4 and 8 bits:")]
    assert len(list(checkpoint.tensors())) == 4


def test_a_shape_of_compressed_tensors_that_lies_is_a_problem(opened: Opened):
    tensors = packings.compressed(8, 64, 4, 32)[0] | {"weight_shape": torch.tensor([9, 64])}
    checkpoint = opened(under("fc", tensors))
    assert checkpoint.problems == ["fc: compressed-tensors: weight_shape does not fit weight_packed"]


def test_pieces_that_are_cut_off_are_told_when_values_are_read(opened: Opened, tmp_path: Path):
    opened(under("fc", packings.gptq(32, 64, 4, 32)[0]))
    path = tmp_path / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-40])
    with pytest.raises(InspectorError):
        whole(inspector.open(path), "fc.weight").numpy()


@pytest.mark.parametrize(
    "text", ["[", '"text"', "[1]", '{"quantization_config": 3}', '{"quantization_config": {"group_size": "x"}}']
)
def test_settings_of_any_kind_do_no_harm(opened: Opened, tmp_path: Path, text: str):
    (tmp_path / "config.json").write_text(text)
    tensors, weight = packings.gptq(32, 64, 4, 32)
    assert_is(whole(opened(under("fc", tensors)), "fc.weight"), weight)


def test_a_whole_of_many_blocks_is_counted_by_the_statistics(opened: Opened):
    from inspector.statistics.scan import scan

    tensors, weight = packings.gptq(512, 1024, 4, 128)
    found = scan(whole(opened(under("fc", tensors)), "fc.weight"))
    assert (found.count, found.min, found.max) == (weight.numel(), weight.min().item(), weight.max().item())
