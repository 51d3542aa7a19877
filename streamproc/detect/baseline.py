"""What a key's buckets were like, and the smallest count that is out of it: statistics over counts, without state.

Sums are exact whole numbers, taken anew each time. The tails are P(X >= x) of a distribution with the baseline's
mean and variance: Poisson, or where the variance is larger the negative binomial. Both are written as
P(X = x) times a factor: a series for Poisson, and for the negative binomial the continued fraction of the
incomplete beta function (Abramowitz & Stegun 26.5.8, evaluated by Lentz's method).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, exp, floor, lgamma, log, log1p, sqrt
from typing import NamedTuple

RARE = 1e-4
"""A count less likely than this is out of the baseline, by `method: tail`."""
_ENOUGH = 1e-15
_TINY = 1e-300
_STIRLING_FROM = 1e4
_MAX_TERMS = 1_000_000
"""More than any mean up to 10**9 needs; the terms grow with its square root."""


class Baseline(NamedTuple):
    """`buckets` of which `active` had events; `mean` and sample `variance` of the counts of all of them."""

    buckets: int
    active: int
    mean: float
    variance: float

    @property
    def stddev(self) -> float:
        """The sample standard deviation."""
        return sqrt(self.variance)


def baseline_of(counts: Iterable[int], buckets: int) -> Baseline:
    """Of `buckets` buckets, at least as many as there are `counts`; those that are not in it had no events."""
    active = total = squares = 0
    for count in counts:
        active += count > 0
        total += count
        squares += count * count
    if buckets < 2:
        return Baseline(buckets, active, float(total), 0.0)
    variance = (buckets * squares - total * total) / (buckets * (buckets - 1))
    return Baseline(buckets, active, total / buckets, variance)


def stddev_limit(base: Baseline, stddev: float, ratio: float, min_count: int) -> int:
    """The smallest x >= `min_count` with x >= `ratio` * mean and x > mean + `stddev` * max(s, sqrt(mean), 1)."""
    beyond = base.mean + stddev * max(base.stddev, sqrt(base.mean), 1.0)
    return max(floor(beyond) + 1, ceil(ratio * base.mean), min_count)


def tail_limit(base: Baseline, ratio: float, min_count: int) -> int:
    """The smallest x >= `min_count` with x >= `ratio` * mean and `tail(x)` < RARE; `ratio` is at least 1."""
    low = max(ceil(ratio * base.mean), min_count)
    if tail(low, base.mean, base.variance) < RARE:
        return low
    step = 1
    while tail(low + step, base.mean, base.variance) >= RARE:
        low += step
        step *= 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if tail(middle, base.mean, base.variance) < RARE:
            high = middle
        else:
            low = middle
    return high


def tail(x: int, mean: float, variance: float) -> float:
    """P(X >= x) for x >= `mean` > 0, by the moments."""
    if x <= 0:
        return 1.0
    if variance <= mean:
        return min(1.0, _poisson(x, mean) * _series(x, mean))
    size = mean * mean / (variance - mean)
    return min(1.0, _negative_binomial(x, mean, size) * _fraction(x, size, mean / (size + mean)))


def _poisson(x: int, mean: float) -> float:
    return exp(x * log(mean) - mean - lgamma(x + 1))


def _series(x: int, mean: float) -> float:
    """P(X >= x) / P(X = x) = 1 + m/(x+1) + m²/((x+1)(x+2)) + …"""
    total = term = 1.0
    for k in range(1, _MAX_TERMS):
        term *= mean / (x + k)
        total += term
        if term < total * _ENOUGH:
            break
    return total


def _negative_binomial(x: int, mean: float, size: float) -> float:
    """P(X = x) = Γ(x+r) / (x! Γ(r)) p^r (1-p)^x with r = `size` and p = r / (r + mean)."""
    # Both logarithms are taken so that a large r, which is nearly Poisson, loses nothing.
    chance = -size * log1p(mean / size) + x * (log(mean) - log(size + mean))
    return exp(_rising(size, x) - lgamma(x + 1) + chance)


def _rising(r: float, x: int) -> float:
    """log(Γ(r+x) / Γ(r)): for large r by the difference of two Stirling series, whose large parts cancel."""
    if r < _STIRLING_FROM:
        return lgamma(r + x) - lgamma(r)
    return (r - 0.5) * log1p(x / r) + x * (log(r + x) - 1) + (1 / (r + x) - 1 / r) / 12


def _fraction(a: float, b: float, q: float) -> float:
    """The continued fraction of I_q(a, b), which times q^a (1-q)^b / (a B(a, b)) is P(X >= a)."""
    c = 1.0
    d = _inverse(1.0 - (a + b) * q / (a + 1))
    total = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * q / ((a + 2 * m - 1) * (a + 2 * m))
        d = _inverse(1.0 + even * d)
        c = _kept(1.0 + even / c)
        total *= d * c
        odd = -(a + m) * (a + b + m) * q / ((a + 2 * m) * (a + 2 * m + 1))
        d = _inverse(1.0 + odd * d)
        c = _kept(1.0 + odd / c)
        change = d * c
        total *= change
        if abs(change - 1.0) < _ENOUGH:
            break
    return total


def _kept(value: float) -> float:
    """The value, away from zero."""
    return value if abs(value) > _TINY else _TINY


def _inverse(value: float) -> float:
    return 1.0 / _kept(value)
