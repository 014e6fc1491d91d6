"""An optimizer's state finds the parameters that it belongs to, where that is certain, and says why not where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import inspector
from inspector.nodes import Module, Tensor

Make = Callable[..., torch.optim.Optimizer]


class Net(nn.Module):
    """Layers with buffers between their parameters, and two parameters of one shape one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 5), nn.Linear(5, 5))
        self.head = nn.Linear(5, 2)


def trained(model: nn.Module, make: Make = torch.optim.AdamW, *groups: Any, **settings: Any) -> torch.optim.Optimizer:
    """An optimizer after one step on all parameters of a model, each of which has a gradient of its own."""
    optimizer = make(list(groups) or model.parameters(), lr=0.1, **settings)
    for number, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, number + 1.0)
    optimizer.step()
    return optimizer


def saved(tmp_path: Path, content: Any) -> inspector.Checkpoint:
    torch.save(content, tmp_path / "model.pt")
    return inspector.open(tmp_path / "model.pt")


def joined(checkpoint: inspector.Checkpoint, optimizer: str = "optimizer") -> dict[Any, str]:
    """The name of the parameter for each key of the optimizer's state; empty where there is none."""
    state = checkpoint[f"{optimizer}.state"]
    assert isinstance(state, Module)
    return {
        node.key: node.belongs.name if node.belongs is not None else ""
        for node in state.children
        if isinstance(node, Module)
    }


def note(checkpoint: inspector.Checkpoint, optimizer: str = "optimizer") -> str:
    node = checkpoint[optimizer]
    assert isinstance(node, Module)
    return node.note


def names(model: nn.Module, prefix: str) -> dict[int, str]:
    return {number: f"{prefix}.{name}" for number, (name, _) in enumerate(model.named_parameters())}


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (torch.optim.Adam, {}),
        (torch.optim.AdamW, {"amsgrad": True}),
        (torch.optim.SGD, {"momentum": 0.9}),
        (torch.optim.RMSprop, {}),
    ],
)
def test_states_belong_to_parameters_in_their_order(tmp_path: Path, key: str, make: Make, settings: dict[str, Any]):
    model = Net()
    optimizer = trained(model, make, **settings)
    checkpoint = saved(tmp_path, {key: model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3})
    assert joined(checkpoint) == names(model, key)
    assert note(checkpoint) == f"joined to the parameters of {key}, by order and shape"


def test_a_module_saved_whole_has_its_parameters_joined(tmp_path: Path):
    model = Net()
    checkpoint = saved(tmp_path, {"model": model, "optimizer": trained(model).state_dict()})
    assert joined(checkpoint) == names(model, "model")


def test_a_parameter_knows_what_is_kept_for_it(tmp_path: Path):
    model = Net()
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": trained(model).state_dict()})
    weight = checkpoint["model.head.weight"]
    assert isinstance(weight, Tensor)
    assert [moments.name for moments in weight.traits.moments] == ["optimizer.state.8"]
    assert weight.traits.moments[0].belongs is weight


def test_a_parameter_under_two_names_is_one(tmp_path: Path):
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 7, bias=False), nn.Linear(7, 7))
    model[1].weight = model[0].weight
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": trained(model).state_dict()})
    assert list(joined(checkpoint).values()) == ["model.0.weight", "model.2.weight", "model.2.bias"]


