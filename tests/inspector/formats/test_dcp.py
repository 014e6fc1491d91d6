"""Distributed checkpoints against what `torch.distributed.checkpoint` saved: global shapes, values across pieces."""

from __future__ import annotations

import pytest
import torch
import torch.distributed.checkpoint as dcp

import inspector

pytestmark = pytest.mark.filterwarnings("ignore")


def state():
    torch.manual_seed(0)
    return {
        "model": {"fc.weight": torch.randn(4, 3), "fc.bias": torch.randn(4).bfloat16(), "count": torch.tensor(3)},
        "step": 7,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(4, 3)}}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]},
    }


@pytest.fixture
def folder(tmp_path):
    dcp.save(state(), checkpoint_id=tmp_path / "step", no_dist=True)
    return tmp_path / "step"


def test_one_process_every_tensor_is_there_bit_for_bit_under_the_name_it_had(folder):
    saved = state()
    with inspector.open(str(folder)) as opened:
        assert opened.format == "torch.distributed checkpoint"
        assert not opened.problems
        for name, expected in saved["model"].items():
            tensor = opened[f"model.{name}"]
            assert (tensor.shape, tensor.dtype) == (tuple(expected.shape), str(expected.dtype).removeprefix("torch."))
            assert tensor.torch().equal(expected)
        assert opened["model.fc.weight"].expression == "['model']['fc.weight']"


def test_what_is_no_tensor_is_a_value_at_its_place(folder):
    with inspector.open(str(folder)) as opened:
        assert opened["step"].value == 7
        assert opened["optimizer.param_groups.0.lr"].value == 0.1


def test_the_optimizers_state_belongs_to_the_parameters_though_the_folder_makes_texts_of_its_numbers(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    dcp.save(whole, checkpoint_id=tmp_path / "step", no_dist=True)
    with inspector.open(tmp_path / "step") as opened:
        names = [name for name, _ in model.named_parameters()]
        belongs = [node.belongs.name for node in opened["optimizer.state"].children]
        assert belongs == [f"model.{name}" for name in names]
        assert opened["optimizer"].note == "joined to the parameters of model, by order and shape"


def test_the_metadata_file_opens_as_its_folder(folder):
    with inspector.open(str(folder / ".metadata")) as opened:
        assert opened["model.fc.weight"].numpy().shape == (4, 3)


def test_a_missing_file_is_named_with_what_it_should_hold_and_the_rest_is_listed(folder):
    (folder / "__0_0.distcp").unlink()
    with inspector.open(str(folder)) as opened:
        assert any("__0_0.distcp is missing" in problem and "model.fc.weight" in problem for problem in opened.problems)
        assert opened["model.fc.weight"].shape == (4, 3)
        with pytest.raises(inspector.NoValues):
            opened["model.fc.weight"].numpy()


def test_a_file_that_is_too_short_is_named(folder):
    path = folder / "__0_0.distcp"
    path.write_bytes(path.read_bytes()[:-100])
    with inspector.open(str(folder)) as opened:
        assert any("too short" in problem for problem in opened.problems)


def test_a_path_out_of_the_folder_is_not_followed(folder):
    metadata = folder / ".metadata"
    # A name of the same length, so that the pickle stays whole.
    metadata.write_bytes(metadata.read_bytes().replace(b"__0_0.distcp", b"../_0.distcp"))
    (folder.parent / "_0.distcp").write_bytes((folder / "__0_0.distcp").read_bytes())
    with inspector.open(str(folder)) as opened, pytest.raises(inspector.NoValues):
        opened["model.fc.weight"].numpy()


def test_pieces_that_overlap_do_not_hide_a_gap(folder):
    with inspector.open(str(folder)) as opened:
        tensor = opened["model.fc.weight"]
        (whole,) = tensor.traits.pieces
        upper = type(whole)((0, 0), (2, 3), lambda: first_rows(whole.open(), 2))
        tensor.traits = tensor.traits._replace(pieces=(upper, upper))
        assert tensor[:2].shape == (2, 3)
        with pytest.raises(inspector.NoValues, match="6 of these 12"):
            tensor.numpy()


def first_rows(tensor, count):
    return inspector.Tensor(tensor.dtype, (count, *tensor.shape[1:]), tensor.stride, tensor.storage, tensor.offset)
