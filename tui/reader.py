"""The one daemon thread that calls `inspector`, latest request first; it answers by messages.

The screen asks, and never waits. A request belongs to a slot ("open", "block", "search"); a newer one of the same slot
replaces it: the older one's job is `stopped`, ends at its next `progress`, and whatever it still posts is dropped.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from inspector.errors import InspectorError
from tui import messages

if TYPE_CHECKING:
    from textual.message import Message

SWITCH = 0.001
"""Seconds that the screen waits for Python's lock while the reader computes; Python's own choice is five times that."""

PROGRESS_EVERY = 0.1
"""Seconds between two reports of progress."""


class Stopped(BaseException):
    """Raised inside a job that nobody waits for any more. No `Exception`, so that no parser takes it for damage."""


class Job:
    """One request while it waits and runs: `slot` says what for, `generation` when, `stopped` that it is obsolete."""

    def __init__(self, reader: Reader, slot: str, generation: int, work: Work, post: Post) -> None:
        self.reader = reader
        self.slot = slot
        self.generation = generation
        self.work = work
        self.stopped = False
        self._post = post
        self._told = time.monotonic()

    def post(self, message: Message) -> None:
        """Send a message to whoever asked, unless the job is stopped."""
        if not self.stopped:
            self._post(message)

    def progress(self, part: float) -> None:
        """To be called again and again by long work: `part` of 1 is done. Lets newer requests run first.

        Raises `Stopped` once the job is obsolete.
        """
        self.reader.run_newer(self)
        if self.stopped:
            raise Stopped
        now = time.monotonic()
        if now - self._told >= PROGRESS_EVERY:
            self._told = now
            self.post(messages.Progress(self, part))


Work = Callable[[Job], "Message | None"]
"""What is done in the reader's thread; the message it returns is posted to whoever asked."""

Post = Callable[["Message"], object]
"""A widget's or a screen's `post_message`, which is safe to call from any thread."""


class Reader:
    """The thread and its requests. It starts with the first request, and never holds up the end of the process."""

    def __init__(self) -> None:
        self._generation = 0
        self._waiting: list[Job] = []
        self._newest: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def ask(self, slot: str, work: Work, post: Post) -> Job:
        """Ask for `work`, in place of what was asked for in this slot before.

        An `InspectorError` or `OSError` of the work is answered by `messages.Failed`, anything else by `messages.Broken`.
        """
        with self._changed:
            self._generation += 1
            job = Job(self, slot, self._generation, work, post)
            self._retire(slot)
            if self._closed:
                job.stopped = True
                return job
            self._newest[slot] = job
            self._waiting.append(job)
            if self._thread is None:
                sys.setswitchinterval(SWITCH)
                self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
                self._thread.start()
            self._changed.notify()
        return job

    def stop(self, *slots: str) -> None:
        """Drop what was asked for in these slots."""
        with self._changed:
            for slot in slots:
                self._retire(slot)

    def close(self) -> None:
        """Stop everything, and take no more requests."""
        with self._changed:
            self._closed = True
            for slot in list(self._newest):
                self._retire(slot)
            self._changed.notify()

    def run_newer(self, running: Job) -> None:
        """Run what has been asked for since the running job began. Only for the reader's own thread.

        One that is stopped ends first: within it they would pile up.
        """
        while self._waiting and not running.stopped:
            self._do(self._next())

    def _retire(self, slot: str) -> None:
        former = self._newest.pop(slot, None)
        if former is not None:
            former.stopped = True

    def _next(self) -> Job | None:
        with self._changed:
            self._waiting = [job for job in self._waiting if not job.stopped]
            return self._waiting.pop() if self._waiting else None

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
            self._do(self._next())

    @staticmethod
    def _do(job: Job | None) -> None:
        if job is None:
            return
        try:
            answer = job.work(job)
        except Stopped:
            return
        except (InspectorError, OSError, MemoryError) as error:
            answer = messages.Failed(job, error)
        except Exception as error:
            answer = messages.Broken(job, error)
        if answer is not None:
            job.post(answer)
