"""The statistics of baselines: moments and tails against sums taken term by term, limits against their definition."""

from __future__ import annotations

import statistics
from math import exp, isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.detect.baseline import RARE, Baseline, baseline_of, stddev_limit, tail, tail_limit
from tests.detect.by_bucket import summed

counts_ = st.lists(st.integers(0, 10**6), min_size=2, max_size=40)
ratios = st.sampled_from([1.0, 1.5, 2.0, 3.0])
floors = st.sampled_from([1, 10, 100])


@given(counts_, st.integers(0, 1000))
def test_moments_are_those_of_all_buckets(counts: list[int], empty: int) -> None:
    base = baseline_of([c for c in counts if c], len(counts) + empty)
    every = counts + [0] * empty
    assert base.buckets == len(every)
    assert base.active == sum(c > 0 for c in counts)
    assert isclose(base.mean, statistics.fmean(every), rel_tol=1e-12)
    assert isclose(base.variance, statistics.variance(every), rel_tol=1e-12, abs_tol=1e-12)


def test_equal_counts_have_no_deviation_however_large() -> None:
    assert baseline_of([10**9] * 100, 100) == Baseline(100, 100, 1e9, 0.0)
    assert baseline_of([5], 1) == Baseline(1, 1, 5.0, 0.0)


@pytest.mark.parametrize("mean", [0.1, 1.0, 3.3, 20.0, 150.0, 2000.0])
@pytest.mark.parametrize("spread", [0.5, 1.0, 1.0000001, 1.01, 2.0, 50.0, 10_000.0])
def test_tails_are_the_sums(mean: float, spread: float) -> None:
    for x in (int(mean) + 1, int(mean * 1.2) + 2, int(mean * 2) + 3, int(mean + 6 * sqrt(mean)) + 4):
        expected = summed(x, mean, mean * spread)
        if expected > 1e-30:  # the sum has no more digits than that
            assert isclose(tail(x, mean, mean * spread), expected, rel_tol=1e-9), x


@pytest.mark.parametrize(
    ("x", "mean", "variance", "expected"),
    [
        (0, 5.0, 5.0, 1.0),
        (1, 0.25, 0.0, 1 - exp(-0.25)),  # Poisson: not none
        (7, 3.0, 12.0, 0.75**7),  # variance m + m²: geometric
        (2, 1.0, 1.5, 1 - (2 / 3) ** 2 - 2 * (2 / 3) ** 2 / 3),  # r = 2
        (10_000_000, 1e6, 1e6 + 1e12, (1e6 / (1e6 + 1)) ** 10_000_000),
    ],
)
def test_tails_of_closed_form(x: int, mean: float, variance: float, expected: float) -> None:
    assert isclose(tail(x, mean, variance), expected, rel_tol=1e-8)


@pytest.mark.parametrize("variance", [1e9, 1e9 + 1, 1.5e9, 1e11])
def test_large_numbers_are_normal(variance: float) -> None:
    """The 1 - 1e-4 quantile of the normal distribution is 3.719."""
    limit = tail_limit(Baseline(30, 30, 1e9, variance), 1.0, 1)
    assert (limit - 1e9) / sqrt(variance) == pytest.approx(3.719, abs=0.002)


@given(counts_, ratios, floors)
def test_the_limit_by_the_tail_is_the_smallest(counts: list[int], ratio: float, least: int) -> None:
    base = baseline_of(counts, len(counts))
    if base.mean == 0:
        return
    limit = tail_limit(base, ratio, least)
    assert limit >= least
    assert limit >= ratio * base.mean
    assert tail(limit, base.mean, base.variance) < RARE
    below = limit - 1
    assert below < least or below < ratio * base.mean or tail(below, base.mean, base.variance) >= RARE


@given(counts_, st.sampled_from([0.1, 1.0, 2.5, 3.0, 10.0]), ratios, floors)
def test_the_limit_by_deviations_is_the_smallest(counts: list[int], k: float, ratio: float, least: int) -> None:
    base = baseline_of(counts, len(counts))

    def fires(x: int) -> bool:
        far = x > base.mean + k * max(base.stddev, sqrt(base.mean), 1.0)
        return far and x >= least and x >= ratio * base.mean

    limit = stddev_limit(base, k, ratio, least)
    assert fires(limit)
    assert not fires(limit - 1)
