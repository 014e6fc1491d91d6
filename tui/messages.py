"""Messages that cross widgets: what the reader answers. Small records; whoever gets a `stale` one drops it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from textual.message import Message

from inspector.errors import visible

if TYPE_CHECKING:
    import numpy as np

    from inspector import Checkpoint
    from inspector.nodes import Module, Node, Tensor
    from inspector.statistics.health import Finding
    from tui.clipboard import Outcome
    from tui.code import Code
    from tui.files import ModelFile
    from tui.index import Index, Survey
    from tui.picture import Picture
    from tui.reader import Job
    from tui.rows import Counterparts
    from tui.screens.calls import CallLines
    from tui.screens.checking import Check
    from tui.selection import Selection
    from tui.stacks import Stacks
    from tui.widgets.depth_view import Depth
    from tui.widgets.spectrum import Decomposition
    from tui.widgets.statistics import Count


@dataclass_transform(eq_default=False)
class Record(Message):
    """A message with fields as a dataclass has them, but no code made for each class: for all it takes 10 ms at start."""

    fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.fields = (*cls.fields, *cls.__annotations__)

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__()
        for name, value in zip(self.fields, values, strict=False):
            setattr(self, name, value)
        for name, value in named.items():
            setattr(self, name, value)


class Answer(Record, bubble=False):
    """What the reader says about the request `job`."""

    job: Job

    @property
    def stale(self) -> bool:
        """Whether the request was replaced or given up in the meantime."""
        return self.job.stopped


class Progress(Answer):
    """How far a request is, from 0 to 1."""

    part: float

    def can_replace(self, message: Message) -> bool:
        """A later one makes an earlier one of the same request needless."""
        return isinstance(message, Progress) and message.job is self.job


class Scanned(Answer):
    """What really loading the file would call."""

    calls: CallLines


class Failed(Answer):
    """The request can't be met, for a reason that lies in the file, the disk or the request."""

    error: Exception

    @property
    def text(self) -> str:
        """The reason in one line."""
        if isinstance(self.error, MemoryError):
            return "there is not enough memory for it"
        if isinstance(self.error, OSError) and self.error.strerror:
            where = f"{self.error.filename}: " if self.error.filename else ""
            return visible(f"{where}{self.error.strerror}")
        return visible(str(self.error))


class Unread(Answer):
    """Something of the file could not be read; what was to be shown says so in its place."""

    error: Exception


class Broken(Answer):
    """The request met a mistake in this program; the app ends with it."""

    error: Exception


class Opened(Answer):
    """The file is open, and its tree is known; where a filter was `wanted`, also what that leaves of it.

    `places` is where what was shown before is in it.
    """

    checkpoint: Checkpoint
    wanted: str = ""
    index: Index | None = None
    selection: Selection | None = None
    places: Counterparts | None = None


class Begun(Answer):
    """The beginning of the tree of a large file, which is still being read."""

    root: Module


class FileChanged(Answer):
    """What became of the file on the disk since it was opened, in words, and whether nothing is at its path any more."""

    what: str
    gone: bool


class BlockRead(Answer):
    """The values that the grid wanted, as `inspector.window.read` gave them, or why there are none.

    `generation` is that of the grid's question.
    """

    generation: int
    array: np.ndarray[Any, Any] | None
    error: str = ""


class Counted(Answer):
    """The figures of a tensor, so far or all of them."""

    count: Count

    def can_replace(self, message: Message) -> bool:
        """Later figures make earlier ones needless."""
        return isinstance(message, Counted) and message.job is self.job


class Summarised(Answer):
    """The figures of some tensors in their short form."""

    summaries: dict[Tensor, str]


class Decomposed(Answer):
    """The spectrum of a tensor, or how far it is."""

    found: Decomposition

    def can_replace(self, message: Message) -> bool:
        """A later one knows more."""
        return isinstance(message, Decomposed) and message.job is self.job


class Checked(Answer):
    """What is found so far in a look at all tensors, in the file's order; `last` once there is no more."""

    check: Check
    findings: tuple[Finding, ...]
    last: bool = False

    def can_replace(self, message: Message) -> bool:
        """Later findings hold the earlier ones."""
        return isinstance(message, Checked) and message.job is self.job


class Heated(Answer):
    """A picture for the heat map, or as much of it as is known, or why there is none."""

    picture: Picture | None
    part: float = 1.0
    error: str = ""

    def can_replace(self, message: Message) -> bool:
        """A later one shows more."""
        return isinstance(message, Heated) and message.job is self.job


class Stacked(Answer):
    """The repeated layers of a tree."""

    stacks: Stacks


class Deepened(Answer):
    """A parameter of repeated layers over depth, as far as its figures are known."""

    depth: Depth

    def can_replace(self, message: Message) -> bool:
        """A later one knows more."""
        return isinstance(message, Deepened) and message.job is self.job


class Surveyed(Answer):
    """A walk over all tensors is done."""

    survey: Survey


class Indexed(Answer):
    """The names of all nodes are gathered."""

    index: Index


class Found(Answer):
    """The numbers, in the index, of the nodes that a search found, in their order."""

    numbers: Sequence[int]


class Selected(Answer):
    """What a filter leaves of the tree; `part` of what must be counted for it is."""

    selection: Selection
    part: float = 1.0

    def can_replace(self, message: Message) -> bool:
        """A later one knows more."""
        return isinstance(message, Selected) and message.job is self.job


class Copied(Answer):
    """A text of `node` went the way to the clipboard, with this outcome; `extension` is that of a file for the same."""

    node: Node | None
    extension: str
    outcome: Outcome


class TextRead(Answer):
    """A text that the file carries is read."""

    code: Code


class Printed(Answer):
    """A text to be printed is made."""

    text: str


class Written(Answer):
    """A file was written."""

    path: str
    nbytes: int


class FilesFound(Answer):
    """Some more model files below the folder; `last` once there are no more."""

    files: Sequence[ModelFile]
    last: bool = False
