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
from inspector.nodes import Module, Node, Role, Tensor
from inspector.query import name_tests
from inspector.query.name_tests import Unfit
from inspector.query.table import Fits, Get, TableTest

if TYPE_CHECKING:
    from inspector.statistics import Statistics

Figures = Callable[[Tensor], "Statistics | None"]

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


def comparison(field: str, sign: str, value: str, expression: bool, figures: Figures) -> TableTest:
    """The test that a comparison in a filter stands for; `expression` says that the value stood between slashes.

    Raises `Unfit` for a value or sign that makes no sense for the field.
    """
    if field in STATISTICS:
        fits = _compared(field, sign, value)
        # They become known while a filter stands: so they are asked for each time.
        return lambda table: table.each(_of_tensors(_figure(figures, field)), fits)
    if field in NUMBERS:
        return _column(field, _of_tensors(NUMBERS[field]), _compared(field, sign, value))
    if sign not in ("=", ":", "!=", "~"):
        raise Unfit(f"{field} has no order: compare it by =, !=" + ("" if field in FLAGS else " or ~"))
    if field in FLAGS:
        test = _flag(field, sign, value)
    elif field == "shape":
        test = _column(field, _of_tensors(operator.attrgetter("shape")), _shape(sign, value))
    elif field == "type" and sign != "~" and not expression:
        test = _column("class", _class, lambda kind: Module(*kind).isinstance(value))
    else:
        test = _text(field, sign, value, expression)
    return (lambda table: table.negated(test(table))) if sign == "!=" else test


def _column(field: str, get: Get, fits: Fits) -> TableTest:
    return lambda table: table.column(field, get, fits)


def _of_tensors(get: Get) -> Get:
    return lambda node: get(node) if isinstance(node, Tensor) else None


def _compared(field: str, sign: str, value: str) -> Fits:
    if sign == "~":
        raise Unfit(f"{field} is a number: compare it by = != < <= > or >=")
    compare, wanted = COMPARISONS[sign], number(value)
    return lambda found: compare(found, wanted)


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


def _flag(field: str, sign: str, value: str) -> TableTest:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if sign == "~" or value.lower() not in words:
        raise Unfit(f"{field} is true or false")
    wanted = words[value.lower()]
    return _column(field, _of_tensors(FLAGS[field]()), lambda found: found == wanted)


def _shape(sign: str, value: str) -> Fits:
    if sign == "~":
        length = number(value)
        return lambda shape: length in shape
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

    return fits


def _class(node: Node) -> tuple[str, Role] | None:
    """The class of a layer, or of the layer that holds a tensor, and its role."""
    module = node.parent if isinstance(node, Tensor) else node
    return (module.type, module.role) if isinstance(module, Module) else None


def _text(field: str, sign: str, value: str, expression: bool) -> TableTest:
    if expression:
        test = name_tests.expression(value)
    elif sign == "~":
        test = name_tests.word(value)
    else:
        test = name_tests.whole(_known(field, value))
    if field == "name":
        return lambda table: table.named(test)
    return _column(field, TEXTS[field], lambda text: name_tests.fits_one(test, text))


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
                    places[other.place] = places.get(other.place, 0) + 1
        return places.get(tensor.place, 0) > 1

    return get


_nbytes = lru_cache(4096)(dtypes.nbytes)

NUMBERS: dict[str, Get] = {
    "ndim": lambda tensor: len(tensor.shape),
    "numel": lambda tensor: math.prod(tensor.shape),
    "bytes": lambda tensor: tensor.nbytes if tensor.traits.parts else _nbytes(tensor.dtype, tensor.shape),
}

TEXTS: dict[str, Get] = {
    "type": _type,
    "kind": _kind,
    "dtype": _of_tensors(operator.attrgetter("dtype")),
    "device": _of_tensors(operator.attrgetter("device")),
}

FLAGS: dict[str, Callable[[], Get]] = {
    "requires_grad": lambda: operator.attrgetter("requires_grad"),
    "tied": _tied,
}

NAMES = ("name", "shape", *TEXTS, *NUMBERS, *FLAGS, *STATISTICS)
"""All fields."""
