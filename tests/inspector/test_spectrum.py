"""Singular values against numpy's, what is told of a method that is not exact, and stopping."""

from __future__ import annotations

import math
import threading
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from inspector.errors import InspectorError, NoValues
from inspector.nodes import Tensor
from inspector.statistics import spectrum as module
from inspector.statistics.spectrum import Spectrum, spectrum
from tests.inspector.arrays import tensor_of

Array = np.ndarray[Any, Any]


def normal(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def with_values(values: Array, rows: int, columns: int) -> Array:
    """A matrix with these singular values."""
    count = len(values)
    left, right = (np.linalg.qr(normal(size, count).astype(np.float64))[0] for size in (rows, columns))
    return (left * values) @ right.T


def singular(matrix: Array) -> Array:
    return np.linalg.svd(matrix.astype(np.complex128 if matrix.dtype.kind == "c" else np.float64), compute_uv=False)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (30, 30), (20, 700), (700, 20), (63, 40)])
def test_a_small_matrix_has_all_its_singular_values(shape: tuple[int, int]) -> None:
    matrix = normal(*shape)
    found = spectrum(tensor_of(matrix))
    assert found.exact
    assert (found.rows, found.columns) == shape
    assert found.values == pytest.approx(singular(matrix), rel=1e-9)
    assert found.condition == pytest.approx(found.values[0] / found.values[-1])
    assert found.energy == 1
    assert found.method == "all singular values"


@pytest.mark.parametrize("kind", [ml_dtypes.bfloat16, np.float16, np.float64, np.int8, np.complex64])
def test_every_dtype_has_a_spectrum(kind: Any) -> None:
    matrix = (normal(12, 8) * 5).astype(kind)
    matrix = matrix + 1j * matrix.T.reshape(12, 8) if np.dtype(kind).kind == "c" else matrix
    assert spectrum(tensor_of(matrix)).values == pytest.approx(singular(matrix), rel=1e-6)


def test_a_convolution_is_a_matrix_of_its_output_channels() -> None:
    kernel = normal(16, 4, 3, 3)
    found = spectrum(tensor_of(kernel))
    assert (found.rows, found.columns) == (16, 36)
    assert found.values == pytest.approx(singular(kernel.reshape(16, 36)), rel=1e-9)


def test_the_effective_rank_is_that_of_the_entropy() -> None:
    assert spectrum(tensor_of(np.eye(20, dtype=np.float32) * 3)).rank == pytest.approx(20)
    assert spectrum(tensor_of(np.outer(normal(20), normal(30)).astype(np.float32))).rank == pytest.approx(1, rel=1e-4)
    values = np.array([4.0, 2.0, 1.0, 1.0])
    parts = values / 8
    found = spectrum(tensor_of(with_values(values, 9, 7)))
    assert found.rank == pytest.approx(math.exp(-sum(parts * np.log(parts))), rel=1e-6)
    assert found.condition == math.inf


def test_a_matrix_of_zeros_has_no_rank() -> None:
    found = spectrum(tensor_of(np.zeros((5, 6), np.float32)))
    assert (found.rank, found.condition) == (0, math.inf)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("EXACT", 50), ("RANK", 20), ("SPARE", 10), ("STEP", 3000), ("PAUSE", 60)):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("shape", [(200, 300), (300, 200), (60, 4000), (4000, 60)])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64])
def test_above_a_size_the_largest_values_are_found_by_a_method_that_says_so(
    shape: tuple[int, int], kind: Any, small_limits: None
) -> None:
    values = 0.8 ** np.arange(60)
    matrix = with_values(values, *shape).astype(kind)
    found = spectrum(tensor_of(matrix))
    assert not found.exact
    assert "20 largest" in found.method
    assert "randomised" in found.method
    assert found.values == pytest.approx(values[:20], rel=1e-4)
    assert found.energy == pytest.approx((values[:20] ** 2).sum() / (values**2).sum(), rel=1e-4)
    everything = _exactly(values, shape)
    assert everything.rank <= found.rank * 1.001 <= 2 * everything.rank
    assert found.condition <= everything.condition


def _exactly(values: Array, shape: tuple[int, int]) -> Spectrum:
    parts = values / values.sum()
    rank = math.exp(-(parts * np.log(parts)).sum())
    return Spectrum(*shape, values, True, rank, values[0] / values[-1], 1.0)


def test_a_flat_spectrum_is_bounded_not_guessed(small_limits: None) -> None:
    matrix = normal(400, 400)
    found, wanted = spectrum(tensor_of(matrix)), singular(matrix)
    parts = wanted / wanted.sum()
    assert (found.values <= wanted[:20] * 1.0001).all()
    assert found.rank >= math.exp(-(parts * np.log(parts)).sum())
    assert found.energy < 0.25


def test_the_same_matrix_has_the_same_spectrum_each_time(small_limits: None) -> None:
    tensor = tensor_of(normal(200, 300))
    assert (spectrum(tensor).values == spectrum(tensor).values).all()


@pytest.mark.parametrize("shape", [(30, 30), (20, 700), (200, 300)])
def test_it_can_be_stopped_at_any_step(shape: tuple[int, int], small_limits: None) -> None:
    heard: list[float] = []
    tensor = tensor_of(normal(*shape))
    spectrum(tensor, heard.append)
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert heard[-1] == pytest.approx(1, abs=0.05)

    class Enough(BaseException):
        pass

    for step in range(len(heard)):
        count = iter(range(step, -1, -1))

        def stop(part: float, count: Any = count) -> None:
            if next(count) == 0:
                raise Enough

        with pytest.raises(Enough):
            spectrum(tensor, stop)


def test_it_can_be_stopped_while_lapack_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def endless(matrix: Any, compute_uv: bool) -> None:
        begun.set()
        go_on.wait(60)

    class Enough(BaseException):
        pass

    def stop(part: float) -> None:
        if begun.is_set():
            raise Enough

    monkeypatch.setattr("numpy.linalg.svd", endless)
    try:
        with pytest.raises(Enough):
            spectrum(tensor_of(normal(30, 30)), stop)
    finally:
        go_on.set()


def test_what_lapack_complains_of_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(matrix: Any, compute_uv: bool) -> None:
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr("numpy.linalg.svd", broken)
    with pytest.raises(np.linalg.LinAlgError):
        spectrum(tensor_of(normal(30, 30)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_has_no_spectrum(value: float) -> None:
    matrix = normal(5, 6)
    matrix[2, 3] = value
    with pytest.raises(InspectorError, match="NaN or Inf"):
        spectrum(tensor_of(matrix))


def test_what_is_no_matrix_has_no_spectrum() -> None:
    for shape in ((), (4,), (0, 3)):
        with pytest.raises(InspectorError, match="rows and columns"):
            spectrum(tensor_of(np.zeros(shape, np.float32)))
    with pytest.raises(NoValues):
        spectrum(Tensor("float32", (2, 3), (3, 1), None))
