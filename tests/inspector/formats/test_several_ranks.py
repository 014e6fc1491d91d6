"""What four processes of torch.distributed over gloo saved, each its part, against the tensors that they had together."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import inspector
from inspector.nodes import Tensor

pytestmark = pytest.mark.filterwarnings("ignore")

RANKS = 4

RANK = """
    import os, torch
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    from torch import nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType, fully_shard
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    def network():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.Linear(10, 6))

    dist.init_process_group("gloo")
    folder, rank = os.environ["FOLDER"], dist.get_rank()
    line, square = init_device_mesh("cpu", (4,)), init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
    whole = torch.arange(7 * 5, dtype=torch.float32).reshape(7, 5)
    rows, columns, same = Shard(0), Shard(1), Replicate()

    dcp.save({"model": {
        "rows.weight": distribute_tensor(whole, line, [rows]),
        "columns.weight": distribute_tensor(whole.bfloat16(), line, [columns]),
        "everywhere.bias": distribute_tensor(whole[0], line, [same]),
    }}, checkpoint_id=f"{folder}/dcp")
    dcp.save({
        "rows.weight": distribute_tensor(whole, line, [rows]),
        "columns.weight": distribute_tensor(whole.bfloat16(), line, [columns]),
        "everywhere.bias": distribute_tensor(whole[0], line, [same]),
    }, storage_writer=dcp.HuggingFaceStorageWriter(f"{folder}/safetensors", save_distributed=True))

    model = network()
    if rank == 0:
        torch.save(model.state_dict(), f"{folder}/reference.pt")
    # FSDP 2 over tensor parallelism: the rows of the first layer are sharded twice, in another order than usual.
    parallelize_module(model, square["tensor"], {"0": ColwiseParallel(), "2": RowwiseParallel()})
    fully_shard(model[0], mesh=square["data"])
    fully_shard(model, mesh=square["data"])
    state = model.state_dict()
    for name, places in {"a": [rows, columns], "b": [rows, rows], "c": [columns, same], "d": [same, rows]}.items():
        state[f"more.{name}"] = distribute_tensor(whole, square, places)
    torch.save(state, f"{folder}/fsdp2/model_world_size_4_rank_{rank}.pt")

    model = FullyShardedDataParallel(network(), device_id=torch.device("cpu"))
    for kind in StateDictType.SHARDED_STATE_DICT, StateDictType.LOCAL_STATE_DICT:
        with FullyShardedDataParallel.state_dict_type(model, kind):
            torch.save(model.state_dict(), f"{folder}/{kind.name[:5]}/model_rank{rank}.bin")
    dist.destroy_process_group()
