"""safetensors: the length of a JSON header, the header, the bytes of the tensors without gaps.

Source: `safetensors/src/tensor.rs` of safetensors 0.8 (`read_metadata`, `Metadata::validate`), whose verdict on a header
is ours, and what its JSON reader (serde) takes and refuses. Tensors come in the order of their bytes, as in the dict that
`safetensors.torch.load_file` gives.
"""

from __future__ import annotations

import json
import math
from typing import Any

from inspector.dotted_names import join
from inspector.dtypes import BY_SAFETENSORS, DTYPES, DType
from inspector.errors import DamagedFile, brief, visible
from inspector.formats import Contents, Found, Opening
from inspector.json_texts import deeper, parsed
from inspector.nodes import Module, Node, Tensor
from inspector.sources import Flat, Source
from inspector.storage import PLAIN, Storage, contiguous

NAME = "safetensors"

LENGTH = 8
"""Bytes of the header's length, little-endian."""

LONGEST_HEADER = 100_000_000
"""Bytes of the longest header that the reference reader takes."""

DEEPEST_FIELD = 125
"""How deep serde lets a field be nested that nobody asked for."""

WORD = 1 << 64
"""What no size or offset reaches."""

SPACE = b" \t\r\n"

FIELDS = ("dtype", "shape", "data_offsets")
"""What the header says of a tensor, in the order in which serde takes a list for it."""

METADATA = "__metadata__"

Layout = tuple[str, tuple[int, ...], tuple[int, ...], int]
"""A dtype's name, shape and stride as torch has them, and the bits that they take."""

Entry = tuple[str, Layout, int, int]
"""A tensor's name, its layout, its first byte and the one behind its last, counted from the end of the header."""


def recognises(found: Found) -> bool:
    """Whether a length that can be one is followed by the beginning of a JSON object."""
    head = found.head
    return head[LENGTH:].lstrip(SPACE).startswith(b"{") and int.from_bytes(head[:LENGTH], "little") < 1 << 40


def read(found: Found, opening: Opening) -> Contents:
    """The dict that `load_file` would give, as a tree. Raises `DamagedFile` for a header that safetensors refuses.

    A file that is shorter or longer than its header says is shown, with the problem.
    """
    source = found.source
    assert source is not None
    text = _header(source, min(opening.limits.header, LONGEST_HEADER))
    header = _parse(text)
    repeated: list[str] = []
    metadata = _metadata(header, repeated)
    entries = _entries(header, repeated)
    start = LENGTH + int.from_bytes(found.head[:LENGTH], "little")
    problems = [f"{brief(name)} comes several times in the header; the last one counts" for name in repeated]
    problems += _coverage(entries, source.size - start)
    home = Flat(source)
    root = Module("dict")

    def make(parent: Module, key: Any, entry: Entry) -> Node:
        _, (dtype, shape, stride, _), begin, end = entry
        storage = Storage(home, start + begin, end - begin, "cpu", False, dtype)
        if start + end > source.size:
            storage.problem = "its bytes lie behind the end of the file"
        return Tensor(dtype, shape, stride, storage, 0, False, PLAIN, "tensor", key, parent)

    join(root, [(entry[0], entry) for entry in entries], make)
    about = {key: parsed(value) for key, value in metadata.items()}
    # Whoever wrote it has sorted them by dtype and name.
    return Contents(root, NAME, problems, about, ordered=False, names=frozenset(header))


def _header(source: Source, limit: int) -> str:
    length = int.from_bytes(source.read(0, LENGTH), "little")
    if length > limit:
        raise DamagedFile(f"its header claims {length} bytes, and safetensors takes at most {limit}")
    if LENGTH + length > source.size:
        raise DamagedFile(f"it is cut off in its header: that is {length} bytes long, and the file {source.size}")
    try:
        return source.read(LENGTH, length).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(f"its header is not UTF-8 at byte {LENGTH + error.start}") from None


