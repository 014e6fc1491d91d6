"""The singular values of a matrix: exact where that is quick, else the largest of them by a randomised method."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from inspector import dtypes, window
from inspector.errors import InspectorError
from inspector.nodes import Tensor

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

EXACT = 1024
"""The shorter side of a matrix up to which all singular values are computed."""

LARGEST = 1 << 24
"""Elements up to which they are: all of them are in memory then."""

RANK = 128
"""Singular values that the randomised method finds."""

SPARE = 16
"""Directions beyond these that make the last of them sure."""

POWERS = 2
"""Passes there and back over the matrix, which make small ones among them sure."""

STEP = 1 << 20
"""Elements of the rows that are read at a time."""

PAUSE = 0.02
"""Seconds of waiting for LAPACK after which `progress` is called again."""

Progress = Callable[[float], None]
"""Hears which part is done, from 0 to 1, between the steps; may raise to stop."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What the singular values of a matrix of `rows` x `columns` say; `values` are descending float64.

    Where not `exact`, they are the largest ones, by the randomised method, and `rank` and `condition` are bounds:
    the effective rank at most, the condition number at least. `rank` is the effective rank of Roy and Vetterli (2007):
    e to the power of the entropy of the singular values as parts of their sum; it is 1 if one direction is all there
    is, and the shorter side if all are equal. `condition` is the largest by the smallest, infinite for a singular matrix.
    `energy` is the part of the squared Frobenius norm that `values` make up.
    """

    rows: int
    columns: int
    values: Array
    exact: bool
    rank: float
    condition: float
    energy: float

    @property
    def method(self) -> str:
        """How the values were found, in a few words."""
        if self.exact:
            return "all singular values"
        return f"the {len(self.values)} largest singular values, by a randomised method; rank at most, condition at least"


def spectrum(tensor: Tensor, progress: Progress = lambda part: None) -> Spectrum:
    """The spectrum of a tensor of 2 axes or more, as a matrix of the first axis by all others.

    Of a convolution's weight that is [out, in x k x k]. Raises `InspectorError` for tensors of fewer axes, without
    elements or with elements that are not finite, what `window.read` raises, and what `progress` does.
    """
    if len(tensor.shape) < 2 or 0 in tensor.shape:
        raise InspectorError("only a tensor with rows and columns has singular values")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    progress(0)
    if min(rows, columns) <= EXACT and rows * columns <= LARGEST:
        return _exact(tensor, rows, columns, progress)
    return _randomised(tensor, rows, columns, progress)


def _exact(tensor: Tensor, rows: int, columns: int, progress: Progress) -> Spectrum:
    import numpy as np

    matrix = np.empty((rows, columns), _kind(tensor, exact=True))
    for first, part in _parts(tensor, columns, matrix.dtype):
        matrix[first : first + len(part)] = part
        progress(0.2 * (first + len(part)) / rows)
    if rows < columns:
        matrix = matrix.T
    # A long matrix has the singular values of the small R of its QR decomposition.
    factor = _triangle(matrix, progress)
    values = _beside(lambda: np.linalg.svd(factor, compute_uv=False), lambda: progress(0.8))
    progress(1)
    values = np.clip(values, 0, None)
    smallest = float(values[-1])
    # What is below the rounding of the largest is nothing (the tolerance of numpy's matrix_rank).
    if smallest <= float(values[0]) * max(rows, columns) * np.finfo(np.float64).eps:
        smallest = 0.0
    condition = float(values[0]) / smallest if smallest else math.inf
    return Spectrum(rows, columns, values, True, _effective_rank(values), condition, 1.0)


def _triangle(matrix: Array, progress: Progress) -> Array:
    """The triangular factor of a matrix with more rows than columns, by blocks of rows."""
    import numpy as np

    height, width = matrix.shape
    if height < 2 * width:
        return matrix
    factor: Array = matrix[:width]
    for first in range(width, height, width):
        both = np.concatenate([factor, matrix[first : first + width]])
        done = 0.2 + 0.6 * first / height
        triangle: Callable[[], Array] = partial(np.linalg.qr, both, mode="r")  # type: ignore[assignment]
        factor = _beside(triangle, partial(progress, done))
    return factor


def _randomised(tensor: Tensor, rows: int, columns: int, progress: Progress) -> Spectrum:
    """The largest singular values by subspace iteration from a random start.

    Halko, Martinsson and Tropp (2011), "Finding structure with randomness", algorithms 4.4 and 5.1: the matrix is
    passed over twice for each power and twice more, a block of rows at a time, and never in memory as a whole.
    """
    import numpy as np

    count = min(RANK + SPARE, rows, columns)
    passes = 2 * POWERS + 2
    done = 0
    frobenius = 0.0

    def passed() -> Iterator[tuple[int, Array]]:
        nonlocal done
        for first, part in _parts(tensor, columns, kind):
            yield first, part
            progress(min(1.0, (done + (first + len(part)) / rows) / passes))
        done += 1

    def orthogonal(directions: Array) -> Array:
        return _beside(lambda: np.linalg.qr(directions)[0], lambda: progress(done / passes))

    kind = _kind(tensor, exact=False)
    basis = np.random.default_rng(0).standard_normal((columns, count)).astype(kind)
    for power in range(POWERS + 1):
        image = np.empty((rows, count), kind)
        for first, part in passed():
            image[first : first + len(part)] = part @ basis
            if power == 0:
                frobenius += float(np.square(np.abs(part), dtype=np.float64).sum())
        image = orthogonal(image)
        back = np.zeros((columns, count), kind)
        for first, part in passed():
            back += part.conj().T @ image[first : first + len(part)]
        if power < POWERS:
            basis = orthogonal(back)
    values = _beside(lambda: np.linalg.svd(back, compute_uv=False), lambda: progress(1)).astype(np.float64)
    values = values[: min(RANK, count)]
    total = min(rows, columns)
    squares = float(np.square(values).sum())
    energy = min(1.0, squares / frobenius) if frobenius else 1.0
    condition = float(values[0] / values[-1]) if values[-1] else math.inf
    # The largest effective rank has a rest that is spread evenly over all other directions.
    rest = total - len(values)
    flat = math.sqrt(max(frobenius - squares, 0.0) / rest) if rest else 0.0
    rank = _effective_rank(np.concatenate([values, np.full(rest, min(flat, float(values[-1])))]))
    return Spectrum(rows, columns, values, False, rank, condition, energy)


def _beside(compute: Callable[[], Array], tick: Callable[[], None]) -> Array:
    """What LAPACK computes, which nothing interrupts: in a thread of its own, and left to itself if `tick` raises."""
    answers: SimpleQueue[Array | Exception] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(compute())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=work, name="LAPACK", daemon=True).start()
    while True:
        tick()
        with suppress(Empty):
            answer = answers.get(timeout=PAUSE)
            if isinstance(answer, Exception):
                raise answer
            return answer


def _effective_rank(values: Array) -> float:
    import numpy as np

    total = float(values.sum())
    if not total:
        return 0.0
    parts = values[values > 0] / total
    return float(np.exp(-(parts * np.log(parts)).sum()))


def _kind(tensor: Tensor, exact: bool) -> np.dtype[Any]:
    """The numbers in which a matrix is worked with: where that is not exact, with half the digits if it has no more."""
    import numpy as np

    name = "complex128" if dtypes.DTYPES[tensor.dtype].family == "complex" else "float64"
    if not exact and tensor.dtype not in ("float64", "complex128"):
        name = "complex64" if name == "complex128" else "float32"
    return np.dtype(name)


def _parts(tensor: Tensor, columns: int, kind: np.dtype[Any]) -> Iterator[tuple[int, Array]]:
    """Some rows of the matrix at a time, with the number of the first. Raises `InspectorError` for what is not finite."""
    import numpy as np

    step = max(1, STEP // columns)
    for first in range(0, tensor.shape[0], step):
        block = window.read(tensor, (slice(first, first + step), ...))
        part = block.reshape(len(block), columns).astype(kind)
        if not np.isfinite(part).all():
            raise InspectorError("it holds NaN or Inf, and so it has no singular values")
        yield first, part
