"""Forty names that would do something to a terminal, or to whoever reads it, and files that hold them wherever they can."""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

STEAL = base64.b64encode(b"rm -rf ~").decode()

NAMES: dict[str, str] = {
    "colours": "\x1b[38;5;201;5m",
    "a clear screen": "\x1b[2J\x1b[3J\x1b[H",
    "the clipboard": f"\x1b]52;c;{STEAL}\x07",
    "a title": "\x1b]0;pwned\x07",
    "a link": "\x1b]8;;https://example.org\x1b\\here\x1b]8;;\x1b\\",
    "a device string": "\x1bP$q q\x1b\\",
    "an application's command": "\x1b_Ga=T,f=24;AAAA\x1b\\",
    "a privacy message": "\x1b^hidden\x1b\\",
    "tmux's passing through": f"\x1bPtmux;\x1b\x1b]52;c;{STEAL}\x07\x1b\\",
    "a report of the cursor": "\x1b[6n\x1b[c\x1b[>c",
    "a reset": "\x1bc",
    "another character set": "\x1b(0qqq\x0e",
    "a sequence of eight bits": "\x9b38;5;201;5m",
    "a clipboard of eight bits": f"\x9d52;c;{STEAL}\x9c",
    "half a sequence": "\x1b[38;5",
    "an unended string": "\x1b]0;",
    "bells": "\x07\x07\x07",
    "backspaces": "safe\x08\x08\x08\x08evil",
    "a return": "evil\rsafe",
    "a line": "one\ntwo",
    "tabs and feeds": "a\tb\x0bc\x0cd",
    "a null": "a\x00b",
    "deletes": "a\x7f\x7fb",
    "the next line": "a\x85b",
    "an enquiry": "\x05\x06\x15",
    "right to left": "\u202egnp.tp",
    "embeddings": "\u202a\u202b\u202ca\u202d",
    "isolates": "\u2066a\u2067b\u2068c\u2069",
    "a mark of direction": "a\u200e\u200f\u061cb",
    "nothing of width": "a\u200b\u200c\u200d\u2060\ufeffb",
    "soft hyphens": "a\xad\xadb",
    "tags": "a\U000e0041\U000e0042\U000e007fb",
    "variations": "a\ufe0e\ufe0f\U000e0100b",
    "line separators": "a\u2028\u2029b",
    "half a character": "a\ud83db\udc80c",
    "marks": "e" + "\u0301" * 10_000,
    "markup": "[bold red]x[/bold red][@click=app.quit]y[/] $text [/]",
    "a path": "../../../../tmp/evil",
    "a megabyte": "long " * 200_000,
    "nothing at all": "",
}


def write(folder: Path, names: Mapping[str, str]) -> list[Path]:
    """Files with these names as keys, values, classes, arguments, metadata, members, texts, and names of files."""
    marked = {label: f"{mark(label)} {name}" if name else "" for label, name in names.items()}
    texts = list(marked.values())
    files = {
        "model.pt": model(texts),
        "model.safetensors": safetensors([text for text in texts if is_text(text)]),
        "package.pt": package([text for text in texts if is_text(text) and len(text) < 1000 and "\0" not in text]),
    }
    for text in texts:
        if is_file(text):
            files[f"{text}.safetensors"] = safetensors([text])
            files[f"{text}.bin"] = text.encode(errors="surrogatepass") + b"\nno model\n"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def mark(label: str) -> str:
    """What a name begins with, so that it is found on a screen."""
    return f"n{list(NAMES).index(label):02}"


def is_file(text: str) -> bool:
    """Whether a file may be called so."""
    try:
        return 0 < len(os.fsencode(text)) < 200 and not set("/\0") & set(text)
    except UnicodeEncodeError:
        return False


def is_text(text: str) -> bool:
    """Whether it can be said in UTF-8."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def word(text: str) -> bytes:
    """The opcode for a text."""
    raw = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def tensor() -> bytes:
    """The opcodes for a tensor of four zeros."""
    storage = b"(" + word("storage") + b"ctorch\nFloatStorage\n" + word("0") + word("cpu") + b"K\x04tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x04\x85K\x01\x85\x89}tR"


def dictionary(entries: Mapping[str, bytes]) -> bytes:
    """The opcodes for a dict."""
    return b"}(" + b"".join(word(key) + value for key, value in entries.items()) + b"u"


def model(texts: list[str]) -> bytes:
    """What `torch.save` would write: tensors, values, and objects of classes, all called so."""
    objects = {text: word(text) + word(text) + b"\x93" + word(text) + b"\x85R" for text in texts}
    pickled = dictionary(
        {
            **{text: tensor() for text in texts},
            "values": dictionary({text: word(text) for text in texts}),
            "objects": dictionary(objects),
            "alike": b"}(" + b"".join(key + b"K\x00" for key in ALIKE) + b"u",
        }
    )
    return archive({"data.pkl": b"\x80\x04" + pickled + b".", "data/0": bytes(16), "version": b"3\n"})


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
    """A `torch.package` whose sources are called so and hold just that."""
    sources = {f"{text}.py": text.encode(errors="surrogatepass") for text in texts}
    return archive({".data/extern_modules": b"torch\n", ".data/version": b"6\n", **sources})


def archive(members: Mapping[str, bytes]) -> bytes:
    """A zip archive as PyTorch's writer makes them."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, data in members.items():
            made.writestr(f"archive/{name}", data)
    return file.getvalue()
