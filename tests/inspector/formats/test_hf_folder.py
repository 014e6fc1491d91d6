"""Hugging Face folders and indexes: whole, with holes, with strangers in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import inspector
from inspector import sources
from inspector.formats.hf_folder import choose
from inspector.nodes import Value
from tests.inspector.samples import assert_same

TENSORS = {
    f"model.layers.{layer}.{name}.weight": torch.randn(4, 6, dtype=torch.bfloat16)
    for layer in range(12)
    for name in ("attn", "mlp")
} | {"lm_head.weight": torch.randn(3, 4)}


def sharded(folder: Path, count: int = 3, kind: str = "safetensors", stem: str = "") -> dict[str, str]:
    """Writes `TENSORS` in shards with an index; gives the index's map."""
    stem = stem or {"safetensors": "model", "bin": "pytorch_model"}[kind]
    where: dict[str, str] = {}
    for shard in range(count):
        name = f"{stem}-{shard + 1:05d}-of-{count:05d}.{kind}"
        part = dict(list(TENSORS.items())[shard::count])
        if kind == "safetensors":
            save_file(part, folder / name, metadata={"format": "pt"})
        else:
            torch.save(part, folder / name)
        where |= dict.fromkeys(part, name)
    index(folder, where, f"{stem}.{kind}.index.json")
    return where


def index(folder: Path, where: Any, name: str = "model.safetensors.index.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"metadata": {"total_size": 7}, "weight_map": where}))
    return path


def assert_whole(model: inspector.Checkpoint) -> None:
    assert set(model.state_dict()) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert_same(model[name], tensor)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_a_folder_of_shards_is_one_model_also_by_its_index(kind: str, tmp_path: Path) -> None:
    where = sharded(tmp_path, kind=kind)
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "hidden_size": 6}')
    (tmp_path / "tokenizer_config.json").write_text('{"a": [1, {"b": null}]}')
    (tmp_path / "tokenizer.json").write_text("{}")
    names = [path.name for path in tmp_path.glob("*.index.json")]
    for path in (tmp_path, tmp_path / names[0]):
        with inspector.open(str(path)) as model:
            assert model.problems == []
            assert_whole(model)
            assert model.format.endswith(", 3 shards")
            assert [child.key for child in model["model.layers"].children] == [str(i) for i in range(12)]
            assert model["lm_head.weight"].expression == "['lm_head.weight']"
            assert model.metadata["config.json"]["hidden_size"] == 6
            assert model.metadata["tokenizer_config.json"] == {"a": [1, {"b": None}]}
            assert model.metadata["total_size"] == 7
            size = sum((tmp_path / name).stat().st_size for name in {*where.values(), names[0]})
            assert model.nbytes == size


