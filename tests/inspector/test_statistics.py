"""Figures against exact arithmetic and numpy's float64: every dtype, all bit patterns, any cut into parts."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.statistics import QUANTILES, Statistics
from inspector.statistics import sums as summing
from inspector.statistics import tally as tallies
from inspector.statistics.sums import sums_about, sums_of
from inspector.statistics.tally import Patterns, Wide
from tests.inspector.arrays import NAMES

NARROW = [kind for kind in NAMES if kind.itemsize <= 2]
WIDE = [kind for kind in NAMES if kind.itemsize > 2 and kind.kind != "c"]

Array = np.ndarray[Any, Any]


@st.composite
def elements(draw: st.DrawFn, kinds: Sequence[np.dtype[Any]]) -> Array:
    """Arrays of any bits: numbers of all sizes, zeros of both signs, denormals, NaNs with payloads, infinities."""
    kind = draw(st.sampled_from(kinds))
    size = draw(st.integers(0, 60))
    if draw(st.booleans()):
        raw = draw(st.binary(min_size=size * kind.itemsize, max_size=size * kind.itemsize))
    else:
        # Few different ones, as in real tensors.
        some = draw(st.lists(st.binary(min_size=kind.itemsize, max_size=kind.itemsize), min_size=1, max_size=5))
        raw = b"".join(draw(st.sampled_from(some)) for _ in range(size))
    if kind.kind == "b":
        raw = bytes(byte & 1 for byte in raw)
    if NAMES[kind].startswith(("float4", "float6")):
        raw = bytes(byte & (0x0F if NAMES[kind].startswith("float4") else 0x3F) for byte in raw)
    return np.frombuffer(raw, kind)


def numbers(array: Array) -> list[Any]:
    """The elements as Python's numbers, exactly."""
    return array.tolist() if array.dtype.kind in "iub" else array.astype(np.float64).tolist()


def counted(array: Array, cuts: Sequence[int] = ()) -> Statistics:
    """The figures of an array that is counted in parts."""
    tally = Patterns(array.dtype) if array.dtype.itemsize <= 2 else Wide(array.dtype)
    for part in np.split(array, cuts):
        tally.add(part)
    return tally.result()


def figures(result: Statistics) -> tuple[Any, ...]:
    """What can be compared with `==`, NaN included."""
    plain = (getattr(result, name) for name in Statistics.__slots__ if name != "histogram")
    return (*map(repr, plain), result.histogram.values.tolist(), result.histogram.counts.tolist())


def assert_counts(result: Statistics, array: Array) -> list[Any]:
    """What is exact for every dtype; gives the finite elements in ascending order."""
    every = numbers(array)
    finite = sorted(number for number in every if math.isfinite(number))
    assert result.count == len(every)
    assert result.finite == len(finite)
    assert result.nan == sum(number != number for number in every)
    assert (result.posinf, result.neginf) == (every.count(math.inf), every.count(-math.inf))
    assert result.inf == result.posinf + result.neginf
    assert result.zero == sum(number == 0 for number in finite)
    if array.dtype.kind in "iub":
        assert result.denormal == 0
    else:
        tiny = float(np.min(tallies._tiny(array.dtype)))
        assert result.denormal == sum(0 < abs(number) < tiny for number in finite)
    if finite:
        assert (result.min, result.max) == (finite[0], finite[-1])
        assert result.abs_max == max(abs(finite[0]), abs(finite[-1]))
        assert type(result.min) is type(result.max) is (int if array.dtype.kind in "iub" else float)
    else:
        assert math.isnan(result.min)
        assert math.isnan(result.max)
        assert result.quantiles == {}
    assert result.constant == (len(every) > 1 and len(finite) == len(every) and finite[0] == finite[-1])
    return finite


def quantile(finite: Sequence[Any], part: float) -> Any:
    return finite[math.ceil(Fraction(str(part)) * len(finite)) - 1]


def root(square: Fraction) -> float:
    """The square root, rounded once; infinity beyond float64."""
    scale = max(0, square.denominator.bit_length() + 120)
    try:
        return float(Fraction(2 * math.isqrt(int(square * 4**scale)) + 1, 2 << scale)) if square else 0.0
    except OverflowError:
        return math.inf


