"""Sparse tensors: a block of the dense tensor that indices and values describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector import dtypes
from inspector.errors import DamagedFile, NoValues
from inspector.nodes import Tensor

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def read_box(tensor: Tensor, box: list[tuple[int, int]]) -> Array:
    """The dense elements of a box, as `Tensor.to_dense` has them; indices and values are read whole.

    Raises `DamagedFile` for parts that do not fit together, `NoValues` for batches of compressed matrices.
    """
    import numpy as np

    indices, values = entries(tensor)
    dims = indices.shape[0]
    starts = np.asarray([first for first, _ in box[:dims]], np.int64).reshape(-1, 1)
    lengths = np.asarray([length for _, length in box[:dims]], np.int64).reshape(-1, 1)
    place = indices - starts
    inside = ((place >= 0) & (place < lengths)).all(axis=0)
    made = np.zeros([length for _, length in box], dtypes.array_type(tensor.dtype))
    dense = tuple(slice(first, first + length) for first, length in box[dims:])
    # The same place may come several times in sparse_coo: its values add up.
    np.add.at(made, tuple(place[:, inside]), values[(inside, *dense)])
    return made


def stored(tensor: Tensor) -> Array:
    """The elements that a sparse tensor stores, in one dimension; those of the same place are added up, as `read_box` does.

    Raises what `read_box` raises.
    """
    import numpy as np

    indices, values = entries(tensor)
    places, which = np.unique(indices, axis=1, return_inverse=True)
    if places.shape[1] < len(values):
        made = np.zeros((places.shape[1], *values.shape[1:]), values.dtype)
        np.add.at(made, which.reshape(-1), values)
        values = made
    return values.reshape(-1)


def entries(tensor: Tensor) -> tuple[Array, Array]:
    """The indices, a column for each value (or dense block of values) that is stored, and the values."""
    import numpy as np

    parts = [part for part in tensor.traits.parts if isinstance(part, Tensor)]
    *where, values = [part.numpy() for part in parts]
    if any(indices.dtype.kind not in "iu" for indices in where) or parts[-1].traits.quantization is not None:
        raise DamagedFile("the sparse tensor's indices or values are of a dtype that they can't have")
    indices = where[0]
    if tensor.traits.layout != "sparse_coo":
        indices, values = _coordinates(tensor, where[0], where[1], values)
    dims = indices.shape[0] if indices.ndim == 2 else -1
    if dims < 0 or values.shape != (indices.shape[1], *tensor.shape[dims:]):
        raise DamagedFile("the sparse tensor's indices and values do not belong together")
    limits = np.asarray(tensor.shape[:dims], np.int64).reshape(-1, 1)
    if indices.size and ((indices < 0).any() or (indices >= limits).any()):
        raise DamagedFile("the sparse tensor has indices outside of its shape")
    return indices, values


def _coordinates(tensor: Tensor, compressed: Array, plain: Array, values: Array) -> tuple[Array, Array]:
    """Row and column of every value of a compressed matrix; the blocks of bsr and bsc taken apart."""
    import numpy as np

    if compressed.ndim != 1 or len(tensor.shape) != 2:
        raise NoValues("a batch of sparse matrices can't be shown as one; look at its parts")
    counts: Array = np.diff(compressed.astype(np.int64))
    if plain.ndim != 1 or values.ndim not in (1, 3):
        raise DamagedFile("the sparse tensor's indices and values do not belong together")
    if (counts < 0).any() or counts.sum() != len(plain) or len(plain) != len(values):
        raise DamagedFile("the sparse tensor's compressed indices do not fit its values")
    lines = np.repeat(np.arange(len(counts)), counts)
    rows, columns = (plain, lines) if tensor.traits.layout in ("sparse_csc", "sparse_bsc") else (lines, plain)
    if values.ndim == 3:
        height, width = values.shape[1:]
        rows = rows[:, None, None] * height + np.arange(height)[None, :, None]
        columns = columns[:, None, None] * width + np.arange(width)[None, None, :]
        rows, columns = np.broadcast_arrays(rows, columns)
        return np.stack([rows.reshape(-1), columns.reshape(-1)]), values.reshape(-1)
    return np.stack([rows, columns]), values
