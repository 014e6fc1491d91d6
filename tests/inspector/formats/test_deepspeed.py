"""DeepSpeed ZeRO folders, laid out as `zero_to_fp32.py` documents them: the model joined from all ranks' partitions."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

import inspector

pytestmark = pytest.mark.filterwarnings("ignore")

WORLD = 3


def parameters():
    torch.manual_seed(0)
    return [
        OrderedDict([("fc.weight", torch.randn(5, 3)), ("fc.bias", torch.randn(5))]),
        OrderedDict([("norm.weight", torch.randn(7))]),
    ]


def write(folder, stage, groups, moments=None):
    """The files of a step, as DeepSpeed's engine saves them; in stage 3 the model file's own tensors are empty."""
    step = folder / "global_step5"
    step.mkdir(parents=True)
    (folder / "latest").write_text("global_step5")
    (folder / "zero_to_fp32.py").write_text("raise SystemExit('never run')")
    named = {name: tensor for group in groups for name, tensor in group.items()}
    module = OrderedDict((name, tensor.half() if stage < 3 else torch.empty(0)) for name, tensor in named.items())
    module["norm.running"] = torch.arange(4.0)
    model = {
        "module": module,
        "buffer_names": ["norm.running"],
        "param_shapes": [OrderedDict((name, tensor.shape) for name, tensor in group.items()) for group in groups],
        "shared_params": {"head.weight": "fc.weight"},
        "ds_version": "0.14.0",
        "global_steps": 5,
    }
    torch.save(model, step / ("mp_rank_00_model_states.pt" if stage < 3 else "zero_pp_rank_0_mp_rank_00_model_states.pt"))
    parts = cut2(groups) if stage < 3 else cut3(groups)
    moments = (cut2(moments) if stage < 3 else cut3(moments)) if moments else None
    key = "single_partition_of_fp32_groups" if stage < 3 else "fp32_flat_groups"
    for rank in range(WORLD):
        state = {"zero_stage": stage, "partition_count": [WORLD] * len(groups) if stage < 3 else WORLD, key: parts[rank]}
        if moments:
            state["base_optimizer_state"] = [{"exp_avg": part} for part in moments[rank]]
        torch.save({"optimizer_state_dict": state}, step / f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")
    return folder


def cut2(groups):
    """Stages 1 and 2: a group flattened, padded to a multiple of twice the ranks, cut evenly."""
    ranks = [[] for _ in range(WORLD)]
    for group in groups:
        flat = torch.cat([tensor.reshape(-1) for tensor in group.values()])
        padded = torch.cat([flat, torch.zeros(-len(flat) % (2 * WORLD))])
        for rank, part in enumerate(padded.chunk(WORLD)):
            ranks[rank].append(part.clone())
    return ranks


def cut3(groups):
    """Stage 3: each parameter padded to a multiple of the ranks and cut evenly; one flat tensor for each rank."""
    ranks = [[] for _ in range(WORLD)]
    for group in groups:
        for tensor in group.values():
            flat = tensor.reshape(-1)
            for rank, part in enumerate(torch.cat([flat, torch.zeros(-len(flat) % WORLD)]).chunk(WORLD)):
                ranks[rank].append(part)
    return [[torch.cat(parts)] for parts in ranks]


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_every_parameter_is_joined_from_all_ranks(tmp_path, stage):
    folder = write(tmp_path / "run", stage, parameters())
    with inspector.open(str(folder)) as opened:
        assert opened.format == "DeepSpeed ZeRO checkpoint"
        assert not opened.problems
        assert opened.metadata["zero stage"] == stage
        for group in parameters():
            for name, expected in group.items():
                tensor = opened[f"model.{name}"]
                assert tensor.kind == "parameter"
                assert tensor.torch().equal(expected), name


@pytest.mark.parametrize("stage", [2, 3])
def test_a_block_of_a_parameter_is_read_across_the_borders_of_the_ranks(tmp_path, stage):
    folder = write(tmp_path / "run", stage, parameters())
    expected = parameters()[0]["fc.weight"].numpy()
    with inspector.open(str(folder)) as opened:
        tensor = opened["model.fc.weight"]
        assert (tensor[1:4, 1:] == expected[1:4, 1:]).all()
        assert (tensor[:, 2] == expected[:, 2]).all()


def test_buffers_come_from_the_model_file_and_shared_names_share_a_storage(tmp_path):
    with inspector.open(str(write(tmp_path / "run", 2, parameters()))) as opened:
        assert opened["model.norm.running"].kind == "buffer"
        assert opened["model.norm.running"].numpy().tolist() == [0, 1, 2, 3]
        assert opened["model.head.weight"].shares is opened["model.fc.weight"]
        assert opened["rest.global_steps"].value == 5


@pytest.mark.parametrize("stage", [2, 3])
def test_the_optimizers_moments_stand_under_the_names_of_their_parameters(tmp_path, stage):
    moments = [OrderedDict((name, tensor * 2) for name, tensor in group.items()) for group in parameters()]
    with inspector.open(str(write(tmp_path / "run", stage, parameters(), moments))) as opened:
        expected = parameters()[1]["norm.weight"] * 2
        assert opened["exp_avg.norm.weight"].torch().equal(expected)


def test_the_step_folder_opens_by_itself(tmp_path):
    folder = write(tmp_path / "run", 2, parameters())
    with inspector.open(str(folder / "global_step5")) as opened:
        assert opened["model.fc.bias"].shape == (5,)


def test_a_missing_rank_is_named(tmp_path):
    folder = write(tmp_path / "run", 2, parameters())
    (folder / "global_step5" / "zero_pp_rank_1_mp_rank_00_optim_states.pt").unlink()
    with inspector.open(str(folder)) as opened:
        assert any("1 of 3 ranks" in problem for problem in opened.problems)


def test_a_latest_that_names_nothing_is_told_in_one_line(tmp_path):
    folder = write(tmp_path / "run", 2, parameters())
    (folder / "latest").write_text("global_step9")
    with pytest.raises(inspector.DamagedFile, match="global_step9"):
        inspector.open(str(folder))
