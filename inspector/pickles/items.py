"""Names and tensors that follow each other in a dict, many at once: nearly all of a file of 100,000 tensors.

What is on the stack afterwards, and what the memo gives, is what their opcodes make when they are run one by one: whatever
is not exactly as `torch.save` writes it is left to them.
"""

from __future__ import annotations

import re
import struct
from itertools import chain
from typing import TYPE_CHECKING

from inspector.nodes import Tensor
from inspector.pickles.memo import Run
from inspector.pickles.objects import Global
from inspector.pickles.pattern import (
    GET,
    LONG,
    ORDERED,
    SOME_GET,
    SOME_INTS,
    SOME_LONG,
    index,
    integer,
    integers,
    whole_tensor,
)
from inspector.pickles.storages import Named, described

if TYPE_CHECKING:
    from inspector.pickles.machine import Machine

_PUT = rb"r(....)"

ITEM = re.compile(
    rb"X(..)\0\0([^\0]+)" + _PUT  # the name of the tensor in its dict
    + rb"(" + SOME_GET + rb"\(\(" + SOME_GET * 2 + rb"X)(.)\0\0\0([0-9]+)" + _PUT  # its function, class and key
    + rb"(" + SOME_GET + SOME_LONG + rb"N?t)" + _PUT
    + rb"Q(" + SOME_LONG + SOME_INTS + rb")" + _PUT
    + rb"(" + SOME_INTS + rb")" + _PUT
    + rb"([\x88\x89]" + SOME_GET + rb"\)R)" + _PUT
    + rb"t" + _PUT + rb"R" + _PUT,
    re.DOTALL,
)  # fmt: skip
"""A name in a dict of tensors, the function and `pattern.WHOLE`, in fewer groups, with memo entries beyond 255."""

PUTS = 8
"""Memo entries that such an item makes, one after the other."""

OPCODES = 33
"""Opcodes of such an item."""

MOST = 1000
"""Items that are looked at together: as many as pickle writes into a dict by one opcode."""

FEW = 8
"""The same where a row of them has just ended: so that what is looked at in vain costs little."""

ENTRIES = 1 << 32
"""Memo entries that opcodes can name."""

Layout = tuple[tuple[str, int, str], int, tuple[int, ...], tuple[int, ...], bool]
"""What items share: the `described` storage, offset, shape, stride, requires_grad."""


def whole_tensors(machine: Machine, position: int) -> int:
    """Pushes the tensor whose opcodes begin at `position`, and the names and tensors that follow it in its dict.

    Gives the position behind them; `position` itself where the opcodes are not as expected and have to be run one by one.
    The opcodes of what follows are taken off the machine's `room`.
    """
    behind = whole_tensor(machine, position)
    return items(machine, behind) if behind else position


def items(machine: Machine, position: int) -> int:
    """Pushes names and tensors, as long as such items follow each other from `position` on; gives the position behind."""
    data, most = machine.data, FEW
    while True:
        rows: list[tuple[bytes, ...]] = []
        starts: list[int] = []
        most = min(most, machine.room // OPCODES)
        end = position
        while len(rows) < most and (match := ITEM.match(data, end)) is not None:
            rows.append(match.groups())
            starts.append(end)
            end = match.end()
        if not rows:
            return position
        if _push(machine, rows, starts):
            machine.room -= OPCODES * len(rows)
            position, most = end, min(2 * len(rows), MOST)
        elif len(rows) == 1:
            return position
        else:
            # The first ones may be as they should.
            most = len(rows) // 2


def _push(machine: Machine, rows: list[tuple[bytes, ...]], starts: list[int]) -> bool:
    """Pushes items; False, with nothing done, if any of them has to be run opcode by opcode."""
    lengths, raws, put, classes, key_lengths, raw_keys, key_put, where, pid_put, size, size_put, *others = zip(
        *rows, strict=True
    )
    stride, stride_put, rest, *puts = others
    count, memo, storages = len(rows), machine.memo, machine.persistent
    first = int.from_bytes(put[0], "little")
    entries = range(first, first + PUTS * count)
    written = b"".join(chain.from_iterable(zip(put, key_put, pid_put, size_put, stride_put, *puts, strict=True)))
    if (
        not isinstance(storages, Named)
        or first < memo.free()
        or entries.stop > ENTRIES
        or written != struct.pack(f"<{len(entries)}I", *entries)
        or [*map(len, raws)] != [*struct.unpack(f"<{count}H", b"".join(lengths))]
        or [*map(len, raw_keys)] != [*b"".join(key_lengths)]
        or max(map(len, raws)) > machine.limits.text
    ):
        return False
    try:
        names = b"\0".join(raws).decode("utf-8", "surrogatepass").split("\0")
    except UnicodeDecodeError:
        return False
    known: dict[tuple[bytes, ...], Layout | None] = {}
    layouts: list[Layout] = []
    for opcodes in zip(classes, where, size, stride, rest, strict=True):
        if opcodes not in known:
            known[opcodes] = _layout(machine, *opcodes)
        layout = known[opcodes]
        if layout is None:
            return False
        layouts.append(layout)
    keys = b"\0".join(raw_keys).decode().split("\0")
    made: list[Tensor] = []
    for key, (storage, offset, shape, strides, grad) in zip(keys, layouts, strict=True):
        held = storages.named(key, *storage)
        made.append(Tensor(held.dtype, shape, strides, held, offset, grad))
    machine.stack.extend(chain.from_iterable(zip(names, made, strict=True)))
    memo.skip(Run(first, PUTS, starts, made))
    return True


_FUNCTION = re.compile(GET + rb"\(\(" + GET + GET + rb"X", re.DOTALL)
_WHERE = re.compile(GET + LONG + rb"N?t", re.DOTALL)
_SIZE = re.compile(LONG + rb"(.+)", re.DOTALL)


def _layout(machine: Machine, function: bytes, where: bytes, size: bytes, stride: bytes, rest: bytes) -> Layout | None:
    """What these opcodes of an item say; None where they have to be run one by one."""
    memo = machine.memo
    parts = [pattern.fullmatch(text) for pattern, text in ((_FUNCTION, function), (_WHERE, where), (_SIZE, size))]
    (call, word, name), (device, numel), (offset, sizes) = (part.groups() for part in parts if part is not None)
    try:
        kind = memo[index(rest[1:-2])]
        if memo[index(call)] is not machine.tensor_call or memo[index(word)] != "storage":
            return None
        if type(kind) is not Global or kind.path != ORDERED:
            return None
        cls, location = memo[index(name)], memo[index(device)]
    except KeyError:
        return None
    if type(cls) is not Global:
        return None
    storage = described(cls, location, integer(numel))
    return storage, integer(offset), integers(sizes), integers(stride), rest[:1] == b"\x88"
