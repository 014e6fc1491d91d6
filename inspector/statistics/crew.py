"""Statistics of many tensors of a file, counted by several processes where there is much to count.

Counting holds Python's lock, so threads do not help. A helper is this interpreter started once more: it opens the same
file for itself, hears which blocks of which tensor to count, a line for each task, and answers with a line of JSON. The
asking process counts too. What a helper can't do (it was killed, the file is another one by now) is done here, and the
figures are the same to the last digit however the work was shared.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from inspector.checkpoint import Checkpoint, open_checkpoint
from inspector.errors import InspectorError
from inspector.nodes import Tensor
from inspector.statistics import Statistics, cuts
from inspector.statistics.remembered import identity
from inspector.statistics.scan import Tally
from inspector.statistics.tally import State
from inspector.storage import PLAIN

SHARE = 8
"""Blocks that are counted in one go: some hundredths of a second, so that all end at about the same time."""

SMALL = 1 << 20
"""Bytes of a tensor up to which asking somebody else would take longer."""

MUCH = 1 << 28
"""Bytes from which helpers are worth the time in which they start."""

MOST = 7
"""Helpers at most: few disks give more than so many can count."""

WAITING = 3
"""Tasks that a helper has at a time, so that it is not idle while nobody listens."""

PAUSE = 0.05
"""Seconds of waiting after which `progress` is called, since it may want to stop."""

Progress = Callable[[int], None]
"""Hears how many bytes were counted since it last heard; may raise to stop."""

_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from inspector.statistics import crew
crew.help_out(sys.argv[2])
"""

States = list[State]
"""A tally as it comes from a helper."""

Counted = tuple[Tensor, "Statistics | InspectorError"]
"""A tensor with its figures, or with why it can't be read."""


def figures(
    checkpoint: Checkpoint, tensors: Iterable[Tensor], progress: Progress | None = None, *, here: bool = True
) -> Generator[Counted, None, None]:
    """The statistics of tensors in their order, without histograms, each as soon as it and all before it are counted.

    What lies in one place under several names is counted once. Helpers take part where there is enough to do for them
    and processors are to spare; where `here` is false this process counts only what is too small to hand out, and
    leaves Python's lock to others. Raises what `progress` does; the helpers are gone then.
    """
    tensors = list(tensors)
    with Crew(checkpoint, helpers_for(tensors), here) as crew:
        yield from crew.count(tensors, progress)


def helpers_for(tensors: Iterable[Tensor]) -> int:
    """How many helpers are worth while for these."""
    if total(tensors) < MUCH or "python" not in os.path.basename(sys.executable or ""):  # noqa: PTH119
        return 0
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors - 1, MOST)


def total(tensors: Iterable[Tensor]) -> int:
    """The bytes that are read for tensors, those in one place once, about."""
    return sum(map(effort, {_place(tensor): tensor for tensor in tensors}.values()))


def effort(tensor: Tensor) -> int:
    """The bytes that are read for a tensor, about."""
    storage = tensor.storage
    return tensor.nbytes if storage is None else min(tensor.nbytes, storage.nbytes)


class Crew:
    """Counts tensors of a file with some helpers. To be used in a `with`, whose end stops them."""

    def __init__(self, checkpoint: Checkpoint, helpers: int, here: bool = True) -> None:
        self.here = here
        self.helpers = [_Helper(checkpoint) for _ in range(helpers)]
        self._numbers = {id(tensor): number for number, tensor in enumerate(checkpoint.tensors())} if helpers else {}
        self._progress: Progress | None = None
        self._left_over: list[_Task] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for helper in self.helpers:
            helper.stop()

    def count(self, tensors: Iterable[Tensor], progress: Progress | None = None) -> Iterator[Counted]:
        """The statistics of tensors, as `figures` says."""
        self._progress = progress
        line: deque[tuple[Tensor, _Count]] = deque()
        known: dict[Any, _Count] = {}
        for tensor in tensors:
            place = _place(tensor)
            if place not in known:
                known[place] = _Count(tensor)
                line.append((tensor, known[place]))
                for task in known[place].tasks():
                    self._share(task)
                    yield from _finished(line)
            else:
                line.append((tensor, known[place]))
            yield from _finished(line)
        while line:
            left = self._nobodys()
            if left is not None:
                self._do(left)
            self._listen(PAUSE if left is None else 0)
            yield from _finished(line)

    def _share(self, task: _Task) -> None:
        """Hands a task to a helper that has time, or does it here."""
        tensor = task.count.tensor
        self._listen(0)
        # What is computed is not in the file, so a helper has no number for it.
        while self.helpers and tensor.nbytes > SMALL and id(tensor) in self._numbers:
            helper = min(self.helpers, key=lambda helper: len(helper.waiting))
            if len(helper.waiting) < WAITING:
                helper.ask(task, self._numbers[id(tensor)])
                return
            if self.here:
                break
            self._listen(PAUSE)
        self._do(task)

    def _nobodys(self) -> _Task | None:
        """What is left to do at the end; of what a helper has not answered yet the last, since it may not come to that."""
        if self._left_over:
            return self._left_over.pop()
        unanswered = [task for helper in self.helpers for task in reversed(helper.waiting) if not task.done]
        return unanswered[0] if unanswered and self.here else None

    def _do(self, task: _Task) -> None:
        for number in task.blocks:
            if task.count.result is None:
                task.count.add(number)
                self._tell(task.count.width)
        task.done = True
        task.count.done()

    def _listen(self, seconds: float) -> None:
        """Takes in what helpers answer within some time."""
        heard = select.select(self.helpers, (), (), seconds)[0] if self.helpers else ()
        for helper in heard:
            try:
                for answer in helper.answers():
                    task = helper.waiting.popleft()
                    if task.done:
                        continue
                    if answer is None:
                        self._left_over.append(task)
                        continue
                    task.count.take(answer)
                    task.count.done()
                    self._tell(task.count.width * len(task.blocks))
            except OSError:
                self.helpers.remove(helper)
                self._left_over += [task for task in helper.waiting if not task.done]
                helper.stop()
        if not heard:
            self._tell(0)

    def _tell(self, nbytes: float) -> None:
        if self._progress is not None:
            self._progress(int(nbytes))