"""

WHOLE = np.arange(35, dtype=np.float32).reshape(7, 5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    for name in ("fsdp2", "SHARD", "LOCAL"):
        (folder / name).mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    about = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(RANKS), "FOLDER": str(folder)}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(RANK)]
    ranks = [
        subprocess.Popen(command, env=os.environ | about | {"RANK": str(rank), "OMP_NUM_THREADS": "1"})
        for rank in range(RANKS)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0] * RANKS
    return folder


@pytest.fixture(scope="module")
def reference(saved: Path) -> Mapping[str, torch.Tensor]:
    loaded: Mapping[str, torch.Tensor] = torch.load(saved / "reference.pt")
    return loaded


def boxes(tensor: Tensor) -> Iterator[tuple[slice, ...]]:
    for piece in tensor.traits.pieces:
        yield tuple(slice(first, first + size) for first, size in zip(piece.offsets, piece.sizes, strict=True))


def test_a_distributed_checkpoint_is_one_model_of_global_shapes(saved: Path) -> None:
    with inspector.open(saved / "dcp") as opened:
        assert not opened.problems
        assert {tensor.name: tensor.shape for tensor in opened.tensors()} == {
            "model.rows.weight": (7, 5),
            "model.columns.weight": (7, 5),
            "model.everywhere.bias": (5,),
        }


def test_its_values_are_read_across_the_pieces_whole_and_in_part(saved: Path) -> None:
    with inspector.open(saved / "dcp") as opened:
        rows, columns = opened["model.rows.weight"], opened["model.columns.weight"]
        assert isinstance(rows, Tensor) and isinstance(columns, Tensor)
        assert len(rows.traits.pieces) == RANKS
        np.testing.assert_array_equal(rows.numpy(), WHOLE)
        np.testing.assert_array_equal(columns.numpy().astype(np.float32), WHOLE)
        for index in ((slice(2, 6), slice(1, 3)), (3,), (slice(None), 4), (slice(6, None, -2), -1), (0, 0)):
            np.testing.assert_array_equal(rows[index], WHOLE[index])
            np.testing.assert_array_equal(columns[index].astype(np.float32), WHOLE[index])
        assert repr(rows) == repr(torch.from_numpy(WHOLE))


def test_without_one_ranks_file_its_rows_have_no_values_and_the_others_have(saved: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(saved / "dcp", part)
    (part / "__2_0.distcp").unlink()
    with inspector.open(part) as opened:
        assert "the file __2_0.distcp is missing: it should hold model.rows.weight, model.columns.weight" in opened.problems
        assert "model.rows.weight: only 25 of 35 elements are there" in opened.problems
        rows = opened["model.rows.weight"]
        assert isinstance(rows, Tensor)
        np.testing.assert_array_equal(rows[0:4], WHOLE[:4])
        with pytest.raises(inspector.NoValues):
            rows.numpy()


def test_a_distributed_checkpoint_in_safetensors_is_one_model_too(saved: Path, tmp_path: Path) -> None:
    with inspector.open(saved / "safetensors") as opened:
        assert opened.format == "torch.distributed checkpoint in safetensors"
        assert not opened.problems
        state = opened.state_dict()
        assert {name: tensor.dtype for name, tensor in state.items()} == {
            "rows.weight": "float32", "columns.weight": "bfloat16", "everywhere.bias": "float32",
        }  # fmt: skip
        np.testing.assert_array_equal(state["rows.weight"].numpy(), WHOLE)
        np.testing.assert_array_equal(state["columns.weight"].numpy().astype(np.float32), WHOLE)
        np.testing.assert_array_equal(state["everywhere.bias"].numpy(), WHOLE[0])
    part = tmp_path / "part"
    shutil.copytree(saved / "safetensors", part)
    next(part.glob("shard-00002-*")).unlink()
    with inspector.open(part) as opened:
        assert "the files of these ranks are missing or can't be read: 2" in opened.problems
        assert "rows.weight: only 25 of 35 elements are there" in opened.problems
        np.testing.assert_array_equal(opened["rows.weight"][0:2], WHOLE[:2])


@pytest.mark.parametrize("kind", ["fsdp2", "SHARD"])
def test_one_ranks_file_has_global_shapes_and_the_values_of_its_part_where_they_belong(
    saved: Path, reference: Mapping[str, torch.Tensor], kind: str
) -> None:
    seen = {name: np.zeros(expected.shape, bool) for name, expected in reference.items()}
    for path in sorted((saved / kind).iterdir()):
        with inspector.open(path) as opened:
            for name, expected in reference.items():
                tensor = opened[name]
                assert isinstance(tensor, Tensor)
                assert (tensor.shape, tensor.dtype) == (tuple(expected.shape), str(expected.dtype).removeprefix("torch."))
                for box in boxes(tensor):
                    np.testing.assert_array_equal(tensor[box], expected.numpy()[box])
                    seen[name][box] = True
    sharded = [name for name in reference if not name.startswith("1.running") and not name.endswith("tracked")]
    assert all(seen[name].all() for name in sharded)


def test_of_one_ranks_file_the_rest_is_told_and_has_no_values(saved: Path) -> None:
    with inspector.open(saved / "SHARD" / "model_rank1.bin") as opened:
        weight = opened["0.weight"]
        assert isinstance(weight, Tensor)
        assert weight.traits.problems == ("sharded: this file has only rank 1's part of it",)
        assert any("0.weight" in problem and "rank 1's part" in problem for problem in opened.problems)
        assert next(iter(weight.children)).expression == "['0.weight'].local_shards()[0].tensor"
        with pytest.raises(inspector.NoValues, match="in no piece"):
            weight.numpy()


@pytest.mark.parametrize("kind", ["fsdp2", "SHARD"])
def test_the_folder_of_all_ranks_files_is_one_model(saved: Path, reference: Mapping[str, torch.Tensor], kind: str) -> None:
    with inspector.open(saved / kind) as opened:
        assert opened.format == "files of the ranks of a distributed run"
        assert not opened.problems
        state = opened.state_dict()
        for name, expected in reference.items():
            assert state[name].torch().equal(expected), name
            assert not state[name].children
        for name in state.keys() - reference.keys():
            np.testing.assert_array_equal(state[name].numpy(), WHOLE)


def test_of_a_folder_that_lacks_a_rank_that_is_said_and_what_it_leaves_out(saved: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(saved / "fsdp2", part)
    (part / "model_world_size_4_rank_3.pt").unlink()
    with inspector.open(part) as opened:
        assert "the files of 1 of 4 ranks are missing: 3" in opened.problems
        assert "more.a: only 29 of 35 elements are there" in opened.problems
        # This one lies whole in the other half of the square of ranks.
        assert opened["more.d"].numpy().tolist() == WHOLE.tolist()


def test_flattened_parameters_of_fsdp_1_have_their_global_length_and_are_explained(saved: Path) -> None:
    with inspector.open(saved / "LOCAL") as opened:
        (flat,) = [tensor for tensor in opened.tensors() if tensor.label == "_flat_param"]
        with inspector.open(saved / "reference.pt") as whole:
            values = [p.numpy().reshape(-1) for name, p in whole.named_parameters()]
        assert flat.shape == (sum(map(len, values)),)
        np.testing.assert_array_equal(flat.numpy(), np.concatenate(values))
        assert "flattened" in opened.metadata["wrapped by"]["_flat_param"]
