"""The fields of a filter: what can be compared, with what, and how that is written.

    name  type  kind  dtype  device            text: `=` or `:` whole texts and globs, `~` a part of them or /an expression/
    ndim  numel  bytes                         numbers: 4096, 10M, 2GB, 1.5e-3, 512KiB
    min  max  mean  std  norm  nan  inf  zero  of what was counted; inf and nan are the numbers of such elements
    shape                                      [4096, *], [..., 3]; `~` an axis of this length
    requires_grad  tied                        true or false

`type:Linear` is what `isinstance` says of a layer, and of a tensor what it says of the layer that holds it; `kind` is
parameter, buffer, tensor, module or value. All others are fields of tensors.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.nodes import Module, Node, Tensor
from inspector.query import name_tests
from inspector.query.name_tests import Unfit

if TYPE_CHECKING:
    from inspector.statistics import Statistics

NodeTest = Callable[[Node, str, str], object]
"""Whether a node fits, whose name is given as it is and in small letters; None where that can't be said."""

Figures = Callable[[Tensor], "Statistics | None"]

Get = Callable[[Tensor], Any]
"""A field of a tensor, None where it is not known."""

STATISTICS = ("min", "max", "mean", "std", "norm", "nan", "inf", "zero")

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, ":": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30, "TI": 1 << 40}

KINDS = ("parameter", "buffer", "tensor", "module", "value")

