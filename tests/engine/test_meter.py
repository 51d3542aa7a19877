"""Who sends more than the plan says, by arrival."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamproc.engine.meter import BURST_S, Meter


def metered(rate: float, arrivals: list[tuple[int, int]]) -> int:
    meter = Meter()
    meter.rates = {"hot": rate}
    return sum(meter.count({"hot": number, "calm": number}, at).get("hot", 0) for at, number in arrivals)


def test_at_the_rate_nothing_is_over_however_long() -> None:
    assert metered(100, [(t * 100, 10) for t in range(10_000)]) == 0


def test_above_it_what_exceeds_the_burst_and_the_rate_is_over() -> None:
    assert metered(100, [(t * 100, 20) for t in range(1000)]) == 20_000 - 100 * BURST_S - 100 * 99.9


def test_a_burst_is_allowed_and_again_once_it_has_drained() -> None:
    burst = 100 * BURST_S
    assert metered(100, [(0, burst)]) == 0
    assert metered(100, [(0, burst + 1)]) == 1
    assert metered(100, [(0, burst), (BURST_S * 1000, burst)]) == 0
    assert metered(100, [(0, burst), (BURST_S * 500, burst)]) == burst // 2


def test_only_tenants_with_a_limit_are_metered_and_it_may_be_lifted() -> None:
    meter = Meter()
    assert meter.count({"hot": 10**9}, 0) == {}
    meter.rates = {"hot": 1}
    assert meter.count({"hot": 100, "calm": 10**9}, 0) == {"hot": 100 - BURST_S}
    meter.rates = {}
    assert meter.count({"hot": 100}, 1) == {}


@given(
    rate=st.integers(1, 50),
    arrivals=st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 500)), min_size=1, max_size=40),
)
def test_in_any_span_no_more_than_its_share_and_the_burst_pass(rate: int, arrivals: list[tuple[int, int]]) -> None:
    """What passes is never above rate * span + burst, whatever span is looked at: the definition of the limit."""
    meter = Meter()
    meter.rates = {"hot": rate}
    arrivals.sort()
    passed = [(at, number - meter.count({"hot": number}, at).get("hot", 0)) for at, number in arrivals]
    assert all(number >= 0 for _, number in passed)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            span = passed[last][0] - passed[first][0]
            within = sum(number for _, number in passed[first : last + 1])
            assert within <= rate * span / 1000 + rate * BURST_S + len(passed)  # each excess is rounded down
