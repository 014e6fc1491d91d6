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


@pytest.mark.parametrize("told", [True, False])
def test_a_tied_parameter_is_the_partitioned_one_and_not_its_copy_in_half_precision(tmp_path, told):
    """Before DeepSpeed 0.9 `shared_params` did not tell; `zero_to_fp32.py` looked at the storages."""
    folder = write(tmp_path / "run", 2, parameters())
    path = folder / "global_step5" / "mp_rank_00_model_states.pt"
    model = torch.load(path, weights_only=False)
    model["module"]["head.weight"] = model["module"]["fc.weight"]
    if not told:
        del model["shared_params"]
    torch.save(model, path)
    with inspector.open(str(folder)) as opened:
        assert not opened.problems
        head = opened["model.head.weight"]
        assert (head.dtype, head.kind) == ("float32", "parameter")
        assert head.shares is opened["model.fc.weight"]
        assert head.torch().equal(parameters()[0]["fc.weight"])


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


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("gone", [0, 1, 2])
def test_of_a_missing_rank_exactly_the_parameters_that_it_has_a_part_of_are_named_and_the_others_read(
    tmp_path, stage, gone
):
    folder = write(tmp_path / "run", stage, parameters())
    (folder / "global_step5" / f"zero_pp_rank_{gone}_mp_rank_00_optim_states.pt").unlink()
    why = f"what rank {gone} has of it is missing"
    with inspector.open(str(folder)) as opened:
        assert opened.problems[0] == f"the files of 1 of 3 ranks are missing: {gone}"
        lost = [name for name, tensor in opened.state_dict().items() if why in tensor.traits.problems]
        # In stage 1 and 2 a rank has a run of each group, in stage 3 a part of every parameter.
        runs = {0: ["fc.weight", "norm.weight"], 1: ["fc.weight", "fc.bias", "norm.weight"], 2: ["fc.bias"]}
        expected = ["fc.weight", "fc.bias", "norm.weight"] if stage == 3 else runs[gone]
        shared = ["head.weight"] if "fc.weight" in expected else []
        assert lost == [f"model.{name}" for name in [*expected, *shared]]
        assert any(problem.endswith(why) and f"model.{expected[0]}" in problem for problem in opened.problems)
        for name, tensor in parameters()[0].items() | parameters()[1].items():
            if name in expected:
                with pytest.raises(inspector.NoValues, match=why):
                    opened[f"model.{name}"].numpy()
            else:
                assert opened[f"model.{name}"].torch().equal(tensor)


@pytest.mark.parametrize("stage", [2, 3])
def test_without_any_optimizer_file_every_parameter_is_still_listed(tmp_path, stage):
    folder = write(tmp_path / "run", stage, parameters())
    for path in (folder / "global_step5").glob("*optim_states.pt"):
        path.unlink()
    with inspector.open(str(folder)) as opened:
        weight = opened["model.fc.weight"]
        assert (weight.shape, weight.kind) == ((5, 3), "parameter")
        if stage == 2:
            # The model file has them whole, in half precision.
            assert weight.dtype == "float16"
            assert not opened.problems
        else:
            assert any("model.fc.weight" in problem and "missing" in problem for problem in opened.problems)
            with pytest.raises(inspector.NoValues):
                weight.numpy()


def test_frozen_parameters_of_stage_3_are_joined_from_the_model_files_of_all_ranks(tmp_path):
    folder = write(tmp_path / "run", 3, parameters())
    frozen = torch.arange(8.0).bfloat16()
    for rank, part in enumerate(torch.cat([frozen, torch.zeros(1).bfloat16()]).chunk(WORLD)):
        path = folder / "global_step5" / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt"
        model = torch.load(path, weights_only=False) if rank == 0 else {"module": {}}
        model["frozen_param_shapes"] = OrderedDict({"base.weight": torch.Size([2, 4])})
        model["frozen_param_fragments"] = OrderedDict({"base.weight": part.clone()})
        torch.save(model, path)
    with inspector.open(str(folder)) as opened:
        assert not opened.problems
        assert opened["model.base.weight"].torch().equal(frozen.reshape(2, 4))
    (folder / "global_step5" / "zero_pp_rank_1_mp_rank_00_model_states.pt").unlink()
    with inspector.open(str(folder)) as opened:
        assert "model.base.weight: what rank 1 has of it is missing" in opened.problems


def test_a_byte_that_was_changed_in_a_partition_names_the_parameters_that_lie_there(tmp_path):
    folder = write(tmp_path / "run", 2, parameters())
    path = folder / "global_step5" / "zero_pp_rank_0_mp_rank_00_optim_states.pt"
    raw = parameters()[0]["fc.weight"].reshape(-1)[:4].numpy().tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(raw)] ^= 4
    path.write_bytes(data)
    with inspector.open(str(folder)) as opened:
        assert [problem for problem in opened.problems if "checksum" in problem] == [
            "model.fc.weight, model.head.weight: the checksum is wrong: the bytes are not those that were written"
        ]


def test_a_latest_that_names_nothing_is_told_in_one_line(tmp_path):
    folder = write(tmp_path / "run", 2, parameters())
    (folder / "latest").write_text("global_step9")
    with pytest.raises(inspector.DamagedFile, match="global_step9"):
        inspector.open(str(folder))
