"""Files that hold given names wherever they can: as keys, values, classes, metadata, members, sources, names of files."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.hostile.names import mark

LAYERS = 4
"""Repeated layers in `blocks.pt`."""

VALUES = struct.pack("<4f", float("nan"), float("inf"), 1.0, -2.0)
"""Of every tensor: its health is bad."""


def write(folder: Path, names: Mapping[str, str]) -> list[Path]:
    """Writes them all, and a file of each name that a file can have; their paths."""
    marked = {label: f"{mark(label)} {name}" if name else "" for label, name in names.items()}
    texts = list(marked.values())
    utf8 = [text for text in texts if is_text(text)]
    short = [text for text in utf8 if len(text) < 1000 and "\0" not in text]
    files = {
        "model.pt": model(texts),
        "blocks.pt": blocks(texts),
        "model.safetensors": safetensors(utf8),
        "package.pt": package(short),
        "script.pt": script(short),
        "graph.onnx": graph(utf8),
    }
    for text in texts:
        if is_file(text):
            files[f"{text}.safetensors"] = safetensors([text])
            files[f"{text}.bin"] = text.encode(errors="surrogatepass") + b"\nno model\n"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def is_file(text: str) -> bool:
    """Whether a file may be called so."""
    try:
        return 0 < len(os.fsencode(text)) < 200 and not set("/\0") & set(text)
    except UnicodeEncodeError:
        return False


def is_text(text: str) -> bool:
    """Whether it can be said in UTF-8."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


# Pickles, by their opcodes.


def word(text: str) -> bytes:
    """A text."""
    raw = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def tensor() -> bytes:
    """A matrix of two rows and two columns."""
    storage = b"(" + word("storage") + b"ctorch\nFloatStorage\n" + word("0") + word("cpu") + b"K\x04tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x02K\x02\x86K\x02K\x01\x86\x89}tR"


def dictionary(entries: Mapping[str, bytes]) -> bytes:
    """A dict."""
    return b"}(" + b"".join(word(key) + value for key, value in entries.items()) + b"u"


def layer(module: str, name: str, attributes: Mapping[str, bytes], modules: Mapping[str, bytes]) -> bytes:
    """An `nn.Module` of a class, which has attributes and holds others."""
    state = {"_parameters": b"}", "_buffers": b"}", "_modules": dictionary(modules), **attributes}
    return word(module) + word(name) + b"\x93)\x81" + dictionary(state) + b"b"


def model(texts: list[str]) -> bytes:
    """What `torch.save` would write: tensors, values, and objects of classes, all called so."""
    objects = {text: word(text) + word(text) + b"\x93" + word(text) + b"\x85R" for text in texts}
    return saved(
        {
            **{text: tensor() for text in texts},
            "values": dictionary({text: word(text) for text in texts}),
            "objects": dictionary(objects),
            "alike": b"}(" + b"".join(key + b"K\x00" for key in ALIKE) + b"u",
        }
    )


ALIKE = (
    b"K\x01",
    b"\x88",
    word("1"),
    b"C\x011",
    b"K\x01\x85",
    b"G?\xf0\0\0\0\0\0\0",
    b"N",
    word("None"),
    word("1 "),
    word(" 1"),
)
"""Keys that look alike: 1, True, "1", b"1", (1,), 1.0, None, "None", and blanks."""


def blocks(texts: list[str]) -> bytes:
    """Repeated layers whose tensors are called so."""
    return saved({f"blocks.{number}.{text}": tensor() for number in range(LAYERS) for text in texts})


def saved(entries: Mapping[str, bytes]) -> bytes:
    """The archive of a dict."""
    return archive({"data.pkl": b"\x80\x04" + dictionary(entries) + b".", "data/0": VALUES, "version": b"3\n"})


# Other formats.


def safetensors(texts: list[str]) -> bytes:
    """Names and metadata, and of each tensor a place that is not in the file."""
    header = {"__metadata__": {text: text for text in texts}, "there": place(0)}
    header |= {text: place(number + 1) for number, text in enumerate(texts)}
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(16)


def place(number: int) -> dict[str, object]:
    """Where the number-th tensor lies; only the first is whole."""
    return {"dtype": "F32", "shape": [4], "data_offsets": [16 * number, 16 * number + 16]}


def package(texts: list[str]) -> bytes:
    """A `torch.package` of layers whose classes and sources are called so; the sources hold just that."""
    held = layer(
        "torch.nn.modules.container", "Sequential", {}, {text: layer(text, "Net", {text: word(text)}, {}) for text in texts}
    )
    sources = {f"{text}.py": text.encode() for text in texts}
    return archive(
        {
            ".data/extern_modules": b"torch\n",
            ".data/version": b"6\n",
            "held/model.pkl": b"\x80\x04" + held + b".",
            **sources,
        }
    )


def script(texts: list[str]) -> bytes:
    """A TorchScript archive whose modules, attributes and code are called so."""
    objects = {
        text: word("__torch__") + word(text) + b"\x93)\x81" + dictionary({text: word(text)}) + b"b" for text in texts
    }
    root = word("__torch__") + word("Net") + b"\x93)\x81" + dictionary(objects) + b"b"
    code = {f"code/{text}.py": text.encode() for text in texts}
    code["code/__torch__.py"] = "".join(f"class {text}(Module):\n  {text} : str\n" for text in texts).encode()
    return archive({"data.pkl": b"\x80\x04" + root + b".", "constants.pkl": b"\x80\x02).", "version": b"3\n", **code})


def graph(texts: list[str]) -> bytes:
    """An ONNX model whose nodes, operators, initializers and metadata are called so."""
    nodes = [field(1, *(field(at, text) for at in (1, 2, 3, 4, 6, 7))) for text in texts]
    weights = [field(5, b"\x08\x04\x10\x01", field(8, text), field(9, VALUES)) for text in texts]
    about = [field(14, field(1, text), field(2, text)) for text in texts]
    return b"\x08\x08" + field(2, *texts[:1]) + field(7, *nodes, field(2, *texts[:1]), *weights) + b"".join(about)


def field(number: int, *parts: bytes | str) -> bytes:
    """A field of protobuf that has a length."""
    raw = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    length, size = len(raw), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + raw


def archive(members: Mapping[str, bytes]) -> bytes:
    """A zip archive as PyTorch's writer makes them."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, data in members.items():
            made.writestr(f"archive/{name}", data)
    return file.getvalue()
