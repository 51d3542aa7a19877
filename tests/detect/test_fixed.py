"""Fixed thresholds against counting by hand on a wall clock, also when the clocks are set."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.detect.fixed import FixedThreshold
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.event import MAX_TIME_MS
from tests.detect.driving import stored_and_loaded, told, verdicts
from tests.detect.plainly import Fixed, Hit, none_late

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

values = st.sampled_from(["a", "b", "c", 1, 2])
counts = st.integers(1, 5)
zones = st.sampled_from(
    [
        # a zone, and an instant at which its clocks were set
        ("UTC", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", "2026-10-25T01:00:00+00:00"),
        ("America/New_York", "2026-11-01T06:00:00+00:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00+00:00"),  # by half an hour
        ("Asia/Kathmandu", "2026-01-01T00:00:00+00:00"),  # 05:45 ahead, always
        ("Pacific/Apia", "2011-12-30T10:00:00+00:00"),  # a day that was not
        ("Antarctica/Casey", "2010-03-04T15:00:00+00:00"),  # back by three hours
    ]
)
settings_ = st.sampled_from([(15 * MINUTE, 0), (HOUR, 10 * MINUTE), (HOUR, 3 * HOUR), (DAY, 10 * MINUTE)])


def around(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp() * 1000)


@st.composite
def deliveries(draw: st.DrawFn, base: int, window: int) -> list[Hit]:
    """Hits around an instant, in any order or in that of time; some come more than once."""
    # whole seconds: the definition by hand reads a wall clock that shows no more
    times = st.integers(-4 * window // 1000, 4 * window // 1000).map(lambda s: base + s * 1000)
    hits = [Hit(t, f"e{n}", draw(values)) for n, t in enumerate(draw(st.lists(times, min_size=1, max_size=30)))]
    again = draw(st.lists(st.sampled_from(hits), max_size=6))
    return draw(st.permutations([*hits, *again])) if draw(st.booleans()) else sorted([*hits, *again])


@given(st.data(), zones, settings_, counts, st.booleans())
def test_each_verdict_is_that_of_counting_by_hand(
    data: st.DataObject, zone: tuple[str, str], setting: tuple[int, int], count: int, distinct: bool
) -> None:
    (name, instant), (window, late) = zone, setting
    hits = data.draw(deliveries(around(instant), window))
    by_hand = Fixed(count, window, late, distinct, name)
    detector = FixedThreshold(count, window, late, "path" if distinct else None, name)
    assert verdicts(detector, hits)[0] == [by_hand.judge(hit) for hit in hits]


@given(st.data(), zones, settings_, counts, st.booleans(), st.sets(st.integers(0, 36)))
def test_storing_and_loading_at_any_point_changes_nothing(
    data: st.DataObject,
    zone: tuple[str, str],
    setting: tuple[int, int],
    count: int,
    distinct: bool,
    restarts: set[int],
) -> None:
    (name, instant), (window, late) = zone, setting
    hits = data.draw(deliveries(around(instant), window))
    detector = FixedThreshold(count, window, late, "path" if distinct else None, name)
    said, state = verdicts(detector, hits)
    said_again, again = verdicts(detector, hits, restarts)
    assert said_again == said
    assert told(detector, again) == told(detector, state)
    assert detector.encode(stored_and_loaded(detector, state)) == detector.encode(again)


@given(st.data(), zones, settings_, counts, st.booleans())
def test_which_groups_trigger_is_the_same_in_every_order_within_the_lateness(
    data: st.DataObject, zone: tuple[str, str], setting: tuple[int, int], count: int, distinct: bool
) -> None:
    (name, instant), (window, late) = zone, setting
    offsets = st.tuples(st.integers(-3 * window, 3 * window), values)
    hits = [Hit(around(instant) + t, f"e{n}", v) for n, (t, v) in enumerate(data.draw(st.lists(offsets, max_size=30)))]
    delays = data.draw(st.lists(st.integers(0, window + late), min_size=len(hits), max_size=len(hits)))
    detector = FixedThreshold(count, window, late, "path" if distinct else None, name)
    said, _ = verdicts(detector, none_late(hits, delays))
    assert LATE not in said
    assert any(v > 0 for v in said) == any(v > 0 for v in verdicts(detector, sorted(hits))[0])


def berlin(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2026-02-10 00:00:00", "2026-02-10 23:59:59", True),
        ("2026-02-10 23:59:59", "2026-02-11 00:00:00", False),
        ("2026-03-29 00:00:00", "2026-03-29 23:59:59", True),  # a day of 23 hours
        ("2026-03-28 23:30:00", "2026-03-29 00:10:00", False),
        ("2026-10-25 00:00:00", "2026-10-25 23:59:59", True),  # of 25
        ("2026-10-25 23:59:59", "2026-10-26 00:00:00", False),
    ],
)
def test_a_day_is_the_local_one(first: str, second: str, together: bool) -> None:
    detector = FixedThreshold(2, DAY, 0, None, "Europe/Berlin")
    said, _ = verdicts(detector, [Hit(berlin(first), "1"), Hit(berlin(second), "2")])
    assert said == [COUNTED, 2 if together else COUNTED]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Adak"])
@pytest.mark.parametrize("t", [0, MAX_TIME_MS])
def test_any_time_that_an_event_may_carry(zone: str, t: int) -> None:
    detector = FixedThreshold(1, DAY, 0, None, zone)
    assert verdicts(detector, [Hit(t, "1")])[0] == [1]


def test_the_alert_tells_of_the_window_that_triggered_though_time_has_gone_on() -> None:
    detector = FixedThreshold(2, HOUR, 0)
    hits = [Hit(10, "a"), Hit(20, "b"), *(Hit(n * HOUR, f"later {n}") for n in range(5, 30))]
    said, state = verdicts(detector, hits)
    assert said == [COUNTED, 2, *[COUNTED] * 25]
    assert detector.context(state) == {
        "count": 2,
        "window_seconds": 3600,
        "first_event_time": "1970-01-01T00:00:00.010Z",
        "last_event_time": "1970-01-01T00:00:00.020Z",
        "event_ids": ["a", "b"],
    }
    assert detector.reason(state, {}, None) == "2 events in 3600 s"


def test_samples_are_of_the_window_that_triggered() -> None:
    detector = FixedThreshold(2, HOUR, 2 * HOUR)
    _, state = verdicts(detector, [Hit(HOUR, "next"), Hit(10, "a"), Hit(20, "b")])
    assert detector.samples(state) == [b'{"id":"a"}', b'{"id":"b"}']


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Auckland"])
def test_a_key_keeps_only_windows_that_may_still_fill(zone: str) -> None:
    detector = FixedThreshold(3, MINUTE, 10 * MINUTE, None, zone)
    state = detector.new()
    most = 0
    for n in range(1000, 3000):
        detector.apply(state, n * MINUTE, 0, str(n), None, b"{}")
        most = max(most, len(state.buckets))
    # 2 W + L; where clocks are set back, so much longer
    assert most <= (12 if zone == "UTC" else 12 + 180)


def test_a_window_holds_at_most_its_bound_and_counts_on() -> None:
    detector = FixedThreshold(3, DAY, 0)
    state = detector.new()
    for n in range(5000):
        assert detector.apply(state, n, n, f"event-{n}", None, b"{}") == (n + 1 if n >= 2 else COUNTED)
    assert detector.apply(state, 5000, 0, "event-7", None, b"{}") == DUPLICATE
    assert len(state.buckets[0].ids) == 1024
    assert len(ormsgpack.packb(detector.encode(state))) < 40 * 1024


def test_so_does_one_of_different_values() -> None:
    detector = FixedThreshold(3, DAY, 0, "path")
    state = detector.new()
    for n in range(5000):
        assert detector.apply(state, n, n, f"event-{n}", n, b"{}") == (min(n + 1, 1024) if n >= 2 else COUNTED)
    assert len(state.buckets[0].ids) == len(state.buckets[0].values) == 1024
