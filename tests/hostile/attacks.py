"""Small files that ask for more time or memory than there is: each has to end in 2 s and 256 MB."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import inspector
from inspector import loading
from inspector.errors import InspectorError, visible
from tests.hostile.canaries import EMPTY, EMPTY_LAYER, data, legacy, name, npy, script, text, zip_of, zipped
from tests.hostile.files import Files, lay
from tests.hostile.originals import tarred
from tests.hostile.runner import Case

SECONDS, MEMORY = 2, 256 << 20

MANY = 1 << 62


def pickled(body: bytes) -> Files:
    """An archive of torch.save around a pickle's opcodes."""
    return {"": zip_of(b"\x80\x04" + body + b".")}


def doubled(first: bytes, double: Callable[[bytes], bytes], last: bytes = b"") -> Files:
    """An object that holds the one before it twice, sixty times over."""
    body = first + b"q\x00" + b"".join(double(bytes([at])) + b"q" + bytes([at + 1]) for at in range(60))
    return pickled(body + last)


def bomb(size: int, head: bytes = b"") -> bytes:
    """Raw deflate of `head` and zeros."""
    piece = bytes(1 << 20)
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(head) + b"".join(packer.compress(piece) for _ in range(size >> 20)) + packer.flush()


def packed(member: str, content: bytes, size: int, **others: bytes) -> bytes:
    """An archive with a member of raw deflate that is said to hold `size` bytes."""
    whole = bytearray(zipped({"a/version": b"3\n", **others}))
    end = whole.index(b"PK\x05\x06")
    first = whole.index(b"PK\x01\x02")
    raw = member.encode()
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(content), size, len(raw), 0) + raw + content
    entry = (
        struct.pack(
            "<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 8, 0, 0, 0, len(content), size, len(raw), 0, 0, 0, 0, 0, first
        )
        + raw
    )
    directory = bytes(whole[first:end]) + entry
    count = len(others) + 2
    record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), first + len(local), 0)
    return bytes(whole[:first]) + local + directory + record


def keys(count: int, make: Callable[[int], bytes]) -> bytes:
    """A dict of so many entries, all None."""
    return b"}(" + b"".join(make(number) + b"N" for number in range(count)) + b"u"


def nested_zips(depth: int) -> bytes:
    inner = zip_of(EMPTY)
    for _ in range(depth):
        inner = zip_of(EMPTY, inner_zip=inner)
    return inner


