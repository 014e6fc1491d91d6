"""Files cut at every byte, archives with a wrong byte that the checksum proves, tensors that lie about themselves."""

from __future__ import annotations

import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import inspector
from inspector.errors import InspectorError
from inspector.nodes import Tensor
from inspector.soundness import troubles
from tests.hostile.archives import Entry, archive
from tests.hostile.files import lay
from tests.hostile.originals import originals
from tests.hostile.runner import Case
from tests.hostile.walk import walk

TOGETHER = 100
"""Cuts that one process looks at."""


# Cut at every byte.


def cut_cases(step: int) -> Iterator[Case]:
    """A zip of 5 KB and a legacy file of 3 KB, cut at every `step`th byte."""
    folder = Path(tempfile.mkdtemp(prefix="cuts-"))
    for kind in ("small zip", "small legacy"):
        data = originals()[kind][""]
        cuts = list(range(0, len(data) + 1, step))
        for first in range(0, len(cuts), TOGETHER):
            part = cuts[first : first + TOGETHER]
            yield f"{kind}, {part[0]} to {part[-1]}", partial(look_at_cuts, data, part, folder / kind)


def look_at_cuts(data: bytes, cuts: list[int], path: Path) -> str:
    """Each cut ends clean, and every tensor whose bytes are all before it reads right."""
    lay(path, {"": data})
    with inspector.open(path) as model:
        whole = {tensor.name: tensor.numpy() for tensor in model.tensors()}
    ends = {name: data.rindex(array.tobytes()) + array.nbytes for name, array in whole.items()}
    read = 0
    for cut in cuts:
        lay(path, {"": data[:cut]})
        walk(str(path))
        try:
            model = inspector.open(path)
        except InspectorError:
            assert not any(end <= cut for end in ends.values()), f"cut at {cut}: nothing is shown"
            continue
        with model:
            there = {tensor.name: tensor for tensor in model.tensors()}
            for name, end in ends.items():
                if end <= cut:
                    assert (there[name].numpy() == whole[name]).all(), f"cut at {cut}: {name} reads otherwise"
                    read += 1
            assert cut == len(data) or model.problems, f"cut at {cut}: nothing is told"
    return f"{read} tensors read"


# A wrong byte.


def checksum_cases(count: int) -> Iterator[Case]:
    """Mutants of one byte within the contents of a member, whose checksum then is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="checksums-"))
    for kind in ("small zip", "zip, packed", "torchscript", "pt2"):
        yield kind, partial(look_at_wrong_bytes, originals()[kind][""], count, folder / "model")


def look_at_wrong_bytes(data: bytes, count: int, path: Path) -> str:
    """Every one is told when the file is opened; that of a storage with a tensor's name."""
    spans = list(members(data))
    names: dict[str, set[str]] = {}
    lay(path, {"": data})
    with inspector.open(path) as model:
        for tensor in model.tensors():
            if tensor.storage is not None and type(tensor.storage.key) is str:
                names.setdefault(tensor.storage.key, set()).add(tensor.name)
    chance = random.Random(0)
    told = 0
    for _ in range(count):
        name, start, length = chance.choice([span for span in spans if span[2]])
        changed = bytearray(data)
        changed[start + chance.randrange(length)] ^= 1 << chance.randrange(8)
        if not proven(bytes(changed), name):
            continue
        lay(path, {"": bytes(changed)})
        try:
            with inspector.open(path) as model:
                lines = [*model.problems, *model.verify().problems]
                [read() for read in model.texts.values()]
                lines += model.problems
        except InspectorError as error:
            lines = [str(error)]
        if name in names:
            assert any(tensor in line for line in lines for tensor in names[name]), (name, lines)
        else:
            assert lines, name
        told += bool(lines)
    return f"{told} told"


def members(data: bytes) -> Iterator[tuple[str, int, int]]:
    """By name, where the bytes of each member lie in an archive."""
    with zipfile.ZipFile(BytesIO(data)) as whole:
        for info in whole.infolist():
            name, extra = struct.unpack_from("<2H", data, info.header_offset + 26)
            yield info.filename, info.header_offset + 30 + name + extra, info.compress_size


