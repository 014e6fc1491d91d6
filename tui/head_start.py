"""Opens the file while Textual is being imported: that import is nearly all of the time until the first screen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from inspector.limits import Limits

if TYPE_CHECKING:
    from inspector import Checkpoint, Module

Preview = Callable[["Module"], None]
"""Takes the beginning of a tree."""


class HeadStart:
    """Opens a file in a thread of its own, as far as that is quick; a large one goes on when somebody takes it.

    Two threads of Python share one processor, and the screen comes first.
    """

    def __init__(self, path: str, limits: Limits) -> None:
        self.path = path
        self._limits = limits
        self._progress: Callable[[float], None] = lambda part: None
        self._preview: Preview = lambda root: None
        self._taken = threading.Event()
        self._made: Checkpoint | BaseException | None = None
        self._thread = threading.Thread(target=self._open, name="head start", daemon=True)
        self._thread.start()

    def take(self, progress: Callable[[float], None], preview: Preview = lambda root: None) -> Checkpoint:
        """The checkpoint, once it is open; `progress` and `preview` hear of it until then, as from `inspector.open`.

        Raises what `inspector.open` raises.
        """
        self._progress, self._preview = progress, preview
        self._taken.set()
        self._thread.join()
        if isinstance(self._made, BaseException):
            raise self._made
        assert self._made is not None
        return self._made

    def _open(self) -> None:
        import inspector

        try:
            self._made = inspector.open(self.path, self._limits, self._tick, lambda root: self._preview(root))
        except BaseException as error:
            # Whatever it is, it is for the one who takes it.
            self._made = error

    def _tick(self, part: float) -> None:
        self._taken.wait()
        self._progress(part)
