"""numpy's files: `.npy`, one array, and `.npz`, a zip of them, packed or not.

Arrays of numbers are tensors. dtypes that numpy lacks are known by what `inspector.export` writes (a record of one field
that has torch's name for the dtype) and by what ml_dtypes leaves of its own: `V2` for bfloat16, `f1` for float8_e5m2;
raw bytes of other sizes are shown as bytes. Texts are shown if they are few, and an array of objects, which is a pickle,
as the inert objects of that pickle.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import product
from typing import Any

from inspector.dotted_names import join
from inspector.dtypes import DTYPES
from inspector.errors import DamagedFile, InspectorError, brief
from inspector.formats import Call, Contents, Found, Opening, npy_header
from inspector.formats.npy_header import MAGIC, Header
from inspector.formats.zips import Zip
from inspector.nodes import Module, Node, Tensor, Value
from inspector.pickles import arrays
from inspector.pickles.objects import Instance, text
from inspector.pickles.running import run
from inspector.pickles.tensors import BUILDERS
from inspector.pickles.tree import build
from inspector.sources import Flat
from inspector.storage import Home, Storage, Traits, contiguous

SUFFIX = ".npy"

SMALL = 1 << 16
"""Bytes of an array of texts that is read when the file is opened."""

RAW = {"V2": "bfloat16", "f1": "float8_e5m2"}
"""What numpy writes for dtypes of ml_dtypes."""


def recognises(found: Found) -> bool:
    """Whether it begins as .npy does, or is a zip that holds such."""
    if found.head.startswith(MAGIC):
        return True
    return found.archive is not None and any(found.archive.ending(SUFFIX))


def read(found: Found, opening: Opening) -> Contents:
    """The array, or the dict of arrays that `numpy.load` would give. Raises `DamagedFile`, `LimitReached`."""
    if found.archive is not None:
        return _Arrays(found.archive, opening).contents()
    source = found.source
    assert source is not None
    header = npy_header.read(source.read)
    contents = Contents(Value(None), "numpy .npy", metadata={"version": header.version})
    contents.root = _array(header, source.size, source.read, Flat(source), header.length, contents, opening, "the array")
    if isinstance(contents.root, Tensor) and contents.root.storage is not None:
        behind = source.size - header.length - contents.root.storage.nbytes
        if behind > 0:
            contents.problems.append(f"{behind} bytes follow behind the array; they are not shown")
    return contents


class _Arrays:
    """The arrays of an archive, a home for their storages: the key is a member's name and the length of its header."""

    def __init__(self, archive: Zip, opening: Opening) -> None:
        self.archive = archive
        self.opening = opening
        self.result = Contents(Module("dict"), "numpy .npz", archive.problems)

    def contents(self) -> Contents:
        # numpy.load reads archives by Python's zipfile.
        self.archive.as_python()
        root = self.result.root
        assert isinstance(root, Module)
        names = [name for name in self.archive.members if not name.endswith("/")]
        join(root, [(name.removesuffix(SUFFIX), name) for name in names], self._node)
        return self.result

    def _node(self, parent: Module, key: Any, name: str) -> Node:
        size = self.archive.members[name].size

        def beginning(offset: int, length: int) -> bytes:
            return self.archive.beginning(name, offset + length)[offset:]

        def whole(offset: int, length: int) -> bytes:
            return self.archive.contents(name)[offset : offset + length]

        try:
            if not name.endswith(SUFFIX):
                return Value(f"{size} bytes", key, parent)
            header = npy_header.read(beginning)
            place = (name, header.length)
            node = _array(header, size, whole, self, place, self.result, self.opening, name)
        except InspectorError as error:
            self.result.problems.append(f"{brief(name)}: {error}")
            return Value(f"can't be read: {error}", key, parent)
        node.key, node.parent = key, parent
        return node

    def read(self, key: tuple[str, int], offset: int, length: int) -> bytes:
        """`length` bytes of an array from byte `offset`."""
        name, start = key
        return self.archive.read(name, start + offset, length)

    def verify(self, key: tuple[str, int], tick: Callable[[int], None]) -> str | None:
        """What the checksum of the archive says of an array, as `storage.Checked.verify`."""
        return self.archive.verify(key[0], tick)