def test_a_snapshot_in_the_cache_is_links_to_blobs(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    sharded(blobs)
    for number, path in enumerate(sorted(blobs.iterdir())):
        path.rename(blobs / f"{number}")
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    for path in (snapshot, snapshot / "model.safetensors.index.json"):
        with inspector.open(str(path)) as model:
            assert model.problems == []
            assert_whole(model)


def test_shards_written_as_old_torch_did(tmp_path: Path) -> None:
    parts = [dict(list(TENSORS.items())[:9]), dict(list(TENSORS.items())[9:])]
    where = {}
    for number, part in enumerate(parts):
        name = f"pytorch_model-{number + 1:05d}-of-00002.bin"
        torch.save(part, tmp_path / name, _use_new_zipfile_serialization=False)
        where |= dict.fromkeys(part, name)
    index(tmp_path, where, "pytorch_model.bin.index.json")
    with inspector.open(str(tmp_path)) as model:
        assert_whole(model)


def test_more_shards_than_may_be_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = 0
    held: set[int] = set()
    most = 0
    original = sources.LocalFile.__init__
    closing = sources.LocalFile.close

    def counted(self: Any, path: str) -> None:
        nonlocal opened, most
        original(self, path)
        opened += 1
        held.add(id(self))
        most = max(most, len(held))

    def closed(self: Any) -> None:
        held.discard(id(self))
        closing(self)

    monkeypatch.setattr(sources.LocalFile, "__init__", counted)
    monkeypatch.setattr(sources.LocalFile, "close", closed)
    where = {}
    for number in range(150):
        name = f"model-{number:05d}-of-00150.safetensors"
        save_file({f"{number}.weight": torch.full((2,), float(number))}, tmp_path / name)
        where[f"{number}.weight"] = name
    index(tmp_path, where)
    with inspector.open(str(tmp_path)) as model:
        for number in (0, 149, 3, 77):
            assert model[f"{number}.weight"].numpy().tolist() == [number, number]
        assert most < 70 < opened
    assert not held


def test_a_shard_that_is_replaced_is_not_read_for_the_old_one(tmp_path: Path) -> None:
    where = {f"{number}.weight": f"model-{number:05d}-of-00070.safetensors" for number in range(70)}
    for name, file in where.items():
        save_file({name: torch.zeros(4)}, tmp_path / file)
    index(tmp_path, where)
    with inspector.open(str(tmp_path)) as model:
        save_file({"0.weight": torch.ones(4)}, tmp_path / "new")
        (tmp_path / "new").rename(tmp_path / where["0.weight"])
        with pytest.raises(inspector.ChangedFile):
            model["0.weight"].numpy()


def test_missing_shards_are_named_and_their_names_shown(tmp_path: Path) -> None:
    where = sharded(tmp_path)
    gone = "model-00002-of-00003.safetensors"
    (tmp_path / gone).unlink()
    with inspector.open(str(tmp_path)) as model:
        assert any(gone in problem and "no file" in problem for problem in model.problems)
        for name, file in where.items():
            if file == gone:
                assert isinstance(model[name], Value)
                assert gone in model[name].value
            else:
                assert_same(model[name], TENSORS[name])


def test_a_folder_of_which_only_the_index_is_there(tmp_path: Path) -> None:
    index(tmp_path, {"a.b": "model-00001-of-00001.safetensors"})
    with inspector.open(str(tmp_path)) as model:
        assert model["a.b"].value == "missing: it should be in model-00001-of-00001.safetensors"
        assert len(model.problems) == 1


def test_names_and_files_that_do_not_fit_the_index_are_told(tmp_path: Path) -> None:
    where = sharded(tmp_path)
    del where["lm_head.weight"]
    where["model.norm.weight"] = "model-00001-of-00003.safetensors"
    index(tmp_path, where)
    save_file({"x": torch.zeros(1)}, tmp_path / "model-00009-of-00009.safetensors")
    with inspector.open(str(tmp_path)) as model:
        told = " / ".join(model.problems)
        assert "holds what the index does not say is in it: lm_head.weight" in told
        assert "lacks what the index says is in it: model.norm.weight" in told
        assert "the index does not name model-00009-of-00009.safetensors" in told
        assert isinstance(model["model.norm.weight"], Value)
        assert_same(model["lm_head.weight"], TENSORS["lm_head.weight"])


@pytest.mark.parametrize(
    "place", ["../secret.safetensors", "/etc/passwd", "..", ".", "", "sub/model.safetensors", "a\x00b", "\ud800"]
)
def test_an_index_leads_nowhere_but_into_its_folder(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    save_file({"secret": torch.ones(1)}, tmp_path / "secret.safetensors")
    save_file({"secret": torch.ones(1)}, folder / "sub" / "model.safetensors")
    index(folder, {"secret": place})
    with inspector.open(str(folder)) as model:
        assert list(model.tensors()) == []
        assert len(model.problems) == 1


def test_an_index_that_names_itself_does_not_lead_in_a_circle(tmp_path: Path) -> None:
    index(tmp_path, {"a": "model.safetensors.index.json"})
    with inspector.open(str(tmp_path)) as model:
        assert model.problems == ["model.safetensors.index.json is an index, not a shard"]


@pytest.mark.parametrize(
    "text", ["{", '{"weight_map": 1}', '{"weight_map": {"a": 1}}', '{"weight_map":' + "[" * 100_000, '["weight_map"]']
)
def test_an_index_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(inspector.DamagedFile, match="index"):
        inspector.open(str(tmp_path))


def test_shards_without_an_index(tmp_path: Path) -> None:
    sharded(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    with inspector.open(str(tmp_path)) as model:
        assert model.problems == []
        assert_whole(model)
    (tmp_path / "model-00001-of-00003.safetensors").unlink()
    with inspector.open(str(tmp_path)) as model:
        assert any(problem.startswith("1 of 3 shards are missing") for problem in model.problems)


def test_a_damaged_shard_does_not_hide_the_others(tmp_path: Path) -> None:
    where = sharded(tmp_path)
    (tmp_path / "model-00002-of-00003.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\nsize 9\n")
    (tmp_path / "model-00003-of-00003.safetensors").write_bytes(b"\x09\0\0\0\0\0\0\0{{{{{{{{{")
    with inspector.open(str(tmp_path)) as model:
        assert any("LFS" in problem for problem in model.problems)
        assert any(problem.startswith("model-00003-of-00003.safetensors: its header") for problem in model.problems)
        assert set(model.state_dict()) == {name for name, file in where.items() if "00001-of" in file}


@pytest.mark.parametrize("name", ["model.safetensors", "adapter_model.safetensors", "anything.safetensors"])
def test_a_folder_that_holds_one_model(name: str, tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / name)
    torch.save({}, tmp_path / "rng_state_0.pth")
    (tmp_path / "adapter_config.json").write_text('{"r": 8}')
    with inspector.open(str(tmp_path)) as model:
        assert_whole(model)
        assert model.metadata["adapter_config.json"] == {"r": 8}
        assert model.nbytes == (tmp_path / name).stat().st_size


def test_a_folder_of_several_models_lists_them(tmp_path: Path) -> None:
    for number in range(8):
        torch.save({}, tmp_path / f"epoch{number}.pt")
    with pytest.raises(inspector.NotAModel, match=r"several models: name one of epoch0.pt, .*epoch4.pt and 3 more"):
        inspector.open(str(tmp_path))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(inspector.NotAModel, match="folder"):
        inspector.open(str(tmp_path))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (
            "pytorch_model.bin.index.json model.safetensors.index.json model.safetensors.index.fp16.json",
            "model.safetensors.index.json",
        ),
        ("pytorch_model.bin.index.json model.safetensors", "pytorch_model.bin.index.json"),
        ("pytorch_model.bin model.safetensors flax_model.msgpack x.pt", "model.safetensors"),
        ("a-00001-of-00002.gguf a-00002-of-00002.gguf b.gguf", "a-00001-of-00002.gguf a-00002-of-00002.gguf"),
        ("a.json b.txt tokenizer.model vocab.index.json", ""),
        ("optimizer.pt scheduler.pt training_args.bin last.ckpt", "last.ckpt"),
    ],
)
def test_what_is_taken_for_the_model_of_a_folder(names: str, chosen: str) -> None:
    choice = choose(names.split())
    assert " ".join([choice.index] if choice.index else choice.shards or choice.files) == chosen


def test_settings_that_are_no_file_are_told(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors")
    os.mkfifo(tmp_path / "config.json")
    (tmp_path / "generation_config.json").write_text("no json")
    with inspector.open(str(tmp_path)) as model:
        assert any("FIFO" in problem for problem in model.problems)
        assert model.metadata["generation_config.json"] == "no json"