def decayed(model: nn.Module) -> list[dict[str, Any]]:
    """The groups of most training scripts: matrices with weight decay, vectors without."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    return [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]


def test_groups_of_matrices_and_vectors_are_each_joined_in_order(tmp_path: Path):
    model = Net()
    optimizer = trained(model, torch.optim.AdamW, *decayed(model))
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    known = {id(parameter): f"model.{name}" for name, parameter in model.named_parameters()}
    assert list(joined(checkpoint).values()) == [known[id(parameter)] for parameter in order]


def test_parameters_that_the_optimizer_names_are_joined_by_name(tmp_path: Path):
    model = Net()
    backwards = list(reversed(list(model.named_parameters())))
    optimizer = trained(model, torch.optim.AdamW, *[{"params": backwards}])
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert list(joined(checkpoint).values()) == [f"model.{name}" for name, _ in backwards]
    assert note(checkpoint).endswith("by name")


def test_states_with_names_for_keys_are_joined_by_name(tmp_path: Path):
    model = Net()
    plain = trained(model).state_dict()
    named = [name for name, _ in model.named_parameters()]
    optimizer = {
        "state": {named[number]: state for number, state in plain["state"].items()},
        "param_groups": [{"lr": 0.1, "params": named}],
    }
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer})
    assert joined(checkpoint) == {name: f"model.{name}" for name in named}


def test_old_states_are_numbered_by_addresses_that_the_groups_list_in_order(tmp_path: Path):
    model = Net()
    plain = trained(model).state_dict()
    addresses = [140_000_000_000_000 - 64 * number for number in range(len(plain["state"]))]
    optimizer = {
        "state": {addresses[number]: plain["state"][number] for number in sorted(plain["state"], reverse=True)},
        "param_groups": [{"lr": 0.1, "params": addresses}],
    }
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer})
    found = joined(checkpoint)
    assert [found[address] for address in addresses] == list(names(model, "model").values())


def test_only_the_last_layers_may_have_been_trained(tmp_path: Path):
    model = Net()
    optimizer = trained(model, torch.optim.AdamW, *[{"params": model.head.parameters()}])
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert list(joined(checkpoint).values()) == ["model.head.weight", "model.head.bias"]


def test_adafactors_rows_and_columns_fit_the_matrix_they_are_sums_of(tmp_path: Path):
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    state: dict[int, Any] = {}
    for number, parameter in enumerate(model.parameters()):
        kept = {"step": 1}
        if parameter.ndim == 2:
            kept |= {"exp_avg_sq_row": torch.ones(parameter.shape[0]), "exp_avg_sq_col": torch.ones(parameter.shape[1])}
        else:
            kept |= {"exp_avg_sq": torch.ones(parameter.shape)}
        state[number] = kept
    optimizer = {"state": state, "param_groups": [{"params": list(state)}]}
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer})
    assert joined(checkpoint) == names(model, "model")


def test_shapes_that_do_not_fit_are_not_joined_and_it_is_said_where(tmp_path: Path):
    other = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4))
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": trained(other).state_dict()})
    assert set(joined(checkpoint).values()) == {""}
    assert note(checkpoint) == (
        "not joined to parameters: its 4 parameters do not fit in order into the 4 of the model: "
        "state 2 has [] [4, 5] [4, 5], and 1.weight is [2, 5]"
    )


def test_what_order_and_shape_leave_open_is_not_joined(tmp_path: Path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    optimizer = trained(model, torch.optim.AdamW, *[{"params": model[1].parameters()}])
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert set(joined(checkpoint).values()) == {""}
    assert note(checkpoint) == "not joined to parameters: order and shapes leave several ways"


def test_an_optimizer_alone_is_not_joined(tmp_path: Path):
    checkpoint = saved(tmp_path, {"optimizer": trained(Net()).state_dict()})
    assert note(checkpoint) == "not joined to parameters: there is no model beside it"


def test_an_optimizer_without_state_has_nothing_to_say(tmp_path: Path):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    checkpoint = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert note(checkpoint) == ""


def test_each_of_several_optimizers_finds_its_own_model(tmp_path: Path):
    one, two = Net(), nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 1))
    content = {
        "netG": one.state_dict(),
        "netD": two.state_dict(),
        "optG": trained(one).state_dict(),
        "optD": trained(two).state_dict(),
    }
    checkpoint = saved(tmp_path, content)
    assert joined(checkpoint, "optG") == names(one, "netG")
    assert joined(checkpoint, "optD") == names(two, "netD")


def test_of_models_of_one_shape_the_names_tell(tmp_path: Path):
    a, b = Net(), Net()
    content = {
        "generator_A": a.state_dict(),
        "generator_B": b.state_dict(),
        "optimizer_generator_A": trained(a).state_dict(),
        "optimizer": trained(b).state_dict(),
    }
    checkpoint = saved(tmp_path, content)
    assert joined(checkpoint, "optimizer_generator_A") == names(a, "generator_A")
    assert note(checkpoint) == "not joined to parameters: it fits several models, generator_A, generator_B"


def test_a_copy_of_averages_is_not_what_was_optimised(tmp_path: Path):
    model = Net()
    content = {"ema_model": model.state_dict(), "model": model.state_dict(), "optimizer": trained(model).state_dict()}
    assert joined(saved(tmp_path, content)) == names(model, "model")


@pytest.mark.parametrize(
    "optimizer",
    [
        {"state": {}, "param_groups": []},
        {"state": [], "param_groups": {}},
        {"state": {0: 1, None: {}}, "param_groups": [{"params": [0, "x", None]}, 3]},
        {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"params": list(range(3000))}]},
        {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"params": [0], "param_names": "abc"}]},
        {"state": torch.ones(2), "param_groups": torch.ones(2)},
    ],
)
def test_optimizers_of_any_kind_do_no_harm(tmp_path: Path, optimizer: Any):
    checkpoint = saved(tmp_path, {"model": Net().state_dict(), "optimizer": optimizer})
    assert not any(node.belongs for node in checkpoint.root.walk() if isinstance(node, Module))


class Attention(nn.Module):
    """Names as Llama's layers have them, made in an order that is not that of the alphabet."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(8, size, bias=False) for size in (8, 4, 4, 8))


