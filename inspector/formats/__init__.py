"""The formats that can be opened, one file each: does it recognise what lies there, and what tree does it hold.

Adding a format is adding a file with `recognises` and `read`, and its row in `FORMATS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from inspector.errors import DamagedFile, NotAModel
from inspector.limits import DEFAULT, Clock, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from inspector.formats.zips import Zip
    from inspector.nodes import Module, Node
    from inspector.pickles.objects import Instance
    from inspector.sources import Source

HEAD = 4096
"""Bytes of a file that recognition looks at."""


class Row(NamedTuple):
    """A format: the file of this folder that reads it, what it is called, and what its files are mostly named.

    `begins` are the bytes that each of its files begins with, one of several, so that nobody has to import what can't be
    meant: none for what is always a folder, None where only the file of this folder can tell.
    """

    module: str
    name: str
    files: str
    begins: tuple[bytes, ...] | None = None

    def may_be(self, found: Found) -> bool:
        """Whether it is worth asking if that is of this format."""
        return found.source is None or self.begins is None or found.head.startswith(self.begins)


FOLDER = ()
ZIP = (b"PK\x03\x04",)
JSON = (b"{", b" ", b"\t", b"\r", b"\n")


FORMATS = (
    Row("compressed", "gzip, bzip2, xz, zstd around any of these", ".gz .bz2 .xz .zst"),
    Row("dcp", "`torch.distributed.checkpoint` folders, and a file of one", ".metadata .distcp"),
    Row("distcp", "a file of such a folder without its `.metadata`", ".distcp"),
    Row(
        "dcp_safetensors",
        "such a checkpoint in safetensors (`HuggingFaceStorageWriter`)",
        "shard-N-model-*.safetensors",
        FOLDER,
    ),
    Row("deepspeed", "DeepSpeed ZeRO folders", "global_stepN/", FOLDER),
    Row("rank_files", "files of the ranks of a distributed run (FSDP, `DTensor`)", "*_rank_N.pt", FOLDER),
    Row("trainer_folder", "training folders of Hugging Face's Trainer and Accelerate", "checkpoint-N/", FOLDER),
    Row("hf_folder", "Hugging Face folders and indexes, a folder of one model", "*.index.json", JSON),
    Row("pt2", "`torch.export`, also before 2.7", ".pt2", ZIP),
    Row("torch_package", "`torch.package`", ".pt", ZIP),
    Row("torchscript", "TorchScript (`torch.jit.save`), also mobile", ".pt .ptl", ZIP),
    Row("torch_zip", "`torch.save` since 1.6", ".pt .pth .bin .ckpt", ZIP),
    Row("cut_zip", "`torch.save` since 1.6, cut off", ".pt .pth .bin .ckpt", ZIP),
    Row("tar01", "`torch.save` of 0.1", ".pt .pth .tar"),
    Row("safetensors", "safetensors", ".safetensors"),
    Row("gguf", "GGUF, versions 1 to 3", ".gguf"),
    Row("onnx", "ONNX", ".onnx"),
    Row("numpy_arrays", "numpy's .npy and .npz", ".npy .npz"),
    Row("packed_models", "a zip or tar with model files in it (Stable-Baselines3, NeMo, TorchServe)", ".zip .nemo .mar"),
    Row("cut_archives", "TorchScript, `torch.package`, `.npz`, cut off", ".pt .ptl .npz"),
    Row("legacy", "`torch.save` before 1.6", ".pt .pth .bin .ckpt"),
    Row("bare_pickle", "a pickle alone", ".pkl .pickle"),
)
"""Every format, in the order in which they are asked: the first that recognises a file reads it."""

OF_TORCH = frozenset(
    {"bare_pickle", "cut_archives", "cut_zip", "legacy", "pt2", "tar01", "torch_package", "torch_zip", "torchscript"}
)
"""Formats whose files go by each other's names."""

CONTAINERS = frozenset({".zip", ".tar"})
"""Endings that tell only how files are put together, which several formats do so."""


class Call(NamedTuple):
    """What a real load of the file would call: `instance` of the pickle in `member`."""

    instance: Instance
    member: str


