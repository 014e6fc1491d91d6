"""Headers of safetensors that the reference reader refuses or barely takes, and mutants of an honest one."""

from __future__ import annotations

import json
import random
import struct
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, deserialize

import inspector
from tests.hostile.files import lay
from tests.hostile.runner import Case

TOGETHER = 500
"""Mutants that one process looks at."""


def file(header: str | bytes | dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    """A file of this header and data."""
    text = json.dumps(header) if isinstance(header, dict) else header
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def info(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


ONE = json.dumps(info("F32", [1], 0, 4))
FIELDS = ONE[1:-1]
GOOD = f'{{"a":{ONE}}}'

HEADERS = [
    "",
    "{}",
    "{}  ",
    "null",
    "[]",
    "1",
    '"a"',
    "{",
    "{]",
    "\x00",
    "{}\x00",
    "\ufeff{}",
    "\x0c{}",
    " \n\t\r{}",
    '{"a":<one>}',
    ' {"a":<one>}\n',
    '{"a":<one>,}',
    '{"a":<one>}//',
    '{"a":<one>}{}',
    "{'a':<one>}",
    '{"a":["F32",[1],[0,4]]}',
    '{"a":["F32",[1],[0,4],1]}',
    '{"a":["F32",[1]]}',
    '{"a":[[1],"F32",[0,4]]}',
    '{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":[{"F32":null},[1],[0,4]]}',
    '{"a":{"dtype":{"F32":{}},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":{"F32":null,"F32":null},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":{},"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":9,"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F3","shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"x":1,<fields>}}',
    '{"a":{"x":1,"x":2,<fields>}}',
    '{"a":{"dtype":"F32",<fields>}}',
    '{"a":{"shape":[1],<fields>}}',
    '{"a":{"data_offsets":[0,4],<fields>}}',
    '{"a":{"dtype":"F32","shape":[1]}}',
    '{"a":{"dtype":"F32","data_offsets":[0,4]}}',
    '{"a":{"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{}}',
    '{"a":null}',
    '{"a":1}',
    '{"a":<one>,"a":<one>}',
    '{"a":1,"a":<one>}',
    '{"a":<one>,"a":1}',
    '{"a":{"shape":[9],<fields>},"a":<one>}',
    '{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]},"a":<one>}',
    '{"a":<one>,"b":<one>}',
    '{"a":<one>,"\\u0061":<one>}',
    '{"__metadata__":null,"a":<one>}',
    '{"__metadata__":{},"a":<one>}',
    '{"__metadata__":{"a":1},"a":<one>}',
    '{"__metadata__":{"a":null},"a":<one>}',
    '{"__metadata__":"","a":<one>}',
    '{"__metadata__":[],"a":<one>}',
    '{"__metadata__":{"x":"1","x":"2"},"a":<one>}',
    '{"__metadata__":{"x":1,"x":"2"},"a":<one>}',
    '{"__metadata__":{},"__metadata__":{},"a":<one>}',
    '{"__metadata__":null,"__metadata__":null,"a":<one>}',
    '{"__metadata__":{"\\u0000":"\\u001b"},"a":<one>}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[-0,4]}}',
    '{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}',
    '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":{"0":0,"1":4}}}',
    '{"block-0":<one>}',
    '{"a":{"y":-0,<fields>}}',
    '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
    '{"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
    '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}',
    '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
    '{"z":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":<one>,"e":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}',
    '{"z":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"a":<one>}',
    '{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]},"b":<one>}',
    '{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]},"b":<one>}',
    '{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}',
    '{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,18446744073709551616]}}',
    '{"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F4","shape":[7],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F4","shape":[],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F6_E3M2","shape":[5],"data_offsets":[0,4]}}',
    '{"\\ud800":<one>}',
    '{"\\ud83d\\ude00":<one>}',
    '{"\\udc00":<one>}',
    '{"\\\\ud800":<one>}',
    '{"\\x":<one>}',
    '{"a":{"x":"\\udc00",<fields>}}',
    '{"a":{"x":"\\ud83d",<fields>}}',
    '{"a\x01":<one>}',
    '{"\x7f":<one>}',
    '{"":<one>}',
    '{"a":{"x":1e400,<fields>}}',
    '{"a":{"x":-1e400,<fields>}}',
    '{"a":{"x":1e-400,<fields>}}',
    '{"a":{"x":NaN,<fields>}}',
    '{"a":{"x":Infinity,<fields>}}',
    '{"a":{"x":[{"y":[]}],<fields>}}',
    *('{"a":{"x":1' + "0" * zeros + ",<fields>}}" for zeros in (300, 400, 5000)),
    *('{"a":{"x":' + "[" * depth + "]" * depth + ",<fields>}}" for depth in (124, 125, 126, 127, 5000)),
    *('{"a":{"x":' + '{"y":' * depth + "1" + "}" * depth + ",<fields>}}" for depth in (125, 126)),
]


def filled(header: str) -> str:
    """A header with a tensor of one float32 for `<one>`, and what would stand in its braces for `<fields>`."""
    return header.replace("<one>", ONE).replace("<fields>", FIELDS)


def verdict_of_safetensors(data: bytes) -> bool:
    try:
        deserialize(data)
    except SafetensorError:
        return False
    return True


def our_verdict(data: bytes, path: Path) -> bool:
    """Whether a file opens as one that nothing is wrong with; a key that comes twice is told besides."""
    lay(path, {"": data})
    try:
        with inspector.open(str(path)) as model:
            return all("several times" in problem for problem in model.problems)
    except inspector.InspectorError:
        return False


TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "0",
    "1",
    "4",
    "-",
    ".",
    "e",
    "null",
    "true",
    "\\",
    "\\u0041",
    " ",
    '"dtype"',
    '"F32"',
    '"a"',
    "[0,4]",
    "{}",
]


HONEST = (
    '{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
    '"b":{"dtype":"U8","shape":[2,2],"data_offsets":[4,8]}}'
)


def mutant(number: int) -> str:
    """The honest header with up to three changes."""
    dice = random.Random(number)
    header = HONEST
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(header))
        kind = dice.randrange(4)
        if kind == 0:
            header = header[:at] + header[at + dice.randint(1, 6) :]
        elif kind == 1:
            header = header[:at] + dice.choice(TOKENS) + header[at:]
        elif kind == 2:
            header = header[:at] + dice.choice(TOKENS) + header[at + 1 :]
        else:
            piece = header[at : at + dice.randint(1, 60)]
            to = dice.randrange(len(header))
            header = header[:to] + piece + header[to:]
    return header