DTYPES = {
    **{name.lower(): name for name in dtypes.DTYPES},
    **{dtype.safetensors.lower(): dtype.name for dtype in dtypes.DTYPES.values() if dtype.safetensors},
    **dtypes.ALIASES,
    **{f"fp{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "fp8": "float8*",
}
"""All words for dtypes, in small letters."""

_NUMBER = re.compile(
    r"([+-]?(?:[0-9][0-9_,]*(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf)\s*((?:[kmgt]i?)?)(b?)", re.IGNORECASE
)


def comparison(field: str, sign: str, value: str, expression: bool, figures: Figures) -> NodeTest:
    """The test that a comparison in a filter stands for; `expression` says that the value stood between slashes.

    Raises `Unfit` for a value or sign that makes no sense for the field.
    """
    if field in STATISTICS:
        return _number(field, sign, value, _figure(figures, field))
    if field in NUMBERS:
        return _number(field, sign, value, NUMBERS[field])
    if sign not in ("=", ":", "!=", "~"):
        raise Unfit(f"{field} has no order: compare it by =, !=" + ("" if field in FLAGS else " or ~"))
    if field in FLAGS:
        test = _flag(field, sign, value)
    elif field == "shape":
        test = _shape(sign, value)
    elif field == "type" and sign != "~" and not expression:
        test = _class(value)
    else:
        test = _text(field, sign, value, expression)
    return negated(test) if sign == "!=" else test


def negated(test: NodeTest) -> NodeTest:
    """The opposite: of modules it is unknown, since what fits is shown with all that is below it."""

    def fits(node: Node, name: str, small: str) -> object:
        if isinstance(node, Module):
            return None
        found = test(node, name, small)
        return None if found is None else not found

    return fits


def _number(field: str, sign: str, value: str, get: Get) -> NodeTest:
    if sign == "~":
        raise Unfit(f"{field} is a number: compare it by = != < <= > or >=")
    compare, wanted = COMPARISONS[sign], number(value)

    def fits(node: Node, name: str, small: str) -> object:
        found = get(node) if isinstance(node, Tensor) else None
        return None if found is None else compare(found, wanted)

    return fits


def number(text: str) -> float:
    """What a number with a unit means: `10M`, `2GB`, `1_000`, `-1.5e-3`, `4KiB`, `inf`. Raises `Unfit` else."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise Unfit("a number is wanted here, as 4096, 10M, 2GB or 1.5e-3")
    digits, unit, byte = found.groups()
    # Without more, B is the B of a billion parameters.
    factor = 10**9 if byte == "B" and not unit else UNITS[unit.upper()]
    digits = digits.replace("_", "").replace(",", "")
    return int(digits) * factor if digits.lstrip("+-").isdecimal() else float(digits) * factor


def _figure(figures: Figures, field: str) -> Get:
    def get(tensor: Tensor) -> Any:
        found = figures(tensor)
        return None if found is None else getattr(found, field)

    return get


def _flag(field: str, sign: str, value: str) -> NodeTest:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if sign == "~" or value.lower() not in words:
        raise Unfit(f"{field} is true or false")
    wanted, get = words[value.lower()], FLAGS[field]()

    def fits(node: Node, name: str, small: str) -> object:
        return get(node) == wanted if isinstance(node, Tensor) else None

    return fits


def _shape(sign: str, value: str) -> NodeTest:
    if sign == "~":
        length = number(value)
        return lambda node, name, small: length in node.shape if isinstance(node, Tensor) else None
    if not (value.startswith("[") and value.endswith("]")):
        raise Unfit("a shape is written as [4096, *] or [..., 3, 3]")
    entries = [entry.strip() for entry in value[1:-1].split(",")] if value[1:-1].strip() else []
    if entries.count("...") > 1:
        raise Unfit("... can stand only once")
    sizes = [entry if entry in ("*", "...") else number(entry) for entry in entries]
    open_at = sizes.index("...") if "..." in sizes else None
    front, back = sizes[:open_at], sizes[open_at + 1 :] if open_at is not None else []

    def fits(shape: tuple[int, ...]) -> bool:
        if len(shape) < len(front) + len(back) or (open_at is None and len(shape) > len(front)):
            return False
        pairs = (*zip(front, shape, strict=False), *zip(reversed(back), reversed(shape), strict=False))
        return all(wanted in ("*", size) for wanted, size in pairs)

    known: dict[tuple[int, ...], bool] = {}

    def test(node: Node, name: str, small: str) -> object:
        if not isinstance(node, Tensor):
            return None
        # A model has few different shapes.
        found = known.get(node.shape)
        if found is None:
            found = known[node.shape] = fits(node.shape)
        return found

    return test


def _class(wanted: str) -> NodeTest:
    known: dict[tuple[str, str], bool] = {}

    def fits(node: Node, name: str, small: str) -> object:
        module = node.parent if isinstance(node, Tensor) else node
        if not isinstance(module, Module):
            return None
        kind = module.type, module.role
        if kind not in known:
            known[kind] = module.isinstance(wanted)
        return known[kind]

    return fits


def _text(field: str, sign: str, value: str, expression: bool) -> NodeTest:
    if expression:
        test = name_tests.expression(value)
    elif sign == "~":
        test = name_tests.word(value)
    else:
        test = name_tests.whole(_known(field, value))
    if field == "name":
        return lambda node, name, small: test(name, small)
    known: dict[str | None, bool] = {}
    get, of_tensors = TEXTS[field], field in ("dtype", "device")

    def fits(node: Node, name: str, small: str) -> object:
        if of_tensors and not isinstance(node, Tensor):
            return None
        text = get(node)
        found = known.get(text)
        if found is None and text is not None:
            found = known[text] = bool(test(text, text.lower()))
        return found

    return fits


def _known(field: str, value: str) -> str:
    """A value as the field has it. Raises `Unfit` for one that the field never has."""
    if any(mark in value for mark in "*?["):
        return value
    if field == "kind" and value.lower() not in KINDS:
        raise Unfit(f"a kind is one of {', '.join(KINDS)}")
    if field == "dtype":
        if value.lower() not in DTYPES:
            raise Unfit("no dtype is called so")
        return DTYPES[value.lower()].lower()
    return value


def _kind(node: Node) -> str:
    return node.kind if isinstance(node, Tensor) else "module" if isinstance(node, Module) else "value"


def _type(node: Node) -> str | None:
    if isinstance(node, Tensor):
        return node.traits.type or _type(node.parent) if node.parent is not None else None
    return node.type if isinstance(node, Module) else None


def _tied() -> Get:
    """Whether a tensor lies exactly where another one does; the tree is looked through when this is first asked."""
    places: dict[Any, int] | None = None

    def get(tensor: Tensor) -> bool:
        nonlocal places
        if places is None:
            root: Node = tensor
            while root.parent is not None:
                root = root.parent
            shared = {id(other.storage) for other in root.tensors() if other.shares is not None}
            places = {}
            for other in root.tensors() if shared else ():
                if id(other.storage) in shared:
                    places[_place(other)] = places.get(_place(other), 0) + 1
        return places.get(_place(tensor), 0) > 1

    return get


def _place(tensor: Tensor) -> Any:
    return id(tensor.storage), tensor.offset, tensor.shape, tensor.stride


_nbytes = lru_cache(4096)(dtypes.nbytes)

NUMBERS: dict[str, Get] = {
    "ndim": lambda tensor: len(tensor.shape),
    "numel": lambda tensor: math.prod(tensor.shape),
    "bytes": lambda tensor: tensor.nbytes if tensor.traits.parts else _nbytes(tensor.dtype, tensor.shape),
}

TEXTS: dict[str, Callable[[Any], str | None]] = {
    "type": _type,
    "kind": _kind,
    "dtype": operator.attrgetter("dtype"),
    "device": operator.attrgetter("device"),
}

FLAGS: dict[str, Callable[[], Get]] = {
    "requires_grad": lambda: operator.attrgetter("requires_grad"),
    "tied": _tied,
}

NAMES = ("name", "shape", *TEXTS, *NUMBERS, *FLAGS, *STATISTICS)
"""All fields."""
