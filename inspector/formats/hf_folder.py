"""Hugging Face folders and indexes: one model over all of its shards, and what stands beside it in the folder.

An index (`model.safetensors.index.json`, `pytorch_model.bin.index.json`) says in which file each tensor lies; it may be
given itself, or its folder. Shards without an index are known by their names, a model in one file by its name or by
being the only one. Shards may be of any format. Source: `get_checkpoint_shard_files` in transformers' `utils/hub.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector import formats, settings
from inspector.errors import DamagedFile, InspectorError, NotAModel, visible
from inspector.formats import Contents, Found, Opening
from inspector.formats.shards import NUMBERED, Shards, listed, unlisted
from inspector.json_texts import loaded
from inspector.limits import Limits
from inspector.sources import Source

INDEX = re.compile(r".+\.(safetensors|bin)\.index(\.[^.]+)?\.json")

WEIGHTS = (
    "model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin",
    "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin",
)  # fmt: skip
"""What libraries of Hugging Face call a model in one file, those first that they load first."""

NO_WEIGHTS = re.compile(r"((optimizer|scheduler|sampler)(_\d+)?|scaler|training_args|rng_state.*|random_states.*)\.\w+")
"""What a trainer leaves beside them."""

SETTINGS = (
    "config.json", "generation_config.json", "tokenizer_config.json", "adapter_config.json", "quantize_config.json",
    "quant_config.json",
)  # fmt: skip
"""Files whose contents belong to what a model says of itself."""

LOOK = 1 << 16
"""Bytes of a JSON file in which an index says that it is one."""


@dataclass(slots=True)
class Choice:
    """Where a folder's model lies: in what an `index` names, in `shards`, or in one of some `files`."""

    index: str = ""
    shards: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def recognises(found: Found) -> bool:
    """Whether it is an index, or a folder that holds one, shards, or any model file."""
    if found.source is None:
        choice = choose(found.names)
        return bool(choice.index or choice.shards or choice.files)
    if not found.head.lstrip(b" \t\r\n").startswith(b"{"):
        return False
    return b'"weight_map"' in found.source.read(0, min(found.source.size, LOOK))


def read(found: Found, opening: Opening) -> Contents:
    """The model of the folder. Raises `NotAModel` for a folder of several, `DamagedFile` for an index that is none."""
    folder, names = Path(found.path), found.names
    if found.source is not None:
        folder = folder.parent
        names = _names(folder)
    shards = Shards(folder, opening)
    try:
        contents = _model(shards, found, names, opening)
    except BaseException:
        shards.pool.close()
        raise
    for name in SETTINGS:
        if name in names:
            try:
                contents.metadata[name] = settings.read(folder / name)
            except InspectorError as error:
                contents.problems.append(str(error))
    return contents


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(entry.name for entry in folder.iterdir())
    except OSError:
        # A folder that may be entered but not listed: the files in it can be opened by their names all the same.
        return frozenset()


def choose(names: Iterable[str]) -> Choice:
    """Where the model lies in a folder of these names."""
    names = sorted(names)
    indexes = [name for name in names if INDEX.fullmatch(name)]
    if indexes:
        # As transformers does: safetensors before pickles, the plain name before a variant's.
        return Choice(index=min(indexes, key=lambda name: (".safetensors." not in name, len(name), name)))
    rows = (row for row in formats.FORMATS if row.module != "compressed")
    extensions = {word for row in rows for word in row.files.split() if re.fullmatch(r"\.\w+", word)}
    families: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        match = NUMBERED.fullmatch(name)
        if match and match["extension"] in extensions:
            families.setdefault(match.group("extension", "stem", "total"), []).append(name)
    if families:
        return Choice(shards=families[min(families, key=lambda family: (family[0] != ".safetensors", family))])
    for name in WEIGHTS:
        if name in names:
            return Choice(files=[name])
    return Choice(files=[name for name in names if Path(name).suffix in extensions and not NO_WEIGHTS.fullmatch(name)])


def _model(shards: Shards, found: Found, names: frozenset[str], opening: Opening) -> Contents:
    if found.source is not None:
        return _indexed(shards, found.source, names, opening)
    choice = choose(names)
    if choice.index:
        source = shards.file(choice.index)
        contents = _indexed(shards, source, names, opening)
        contents.sources.append(source)
        return contents
    if choice.shards:
        return _numbered(shards, choice.shards)
    if len(choice.files) > 1:
        raise NotAModel(f"{visible(found.path)} holds several models: name one of {listed(choice.files)}")
    source = shards.file(choice.files[0])
    contents = shards.read(choice.files[0], source, opening)
    contents.sources.append(source)
    return contents


def _indexed(shards: Shards, source: Source, names: frozenset[str], opening: Opening) -> Contents:
    """The model whose index a source holds."""
    repeated: list[str] = []
    index = _index(source, opening.limits, repeated)
    expected: dict[str, list[str]] = {}
    for name, file in index["weight_map"].items():
        expected.setdefault(file, []).append(name)
    contents = shards.join(expected)
    contents.problems += [f"the index: {what}" for what in repeated]
    surplus = unlisted(names, expected)
    if surplus:
        contents.problems.append(f"the index does not name {listed(surplus)}, which lies beside it")
    if isinstance(index.get("metadata"), dict):
        contents.metadata |= index["metadata"]
    return contents


def _numbered(shards: Shards, files: list[str]) -> Contents:
    """The model in shards that no index names: as many as each of them says."""
    match = NUMBERED.fullmatch(files[0])
    assert match is not None
    total = int(match["total"])
    missing = total - len(files)
    contents = shards.join(dict.fromkeys(files))
    if missing > 0:
        contents.problems.append(
            f"{missing} of {total} shards are missing, and there is no index that says what is in them"
        )
    return contents


def _index(source: Source, limits: Limits, repeated: list[str]) -> dict[str, Any]:
    if source.size > limits.header:
        raise limits.reached("header", f"the index has {source.size} bytes")
    try:
        index: Any = loaded(source.read(0, source.size).decode("utf-8"), repeated)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"the index is no JSON: {visible(str(error))}") from None
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(type(file) is str for file in places.values()):
        raise DamagedFile("the index has no weight_map of names and files")
    return {**index, "weight_map": places}
