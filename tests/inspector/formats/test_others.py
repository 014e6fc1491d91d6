"""What is no PyTorch model file is named, with what opens it."""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import joblib
import msgpack
import numpy as np
import pytest

import inspector
from tests.inspector.samples import opened, zipped


def said_of(path: Path) -> str:
    with pytest.raises(inspector.NotAModel) as raised:
        inspector.open(str(path))
    text = str(raised.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def msgpacked(path: Path) -> None:
    path.write_bytes(msgpack.packb({"params": {"Dense_0": {"kernel": [1.0]}}}))


def large_msgpack(path: Path) -> None:
    path.write_bytes(
        msgpack.packb({f"some rather long key of a parameter that is longer than 31 {i}": i for i in range(20)})
    )


def joblib_zlib(path: Path) -> None:
    joblib.dump({"a": np.zeros(30)}, path, compress=("zlib", 3))


def joblib_plain(path: Path) -> None:
    joblib.dump({"a": np.zeros(30)}, path)


def tar_of_models(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("model_config.yaml", "model_weights.ckpt"):
            data = b"x" * 600
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def keras(path: Path) -> None:
    path.write_bytes(zipped({"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}))


def agent(path: Path) -> None:
    path.write_bytes(zipped({"data": b"{}", "pytorch_variables.txt": b"", "policy.pth": b"not a model"}))


def written(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "HDF5": (written(b"\x89HDF\r\n\x1a\n" + bytes(88)), "an HDF5 file .*keras.models.load_model or h5py"),
    "7z": (written(b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(88)), "a 7z archive.*unpack"),
    "msgpack": (msgpacked, r"a msgpack file \(Flax\).*flax.serialization"),
    "msgpack of many long keys": (large_msgpack, "msgpack"),
    "joblib, packed": (joblib_zlib, "zlib, as joblib.*joblib.load"),
    "joblib": (joblib_plain, "joblib.load"),
    "tar": (tar_of_models, "a tar archive.*holds model_weights.ckpt, model_config.yaml; unpack"),
    "Keras": (keras, "a Keras model.*keras.models.load_model"),
    "an agent": (agent, "a zip archive.*holds policy.pth, data, pytorch_variables.txt; unpack"),
    "TorchServe": (written(zipped({"MAR-INF/MANIFEST.json": b"{}", "m.pt": b""})), "TorchServe"),
    "ExecuTorch": (written(struct.pack("<I", 32) + b"ET12" + bytes(60)), r"an ExecuTorch program \(.pte\).*executorch"),
    "TensorFlow Lite": (written(struct.pack("<I", 28) + b"TFL3" + bytes(60)), "TensorFlow Lite"),
    "SavedModel": (written(b"\x08\x01\x12\xc4\x02\x0a\x1f*\x05serve\x12\x04NoOp" + bytes(50)), "a TensorFlow SavedModel"),
    "a graph": (written(b"\x0a\x2f\x0a\x01x\x12\x0bPlaceholder*\x0b\x0a\x05dtype"), "a TensorFlow graph"),
    "TensorRT": (written(b"ftrt" + bytes(60) + b"x"), "a TensorRT engine"),
    "GGML": (written(struct.pack("<I", 0x67676A74) + b"\x03" + bytes(60)), "GGJT.*before GGUF"),
    "Lua Torch": (written(struct.pack("<iii", 4, 1, 3) + b"V 1" + bytes(40)), "Lua Torch 7"),
    "settings": (written(json.dumps({"architectures": ["X"]}).encode()), "a model's settings.*open the folder"),
    "noise": (written(bytes(range(200, 256)) * 9), "no model file that is known here"),
    "msgpack-like noise": (written(b"\x81\xa6\xff\xfe\xfd\xfc\xfb\xfa\xf9"), "no model file that is known here"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_of_another_kind_is_named_with_what_opens_it(case: str, tmp_path: Path) -> None:
    make, said = FILES[case]
    path = tmp_path / "file.pt"
    make(path)
    assert re.search(said, said_of(path))


FOLDERS = {
    "saved_model.pb variables/": "a TensorFlow SavedModel.*tf.saved_model.load",
    "_CHECKPOINT_METADATA _METADATA manifest.ocdbt d/": "an Orbax checkpoint.*orbax.checkpoint",
    "_METADATA _sharding array_metadatas/": "an Orbax checkpoint",
    "checkpoint model.ckpt-1.index model.ckpt-1.data-00000-of-00001": "TensorFlow checkpoints.*tf.train",
    "config.json metadata.json model.weights.h5": "an unpacked Keras model",
    "Manifest.json Data/": "a Core ML package",
    "blobs/ refs/ snapshots/ snapshots/abc123/": "the cache of a Hugging Face repository: name one of snapshots/abc123",
    "model_index.json unet/ vae/": "a diffusers pipeline, which is several models: name one of unet, vae",
    "checkpoint-500/ checkpoint-1000/ runs/": "a folder of checkpoints: name one of checkpoint-1000, checkpoint-500",
    "notes.txt": "a folder that holds no model",
}


@pytest.mark.parametrize("names", FOLDERS)
def test_a_folder_of_another_kind_is_named_with_what_opens_it(names: str, tmp_path: Path) -> None:
    for name in names.split():
        if name.endswith("/"):
            (tmp_path / name).mkdir(exist_ok=True)
        else:
            (tmp_path / name).write_bytes(b"{}")
    assert re.search(FOLDERS[names], said_of(tmp_path))


def test_names_from_inside_are_shown_visibly(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(zipped({"\x1b]52;c;x\x07": b"", "x" * 5000: b""}))
    text = said_of(tmp_path / "a.pt")
    assert "\\x1b]52" in text
    assert "\x1b" not in text
    assert len(text) < 1000


def test_zlib_of_nothing_known_is_not_a_crash(tmp_path: Path) -> None:
    for data in (zlib.compress(b"x"), b"\x78", b"\x81", b"\xde", b"\xdf\0\0\0", b"\x0a", b"\x08\x01\x12", b"\x81\xd9"):
        with pytest.raises(inspector.InspectorError):
            opened(data, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>', "is an SVG picture"),
        ('<svg xmlns="http://www.w3.org/2000/svg"></svg>', "is an SVG picture"),
        ('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "is a web page"),
        ("<!DOCTYPE html><svg></svg>", "is a web page"),
    ],
)
def test_a_picture_of_text_is_told_from_an_error_page(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text(text)
    assert said in said_of(tmp_path / "model.pt")