def members(count: int, title: Callable[[int], str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/data.pkl", EMPTY)
        for number in range(count):
            archive.writestr(zipfile.ZipInfo(title(number)), b"")
    return stream.getvalue()


def safetensors(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def gguf(*parts: bytes, tensors: int = 0, pairs: int = 1) -> bytes:
    return b"GGUF" + struct.pack("<I2Q", 3, tensors, pairs) + b"".join(parts)


def word(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


OBJECT = name("evil", "Thing")
COUNT = name("collections", "Counter")
MUCH = b"\x8a\x08" + struct.pack("<q", MANY)
LAYER = name("torch.nn.modules.linear", "Linear")

ATTACKS: dict[str, Callable[[], Files]] = {
    "laughs of tuples": lambda: doubled(b"K\x01\x85", lambda at: b"h" + at + b"h" + at + b"\x86"),
    "laughs of tuples by DUP": lambda: pickled(b"K\x01\x85" + b"2\x86" * 60),
    "laughs of lists": lambda: doubled(b"]", lambda at: b"](h" + at + b"h" + at + b"e"),
    "laughs of dicts": lambda: doubled(b"}", lambda at: b"}(K\x01h" + at + b"K\x02h" + at + b"u"),
    "laughs of sets": lambda: doubled(b"(\x91", lambda at: b"(h" + at + b"h" + at + b"\x91"),
    "laughs of objects": lambda: doubled(OBJECT + b")\x81", lambda at: OBJECT + b"h" + at + b"h" + at + b"\x86\x81"),
    "laughs of layers": lambda: doubled(LAYER + b")\x81}(" + EMPTY_LAYER + b"ub", lambda at: LAYER + b")\x81}(" + text("_parameters") + b"}"
                                        + text("_buffers") + b"}" + text("_modules") + b"}(" + text("a") + b"h" + at + text("b") + b"h" + at + b"uub"),
    "a key that takes for ever to hash": lambda: pickled(b"}K\x01\x85" + b"2\x86" * 60 + b"Ns"),
    "a set that takes for ever to hash": lambda: pickled(b"\x8f(K\x01\x85" + b"2\x86" * 60 + b"\x90"),
    "keys that take for ever to compare": lambda: pickled(b"}K\x01\x85" + b"2\x86" * 40 + b"NsK\x01\x85" + b"2\x86" * 40 + b"Ns"),
    "a million lists in each other": lambda: pickled(b"]" * 1_000_000 + b"a" * 999_999),
    "a million tuples in each other": lambda: pickled(b")" + b"\x85" * 1_000_000),
    "a million dicts in each other": lambda: pickled(b"}" + b"K\x01}" * 999_999 + b"s" * 999_999),
    "a million objects in each other": lambda: pickled(OBJECT + b"q\x00)" + b"h\x00)\x81" * 300_000 + b"\x85R" * 0),
    "a million states in each other": lambda: pickled(OBJECT + b"q\x00)\x81" + b"h\x00)\x81" * 300_000 + b"b" * 300_000),
    "five million marks": lambda: pickled(b"(" * 5_000_000),
    "five million marks and as many objects": lambda: pickled(b"(N" * 2_500_000),
    "three million objects on the stack": lambda: pickled(b"]" * 3_000_000),
    "a million entries of the memo": lambda: pickled(b"N" + b"\x94" * 1_000_000),
    "a number of 2 GB": lambda: pickled(b"\x8b\xff\xff\xff\x7f" + b"1" * 100),
    "a number of a million digits": lambda: pickled(b"L" + b"9" * 1_000_000 + b"\n"),
    "a number of a million bytes": lambda: pickled(b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000),
    "a number of a million digits in hexadecimal": lambda: pickled(b"I0x" + b"f" * 1_000_000 + b"\n"),
    "a float of a million digits": lambda: pickled(b"F" + b"9" * 1_000_000 + b"\n"),
    "a text of 2^62 bytes": lambda: pickled(b"\x8d" + struct.pack("<Q", MANY) + b"x"),
    "bytes of 2^62": lambda: pickled(b"\x8e" + struct.pack("<Q", MANY) + b"x"),
    "a bytearray of 2^63": lambda: pickled(b"\x96" + struct.pack("<Q", 1 << 63) + b"x"),
    "a frame of 2^64": lambda: pickled(b"\x95" + b"\xff" * 8 + b"N"),
    "index 2^31 of the memo": lambda: pickled(b"Nr\xff\xff\xff\x7fr\xff\xff\xff\xff"),
    "an index of the memo of a thousand digits": lambda: pickled(b"Np" + b"9" * 1000 + b"\n"),
    "a bytearray that is called for": lambda: pickled(name("builtins", "bytearray") + MUCH + b"\x85R"),
    "a range that is called for": lambda: pickled(name("builtins", "list") + name("builtins", "range") + MUCH + b"\x85R\x85R"),
    "copies of copies": lambda: pickled(COUNT + b"q\x00" + keys(2000, lambda at: b"M" + struct.pack("<H", at)) + b"q\x01" + b"h\x00h\x01\x85R0" * 100_000),
    "a list in itself": lambda: pickled(b"]q\x00h\x00a"),
    "a dict in itself": lambda: pickled(b"}q\x00K\x01h\x00s"),
    "an object in itself": lambda: pickled(OBJECT + b")\x81q\x00}" + text("a") + b"h\x00sb"),
    "a layer in itself": lambda: pickled(LAYER + b")\x81q\x00}(" + text("_parameters") + b"}" + text("_buffers") + b"}" + text("_modules") + b"}" + text("a") + b"h\x00sub"),
    "200,000 keys": lambda: pickled(keys(200_000, lambda at: text(f"key.{at}"))),
    "200,000 times one key": lambda: pickled(keys(200_000, lambda at: text("key"))),
    "keys of 200 dots": lambda: pickled(keys(2000, lambda at: text(".".join([str(at), *"a" * 199])))),
    "a key of a million dots": lambda: pickled(keys(1, lambda at: text("." * 1_000_000))),
    "keys of a megabyte": lambda: pickled(keys(10, lambda at: text("\u202e" * 300_000 + str(at)))),
    "50,000 members": lambda: {"": members(50_000, lambda at: f"a/data/{at}")},
    "50,000 members of one name": lambda: {"": members(50_000, lambda at: "a/data/0")},
    "a packed pickle of 1 GB": lambda: {"": packed("a/data.pkl", bomb(1 << 30), 1 << 30)},
    "a packed pickle of 1 GB that is said to be small": lambda: {"": packed("a/data.pkl", bomb(1 << 30), 1000)},
    "a packed member of 1 GB beside the pickle": lambda: {"": packed("a/other", bomb(1 << 30), 1 << 30, **{"a/data.pkl": EMPTY})},
    "gzip of 4 GB": lambda: {"": gzip.compress(bytes(64 << 20)) * 64},
    "bzip2 of 4 GB": lambda: {"": bz2.compress(bytes(64 << 20)) * 64},
    "xz of 4 GB": lambda: {"": lzma.compress(bytes(64 << 20), preset=1) * 64},
    "archives in each other": lambda: {"": nested_zips(50)},
    "a packed array of 2^40": lambda: {"": packed("a.npy", bomb(64 << 20, b"\x93NUMPY\x01\x00\x50\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }" + b" " * 10), 64 << 20)},
    "a header of brackets": lambda: {"": b"\x93NUMPY\x02\x00" + struct.pack("<I", 1_000_000) + b"(" * 1_000_000},
    "safetensors: a header of 2^62": lambda: {"": safetensors(b"{}", MANY)},
    "safetensors: brackets in brackets": lambda: {"": safetensors(b'{"a":' + b"[" * 1_000_000)},
    "safetensors: 50,000 tensors": lambda: {"": safetensors(json.dumps({f"t{at}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for at in range(50_000)}).encode())},
    "GGUF: 2^63 pairs": lambda: {"": gguf(word("a") + struct.pack("<IB", 7, 1), pairs=1 << 63)},
    "GGUF: 2^62 tensors": lambda: {"": gguf(pairs=0, tensors=MANY)},
    "GGUF: an array of 2^62": lambda: {"": gguf(word("a") + struct.pack("<2IQ", 9, 8, MANY))},
    "GGUF: arrays in each other": lambda: {"": gguf(word("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 100_000)},
    "ONNX: lengths of 2^63": lambda: {"": b"\x08\x08\x12\x01a\x3a" + b"\xff" * 9 + b"\x01\x0a\x03"},
    "ONNX: 100,000 initializers": lambda: {"": (lambda inner: b"\x08\x08\x3a" + bytes([len(inner) & 127 | 128, len(inner) >> 7 & 127 | 128, len(inner) >> 14]) + inner)(b"\x2a\x02\x10\x01" * 100_000)},
    "an index of brackets": lambda: {"model.safetensors.index.json": b'{"weight_map": ' + b"[" * 1_000_000},
    "an index of 20,000 files": lambda: {"model.safetensors.index.json": json.dumps({"weight_map": {f"t{at}": f"f{at}" for at in range(20_000)}}).encode()},
    "TorchScript: code of one long line": lambda: {"": script(name("__torch__", "M") + b")\x81.", b"\x80\x02).") [:0] or zipped({"a/data.pkl": b"\x80\x02" + name("__torch__", "M") + b")\x81.", "a/constants.pkl": b"\x80\x02).", "a/code/__torch__.py": b"class M(" * 100_000, "a/version": b"3\n"})},
    "a tar of headers": lambda: {"": tarred({f"m{at}": b"" for at in range(2000)} | {"pickle": EMPTY, "tensors": b"", "storages": b""})},
    "legacy: 2^62 elements": lambda: {"": legacy(b"\x80\x02" + name("torch._utils", "_rebuild_tensor_v2") + b"((" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + MUCH + b"NtQK\x00" + MUCH + b"\x85K\x01\x85\x89}tR.", keys=b"\x80\x02]" + text("0") + b"a.")},
    "pickles in a row": lambda: {"": EMPTY * 200_000},
    "pickles in bytes in pickles": lambda: {"": functools.reduce(lambda inner, _: name("pickle", "loads") + data(inner + b".") + b"\x85R", range(200), b"N") + b"."},
    "objects of an array": lambda: {"": npy(b"\x80\x04" + b"]" * 1_000_000 + b"a" * 999_999 + b".")},
}  # fmt: skip
"""By name, the files of each."""


def cases(look: Callable[[str], str], step: int = 1) -> Iterator[Case]:
    """Every `step`th of them looked at in a way, their files written first: that is not part of the time."""
    folder = Path(tempfile.mkdtemp(prefix="attacks-"))
    for number, (title, make) in islice(enumerate(ATTACKS.items()), 0, None, step):
        yield title, functools.partial(look, str(lay(folder / f"{number:02}", make())))


def scan_it(path: str) -> str:
    """Looks for what a load would call."""
    try:
        return f"{len(loading.scan(path).findings)} findings"
    except InspectorError as error:
        return str(error)


def open_it(path: str) -> str:
    """Opens it and shows as much of it as a screen would."""
    try:
        with inspector.open(path) as model:
            for node in islice(model.root.walk(), 1000):
                assert type(visible(node.label[:400])) is type(node.expression) is str
            return f"opened, {len(model.problems)} problems"
    except InspectorError as error:
        return str(error)