def odd_files() -> Iterator[bytes]:
    """Headers written by hand, each with and without its data; bytes that are no text; lengths that lie; cuts."""
    for header in HEADERS:
        yield from (file(filled(header), data) for data in (b"\1\2\3\4", b""))
    for length in (0, 1, len(GOOD) - 1, len(GOOD) + 1, 10**8, 10**8 + 1, 2**40, 2**63, 2**64 - 1):
        yield file(GOOD, b"\0" * 4, length)
    for raw in (b'{"\xff":1}', b'{"\xed\xa0\x80":1}', b"{}\xff", GOOD.encode().replace(b"a", b"\xc3", 1)):
        yield file(raw, b"\0" * 4)
    yield from (file(GOOD, b"\0" * length) for length in range(8))
    yield from (file(GOOD, b"\0" * 4)[:length] for length in range(len(GOOD) + 12))


def cases(count: int) -> Iterator[Case]:
    """The odd files, then `count` mutants."""
    folder = Path(tempfile.mkdtemp(prefix="headers-"))
    yield "by hand", partial(look_at, list(odd_files()), folder / "model.safetensors")
    for first in range(0, count, TOGETHER):
        numbers = range(first, min(first + TOGETHER, count))
        yield f"mutants from {first}", partial(look_at_mutants, numbers, folder / "model.safetensors")


def look_at_mutants(numbers: range, path: Path) -> str:
    """Mutants of these numbers, some of which pass."""
    return look_at([file(mutant(number), bytes(8)) for number in numbers], path)


def look_at(files: list[bytes], path: Path) -> str:
    """Each gets the verdict of safetensors; a key that comes twice is told besides."""
    accepted = 0
    for data in files:
        wanted = verdict_of_safetensors(data)
        assert our_verdict(data, path) == wanted, data[:200]
        accepted += wanted
    return f"{accepted} accepted"