class Repeated(dict[str, Any]):
    """A JSON object that has a key several times: the last of each counts, `pairs` are all."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Repeated(pairs)


def _parse(text: str) -> dict[str, Any]:
    # Python reads -0 as the int 0, serde as a float, which is no size. Looked for at once: a call for each int is slow.
    integer = _integer if "-0" in text else None
    try:
        header = json.loads(
            text, object_pairs_hook=_object, parse_int=integer, parse_float=_float, parse_constant=_constant
        )
        if "\\u" in text:
            # Half of a surrogate pair passes Python's JSON reader, but is no text that UTF-8 could hold.
            json.dumps(header, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"its header is no JSON: {visible(str(error))}") from None
    if not isinstance(header, dict):
        raise DamagedFile("its header is no JSON object")
    return header


def _integer(text: str) -> int | float:
    return -0.0 if text == "-0" else int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is out of range")
    return value


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _metadata(header: dict[str, Any], repeated: list[str]) -> dict[str, str]:
    """The texts under `__metadata__`, which is taken out of the header."""
    if isinstance(header, Repeated) and sum(key == METADATA for key, _ in header.pairs) > 1:
        raise DamagedFile(f"its header has {METADATA} twice")
    texts = header.pop(METADATA, None)
    if texts is None:
        return {}
    if not isinstance(texts, dict):
        raise DamagedFile(f"{METADATA} is no object of texts")
    pairs = texts.pairs if isinstance(texts, Repeated) else list(texts.items())
    for key, value in pairs:
        if type(value) is not str:
            raise DamagedFile(f"{METADATA} holds something that is no text: {brief(key)}")
    repeated += [f"{METADATA}: {key}" for key in texts if len(pairs) > len(texts) and _count(pairs, key) > 1]
    return texts


def _entries(header: dict[str, Any], repeated: list[str]) -> list[Entry]:
    """The tensors in the order of their bytes. Raises `DamagedFile` unless they lie side by side."""
    layouts: dict[tuple[str, tuple[int, ...]], Layout] = {}
    if isinstance(header, Repeated):
        seen: set[str] = set()
        for name, info in header.pairs:
            if name in header:
                _entry(name, info, layouts)
                if name in seen and name not in repeated:
                    repeated.append(name)
                seen.add(name)
    entries = [_entry(name, info, layouts) for name, info in header.items()]
    entries.sort(key=_place)
    at = 0
    for name, layout, begin, end in entries:
        if begin != at or end < begin:
            raise DamagedFile(f"{brief(name)} has the bytes {begin} to {end}, and should begin at {at}")
        at = end
        if layout[3] != (end - begin) * 8:
            raise DamagedFile(f"{brief(name)} has {end - begin} bytes, and its dtype and shape need {layout[3] / 8:g}")
    return entries


def _place(entry: Entry) -> tuple[int, int]:
    return entry[2:]


def _entry(name: str, info: Any, layouts: dict[tuple[str, tuple[int, ...]], Layout]) -> Entry:
    """What the header says of one tensor; `layouts` are those known. Raises `DamagedFile` for what serde would not take."""
    if type(info) is not dict:
        info = _unusual(name, info)
    elif len(info) > len(FIELDS):
        _check_others(name, info)
    try:
        word, sizes, offsets = info["dtype"], info["shape"], info["data_offsets"]
    except KeyError as error:
        raise DamagedFile(f"the header says nothing of the {error.args[0]} of {brief(name)}") from None
    if type(word) is dict and list(word.values()) == [None]:
        # serde takes {"F32": null} for "F32".
        word = next(iter(word))
    if type(word) is not str or word not in BY_SAFETENSORS:
        shown = visible(word[:40]) if type(word) is str else "no text"
        raise DamagedFile(f"the dtype of {brief(name)} is none that safetensors has: {shown}")
    if type(sizes) is not list or type(offsets) is not list or len(offsets) != 2:
        raise DamagedFile(f"the shape or the data_offsets of {brief(name)} are no lists of numbers")
    begin, end = offsets
    for number in (*sizes, begin, end):
        if type(number) is not int or not 0 <= number < WORD:
            raise DamagedFile(f"the shape or the data_offsets of {brief(name)} hold what is no size")
    described = word, tuple(sizes)
    layout = layouts.get(described)
    if layout is None:
        layout = layouts[described] = _layout(name, BY_SAFETENSORS[word], described[1])
    return name, layout, begin, end


def _layout(name: str, dtype: DType, shape: tuple[int, ...]) -> Layout:
    """How torch has it: two elements of `F4` counted as one; where the last axis is odd, torch has no dtype for it."""
    bits = 1
    for factor in (*shape, dtype.bytes * 8 // (dtype.packed * dtype.block)):
        bits *= factor
        if bits >= WORD:
            # At every step, as safetensors does: a later 0 does not help.
            raise DamagedFile(f"the shape of {brief(name)} is larger than anything")
    if dtype.packed > 1 and shape:
        if shape[-1] % dtype.packed:
            dtype = DTYPES["float4_e2m1fn"]
        else:
            shape = (*shape[:-1], shape[-1] // dtype.packed)
    return dtype.name, shape, contiguous(shape), bits


def _unusual(name: str, info: Any) -> dict[str, Any]:
    """An object with a key twice, or a list, as serde would take it."""
    if type(info) is list and len(info) == len(FIELDS):
        return dict(zip(FIELDS, info, strict=True))
    if type(info) is Repeated and all(_count(info.pairs, field) <= 1 for field in FIELDS):
        _check_others(name, dict(info))
        return info
    raise DamagedFile(f"what the header says of {brief(name)} is not one dtype, shape and data_offsets")


def _check_others(name: str, info: dict[str, Any]) -> None:
    """Refuses what serde refuses even in fields that nobody asked for."""
    others = {key: value for key, value in info.items() if key not in FIELDS}
    if deeper(others, DEEPEST_FIELD + 1):
        raise DamagedFile(f"what the header says of {brief(name)} is nested deeper than {DEEPEST_FIELD} levels")
    row: list[Any] = [others]
    while row:
        item = row.pop()
        if type(item) is int and item.bit_length() > 1024:
            raise DamagedFile(f"what the header says of {brief(name)} holds a number out of range")
        row.extend(item.values() if isinstance(item, dict) else item if type(item) is list else ())


def _count(pairs: list[tuple[str, Any]], key: str) -> int:
    return sum(name == key for name, _ in pairs)


def _coverage(entries: list[Entry], there: int) -> list[str]:
    """What is wrong with the length of the file: `there` bytes follow the header."""
    needed = entries[-1][3] if entries else 0
    if there > needed:
        return [f"{there - needed} bytes stand behind the last tensor; safetensors refuses such a file"]
    if there < needed:
        return [f"the file is cut off: {needed - there} of {needed} bytes of data are missing; fetch it again"]
    return []
