"""What the arguments of torch's calls say: sizes, dtypes, devices."""

from __future__ import annotations

from typing import Any

from inspector.dtypes import ALIASES, DTYPES
from inspector.pickles.objects import Global, Instance, text
from inspector.pickles.pickled import Builder

WORD = 1 << 63
"""What no size or stride reaches."""


class Size:
    """A `torch.Size`."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def inert_text(self) -> str:
        """As torch writes it: `torch.Size([2, 3])`."""
        return f"torch.Size({text(list(self.shape))})"


def torch_size(arguments: Any) -> Size | None:
    """`torch.Size(sizes)`."""
    shape = integers(arguments[0]) if arguments else ()
    return None if shape is None else Size(shape)


def integers(values: Any) -> tuple[int, ...] | None:
    """A size or stride as a tuple of ints of 64 bits; None if it is anything else."""
    if type(values) is Size:
        return values.shape
    if type(values) is list:
        values = tuple(values)
    if type(values) is not tuple:
        return None
    for value in values:
        if type(value) is not int or not -WORD <= value < WORD:
            return None
    return values


def dtype_name(dtype: Any) -> str | None:
    """torch's name for an inert `torch.float32`; None if it is no dtype of torch's."""
    if type(dtype) is not Global or dtype.module != "torch":
        return None
    name = ALIASES.get(dtype.name, dtype.name)
    return name if name in DTYPES else None


def device_name(device: Any) -> str:
    """`cuda:0` of an inert `torch.device("cuda", 0)` or of the text itself."""
    if type(device) is str:
        return device
    if type(device) is Instance and device.type == "torch.device" and type(device.arguments) is tuple:
        return ":".join(text(part, 40).strip("'") for part in device.arguments)
    return "cpu"


def guarded(build: Builder) -> Builder:
    """A builder that takes too few or too many arguments as not being the call it knows."""

    def builder(arguments: Any) -> Any:
        try:
            return build(arguments)
        except (ValueError, IndexError):
            return None

    return builder
