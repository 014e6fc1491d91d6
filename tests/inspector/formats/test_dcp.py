"""Distributed checkpoints against what `torch.distributed.checkpoint` saved: global shapes, values across pieces."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap

import numpy as np
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


RANK = """
    import os, torch
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor
    from torch.distributed.device_mesh import init_device_mesh
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    torch.manual_seed(0)
    whole = torch.arange(7 * 5, dtype=torch.float32).reshape(7, 5)
    state = {
        "model": {
            "rows.weight": distribute_tensor(whole, mesh, [Shard(0)]),
            "columns.weight": distribute_tensor(whole.bfloat16(), mesh, [Shard(1)]),
            "everywhere.bias": distribute_tensor(whole[0], mesh, [Replicate()]),
        }
    }
    dcp.save(state, checkpoint_id=os.environ["FOLDER"])
    # Rank 0 keeps the store: it must not leave before the others have. Threads of gloo that are left may abort a usual end.
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)
"""


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcp") / "sharded"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "3",
        "FOLDER": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(RANK)], env=environment | {"RANK": str(rank)}
        )
        for rank in range(3)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0, 0]
    return folder


def test_several_ranks_make_one_model_of_global_shapes(sharded):
    with inspector.open(str(sharded)) as opened:
        assert {tensor.name: tensor.shape for tensor in opened.tensors()} == {
            "model.rows.weight": (7, 5),
            "model.columns.weight": (7, 5),
            "model.everywhere.bias": (5,),
        }


def test_values_are_read_across_the_pieces_whole_and_in_part(sharded):
    whole = np.arange(35, dtype=np.float32).reshape(7, 5)
    with inspector.open(str(sharded)) as opened:
        rows, columns = opened["model.rows.weight"], opened["model.columns.weight"]
        assert len(rows.traits.pieces) == 3
        np.testing.assert_array_equal(rows.numpy(), whole)
        np.testing.assert_array_equal(columns.numpy().astype(np.float32), whole)
        for index in ((slice(2, 6), slice(1, 3)), (3,), (slice(None), 4), (slice(6, None, -2), -1), (0, 0)):
            np.testing.assert_array_equal(rows[index], whole[index])
            np.testing.assert_array_equal(columns[index].astype(np.float32), whole[index])


def test_without_one_ranks_file_its_rows_have_no_values_and_the_others_have(sharded, tmp_path):
    import shutil

    part = tmp_path / "part"
    shutil.copytree(sharded, part)
    (part / "__2_0.distcp").unlink()
    with inspector.open(str(part)) as opened:
        assert any("__2_0.distcp is missing" in problem for problem in opened.problems)
        rows = opened["model.rows.weight"]
        assert rows[0:3].tolist() == np.arange(15.0).reshape(3, 5).tolist()
        with pytest.raises(inspector.NoValues):
            rows.numpy()


def test_pieces_that_overlap_do_not_hide_a_gap(folder):
    with inspector.open(str(folder)) as opened:
        tensor = opened["model.fc.weight"]
        (whole,) = tensor.traits.pieces
        upper = type(whole)((0, 0), (2, 3), lambda: first_rows(whole.open(), 2))
        tensor.traits = tensor.traits.replaced(pieces=(upper, upper))
        assert tensor[:2].shape == (2, 3)
        with pytest.raises(inspector.NoValues, match="6 of these 12"):
            tensor.numpy()


def first_rows(tensor, count):
    return inspector.Tensor(tensor.dtype, (count, *tensor.shape[1:]), tensor.stride, tensor.storage, tensor.offset)