class Block(nn.Module):
    """One layer of `Llama`."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention()
        self.mlp = nn.ModuleDict(
            {"gate_proj": nn.Linear(8, 16), "up_proj": nn.Linear(8, 16), "down_proj": nn.Linear(16, 8)}
        )
        self.input_layernorm = nn.LayerNorm(8)
        self.post_attention_layernorm = nn.LayerNorm(8)


class Llama(nn.Module):
    """Names as Llama has them, in three layers."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(20, 8),
                "layers": nn.ModuleList(Block() for _ in range(3)),
                "norm": nn.LayerNorm(8),
            }
        )
        self.lm_head = nn.Linear(8, 20, bias=False)


def folder(tmp_path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> inspector.Checkpoint:
    """A checkpoint of Hugging Face's Trainer, whose safetensors do not keep the order of the parameters."""
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    return inspector.open(tmp_path)


def test_where_a_file_sorts_its_tensors_the_usual_order_of_the_model_is_taken(tmp_path: Path):
    model = Llama()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    optimizer = trained(model, torch.optim.AdamW, *decayed(model))
    checkpoint = folder(tmp_path, model, optimizer)
    assert note(checkpoint) == "joined to the parameters of model, by shape and the usual order of such a model"
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in enumerate(order):
        state = checkpoint[f"optimizer.state.{number}"]
        assert isinstance(state, Module) and state.belongs is not None
        assert np.array_equal(state.belongs.numpy(), parameter.detach().numpy())


def test_where_no_usual_order_is_known_nothing_is_guessed(tmp_path: Path):
    model = nn.ModuleDict({"zebra": nn.Linear(4, 4), "ant": nn.Linear(4, 4)})
    checkpoint = folder(tmp_path, model, trained(model))
    assert set(joined(checkpoint).values()) == {""}
    assert note(checkpoint) == (
        "not joined to parameters: the file does not keep the order of the parameters, and that of this model's classes "
        "is not known here"
    )


def test_where_several_usual_orders_fit_nothing_is_guessed(tmp_path: Path):
    model = nn.ModuleDict({"q_proj": nn.Linear(4, 4), "v_proj": nn.Linear(4, 4)})
    checkpoint = folder(tmp_path, model, trained(model))
    assert note(checkpoint).endswith("and several usual ones fit")


FAMILIES = ["gpt2", "opt", "llama", "qwen3", "gemma2", "phi", "stablelm", "bert", "distilbert", "t5", "bart", "vit"]
TINY = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 100,
    "num_key_value_heads": 2, "head_dim": 8, "d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4,
    "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "dim": 32, "n_layers": 2,
    "n_heads": 4, "hidden_dim": 64, "image_size": 32, "patch_size": 8, "ffn_dim": 64, "word_embed_proj_dim": 32,
    "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_models_of_transformers_saved_by_themselves_are_joined(tmp_path: Path, family: str):
    transformers = pytest.importorskip("transformers")
    config = transformers.CONFIG_MAPPING[family]()
    for key, value in TINY.items():
        if hasattr(config, key):
            setattr(config, key, value)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:2]
    kind = {
        "t5": transformers.AutoModelForSeq2SeqLM,
        "bart": transformers.AutoModelForSeq2SeqLM,
        "vit": transformers.AutoModelForImageClassification,
        "bert": transformers.AutoModelForSequenceClassification,
        "distilbert": transformers.AutoModelForSequenceClassification,
    }.get(family, transformers.AutoModelForCausalLM)
    model = kind.from_config(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    optimizer = trained(model, torch.optim.AdamW, *decayed(model))
    model.save_pretrained(tmp_path)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    checkpoint = inspector.open(tmp_path)
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in enumerate(order):
        state = checkpoint[f"optimizer.state.{number}"]
        assert isinstance(state, Module) and state.belongs is not None, note(checkpoint)
        assert np.array_equal(state.belongs.numpy(), parameter.detach().numpy())