class _Count:
    """One tensor while it is counted: `left` tasks to go, then there is a `result`, or the error that came instead."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.result: Statistics | InspectorError | None = None
        self.tally: Tally | None = None
        self.blocks = 0
        try:
            self.tally = Tally(tensor)
            self.cut = cuts.cut(tensor, dequantize=not self.tally.integers)
            self.blocks = self.cut.count
        except InspectorError as error:
            self.result = error
        self.left = -(-self.blocks // SHARE)
        self.width = effort(tensor) / max(self.blocks, 1)
        self._finish()

    def tasks(self) -> Iterator[_Task]:
        """What is to be done for it."""
        for first in range(0, self.blocks, SHARE):
            if self.result is None:
                yield _Task(self, range(first, min(first + SHARE, self.blocks)))

    def add(self, number: int) -> None:
        """Counts a block here."""
        if self.tally is not None:
            try:
                self.tally.add(*self.cut.read(number))
            except InspectorError as error:
                self.result = error

    def take(self, state: States) -> None:
        """Takes in what was counted elsewhere."""
        if self.tally is not None:
            self.tally.add_state(state)

    def done(self) -> None:
        """One task less."""
        self.left -= 1
        self._finish()

    def _finish(self) -> None:
        if self.result is None and not self.left and self.tally is not None:
            self.result = self.tally.result().brief()
        if self.result is not None:
            # Half a megabyte, and a file may have many thousand tensors.
            self.tally = None


@dataclass(slots=True)
class _Task:
    """Some blocks of a tensor to be counted; `done` if that was here."""

    count: _Count
    blocks: range
    done: bool = False


class _Helper:
    """A process that counts, and the tasks that it has not answered yet."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        command = [sys.executable, "-I", "-c", _START, json.dumps(sys.path), checkpoint.path]
        # In a session of its own: Ctrl+C is for the process that asked.
        self.process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.waiting: deque[_Task] = deque()
        self.identity = _line(identity(checkpoint))
        self._known = False
        self._heard = b""

    def fileno(self) -> int:
        """What `select` waits on."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def ask(self, task: _Task, number: int) -> None:
        """Gives it a task for the tensor that comes `number`th in the file."""
        assert self.process.stdin is not None
        self.waiting.append(task)
        # If it is gone, it is missed when it is listened to.
        with suppress(OSError):
            self.process.stdin.write(_line((number, task.blocks.start, task.blocks.stop)))

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


def help_out(path: str) -> None:
    """What a helper does: counts the blocks that it is asked for on stdin, and is gone at its end, in the middle of a count
    too: whatever the asking process ended by, nothing of it is left."""
    asked: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_hear, args=(asked,), daemon=True).start()
    say = sys.stdout.buffer
    with open_checkpoint(path) as checkpoint, suppress(BrokenPipeError):
        tensors = list(checkpoint.tensors())
        say.write(_line(identity(checkpoint)))
        say.flush()
        while True:
            number, first, last = json.loads(asked.get())
            say.write(_line(_state(tensors[number], range(first, last))))
            say.flush()


def _hear(asked: SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        asked.put(line)
    os._exit(0)


def _state(tensor: Tensor, blocks: range) -> States | None:
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


def _place(tensor: Tensor) -> Any:
    """What is the same for tensors that lie in one place: their figures are the same."""
    if tensor.storage is None or tensor.traits is not PLAIN:
        return tensor
    return id(tensor.storage), tensor.dtype, tensor.offset, tensor.shape, tensor.stride


def _finished(line: deque[tuple[Tensor, _Count]]) -> Iterator[Counted]:
    """Takes from the line what is counted at its head."""
    while line and line[0][1].result is not None:
        tensor, count = line.popleft()
        assert count.result is not None
        yield tensor, count.result