def proven(data: bytes, name: str) -> bool:
    """Whether Python's own reader finds the member damaged."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as whole:
            whole.read(name)
    except (zipfile.BadZipFile, zlib.error):
        return True
    return False


# Tensors that lie.

INT = struct.Struct("<q")


def number(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def lying(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, numel: int = 3, kind: str = "FloatStorage"
) -> bytes:
    """A tensor `w` of this description over a storage of twelve bytes."""
    pid = b"(X\x07\0\0\0storagectorch\n%s\nX\x01\0\0\x000X\x03\0\0\0cpu%stQ" % (kind.encode(), number(numel))
    made = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + pid
        + number(offset)
        + numbers(size)
        + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )
    pickled = b"\x80\x02}X\x01\0\0\0w" + made + b"s."
    return archive(Entry("a/data.pkl", pickled), Entry("a/version", b"3\n"), Entry("a/data/0", bytes(12)))


WORD = 1 << 62
LIES: dict[str, bytes] = {
    "a size too many": lying((4,), (1,)), "an offset too far": lying((3,), (1,), 1), "an offset of 2^62": lying((3,), (1,), WORD),
    "a negative offset": lying((3,), (1,), -1), "an offset of -2^62": lying((3,), (1,), -WORD), "a negative size": lying((-3,), (1,)),
    "a size of -2^62": lying((-WORD,), (1,)), "a size of 2^62": lying((WORD,), (1,)), "a product of 2^64": lying((1 << 32, 1 << 32), (1, 1)),
    "a product of 2^124": lying((WORD, WORD), (WORD, 1)), "a product of 2^64 that comes round to 0": lying((1 << 33, 1 << 31), (1 << 31, 1)),
    "a stride too long": lying((2,), (3,)), "a stride of 2^62": lying((2,), (WORD,)), "a negative stride": lying((3,), (-1,)),
    "a stride of -2^62": lying((3,), (-WORD,)), "strides that come round": lying((3, 3), (WORD, WORD)), "too few strides": lying((1, 3), (1,)),
    "too many strides": lying((3,), (1, 1, 1)), "a thousand axes": lying((1,) * 999 + (4,), (1,) * 1000), "a thousand axes of 2": lying((2,) * 1000, (1,) * 1000),
    "a thousand axes without strides": lying((1,) * 1000, ()), "more elements than the storage has": lying((3,), (1,), numel=WORD),
    "fewer elements than the storage has": lying((3,), (1,), numel=1), "no elements": lying((3,), (1,), numel=0),
    "a negative number of elements": lying((3,), (1,), numel=-3), "2^70 elements": lying((3,), (1,), numel=1 << 70),
    "another width": lying((3,), (1,), kind="DoubleStorage"), "complex numbers": lying((3,), (1,), kind="ComplexDoubleStorage"),
    "packed numbers": lying((99,), (1,), kind="QUInt4x2Storage"), "an offset into another dtype": lying((1,), (1,), 2, kind="DoubleStorage"),
    "an offset beyond with a size": lying((1,), (1,), 1 << 40), "axes of 0 and 2^62": lying((0, WORD, WORD), (1, 1, 1), -1),
}  # fmt: skip
"""By name, a file each; all but the tensor `w` of it is as it should be."""


def lie_cases() -> Iterator[Case]:
    """All of them."""
    folder = Path(tempfile.mkdtemp(prefix="lies-"))
    for at, (title, data) in enumerate(LIES.items()):
        yield title, partial(look_at_lie, data, folder / str(at))


def look_at_lie(data: bytes, path: Path) -> str:
    """The tensor is shown, the problem told with its name, and nothing read for it that is not there."""
    lay(path, {"": data})
    walk(str(path))
    with inspector.open(path) as model:
        tensor = model["w"]
        assert isinstance(tensor, Tensor)
        told = [problem for problem in model.problems if problem.startswith("w: ")]
        assert told, "nothing is told"
        assert troubles(tensor), "the tensor has no trouble"
        read: Callable[[], object]
        for read in (tensor.numpy, tensor.int_repr, lambda: repr(tensor), lambda: tensor[...]):
            try:
                read()
            except InspectorError:
                continue
        return told[0]
