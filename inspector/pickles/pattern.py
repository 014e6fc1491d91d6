"""A whole `_rebuild_tensor_v2` call at once: the same thirty opcodes for every tensor, matched by one pattern.

`torch.save` writes them alike for each tensor of a file, and in a file of 100,000 tensors they are nearly all there is.
What the pattern skips is not lost: a memo entry made inside of a match is made when somebody asks for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from inspector.nodes import Tensor
from inspector.pickles.memo import Run
from inspector.pickles.objects import Global
from inspector.storage import Storage

if TYPE_CHECKING:
    from inspector.pickles.machine import Machine

SOME_GET = rb"(?:h.|j....)"
SOME_INT = rb"(?:K.|M..|J....)"
SOME_LONG = rb"(?:K.|M..|J....|\x8a\x05.{5})"
SOME_INTS = rb"(?:_\x85|__\x86|___\x87|\(_+t)".replace(b"_", SOME_INT)
GET, LONG, _PUT = b"(" + SOME_GET + b")", b"(" + SOME_LONG + b")", rb"(q.|r....)"
_INTS = rb"(?:\)|(" + SOME_INTS + rb")" + _PUT + rb")"

WHOLE = re.compile(
    rb"\(\("
    + GET + GET  # "storage", its class
    + rb"X(.)\0\0\0([0-9]+)" + _PUT  # the key
    + GET + LONG + rb"(N?)t" + _PUT + rb"Q"  # device, numel; before 1.6 no view
    + LONG  # the offset
    + _INTS
    + _INTS
    + rb"([\x88\x89])" + GET + rb"\)R" + _PUT  # requires_grad, OrderedDict()
    + rb"t" + _PUT + rb"R" + _PUT,
    re.DOTALL,
)  # fmt: skip
"""What follows on the stack's `torch._utils._rebuild_tensor_v2` until the tensor is made and in the memo."""

CALL = "torch._utils._rebuild_tensor_v2"
ORDERED = "collections.OrderedDict"


def whole_tensor(machine: Machine, position: int) -> int:
    """Pushes the tensor whose opcodes begin at `position`, in place of its function on the stack.

    Gives the position behind them, or 0 where they are not as expected and have to be run one by one. The tensor is
    what `tensors.BUILDERS` has for the call; it is made here because there may be a million of them.
    """
    match = WHOLE.match(machine.data, position)
    if match is None:
        return 0
    storage, cls, length, key, key_put, device, numel, view, pid_put, *rest = match.groups()
    offset, size, size_put, stride, stride_put, requires_grad, hooks, hooks_put, arguments_put, put = rest
    memo = machine.memo
    first = last = index(key_put)
    # Only entries that are new and in a row can be left out of the memo without changing what a GET would find.
    for entry in (pid_put, size_put, stride_put, hooks_put, arguments_put, put):
        if entry is not None:
            last += 1
            if index(entry) != last:
                return 0
    if length[0] != len(key) or first < memo.free():
        return 0
    try:
        word = memo[storage[1] if len(storage) == 2 else index(storage)]
        name = memo[cls[1] if len(cls) == 2 else index(cls)]
        kind = memo[hooks[1] if len(hooks) == 2 else index(hooks)]
        where = memo[device[1] if len(device) == 2 else index(device)]
    except KeyError:
        return 0
    if word != "storage" or type(kind) is not Global or kind.path != ORDERED:
        return 0
    pid = (word, name, key.decode(), where, integer(numel))
    held = machine.load_persistent((*pid, None) if view else pid)
    if type(held) is not Storage:
        return 0
    shape = _sizes.get(size) or integers(size)
    strides = _sizes.get(stride) or integers(stride)
    tensor = Tensor(held.dtype, shape, strides, held, integer(offset), requires_grad == b"\x88")
    machine.stack[-1] = tensor
    memo.skip(Run(first, last - first + 1, [position], [tensor]))
    return match.end()


def index(opcode: bytes) -> int:
    """The memo index of a GET or PUT."""
    return opcode[1] if len(opcode) == 2 else int.from_bytes(opcode[1:], "little")


def integer(opcode: bytes) -> int:
    """The number that a BININT1, BININT2, BININT or LONG1 pushes."""
    op = opcode[0]
    if op == 0x4B:
        return opcode[1]
    if op == 0x8A:
        return int.from_bytes(opcode[2:], "little", signed=True)
    return int.from_bytes(opcode[1:], "little", signed=op == 0x4A)


_sizes: dict[bytes | None, tuple[int, ...]] = {}
"""Sizes and strides that came before, by their opcodes: a model has few different ones."""


def integers(opcodes: bytes | None) -> tuple[int, ...]:
    """The tuple that a row of such opcodes and a TUPLE make; those of one tensor like it are one tuple."""
    if opcodes is None:
        return ()
    numbers: list[int] = []
    at, end = int(opcodes[0] == 0x28), len(opcodes) - 1
    while at < end:
        width = _WIDTHS[opcodes[at]]
        numbers.append(integer(opcodes[at : at + width]))
        at += width
    made = tuple(numbers)
    if len(_sizes) < 10_000:
        _sizes[opcodes] = made
    return made


_WIDTHS = {0x4B: 2, 0x4D: 3, 0x4A: 5}
