"""Runs the opcodes of a pickle over inert objects: every opcode of protocols 0 to 5, and nothing a pickle can call.

The opcodes are those of CPython's `Lib/pickle.py` and `Lib/pickletools.py`. Where a real load would import, call, hash
or compare, this machine makes an object of `inspector.pickles.objects`, or asks a builder for the inert form of a
well-known call (a dict, a tensor).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from inspector.limits import Limits
from inspector.pickles.items import OPCODES, whole_tensors
from inspector.pickles.memo import Memo
from inspector.pickles.objects import Dict, Global, Instance, Opcode, Persistent, Set
from inspector.pickles.opcodes import RARE, Broken, Cut, append_items, set_items, set_state
from inspector.pickles.pattern import CALL
from inspector.pickles.pickled import Builder, Pickled

COPIES = (Dict, Set, list, tuple, str, bytes)
"""What builders make of other objects by copying them."""


class Machine:
    """The state of a run: the current frame of the stack, the frames below open MARKs, the memo."""

    def __init__(
        self,
        data: bytes,
        start: int,
        builders: Mapping[str, Builder],
        persistent: Callable[[Any], Any] | None,
        encoding: str,
        limits: Limits,
    ) -> None:
        self.data = data
        self.position = start
        self.builders = builders
        self.persistent = persistent
        self.encoding = encoding
        self.limits = limits
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.globals: dict[tuple[str, str], Global] = {}
        self.copied = 0
        self.beyond = False
        self.room = 0
        self.memo = Memo(self)
        self.result = Pickled(end=start)
        module, _, name = CALL.rpartition(".")
        self.tensor_call = self.name(module, name) if CALL in builders else None

    def forget(self) -> None:
        """Empties the memo one by one: so many objects at once would hold up every other thread."""
        for index in list(self.memo):
            del self.memo[index]

    def step(self, count: int) -> bool:
        """Runs up to `count` opcodes; true when STOP was one of them."""
        data, memo, outer, stack = self.data, self.memo, self.outer, self.stack
        # Without a builder for it no object is this one; None would be every None of the pickle.
        tensor_call = self.tensor_call or self
        position = self.position
        append = stack.append
        self.room = count
        try:
            # In the order of how often torch.save writes them: this chain is the program's innermost loop.
            for _ in range(count):
                op = data[position]
                position += 1
                if op == 0x71:  # BINPUT
                    memo[data[position]] = stack[-1]
                    position += 1
                elif op == 0x72:  # LONG_BINPUT
                    memo[int.from_bytes(data[position : position + 4], "little")] = stack[-1]
                    position += 4
                elif op == 0x68:  # BINGET
                    found = memo[data[position]]
                    append(found)
                    position += 1
                    if found is tensor_call:
                        position = whole_tensors(self, position)
                        if self.room < OPCODES:
                            break
                elif op == 0x4B:  # BININT1
                    append(data[position])
                    position += 1
                elif op == 0x28:  # MARK
                    outer.append(stack)
                    self.stack = stack = []
                    append = stack.append
                elif op == 0x58:  # BINUNICODE
                    end = position + 4 + int.from_bytes(data[position : position + 4], "little")
                    append(self.utf8(position + 4, end))
                    position = end
                elif op == 0x86:  # TUPLE2
                    last = stack.pop()
                    stack[-1] = (stack[-1], last)
                elif op == 0x74:  # TUPLE
                    made = tuple(stack)
                    self.stack = stack = outer.pop()
                    append = stack.append
                    append(made)
                elif op == 0x52:  # REDUCE
                    arguments = stack.pop()
                    stack[-1] = self.call(stack[-1], arguments, "REDUCE", position - 1)
                elif op == 0x51:  # BINPERSID
                    stack[-1] = self.load_persistent(stack[-1])
                elif op == 0x89:  # NEWFALSE
                    append(False)
                elif op == 0x88:  # NEWTRUE
                    append(True)
                elif op == 0x29:  # EMPTY_TUPLE
                    append(())
                elif op == 0x4D:  # BININT2
                    append(data[position] | data[position + 1] << 8)
                    position += 2
                elif op == 0x4A:  # BININT
                    append(self.integer(position, 4, signed=True))
                    position += 4
                elif op == 0x6A:  # LONG_BINGET
                    found = memo[self.integer(position, 4)]
                    append(found)
                    position += 4
                    if found is tensor_call:
                        position = whole_tensors(self, position)
                        if self.room < OPCODES:
                            break
                elif op == 0x85:  # TUPLE1
                    stack[-1] = (stack[-1],)
                elif op == 0x87:  # TUPLE3
                    made = tuple(stack[-3:])
                    if len(made) != 3:
                        raise IndexError
                    stack[-3:] = [made]
                elif op == 0x94:  # MEMOIZE
                    memo[len(memo)] = stack[-1]
                elif op == 0x8C:  # SHORT_BINUNICODE
                    end = position + 1 + data[position]
                    append(self.utf8(position + 1, end))
                    position = end
                elif op == 0x4E:  # NONE
                    append(None)
                elif op == 0x7D:  # EMPTY_DICT
                    append(Dict())
                elif op == 0x5D:  # EMPTY_LIST
                    append([])
                elif op == 0x75:  # SETITEMS
                    items = stack
                    self.stack = stack = outer.pop()
                    append = stack.append
                    set_items(self, stack[-1], items, position - 1)
                elif op == 0x73:  # SETITEM
                    items = stack[-2:]
                    set_items(self, stack[-3], items, position - 1)
                    del stack[-2:]
                elif op == 0x65:  # APPENDS
                    items = stack
                    self.stack = stack = outer.pop()
                    append = stack.append
                    append_items(self, stack[-1], items, position - 1)
                elif op == 0x61:  # APPEND
                    item = stack.pop()
                    append_items(self, stack[-1], [item], position - 1)
                elif op == 0x81:  # NEWOBJ
                    arguments = stack.pop()
                    stack[-1] = self.call(stack[-1], arguments, "NEWOBJ", position - 1)
                elif op == 0x62:  # BUILD
                    state = stack.pop()
                    set_state(self, stack[-1], state, position - 1)
                elif op == 0x47:  # BINFLOAT
                    append(struct.unpack_from(">d", data, position)[0])
                    position += 8
                elif op == 0x63:  # GLOBAL
                    at = position - 1
                    module, position = self.line(position)
                    name, position = self.line(position)
                    append(self.name(module.decode(), name.decode(), at))
                elif op == 0x2E:  # STOP
                    self.result.value = stack.pop()
                    self.result.end = position
                    return True
                else:
                    position = self.rare(op, position)
                    stack = self.stack
                    append = stack.append
        finally:
            self.position = position
        return False

    def rerun(self, start: int, last: int) -> dict[int, Any]:
        """The memo entries up to `last` that skipped opcodes from `start` on make, run one by one."""
        again = Machine(self.data, start, self.builders, self.persistent, self.encoding, self.limits)
        again.memo.below = self.memo
        again.stack.append(self.tensor_call)
        while last not in again.memo:
            again.step(1)
        return again.memo

    def rare(self, op: int, position: int) -> int:
        """Runs an opcode that torch.save seldom or never writes; gives the position behind it."""
        handler = RARE.get(op)
        if handler is None:
            raise Broken(position - 1, f"byte {position - 1} of the pickle is no opcode (0x{op:02x})")
        return handler(self, position)

    def integer(self, position: int, length: int, signed: bool = False) -> int:
        """The little-endian integer at `position`."""
        return int.from_bytes(self.slice(position, position + length), "little", signed=signed)

    def slice(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`; raises `Cut` if the pickle has fewer."""
        if end > len(self.data):
            at = min(start, len(self.data))
            raise Cut(at, f"the pickle ends at byte {len(self.data)}, within what needs bytes {start} to {end}", end)
        if end - start > self.limits.text:
            raise self.limits.reached("text", f"the pickle holds a text or bytes of {end - start} bytes")
        return self.data[start:end]

    def utf8(self, start: int, end: int) -> str:
        """The text of these bytes; lone surrogates pass, as in pickle."""
        return self.slice(start, end).decode("utf-8", "surrogatepass")

    def python2(self, raw: bytes) -> str | bytes:
        """A str of Python 2: text in the given encoding, else as bytes."""
        try:
            return raw.decode(self.encoding)
        except UnicodeDecodeError:
            return raw

    def line(self, position: int) -> tuple[bytes, int]:
        """The line at `position` without its end, and the position behind it."""
        end = self.data.find(b"\n", position)
        if end < 0:
            raise Cut(position, f"the pickle ends within the line that begins at byte {position}")
        return self.data[position:end], end + 1

    def name(self, module: str, name: str, offset: int = -1) -> Global:
        """The one inert object for this importable name, which stands at byte `offset`."""
        found = self.globals.get((module, name))
        if found is None:
            found = self.globals[module, name] = Global(module, name, offset)
            if offset >= 0:
                self.result.names.append(found)
        return found

    def close_mark(self) -> list[Any]:
        """The objects above the last MARK, off the stack."""
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def load_persistent(self, pid: Any) -> Any:
        """What the file's format says the persistent id stands for."""
        return Persistent(pid) if self.persistent is None else self.persistent(pid)

    def call(self, callable: Any, arguments: Any, opcode: Opcode, offset: int, keywords: Any = None) -> Any:
        """The inert form of a call: a builder's where there is one, else an `Instance` that is noted."""
        if type(callable) is Global:
            builder = self.builders.get(callable.path)
            if builder is not None and type(arguments) is tuple and keywords is None:
                built = builder(arguments)
                if built is not None:
                    if type(built) in COPIES:
                        self.count_copies(built)
                    return built
        return self.note(callable, arguments, opcode, offset, keywords)

    def note(self, callable: Any, arguments: Any, opcode: Opcode, offset: int, keywords: Any = None) -> Instance:
        """Notes what a real load would call; gives what stands for the object that this makes."""
        instance = Instance(callable, arguments, opcode, offset, keywords)
        self.result.calls.append(instance)
        return instance

    def count_copies(self, built: Any) -> None:
        """Adds up what builders made of other objects: an honest pickle names no item for more than a few copies."""
        self.copied += len(built.keys if type(built) is Dict else built.items if type(built) is Set else built)
        if self.copied > self.limits.copies * len(self.data):
            raise self.limits.reached("copies", "the pickle copies its objects over and over")
