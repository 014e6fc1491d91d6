"""Runs a pickle from its first opcode to its last, or to a limit; one that breaks off keeps what it had made."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inspector.errors import LimitReached
from inspector.limits import DEFAULT, Limits
from inspector.pickles.machine import Machine
from inspector.pickles.opcodes import AtLimit, Broken, Cut
from inspector.pickles.pickled import Builder, Pickled
from inspector.pickles.salvage import salvage

ROUND = 1 << 16
"""Opcodes between two looks at the clock and the limits."""


def run(
    data: bytes,
    start: int = 0,
    *,
    builders: Mapping[str, Builder] | None = None,
    persistent: Callable[[Any], Any] | None = None,
    encoding: str = "utf-8",
    limits: Limits = DEFAULT,
    tick: Callable[[int], None] | None = None,
    look: Callable[[Sequence[list[Any]]], None] | None = None,
    result: Pickled | None = None,
    beyond: bool = False,
) -> Pickled:
    """The pickle that begins at byte `start` of `data`.

    `builders` are looked up by `module.name`; `persistent` turns a persistent id into an object; `encoding` is tried
    first for the texts of Python 2; `tick` hears the offset every `ROUND` opcodes and may raise to stop, and then `look`
    sees the stack, as `beginning.Frames`. `result` is filled as it goes, for whoever wants what there was before a limit;
    with `beyond` the codes of copyreg's extension registry, which no file can carry, do not end the pickle.
    A pickle that is damaged, or reaches a limit, does not raise: `broken` tells, and `value` is what stood so far.
    """
    machine = Machine(data, start, builders or {}, persistent, encoding, limits)
    machine.beyond = beyond
    result = machine.result = result or machine.result
    result.end = start
    # Limits that are set low are looked at as often.
    pace = max(1, min(ROUND, limits.opcodes, limits.memo, limits.depth, limits.stack))
    try:
        for _ in range(0, limits.opcodes, pace):
            done = machine.step(pace)
            if len(machine.memo) > limits.memo:
                raise limits.reached("memo", "the pickle remembers more objects")
            if done:
                return result
            if tick is not None:
                tick(machine.position)
            if look is not None:
                look([*machine.outer, machine.stack])
            if len(machine.outer) > limits.depth:
                raise limits.reached("depth", "the pickle nests deeper in marks")
            if len(machine.stack) + sum(map(len, machine.outer)) > limits.stack:
                raise limits.reached("stack", "the pickle stacks up more objects")
        raise limits.reached("opcodes", "the pickle has more opcodes")
    except LimitReached as error:
        machine.forget()
        result.broken = AtLimit(min(machine.position, len(data)), str(error))
    except Broken as error:
        # Its traceback would hold the machine, and through it itself.
        result.broken = error.with_traceback(None)
    except (IndexError, KeyError, struct.error, ValueError, OverflowError, TypeError, AttributeError) as error:
        # Bytes that are missing, an empty stack, an id never stored: what each means depends on the opcode alone.
        at = min(machine.position, len(data))
        # At most the last byte is left over by an opcode that needs two.
        if at >= len(data) - 1 or isinstance(error, struct.error):
            result.broken = Cut(at, f"the pickle ends at byte {len(data)}, before it is complete")
        else:
            result.broken = Broken(at, f"the pickle is damaged near byte {at}")
    result.end = min(machine.position, len(data))
    result.value = salvage([*machine.outer, machine.stack])
    return result
