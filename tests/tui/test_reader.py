"""The reader's thread: the latest request first, obsolete ones end, and nothing old is ever answered."""

from __future__ import annotations

import inspect
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from textual.message import Message

from inspector.errors import InspectorError
from tui.messages import Answer, Broken, Failed, Progress
from tui.reader import Job, Reader

WAIT = 5


class Done(Answer):
    """The test's own answer."""

    def __init__(self, job: Job, what: str) -> None:
        super().__init__(job)
        self.what = what


class Box:
    """Collects what is posted."""

    def __init__(self) -> None:
        self.messages: queue.Queue[Any] = queue.Queue()

    def __call__(self, message: Message) -> None:
        self.messages.put(message)

    def next(self) -> Any:
        return self.messages.get(timeout=WAIT)

    def empty(self) -> bool:
        return self.messages.empty()


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def reader() -> Any:
    reader = Reader()
    yield reader
    reader.close()


def say(what: str) -> Callable[[Job], Message]:
    return lambda job: Done(job, what)


class Held:
    """Work that goes on, telling of progress, until it is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()
        self.ended = threading.Event()

    def __call__(self, job: Job) -> Message:
        self.began.set()
        try:
            while not self.go.wait(0.001):
                job.progress(0.5)
        finally:
            self.ended.set()
        return Done(job, "held")


def test_an_answer_comes_with_its_request(reader: Reader, box: Box):
    job = reader.ask("slot", say("hello"), box)
    answer = box.next()
    assert (answer.what, answer.job, answer.stale) == ("hello", job, False)


def test_a_newer_request_of_a_slot_ends_the_running_one_and_its_answer_never_comes(reader: Reader, box: Box):
    held = Held()
    old = reader.ask("slot", held, box)
    assert held.began.wait(WAIT)
    reader.ask("slot", say("new"), box)
    assert held.ended.wait(0.1 + WAIT)
    assert [message.what for message in (box.next(),)] == ["new"]
    assert old.stopped
    assert box.empty()


def test_a_request_that_was_replaced_while_it_waited_is_never_begun(reader: Reader, box: Box):
    held = Held()
    reader.ask("other", lambda job: held.began.set() or (held.go.wait(WAIT) and None), box)
    assert held.began.wait(WAIT)
    began = []
    reader.ask("slot", lambda job: began.append("old"), box)
    reader.ask("slot", say("new"), box)
    held.go.set()
    assert box.next().what == "new"
    assert began == []


def test_long_work_lets_newer_requests_run_and_then_goes_on(reader: Reader, box: Box):
    held = Held()
    reader.ask("scan", held, box)
    assert held.began.wait(WAIT)
    reader.ask("block", say("block"), box)
    assert box.next().what == "block"
    assert not held.ended.is_set()
    held.go.set()
    assert next(message for message in iter(box.next, None) if isinstance(message, Done)).what == "held"


def test_what_replaces_running_work_does_not_run_within_it(reader: Reader, box: Box):
    depths: list[int] = []

    def work(job: Job) -> Message:
        depths.append(len(inspect.stack()))
        if len(depths) < 5:
            # Two requests come while it runs, as when a cursor moves on: one of them is for the same.
            reader.ask("other", say("other"), box)
            reader.ask("slot", work, box)
        job.progress(0.5)
        return Done(job, "done")

    reader.ask("slot", work, box)
    assert {box.next().what for _ in range(2)} == {"other", "done"}
    assert len(depths) == 5 and len(set(depths)) == 1


def test_the_latest_request_is_done_first(reader: Reader, box: Box):
    gate = threading.Event()
    began = threading.Event()
    reader.ask("first", lambda job: began.set() or (gate.wait(WAIT) and None), box)
    assert began.wait(WAIT)
    for what in ("a", "b", "c"):
        reader.ask(what, say(what), box)
    gate.set()
    assert [box.next().what for _ in range(3)] == ["c", "b", "a"]


def test_an_answer_that_was_posted_before_a_newer_request_is_stale(reader: Reader, box: Box):
    reader.ask("slot", say("old"), box)
    answer = box.next()
    reader.ask("slot", say("new"), box)
    assert answer.stale
    assert not box.next().stale


def test_what_is_wrong_with_a_file_is_an_answer_and_a_mistake_of_the_program_another(reader: Reader, box: Box):
    def fail(error: Exception) -> Callable[[Job], Message]:
        def work(job: Job) -> Message:
            raise error

        return work

    reader.ask("slot", fail(InspectorError("the file is \x1b[31m short")), box)
    answer = box.next()
    assert isinstance(answer, Failed)
    assert answer.text == "the file is \\x1b[31m short"
    reader.ask("slot", fail(PermissionError(13, "Permission denied", "model.pt")), box)
    assert box.next().text == "model.pt: Permission denied"
    reader.ask("slot", fail(MemoryError()), box)
    assert "memory" in box.next().text
    reader.ask("slot", fail(ZeroDivisionError("mistake")), box)
    answer = box.next()
    assert isinstance(answer, Broken)
    assert isinstance(answer.error, ZeroDivisionError)
    reader.ask("slot", say("still there"), box)
    assert box.next().what == "still there"


def test_progress_is_told_now_and_then_not_every_time(reader: Reader, box: Box):
    def work(job: Job) -> Message:
        for step in range(20_000):
            job.progress(step / 20_000)
        return Done(job, "done")

    reader.ask("slot", work, box)
    messages = []
    while not messages or not isinstance(messages[-1], Done):
        messages.append(box.next())
    assert len(messages) < 50
    assert all(isinstance(message, Progress) for message in messages[:-1])


def test_closing_stops_what_runs_and_takes_no_more(reader: Reader, box: Box):
    held = Held()
    reader.ask("slot", held, box)
    assert held.began.wait(WAIT)
    reader.close()
    assert held.ended.wait(WAIT)
    assert reader.ask("slot", say("late"), box).stopped
    assert box.empty() or isinstance(box.next(), Progress)