def rounded(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


@given(elements(NARROW), st.data())
def test_of_8_and_16_bits_every_figure_is_exact_to_the_last_digit(array: Array, data: st.DataObject) -> None:
    result = counted(array, sorted(data.draw(st.lists(st.integers(0, len(array)), max_size=4))))
    finite = assert_counts(result, array)
    assert result.exact
    assert result.bound == 0
    every = numbers(array)
    assert result.distinct == len({number for number in every if number == number}) + any(n != n for n in every)
    if finite:
        exact = [Fraction(number) for number in finite]
        assert result.mean == float(sum(exact) / len(exact))
        assert result.norm == root(sum(n * n for n in exact))
        assert result.quantiles == {part: quantile(finite, part) for part in QUANTILES}
    if len(finite) > 1:
        assert result.std == statistics.stdev(map(Fraction, finite))
    else:
        assert math.isnan(result.std)
    assert result.histogram.counts.sum() == result.finite
    assert (np.diff(result.histogram.values) >= 0).all()


@given(elements(WIDE), st.data())
def test_of_wider_dtypes_all_is_exact_but_the_quantiles_which_keep_their_bound(array: Array, data: st.DataObject) -> None:
    result = counted(array, sorted(data.draw(st.lists(st.integers(0, len(array)), max_size=4))))
    finite = assert_counts(result, array)
    assert not result.exact
    assert result.distinct is None
    exact = [Fraction(number) for number in finite]
    if finite:
        size = float(max(map(abs, exact)))
        assert result.mean == pytest.approx(rounded(sum(exact) / len(exact)), rel=1e-12, abs=1e-14 * size)
        assert result.norm == pytest.approx(root(sum(n * n for n in exact)), rel=1e-12)
        for part in QUANTILES:
            true, told = quantile(finite, part), result.quantiles[part]
            tiny = 0 if array.dtype.kind in "iu" else float(np.finfo(array.dtype).smallest_normal)
            assert abs(Fraction(told) - Fraction(true)) <= Fraction(result.bound) * abs(Fraction(true)) * (
                1 + Fraction(1, 2**40)
            ) + Fraction(tiny)
            assert finite[0] <= told <= finite[-1]
            assert type(told) is type(true)
    if len(finite) > 1:
        mean = sum(exact) / len(exact)
        wanted = root(sum((n - mean) ** 2 for n in exact) / (len(exact) - 1))
        assert result.std == pytest.approx(wanted, rel=1e-9, abs=max(5e-324, 1e-15 * size))


@given(elements(NARROW + WIDE), st.data())
def test_the_figures_are_the_same_however_the_blocks_are_dealt_out_and_put_together(
    array: Array, data: st.DataObject
) -> None:
    # Blocks begin at the same places, as they do in every cut of a tensor.
    blocks = [array[start : start + 7] for start in range(0, len(array), 7)]
    kind = Patterns if array.dtype.itemsize <= 2 else Wide
    alone = kind(array.dtype)
    for block in blocks:
        alone.add(block)
    shares: list[Any] = [kind(array.dtype) for _ in range(3)]
    for block in data.draw(st.permutations(blocks)):
        data.draw(st.sampled_from(shares)).add(block)
    first, second, third = data.draw(st.permutations(shares))
    first.merge(second)
    first.add_state(json.loads(json.dumps(third.state())))
    assert figures(first.result()) == figures(alone.result())


@given(elements(NARROW + WIDE), st.integers(1, 5))
def test_an_element_that_stands_there_several_times_counts_so_often(array: Array, times: int) -> None:
    kind = Patterns if array.dtype.itemsize <= 2 else Wide
    once, often = kind(array.dtype), kind(array.dtype)
    once.add(array, times)
    for _ in range(times):
        often.add(array)
    assert figures(once.result()) == figures(often.result())


@settings(max_examples=20)
@given(elements(NARROW + WIDE), st.integers(1, 9), st.integers(1, 9))
def test_steps_of_counting_change_no_figure_but_in_the_last_digits(array: Array, step: int, row: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STEP", "WIDE_STEP"):
            patch.setattr(tallies, name, step)
        patch.setattr(summing, "ROW", row)
        small = counted(array)
    large = counted(array)
    assert (small.count, small.nan, small.zero, small.min, small.quantiles) == (
        (large.count, large.nan, large.zero, large.min, large.quantiles)
        if large.finite
        else (large.count, large.nan, large.zero, pytest.approx(math.nan, nan_ok=True), {})
    )
    if large.finite:
        assert small.mean == pytest.approx(large.mean, rel=1e-12, abs=1e-14 * large.abs_max)


def test_blocks_that_fill_many_steps_agree_with_numpy() -> None:
    random = np.random.default_rng(0)
    for kind in (np.float32, np.float64, np.int32):
        array = (random.standard_normal(300_001) * 1000 + 17).astype(kind)
        result = counted(array)
        wide = array.astype(np.float64)
        assert result.mean == pytest.approx(wide.mean(), rel=1e-13)
        assert result.std == pytest.approx(wide.std(ddof=1), rel=1e-13)
        assert result.norm == pytest.approx(np.linalg.norm(wide), rel=1e-13)
        for part, value in result.quantiles.items():
            assert value == pytest.approx(np.quantile(wide, part, method="inverted_cdf"), rel=result.bound)


def test_a_mean_far_from_zero_costs_no_digits_of_the_deviation() -> None:
    array = np.random.default_rng(0).standard_normal(100_000) + 1e9
    assert counted(array).std == pytest.approx(array.std(ddof=1), rel=1e-12)
    assert counted(np.full(100_000, 0.1)).std == 0
    assert counted(np.full(100_000, 0.1, np.float32)).std == 0


@pytest.mark.parametrize("size", [1e300, 1e-300, 5e-324, 1.7e308])
def test_numbers_whose_squares_no_float_holds_have_their_deviation_and_norm(size: float) -> None:
    result = counted(np.array([size, size / 2, 0.0]))
    assert result.norm == pytest.approx(math.hypot(size, size / 2))
    assert result.std == pytest.approx(statistics.stdev(map(Fraction, [size, size / 2, 0.0])), abs=5e-324)


def test_what_has_no_value_is_nan_and_what_has_no_elements_has_no_quantiles() -> None:
    nothing = counted(np.array([], np.float32))
    assert nothing.count == nothing.finite == nothing.norm == 0
    assert all(map(math.isnan, (nothing.min, nothing.max, nothing.mean, nothing.std)))
    only_nan = counted(np.array([math.nan, math.inf], np.float32))
    assert (only_nan.nan, only_nan.inf, only_nan.finite, only_nan.norm) == (1, 1, 0, 0)
    assert math.isnan(only_nan.mean)
    assert math.isnan(counted(np.array([3], np.int8)).std)


def test_integers_keep_every_digit_of_their_range() -> None:
    result = counted(np.array([2**63 - 1, -(2**63), 2**53 + 1], np.int64))
    assert (result.min, result.max) == (-(2**63), 2**63 - 1)
    assert counted(np.array([2**64 - 1], np.uint64)).max == 2**64 - 1


@given(st.lists(st.tuples(st.floats(width=16, allow_nan=False, allow_infinity=False), st.integers(1, 2**62)), max_size=50))
def test_sums_of_counted_values_are_exact_at_any_count(pairs: list[tuple[float, int]]) -> None:
    pairs = list({value: count // max(len(pairs), 1) + 1 for value, count in pairs}.items())
    values, counts = (np.array([pair[part] for pair in pairs]) for part in (0, 1))
    sums = sums_of(values.astype(np.float64), counts.astype(np.int64))
    assert sums.count == sum(count for _, count in pairs)
    assert Fraction(sums.first, 1 << 1200) == sum(Fraction(value) * count for value, count in pairs)
    assert Fraction(sums.second, 1 << 2400) == sum(Fraction(value) ** 2 * count for value, count in pairs)


SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.integers(1, 100), SINGLE, SINGLE, SINGLE.map(abs), st.integers(-400, 400))
def test_sums_about_a_number_are_those_about_zero(
    count: int, shift: float, first: float, second: float, scale: int
) -> None:
    sums = sums_about(count, shift, first, second, scale)
    unit, s, a, b = Fraction(2) ** scale, *map(Fraction, (shift, first, second))
    assert Fraction(sums.first, 1 << 1200) == (a + count * s) * unit
    assert Fraction(sums.second, 1 << 2400) == (b + 2 * s * a + count * s * s) * unit**2


def test_a_brief_result_has_all_figures_and_no_histogram() -> None:
    result = counted(np.array([1.0, 2.0, math.nan], np.float32))
    brief = result.brief()
    assert (brief.mean, brief.nan, brief.quantiles) == (result.mean, 1, result.quantiles)
    assert brief.histogram is None