def _array(
    header: Header,
    size: int,
    source: Callable[[int, int], bytes],
    home: Home,
    place: Any,
    contents: Contents,
    opening: Opening,
    name: str,
) -> Node:
    """The node of an array in a file of `size` bytes that `source` reads; its storage lies at `place` of `home`."""
    dtype, inner, big = _dtype(header.descr)
    if dtype:
        shape = header.shape + inner
        nbytes = math.prod(shape) * DTYPES[dtype].bytes
        storage = Storage(home, place, nbytes, big=big, dtype=dtype)
        if header.length + nbytes > size:
            storage.problem = "its bytes are cut off"
        # The sizes inside an element stand side by side in either order of the axes.
        outer = tuple(step * math.prod(inner) for step in contiguous(header.shape, header.fortran))
        return Tensor(dtype, shape, outer + contiguous(inner), storage, traits=Traits(type="numpy.ndarray"))
    code = header.descr.lstrip("<>|=") if type(header.descr) is str else ""
    if code == "O":
        return _objects(header, size, source, contents, opening, name)
    if code[:1] in ("U", "S"):
        few = _texts(header, code, size, source)
        if few is not None:
            return Value(few)
    return Value(Opaque(header))


def _dtype(descr: Any) -> tuple[str, tuple[int, ...], bool]:
    """torch's dtype for numpy's description, sizes within an element, and whether it is big-endian; empty for none."""
    if type(descr) is list and len(descr) == 1 and type(descr[0]) is tuple and len(descr[0]) in (2, 3):
        return _marked(*descr[0][:2])
    if type(descr) is not str:
        return "", (), False
    code, big = descr.lstrip("<>|="), descr.startswith(">")
    dtype = RAW.get(code) or arrays.DTYPES.get(code, "")
    if not dtype and re.fullmatch("V[1-9][0-9]{0,4}", code):
        return "uint8", () if code == "V1" else (int(code[1:]),), False
    return dtype, (), big


def _marked(name: Any, descr: Any) -> tuple[str, tuple[int, ...], bool]:
    """The same of a record of one field: the dtype that its name says, where our own export wrote it, or the field's."""
    if type(descr) is not str:
        return "", (), False
    code, big = descr.lstrip("<>|="), descr.startswith(">")
    known = DTYPES.get(name) if type(name) is str else None
    if known is not None and known.block == 1:
        width = known.bytes // 2 if name == "complex32" else known.bytes
        if code[1:] == str(width):
            return known.name, (), big
    return arrays.DTYPES.get(code, ""), (), big


class Opaque:
    """An array of what is no number, by what its header says."""

    __slots__ = ("header",)

    def __init__(self, header: Header) -> None:
        self.header = header

    def inert_text(self) -> str:
        """Its dtype and shape."""
        return f"<array of {text(self.header.descr, 80)}, shape {text(self.header.shape, 80)}>"


def _texts(header: Header, code: str, size: int, source: Callable[[int, int], bytes]) -> Any:
    """The texts of a small array of them: one, or a list; None for others."""
    width = int(code[1:]) * (4 if code[0] == "U" else 1) if code[1:].isdecimal() and len(code) < 8 else 0
    count = math.prod(header.shape)
    if not width or len(header.shape) > 1 or width * count > SMALL:
        return None
    if header.length + width * count > size:
        raise DamagedFile("its bytes are cut off")
    data = source(header.length, width * count)
    order = "utf-32-be" if header.descr.startswith(">") else "utf-32-le"
    pieces = [data[at : at + width] for at in range(0, len(data), width)]
    if code[0] == "S":
        found: list[Any] = [piece.rstrip(b"\x00") for piece in pieces]
    else:
        found = [piece.decode(order, "replace").rstrip("\x00") for piece in pieces]
    return found if header.shape else found[0]


def _objects(
    header: Header, size: int, source: Callable[[int, int], bytes], contents: Contents, opening: Opening, name: str
) -> Node:
    """The tree of the pickle that an array of objects is."""
    length = size - header.length
    if length > opening.limits.pickle:
        raise opening.limits.reached("pickle", f"its objects take {length} bytes")
    pickled = run(source(header.length, length), builders=BUILDERS, limits=opening.limits, tick=opening.tick(size))
    if pickled.broken is not None:
        contents.problems.append(f"{brief(name)}: {pickled.broken}; what stands before that is shown")
    contents.calls += [Call(instance, name) for instance in pickled.calls]
    value = pickled.value
    if type(value) is Instance and type(value.state) is tuple and len(value.state) == 5 and type(value.state[4]) is list:
        # The call that makes an array says nothing; its state is (version, shape, dtype, order of axes, objects).
        value = value.state[4]
    node = build(value, opening.limits, contents.problems)
    if type(value) is list and len(header.shape) != 1 and math.prod(header.shape) == len(node.children):
        # In a pickle they stand in C order whatever the array's is.
        for child, index in zip(node.children, product(*map(range, header.shape)), strict=True):
            child.key = index
    return node
