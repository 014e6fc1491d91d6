"""What a file or folder is that no format here reads, in one line that a person can act on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from inspector.errors import DamagedFile, visible
from inspector.formats import Found
from inspector.formats.zips import LOCAL


@dataclass(frozen=True, slots=True)
class Other:
    """A kind of file, told by `magic` at byte `at`: `what` it is, and what to do about it."""

    magic: bytes
    what: str
    advice: str
    at: int = 0


ELSEWHERE = "look for the model elsewhere"
UNPACK = "unpack it first"

OTHERS = (
    Other(b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras .h5, h5py)", "open it with keras.models.load_model or h5py"),
    Other(b"ET12", "an ExecuTorch program (.pte)", "run it with executorch.runtime", at=4),
    Other(b"FT01", "ExecuTorch data (.ptd)", "it belongs to a .pte program, which executorch.runtime runs", at=4),
    Other(b"TFL3", "a TensorFlow Lite model", "open it with ai_edge_litert or tf.lite.Interpreter", at=4),
    Other(b"ftrt", "a TensorRT engine", "open it with tensorrt.Runtime, on the kind of GPU that it was built for"),
    Other(b"lmgg", "a GGML file from before GGUF", "convert it with llama.cpp"),
    Other(b"fmgg", "a GGMF file from before GGUF", "convert it with llama.cpp"),
    Other(b"tjgg", "a GGJT file from before GGUF", "convert it with llama.cpp"),
    Other(b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", "an object of Lua Torch 7 (.t7)", "open it with torchfile"),
    Other(b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    Other(b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    Other(
        b"\x04\x22\x4d\x18",
        "a file packed by LZ4, as joblib writes some",
        "open it with joblib.load, or unpack it with lz4",
    ),
    Other(b"ZF0x", "a file of an old joblib", "open it with joblib.load"),
    Other(b"%PDF-", "a PDF", ELSEWHERE),
    Other(b"\x89PNG\r\n", "a PNG picture", ELSEWHERE),
    Other(b"\xff\xd8\xff", "a JPEG picture", ELSEWHERE),
    Other(b"\x7fELF", "a program or native library", ELSEWHERE),
    Other(b"MZ", "a Windows program or library", ELSEWHERE),
    Other(b"SQLite format 3\x00", "an SQLite database", "open it with sqlite3"),
    Other(b"PAR1", "a Parquet table", "open it with pyarrow"),
    Other(b"ARROW1", "an Arrow table", "open it with pyarrow"),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A kind of folder or zip archive, told by `names` that are all in it."""

    names: frozenset[str]
    what: str
    advice: str


FOLDERS = (
    Holder(frozenset({"saved_model.pb"}), "a TensorFlow SavedModel", "open it with tf.saved_model.load"),
    Holder(frozenset({"_CHECKPOINT_METADATA"}), "an Orbax checkpoint (JAX)", "open it with orbax.checkpoint"),
    Holder(frozenset({"manifest.ocdbt"}), "an Orbax checkpoint (JAX)", "open it with orbax.checkpoint"),
    Holder(frozenset({"_METADATA", "_sharding"}), "an Orbax checkpoint (JAX)", "open it with orbax.checkpoint"),
    Holder(frozenset({"model.weights.h5", "config.json"}), "an unpacked Keras model", "open it with keras"),
    Holder(frozenset({"Manifest.json", "Data"}), "a Core ML package", "open it with coremltools"),
)

ARCHIVES = (
    Holder(frozenset({"config.json", "model.weights.h5"}), "a Keras model", "open it with keras.models.load_model"),
    Holder(frozenset({"MAR-INF/MANIFEST.json"}), "a TorchServe archive (.mar)", "unpack it: the model file is in it"),
    Holder(frozenset({"saved_model.pb"}), "a zipped TensorFlow SavedModel", "unpack it, then tf.saved_model.load"),
)

GRAPH_WORDS = (b"Placeholder", b"VarHandleOp", b"VariableV2", b"saved_model", b"Const", b"NoOp")
"""What stands early in a graph of TensorFlow's."""

LFS = b"version https://git-lfs"

LOOKED = 1000
"""How many entries of a folder are looked at one by one."""

LISTED = 3
"""How many names a line lists."""


