"""A whole `_rebuild_tensor_v2` call at once: the same thirty opcodes for every tensor, matched by one pattern.

`torch.save` writes them alike for each tensor of a file, and in a file of 100,000 tensors they are nearly all there is.
What the pattern skips is not lost: a memo entry made inside of a match is made when somebody asks for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from inspector.nodes import Tensor
from inspector.pickles.memo import Memo, Run
from inspector.pickles.objects import Global
from inspector.storage import Storage

if TYPE_CHECKING:
    from inspector.pickles.machine import Machine

_SOME_GET = rb"(?:h.|j....)"
_SOME_INT = rb"(?:K.|M..|J....)"
_SOME_LONG = rb"(?:K.|M..|J....|\x8a\x05.{5})"
_SOME_INTS = rb"(?:_\x85|__\x86|___\x87|\(_+t)".replace(b"_", _SOME_INT)
_GET, _LONG, _PUT = b"(" + _SOME_GET + b")", b"(" + _SOME_LONG + b")", rb"(q.|r....)"
_INTS = rb"(?:\)|(" + _SOME_INTS + rb")" + _PUT + rb")"

WHOLE = re.compile(
    rb"\(\("
    + _GET + _GET  # "storage", its class
    + rb"X(.)\0\0\0([0-9]+)" + _PUT  # the key
    + _GET + _LONG + rb"(N?)t" + _PUT + rb"Q"  # device, numel; before 1.6 no view
    + _LONG  # the offset
    + _INTS
    + _INTS
    + rb"([\x88\x89])" + _GET + rb"\)R" + _PUT  # requires_grad, OrderedDict()
    + rb"t" + _PUT + rb"R" + _PUT,
    re.DOTALL,
)  # fmt: skip
"""What follows on the stack's `torch._utils._rebuild_tensor_v2` until the tensor is made and in the memo."""

_FAR_PUT = rb"(r....)"

ITEM = re.compile(
    _FAR_PUT  # the name of the tensor in its dict
    + _GET  # torch._utils._rebuild_tensor_v2
    + rb"\(\((" + _SOME_GET * 2 + rb")X(.)\0\0\0([0-9]+)" + _FAR_PUT
    + rb"(" + _SOME_GET + _SOME_LONG + rb"N?)t" + _FAR_PUT
    + rb"Q(" + _SOME_LONG + _SOME_INTS + rb")" + _FAR_PUT
    + rb"(" + _SOME_INTS + rb")" + _FAR_PUT
    + rb"([\x88\x89]" + _SOME_GET + rb")\)R" + _FAR_PUT
    + rb"t" + _FAR_PUT + rb"R" + _FAR_PUT,
    re.DOTALL,
)  # fmt: skip
"""What follows on a name in a dict of tensors: the function and `WHOLE`, in fewer groups, with memo entries beyond 255."""

PUTS = 8
"""Memo entries that such an item makes, one after the other."""

OPCODES = 33
"""Opcodes of such an item."""

_ENTRIES = sum((0x72 | number << 8) << 40 * number for number in range(PUTS))
_STEPS = sum(1 << 8 + 40 * number for number in range(PUTS))
"""The bytes of its `LONG_BINPUT`s as one number are `_ENTRIES + first * _STEPS`."""

CALL = "torch._utils._rebuild_tensor_v2"
ORDERED = "collections.OrderedDict"


def whole_tensors(machine: Machine, position: int) -> int:
    """Pushes the tensor whose opcodes begin at `position`, and the names and tensors that follow it in its dict.

    Gives the position behind them; `position` itself where the opcodes are not as expected and have to be run one by one.
    The opcodes of what follows are taken off the machine's `room`.
    """
    behind = whole_tensor(machine, position)
    return _items(machine, behind) if behind else position


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


Layout = tuple[Any, Any, int, bool, int, tuple[int, ...], tuple[int, ...], bool]
"""What items share: storage class, device, numel, whether there is a view, offset, shape, stride, requires_grad."""


def _items(machine: Machine, position: int) -> int:
    """Pushes names and tensors, as long as such items follow each other from `position` on; gives the position behind."""
    data, memo, append, load = machine.data, machine.memo, machine.stack.append, machine.load_persistent
    # Valid until somebody else puts something into the memo.
    layouts: dict[bytes, Layout | None] = {}
    function = b""
    free = memo.free()
    starts: list[int] = []
    made: list[Any] = []
    while machine.room >= OPCODES and data[position : position + 1] == b"X":
        begin = position + 5
        end = begin + int.from_bytes(data[position + 1 : begin], "little")
        match = ITEM.match(data, end)
        if match is None or end - begin > machine.limits.text:
            break
        put, get, classes, length, key, key_put, where, pid_put, size, size_put, *others = match.groups()
        stride, stride_put, rest, *puts = others
        first = int.from_bytes(put[1:], "little")
        entries = b"".join((put, key_put, pid_put, size_put, stride_put, *puts))
        if (
            first != (free if made else max(first, free))
            or length[0] != len(key)
            or int.from_bytes(entries, "little") != _ENTRIES + first * _STEPS
        ):
            break
        common = b"".join((classes, where, size, stride, rest))
        if common not in layouts:
            layouts[common] = _layout(memo, classes, where, size, stride, rest)
        layout = layouts[common]
        if get != function:
            if memo.get(index(get)) is not machine.tensor_call:
                break
            function = get
        if layout is None:
            break
        name, device, numel, view, offset, shape, strides, requires_grad = layout
        pid = ("storage", name, key.decode(), device, numel)
        held = load((*pid, None) if view else pid)
        if type(held) is not Storage:
            break
        try:
            called = data[begin:end].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            break
        tensor = Tensor(held.dtype, shape, strides, held, offset, requires_grad)
        append(called)
        append(tensor)
        starts.append(position)
        made.append(tensor)
        free = first + PUTS
        position = match.end()
        machine.room -= OPCODES
    if made:
        memo.skip(Run(free - PUTS * len(made), PUTS, starts, made))
    return position


_CLASSES = re.compile(_GET * 2, re.DOTALL)
_WHERE = re.compile(_GET + _LONG + rb"(N?)", re.DOTALL)
_SIZE = re.compile(_LONG + rb"(.+)", re.DOTALL)


def _layout(memo: Memo, classes: bytes, where: bytes, size: bytes, stride: bytes, rest: bytes) -> Layout | None:
    """What these opcodes of an item say; None where they have to be run one by one."""
    parts = [pattern.fullmatch(text) for pattern, text in ((_CLASSES, classes), (_WHERE, where), (_SIZE, size))]
    (word, name), (device, numel, view), (offset, sizes) = (part.groups() for part in parts if part is not None)
    try:
        kind = memo[index(rest[1:])]
        if memo[index(word)] != "storage" or type(kind) is not Global or kind.path != ORDERED:
            return None
        grad = rest[:1] == b"\x88"
        known = memo[index(name)], memo[index(device)]
        return *known, integer(numel), bool(view), integer(offset), integers(sizes), integers(stride), grad
    except KeyError:
        return None


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