@dataclass(slots=True)
class Contents:
    """What a format found: the tree, what the format is called, and what was noticed.

    `metadata` is what the file says of itself, `problems` are texts about damage, `sources` are further files that were
    opened and have to be closed. `texts` are what the file carries to be read (the source of a class, TorchScript code,
    a graph), by name; each is read when it is called; `text_of` has those of nodes whose class does not say it.
    `ordered` is whether the parameters come in the order of the model. `misnamed` is the ending of the file's name if it
    is one of other formats. `names` are those of all tensors, where the format knows them without a walk.
    """

    root: Node
    format: str
    problems: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    texts: dict[str, Callable[[], str]] = field(default_factory=dict)
    text_of: dict[Node, str] = field(default_factory=dict)
    ordered: bool = True
    misnamed: str = ""
    names: Set[str] | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """How a file is to be opened: its limits, whom to tell how far it is (a part of 1; may raise to stop), since when.

    `preview` gets the beginning of a tree that takes long, where the format can tell it before the whole is read.
    """

    limits: Limits = DEFAULT
    progress: Callable[[float], None] | None = None
    clock: Clock = field(default_factory=lambda: Clock(DEFAULT))
    preview: Callable[[Module], None] | None = None

    def tick(self, total: int) -> Callable[[int], None]:
        """Takes positions within `total` bytes for progress, and looks at the clock."""

        def tick(position: int) -> None:
            self.clock.check()
            if self.progress is not None:
                self.progress(position / max(total, 1))

        return tick

    def quietly(self) -> Opening:
        """The same for a part of the file, whose progress is not the whole's."""
        return replace(self, progress=None, preview=None)


class Found:
    """What lies at a path, as far as recognition looks: the first bytes of a file, or the names in a folder.

    `source` is None for a folder, `names` is empty for a file.
    """

    def __init__(
        self, path: str, source: Source | None, names: frozenset[str] = frozenset(), limits: Limits = DEFAULT
    ) -> None:
        self.path = path
        self.source = source
        self.names = names
        self.limits = limits
        self.head = source.read(0, min(source.size, HEAD)) if source is not None else b""

    @cached_property
    def archive(self) -> Zip | None:
        """The file as a zip archive; None if it is none, or one whose directory is missing."""
        from inspector.formats.zips import LOCAL, Zip

        if self.source is None or not self.head.startswith(LOCAL):
            return None
        try:
            return Zip(self.source, self.limits)
        except DamagedFile:
            return None


def misleading(path: str, found: Row) -> str:
    """The ending of a file's name if files of another kind than was found are named so, or the empty text."""
    ending = PurePath(path).suffix.lower()
    if not ending or ending in CONTAINERS:
        return ""
    promised = _named(ending)
    if found.module in promised or (found.module in OF_TORCH and not promised.isdisjoint(OF_TORCH)):
        return ""
    return ending if promised else ""


@cache
def _named(ending: str) -> frozenset[str]:
    """The formats whose files are named so."""
    return frozenset(row.module for row in FORMATS if any(word.endswith(ending) for word in row.files.split()))


class Format(Protocol):
    """What a file of this folder offers."""

    def recognises(self, found: Found) -> bool:
        """Whether this is of the format, by its bytes or the names in a folder, never by its own name."""
        ...

    def read(self, found: Found, opening: Opening) -> Contents:
        """The tree that it holds. Raises `InspectorError` for what can't be shown at all."""
        ...


def recognise(found: Found) -> Row | None:
    """The row of the format that recognises what lies there, or None."""
    return next((row for row in FORMATS if row.may_be(found) and module(row).recognises(found)), None)


def module(row: Row) -> Format:
    """The file that reads a format, imported when it is first needed."""
    found: Format = import_module(f"inspector.formats.{row.module}")
    return found


def read(found: Found, opening: Opening, row: Row | None = None) -> Contents:
    """The tree of whatever lies there, of the format `row` if that is known. Raises `NotAModel` where it is of none."""
    row = row or recognise(found)
    if row is not None:
        contents = module(row).read(found, opening)
        # A folder may be called anything: Lightning's `epoch=3.ckpt` is one.
        contents.misnamed = misleading(found.path, row) if found.source is not None else ""
        return contents
    from inspector.formats import others

    raise NotAModel(others.explain(found))
