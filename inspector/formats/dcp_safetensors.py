"""What `torch.distributed.checkpoint` writes for Hugging Face: safetensors of each rank, put together to one model.

Each file says for its tensors, in its `__metadata__`, at which index of the whole they begin; how large the whole is,
nothing says: it reaches as far as its parts. Source: `hf_storage.py` and `_hf_utils.py` of
`torch/distributed/checkpoint` in PyTorch 2.13, whose reader takes it so too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from inspector.dotted_names import join
from inspector.errors import InspectorError, brief
from inspector.formats import Contents, Found, Opening, safetensors
from inspector.nodes import Module, Tensor
from inspector.pickles.arguments import integers
from inspector.sources import Pool
from inspector.storage import Traits, contiguous
from inspector.window.pieces import Piece, lacking

NAME = "torch.distributed checkpoint in safetensors"

CALLED = re.compile(r"shard-(\d{5})-model-(\d{5})-of-(\d{5})\.safetensors")
"""The number of the rank, from 1, of the file, and how many files a rank may have."""

SHARDING = "DCP_SHARDING_INFO"

Part = tuple[tuple[int, ...], Tensor, str]
"""The index in the whole at which a part begins, the part, and the file that it lies in."""


def recognises(found: Found) -> bool:
    """Whether it is a folder of such files."""
    return found.source is None and any(CALLED.fullmatch(name) for name in found.names)


def read(found: Found, opening: Opening) -> Contents:
    """The whole model. What can't be read or does not fit together is told."""
    root = Module("dict")
    contents = Contents(root, NAME)
    folder, pool = Path(found.path), Pool()
    parts: dict[str, list[Part]] = {}
    ranks: set[int] = set()
    for name in sorted(found.names):
        match = CALLED.fullmatch(name)
        if match is None:
            continue
        opening.clock.check()
        try:
            source = pool.file(str(folder / name))
            contents.sources.append(source)
            inner = safetensors.read(Found(name, source, limits=opening.limits), opening.quietly())
        except InspectorError as error:
            contents.problems.append(f"{brief(name)}: {error}")
            continue
        ranks.add(int(match[1]))
        contents.problems += [f"{brief(name)}: {problem}" for problem in inner.problems]
        said = inner.metadata.pop(SHARDING, None)
        for tensor in inner.root.tensors():
            parts.setdefault(tensor.name, []).append((_offsets(said, tensor), tensor, name))
        contents.metadata |= inner.metadata
    missing = [str(rank) for rank in range(1, max(ranks, default=0) + 1) if rank not in ranks]
    if missing:
        contents.problems.append(f"the files of these ranks are missing or can't be read: {', '.join(missing[:8])}")
    contents.metadata["ranks"] = len(ranks)
    join(root, parts.items(), lambda parent, key, held: _whole(parent, key, held, contents))
    return contents


def _offsets(said: Any, tensor: Tensor) -> tuple[int, ...]:
    """Where a tensor begins in the whole, as the file says of it; at its beginning if that says nothing."""
    about = said.get(tensor.name) if isinstance(said, dict) else None
    found = integers(about.get("saved_offsets")) if isinstance(about, dict) else None
    sensible = found is not None and len(found) == tensor.ndim and min(found, default=0) >= 0
    return found if found is not None and sensible else (0,) * tensor.ndim


def _whole(parent: Module, key: Any, held: list[Part], contents: Contents) -> Tensor:
    """The tensor that some parts make up; one that is whole by itself is itself."""
    first = held[0][1]
    fitting = [part for part in held if part[1].ndim == first.ndim and part[1].dtype == first.dtype]
    ends = [tuple(start + size for start, size in zip(at, part.shape, strict=True)) for at, part, _ in fitting]
    shape = tuple(max(along) for along in zip(*ends, strict=True))
    if len(fitting) < len(held):
        name = ".".join([*(node.label for node in parent.path), str(key)])
        contents.problems.append(
            f"{brief(name)}: not all its parts are {first.dtype} of {first.ndim} axes; the others are left out"
        )
    if shape == first.shape:
        first.key, first.parent = key, parent
        return first
    places = {at: (part, file) for at, part, file in fitting}
    pieces = [Piece(at, part.shape, lambda part=part: part, file) for at, (part, file) in places.items()]  # type: ignore[misc]
    traits = Traits(device=first.device, pieces=tuple(pieces), problems=lacking(shape, pieces))
    return Tensor(first.dtype, shape, contiguous(shape), None, traits=traits, key=key, parent=parent)
