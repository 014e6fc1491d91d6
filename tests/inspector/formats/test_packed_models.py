"""Archives that hold model files: opened where they lie, the one model or each below its name."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

import inspector
from tests.inspector.samples import saved, zipped

pytestmark = pytest.mark.filterwarnings("ignore")

WEIGHT = torch.arange(600.0).reshape(20, 30)


def agent(path: Path) -> dict[str, torch.Tensor]:
    """As `save_to_zip_file` of Stable-Baselines3 2 writes: each torch file is streamed into its member."""
    policy = torch.nn.Linear(4, 2)
    optimizer = torch.optim.Adam(policy.parameters())
    policy(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", '{"gamma": 0.99}')
        for name, thing in {
            "pytorch_variables.pth": None,
            "policy.pth": policy.state_dict(),
            "policy.optimizer.pth": optimizer.state_dict(),
        }.items():
            with archive.open(name, "w", force_zip64=True) as member:
                torch.save(thing, member)
        archive.writestr("_stable_baselines3_version", "2.3.0")
        archive.writestr("system_info.txt", "- OS: Linux")
    return policy.state_dict()


def tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_an_agent_shows_its_policy_and_the_optimizer_that_belongs_to_it(tmp_path: Path) -> None:
    expected = agent(tmp_path / "ppo.zip")
    with inspector.open(tmp_path / "ppo.zip") as opened:
        assert opened.format == "model files in a zip"
        assert not opened.problems
        assert [child.label for child in opened.root.children] == [
            "pytorch_variables.pth", "policy.pth", "policy.optimizer.pth",
        ]  # fmt: skip
        for name, tensor in expected.items():
            assert opened[f"policy.pth.{name}"].torch().equal(tensor)
        moments = opened["policy.optimizer.pth.state.0"]
        assert moments.belongs is opened["policy.pth.weight"]
        assert opened.metadata["also in it"]["data"] == "15 bytes"
        assert opened.texts["_stable_baselines3_version"]() == "2.3.0"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "model", [saved({"w": WEIGHT}), saved({"w": WEIGHT}, _use_new_zipfile_serialization=False), save({"w": WEIGHT})]
)
def test_a_zip_with_one_model_is_that_model(tmp_path: Path, method: int, model: bytes) -> None:
    path = tmp_path / "model.mar"
    path.write_bytes(zipped({"MAR-INF/MANIFEST.json": b"{}", "weights.bin": model, "handler.py": b"pass"}, method))
    with inspector.open(path) as opened:
        assert opened.format.endswith(" in a zip")
        assert opened["w"].torch().equal(WEIGHT)
        assert opened.metadata["member"] == "weights.bin"
        assert opened.texts["handler.py"]() == "pass"


def test_a_tar_of_nemo_is_the_model_in_it(tmp_path: Path) -> None:
    tar(tmp_path / "a.nemo", {"./model_config.yaml": b"sample_rate: 16000\n", "./model_weights.ckpt": saved({"w": WEIGHT})})
    with inspector.open(tmp_path / "a.nemo") as opened:
        assert opened.format == "PyTorch zip in a tar"
        assert opened["w"].torch().equal(WEIGHT)
        assert "16000" in opened.texts["model_config.yaml"]()


def test_damage_within_names_the_member_and_the_others_read(tmp_path: Path) -> None:
    agent(tmp_path / "ppo.zip")
    data = bytearray((tmp_path / "ppo.zip").read_bytes())
    at = data.index(b"weight")
    data[at] ^= 1
    (tmp_path / "ppo.zip").write_bytes(data)
    with inspector.open(tmp_path / "ppo.zip") as opened:
        assert any(problem.startswith("policy.pth: ") and "checksum" in problem for problem in opened.problems)
        assert opened["policy.optimizer.pth.state.0.exp_avg"].numpy().shape == (2, 4)


def test_what_would_be_called_is_told_with_its_member(tmp_path: Path) -> None:
    instance = torch.nn.Linear(1, 1)
    tar(tmp_path / "a.tar", {"model.pt": saved(instance), "other.pt": saved({"w": WEIGHT})})
    with inspector.open(tmp_path / "a.tar") as opened:
        assert {call.member for call in opened.calls} == {"model.pt: data.pkl"}


def test_a_large_archive_of_other_things_is_not_unpacked_to_find_that_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tables.zip"
    path.write_bytes(zipped({f"{number}.csv": b"1,2,3\n" * 9000 for number in range(30)}, zipfile.ZIP_DEFLATED))
    monkeypatch.setattr("inspector.formats.zips.Zip.inflate", None)
    with pytest.raises(inspector.NotAModel, match="not a model's"):
        inspector.open(path)


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = zipped({"model.pt": saved({"w": WEIGHT})})
    (tmp_path / "outer.zip").write_bytes(zipped({"inner.zip": inner}))
    with pytest.raises(inspector.NotAModel):
        inspector.open(tmp_path / "outer.zip")