def explain(found: Found) -> str:
    """One line: what lies there, if not a model, and what to do."""
    shown, head = visible(found.path), found.head
    if found.source is None:
        return f"{shown} is {_folder(found)}"
    if found.source.size == 0:
        return f"{shown} is empty: it was never written, or its download never began"
    if not head.strip(b"\x00"):
        return f"{shown} begins with {len(head)} zero bytes: space was set aside for it, and it was never written"
    if head.startswith(LFS):
        return f"{shown} is a Git LFS pointer{_lfs_size(head)}, not the weights: fetch them with 'git lfs pull'"
    if head.startswith(LOCAL):
        return f"{shown} is {_zip(found)}"
    for other in OTHERS:
        if head[other.at : other.at + len(other.magic)] == other.magic:
            return f"{shown} is {other.what}, not a PyTorch model file: {other.advice}"
    if head[257:262] == b"ustar":
        return f"{shown} is {_tar(found)}"
    kind = _by_structure(head)
    if kind:
        return f"{shown} is {kind}"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    if start.startswith((b"<svg", b"<?xml")) and b"<svg" in head:
        return f"{shown} is an SVG picture, not a PyTorch model file: {ELSEWHERE}"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return f"{shown} is a web page: the download gave an error page instead of the model; fetch it again"
    if start.startswith(b"{") and re.search(rb'"(architectures|model_type|peft_type|_class_name)"', head):
        return f"{shown} is a model's settings, not its weights: open the folder that it lies in"
    if _is_text(head):
        first = visible(head.decode("utf-8", "replace").strip().partition("\n")[0][:60])
        return f"{shown} is a text file, not a PyTorch model file (it begins {first!r})"
    return f"{shown} is no model file that is known here (it begins with bytes {head[:8].hex(' ')})"


def _by_structure(head: bytes) -> str:
    """A kind of file that has no magic of its own, by how its first bytes fit together; empty if it is none."""
    if head[0] == 0x78 and int.from_bytes(head[:2], "big") % 31 == 0:
        return "packed by zlib, as joblib writes its files: open it with joblib.load"
    if head[:3] == b"\x08\x01\x12" and any(word in head for word in GRAPH_WORDS):
        return "a TensorFlow SavedModel, not a PyTorch model file: open its folder with tf.saved_model.load"
    if head[:1] == b"\x0a" and any(word in head for word in GRAPH_WORDS):
        return "a TensorFlow graph, not a PyTorch model file: open it with tensorflow"
    if _is_msgpack(head):
        return "a msgpack file (Flax), not a PyTorch model file: open it with flax.serialization.msgpack_restore"
    return ""


def _is_msgpack(head: bytes) -> bool:
    """Whether it is a map whose first key is a text, by the msgpack specification."""
    at = 1 if 0x81 <= head[0] <= 0x8F else {0xDE: 3, 0xDF: 5}.get(head[0], 0)
    if not at or len(head) < at + 2:
        return False
    length = head[at] - 0xA0 if 0xA1 <= head[at] <= 0xBF else head[at + 1] if head[at] == 0xD9 else 0
    start = at + (2 if head[at] == 0xD9 else 1)
    key = head[start : start + length]
    return 0 < length == len(key) and key.isascii() and key.decode("ascii").isprintable()


def _folder(found: Found) -> str:
    """What a folder is that holds no model of ours."""
    names = found.names
    for folder in FOLDERS:
        if folder.names <= names:
            return f"{folder.what}, not a PyTorch model: {folder.advice}"
    if "checkpoint" in names and any(name.endswith(".index") for name in names):
        return "a folder of TensorFlow checkpoints, not a PyTorch model: open it with tf.train.load_checkpoint"
    if {"blobs", "snapshots"} <= names:
        return f"the cache of a Hugging Face repository: name one of {_below(found.path, 'snapshots')}"
    if "model_index.json" in names:
        parts = [name for name in sorted(names)[:LOOKED] if Path(found.path, name).is_dir()]
        return f"a diffusers pipeline, which is several models: name one of {_listed(parts)}"
    steps = sorted((name for name in names if re.fullmatch(r"checkpoint-\d{1,15}", name)), key=lambda name: int(name[11:]))
    if steps:
        return f"a folder of checkpoints: name one of {_listed(steps[::-1])}"
    return "a folder that holds no model that is known here; name a file in it"


def _below(path: str, folder: str) -> str:
    try:
        return _listed(sorted(f"{folder}/{entry.name}" for entry in Path(path, folder).iterdir()))
    except OSError:
        return f"{folder}/"


def _zip(found: Found) -> str:
    """A zip archive that no format takes for its own."""
    if found.archive is None:
        return "a zip archive whose end is missing: its download or its writing stopped early; fetch it again"
    names = list(found.archive.members)
    for archive in ARCHIVES:
        if archive.names <= found.archive.members.keys():
            return f"{archive.what}, not a PyTorch model file: {archive.advice}"
    inside = _listed(_models_first(names)) or "nothing"
    return f"a zip archive, but not a model's: it holds {inside}; unpack it and name the file that you want"


def _tar(found: Found) -> str:
    """A tar that is not the one of torch 0.1."""
    from inspector.formats.tar01 import members

    assert found.source is not None
    try:
        inside = _listed(_models_first(list(members(found.source)))) or "nothing"
    except DamagedFile:
        inside = "what can't be read"
    return f"a tar archive, but not a model's: it holds {inside}; unpack it and name the file that you want"


def _models_first(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: not name.endswith((".pt", ".pth", ".ckpt", ".bin", ".safetensors")))


def _listed(names: list[str]) -> str:
    return ", ".join(visible(name[:200]) for name in names[:LISTED]) + (", …" if len(names) > LISTED else "")


def _lfs_size(head: bytes) -> str:
    for line in head.split(b"\n"):
        if line.startswith(b"size ") and line[5:].strip().isdigit():
            return f" to a file of {int(line[5:].strip()[:20])} bytes"
    return ""


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
