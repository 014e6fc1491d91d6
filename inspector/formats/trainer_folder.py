"""Folders that a training run leaves, of Hugging Face's Trainer or Accelerate: a model beside its optimizer and the rest.

The model's weights stand below `model`, whatever files they are in, and each other file below its own name: `optimizer`,
`scheduler`, `training_args`, `rng_state`. Source: `Trainer._save_checkpoint` of transformers 5.23, and
`save_accelerator_state` of accelerate 1.15.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inspector import settings
from inspector.errors import InspectorError, brief, visible
from inspector.formats import Call, Contents, Found, Opening, hf_folder
from inspector.formats import read as read_any
from inspector.nodes import Module
from inspector.sources import LocalFile

OPTIMIZERS = ("optimizer.pt", "optimizer.bin")

STATE = "trainer_state.json"


def recognises(found: Found) -> bool:
    """Whether it is a folder with an optimizer's state beside a model."""
    return found.source is None and any(name in found.names for name in OPTIMIZERS) and hf_folder.recognises(found)


def read(found: Found, opening: Opening) -> Contents:
    """The model and what lies beside it. Raises what reading the model raises; what else can't be read is a problem."""
    model = hf_folder.read(found, opening)
    root = Module("", "bundle")
    _hang(root, model, "model")
    contents = replace(model, root=root, format=f"training checkpoint, {model.format}")
    for name in sorted(
        filter(hf_folder.NO_WEIGHTS.fullmatch, found.names), key=lambda name: (name not in OPTIMIZERS, name)
    ):
        if not name.endswith(".json"):
            _add(contents, root, Path(found.path) / name, opening)
    if STATE in found.names:
        try:
            contents.metadata[STATE] = settings.read(Path(found.path) / STATE)
        except InspectorError as error:
            contents.problems.append(str(error))
    return contents


def _add(contents: Contents, root: Module, path: Path, opening: Opening) -> None:
    """Hangs what is in a file below the whole."""
    source: LocalFile | None = None
    try:
        source = LocalFile(str(path))
        part = read_any(Found(str(path), source, limits=opening.limits), opening.quietly())
    except InspectorError as error:
        contents.problems.append(f"{brief(path.name)}: {visible(str(error))}")
        if source is not None:
            source.close()
        return
    _hang(root, part, path.stem)
    contents.sources += [source, *part.sources]
    contents.problems += [f"{brief(path.name)}: {problem}" for problem in part.problems]
    contents.calls += [Call(call.instance, f"{path.name}: {call.member}") for call in part.calls]
    contents.texts |= {f"{path.name}: {name}": text for name, text in part.texts.items()}


def _hang(root: Module, part: Contents, key: str) -> None:
    part.root.key, part.root.parent = key, root
    root.children.append(part.root)
