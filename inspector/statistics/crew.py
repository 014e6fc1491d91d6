"""Statistics of many tensors of a file, counted by several processes where there is much to count.

Counting holds Python's lock, so threads do not help. The asking process counts too, unless it has a screen to draw. What
a helper can't do (it was killed, the file is another one by now) is done here, and the figures are the same to the last
digit however the work was shared.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from inspector.checkpoint import Checkpoint
from inspector.errors import InspectorError
from inspector.nodes import Tensor
from inspector.statistics import Statistics, cuts
from inspector.statistics.helper import Helper, States, can_be_started
from inspector.statistics.scan import LOOK, Tally, spread
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

ALONE = 1 << 26
"""Bytes of one tensor up to which it is counted before a helper would have started."""

PAUSE = 0.01
"""Seconds of waiting after which `progress` is called: it may want to stop, or to do something else first."""

Progress = Callable[[int], None]
"""Hears how many bytes were counted since it last heard; may raise to stop."""

Look = Callable[[float, Tally], None]
"""Hears which part of a tensor is counted, from 0 to 1, and the tally so far; may raise to stop."""

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
    if total(tensors) < MUCH or not can_be_started():
        return 0
    return min(_processors() - 1, MOST)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total(tensors: Iterable[Tensor]) -> int:
    """The bytes that are read for tensors, those in one place once, about."""
    return sum(map(effort, {_place(tensor): tensor for tensor in tensors}.values()))


def effort(tensor: Tensor) -> int:
    """The bytes that are read for a tensor, about."""
    storage = tensor.storage
    return tensor.nbytes if storage is None else min(tensor.nbytes, storage.nbytes)


class Crew:
    """Counts tensors of a file with some helpers. To be used in a `with`, whose end stops them, or to be stopped."""

    def __init__(self, checkpoint: Checkpoint, helpers: int = 0, here: bool = True) -> None:
        self.checkpoint = checkpoint
        self.here = here
        self.helpers: list[Helper[_Task]] = []
        self._numbers: dict[int, int] = {}
        self._progress: Progress | None = None
        self._left_over: list[_Task] = []
        if helpers:
            self._hire(helpers)

    def _hire(self, helpers: int) -> None:
        self._numbers = {id(tensor): number for number, tensor in enumerate(self.checkpoint.tensors())}
        self.helpers = [Helper(self.checkpoint) for _ in range(helpers)]

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the helpers."""
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
            self._go_on()
            yield from _finished(line)

    def scan(self, tensor: Tensor, look: Look) -> Statistics:
        """The statistics of one tensor with its histogram.

        For the first large one a helper is started. What is seen of a tensor first is counted here: it does not wait.
        Raises what `scan.scan` does, and what `look` does; the crew can be asked again then.
        """
        if effort(tensor) > ALONE and not self._numbers and can_be_started():
            self._hire(1)
        count = _Count(tensor, whole=True)
        self._progress = lambda nbytes: count.show(nbytes, look)
        try:
            for number, task in enumerate(count.tasks()):
                if number * SHARE < LOOK:
                    self._do(task)
                else:
                    self._share(task)
            while count.result is None:
                self._go_on()
        finally:
            self._forget()
        if isinstance(count.result, InspectorError):
            raise count.result
        return count.result

    def _forget(self) -> None:
        """Nobody wants what is not answered yet."""
        self._left_over.clear()
        for helper in self.helpers:
            for task in helper.waiting:
                task.done = True

    def _go_on(self) -> None:
        """Does what is left to do once all is handed out, or waits for it."""
        left = self._nobodys()
        if left is not None:
            self._do(left)
        self._listen(PAUSE if left is None else 0)

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
        counted = 0.0
        for helper in select.select(self.helpers, (), (), seconds)[0] if self.helpers else ():
            try:
                for answer in helper.answers():
                    counted += self._take(helper.waiting[0], answer)
                    helper.waiting.popleft()
            except (OSError, MemoryError):
                self.helpers.remove(helper)
                self._left_over += [task for task in helper.waiting if not task.done]
                helper.stop()
        # Not before each answer that came has met its task: this may raise.
        self._tell(counted)

    def _take(self, task: _Task, answer: States | None) -> float:
        """Takes in what a helper answers to a task; gives how many bytes were counted for it."""
        if task.done:
            return 0
        if answer is None:
            self._left_over.append(task)
            return 0
        task.count.take(answer)
        task.count.done()
        return task.count.width * len(task.blocks)

    def _tell(self, nbytes: float) -> None:
        if self._progress is not None:
            self._progress(int(nbytes))


class _Count:
    """One tensor while it is counted: `left` tasks to go, then there is a `result`, or the error that came instead.

    It is brief unless it is to be `whole`.
    """

    def __init__(self, tensor: Tensor, whole: bool = False) -> None:
        self.tensor = tensor
        self.whole = whole
        self.result: Statistics | InspectorError | None = None
        self.tally: Tally | None = None
        self.blocks = 0
        self.counted = 0.0
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
        numbers = iter(spread(self.blocks))
        while self.result is None and (blocks := tuple(islice(numbers, SHARE))):
            yield _Task(self, blocks)

    def show(self, nbytes: int, look: Look) -> None:
        """Shows what is known once so many bytes more are counted."""
        self.counted += nbytes
        if self.tally is not None:
            look(min(1.0, self.counted / max(self.width * self.blocks, 1)), self.tally)

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
            self.result = self.tally.result(self.whole)
        if self.result is not None:
            # Half a megabyte, and a file may have many thousand tensors.
            self.tally = None


@dataclass(slots=True)
class _Task:
    """Some blocks of a tensor to be counted; `done` if that was here."""

    count: _Count
    blocks: Sequence[int]
    done: bool = False


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
