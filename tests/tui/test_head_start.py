"""A file that is opened before anybody asks for it is the same file, and fails the same way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import inspector
from inspector.errors import InspectorError, NotAModel
from inspector.limits import DEFAULT
from tui.head_start import HeadStart


def test_what_is_taken_is_what_opening_gives(tutorial: Path):
    path = str(tutorial / "model.pt")
    with HeadStart(path, DEFAULT).take(lambda part: None) as early, inspector.open(path) as model:
        assert repr(early) == repr(model)
        assert early["fc1.weight"].numpy().tolist() == model["fc1.weight"].numpy().tolist()


@pytest.mark.parametrize(("name", "kind"), [("missing.pt", InspectorError), ("printed.txt", NotAModel)])
def test_whoever_takes_it_hears_why_it_does_not_open(tutorial: Path, name: str, kind: type[Exception]):
    with pytest.raises(kind):
        HeadStart(str(tutorial / name), DEFAULT).take(lambda part: None)


def test_a_large_file_waits_to_be_taken_and_may_be_stopped_then(monkeypatch: pytest.MonkeyPatch):
    class Stopped(BaseException):
        pass

    went_on = threading.Event()

    def slow(path: str, limits: object, progress, preview) -> None:
        progress(0.1)
        went_on.set()
        preview("the beginning")
        progress(0.2)

    monkeypatch.setattr(inspector, "open", slow)
    start = HeadStart("model.pt", DEFAULT)
    assert not went_on.wait(0.05)
    heard = []

    def stop_later(part: float) -> None:
        heard.append(part)
        if part > 0.1:
            raise Stopped

    with pytest.raises(Stopped):
        start.take(stop_later, heard.append)
    assert heard == [0.1, "the beginning", 0.2] and went_on.is_set()
