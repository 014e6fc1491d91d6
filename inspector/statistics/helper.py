"""A helper: this interpreter started once more, to count blocks of the same file's tensors for the process that asks.

It opens the file for itself, hears which blocks of which tensor to count, a line for each task, and answers with a line of
JSON. It ends with the process that it helps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from inspector.checkpoint import Checkpoint, open_checkpoint
from inspector.errors import InspectorError
from inspector.limits import Limits
from inspector.nodes import Tensor
from inspector.statistics import cuts
from inspector.statistics.remembered import identity
from inspector.statistics.scan import Tally
from inspector.statistics.tally import State

PIPE = 1 << 20
"""Bytes of an answer that a helper need not wait with until they are read, where the system allows it."""

_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from inspector.statistics import helper
helper.help_out(sys.argv[2], json.loads(sys.argv[3]))
"""

States = list[State]
"""A tally as it comes from a helper."""


class Task(Protocol):
    """Some blocks of a tensor to be counted."""

    @property
    def blocks(self) -> Sequence[int]:
        """Their numbers in the `cuts.cut` of the tensor."""
        ...


SomeTask = TypeVar("SomeTask", bound=Task)


def can_be_started() -> bool:
    """Whether this program is Python, and not one that was made of it."""
    return "python" in os.path.basename(sys.executable or "")  # noqa: PTH119


class Helper(Generic[SomeTask]):
    """A process that counts, and the tasks that it has not answered yet."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        limits = json.dumps(checkpoint.limits)
        command = [sys.executable, "-I", "-c", _START, json.dumps(sys.path), checkpoint.path, limits]
        # In a session of its own: Ctrl+C is for the process that asked.
        self.process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pipesize=PIPE,
        )
        self.waiting: deque[SomeTask] = deque()
        self.identity = _line(identity(checkpoint))
        self._known = False
        self._heard = b""

    def fileno(self) -> int:
        """What `select` waits on."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def ask(self, task: SomeTask, number: int) -> None:
        """Gives it a task for the tensor that comes `number`th in the file."""
        assert self.process.stdin is not None
        self.waiting.append(task)
        # If it is gone, it is missed when it is listened to.
        with suppress(OSError):
            self.process.stdin.write(_line((number, list(task.blocks))))

    def answers(self) -> Iterator[States | None]:
        """What it has said since: a state, or None for what it can't do. Raises OSError if it is gone or of no use."""
        said = os.read(self.fileno(), 1 << 20)
        if not said:
            raise OSError("the helper is gone")
        *lines, self._heard = (self._heard + said).split(b"\n")
        for line in lines:
            if self._known:
                yield json.loads(line)
            elif line + b"\n" != self.identity:
                raise OSError("the helper sees another file")
            self._known = True

    def stop(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.communicate()


def help_out(path: str, limits: Sequence[int] = ()) -> None:
    """What a helper does: counts the blocks that it is asked for on stdin, and is gone at its end, in the middle of a count
    too: whatever the asking process ended by, nothing of it is left."""
    asked: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_hear, args=(asked,), daemon=True).start()
    say = sys.stdout.buffer
    with open_checkpoint(path, Limits(*limits)) as checkpoint, suppress(BrokenPipeError):
        tensors = list(checkpoint.tensors())
        say.write(_line(identity(checkpoint)))
        say.flush()
        while True:
            number, blocks = json.loads(asked.get())
            say.write(_line(_state(tensors[number], blocks)))
            say.flush()


def _hear(asked: SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        asked.put(line)
    os._exit(0)


def _state(tensor: Tensor, blocks: Sequence[int]) -> States | None:
    try:
        tally = Tally(tensor)
        cut = cuts.cut(tensor, dequantize=not tally.integers)
        for number in blocks:
            tally.add(*cut.read(number))
    except (InspectorError, MemoryError):
        return None
    return tally.state()


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
