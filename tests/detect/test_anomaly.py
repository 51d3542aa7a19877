"""Anomalies against the definition by hand, and what it means on timelines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import ormsgpack
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamproc.detect.anomaly import Anomaly
from streamproc.detect.detector import NEVER, Cause
from streamproc.detect.verdict import COUNTED, GREW, INSUFFICIENT, LATE
from streamproc.model.condition import AnomalyCondition
from streamproc.model.event import MAX_TIME_MS
from tests.detect.by_bucket import DAY, HOUR, ByHand, TooClose, condition
from tests.detect.driving import stored_and_loaded

Tally = tuple[int, int]
"""(time of the last, events)"""
RAW = b'{"id":"x"}'
MIDNIGHT = 20_494 * DAY
"""2026-02-10T00:00:00Z"""

zones = st.sampled_from(
    [
        # a zone, and an instant at which its clocks were set
        ("UTC", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", "2026-10-25T01:00:00+00:00"),
        ("America/New_York", "2026-11-01T06:00:00+00:00"),
        ("Asia/Kathmandu", "2026-01-01T00:00:00+00:00"),  # 05:45 ahead, always
        ("Asia/Beirut", "2026-03-28T22:00:00+00:00"),  # there is no midnight that day
        ("Atlantic/Azores", "2026-10-25T01:00:00+00:00"),  # from the time of Greenwich to one behind, at 01:00
    ]
)


def around(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp() * 1000)


@st.composite
def conditions(draw: st.DrawFn) -> AnomalyCondition:
    bucket = draw(st.sampled_from([HOUR, DAY]))
    return condition(
        bucket,
        draw(st.sampled_from([7, 9] if bucket == HOUR else [10, 14, 30])),
        draw(st.sampled_from([0.7, 1.5, 3.0])),
        draw(st.sampled_from([1.0, 1.5, 2.0])),
        draw(st.sampled_from([1, 5])),
        draw(st.sampled_from(["stddev", "tail"])),
    )


@st.composite
def timelines(draw: st.DrawFn, base: int, bucket: int) -> list[int]:
    """Times of events in order, in whole seconds: regular ones for some time, and more or fewer in some buckets."""
    usual = draw(st.integers(0, 4))
    every = draw(st.integers(1, 3)) * (1 if bucket == DAY else 7)
    length = 40 if bucket == DAY else 230
    counts = dict.fromkeys(range(0, draw(st.integers(0, length)), every), usual)
    counts |= draw(st.dictionaries(st.integers(0, length), st.sampled_from([0, 1, 7, 15, 40]), max_size=25))
    start = base - length // 2 * bucket
    spread = draw(st.integers(0, bucket // 1000 - 1))
    times = [start + n * bucket + spread * i // c * 1000 for n, c in counts.items() for i in range(c)]
    return sorted(times)


def tallied(detector: Anomaly, batches: Iterable[Sequence[int]]) -> list[Tally]:
    """Batches of event times as the engine hands them over: bucket by bucket."""
    found: list[Tally] = []
    for batch in batches:
        buckets: dict[int, list[int]] = {}
        for t in batch:
            buckets.setdefault(detector.bucket_of(t), []).append(t)
        found += [(max(times), len(times)) for _, times in sorted(buckets.items())]
    return found


def cut(times: Sequence[int], places: Collection[int]) -> list[Sequence[int]]:
    edges = [0, *sorted(place % (len(times) + 1) for place in places), len(times)]
    return [times[low:high] for low, high in pairwise(edges)]


def verdicts(detector: Anomaly, tallies: Sequence[Tally], restarts: Collection[int] = ()) -> tuple[list[int], Any]:
    state, said = detector.new(), []
    for number, (t, n) in enumerate(tallies):
        if number in restarts:
            state = stored_and_loaded(detector, state)
        said.append(detector.apply(state, t, t, "", n, RAW))
    return said, state


def told(detector: Anomaly, state: Any) -> tuple[Any, ...]:
    return detector.context(state), detector.samples(state), detector.reason(state, {}, None), detector.cause(state)


@given(st.data(), conditions(), zones, st.sampled_from([0, 600_000, 2 * HOUR, 3 * DAY]))
def test_each_verdict_is_that_of_the_definition(
    data: st.DataObject, rule: AnomalyCondition, zone: tuple[str, str], lateness: int
) -> None:
    """In any order of arrival, one tally at a time."""
    name, instant = zone
    times = data.draw(timelines(around(instant), rule.bucket_ms))
    detector, by_hand = Anomaly(rule, lateness, name), ByHand(rule, lateness, name)
    tallies = tallied(detector, cut(times, data.draw(st.lists(st.integers(0, 500), max_size=30))))
    for _ in range(data.draw(st.integers(0, 3)) if tallies else 0):
        late = tallies.pop(data.draw(st.integers(0, len(tallies) - 1)))
        tallies.insert(data.draw(st.integers(0, len(tallies))), late)
    try:
        expected = [by_hand.judge(*tally) for tally in tallies]
    except TooClose:
        assume(False)
    said, state = verdicts(detector, tallies)
    assert said == expected
    if by_hand.fired:
        start, end = by_hand.start(by_hand.fired[-1]), by_hand.start(by_hand.fired[-1] + 1)
        assert detector.cause(state) == Cause("bucket", str(start))
        assert detector.clear_at(state) == end
    else:
        assert detector.clear_at(state) == NEVER


@given(st.data(), conditions(), zones, st.lists(st.integers(0, 500), max_size=30))
def test_events_in_order_fire_the_same_buckets_however_they_are_cut(
    data: st.DataObject, rule: AnomalyCondition, zone: tuple[str, str], places: list[int]
) -> None:
    name, instant = zone
    times = data.draw(timelines(around(instant), rule.bucket_ms))
    detector = Anomaly(rule, 600_000, name)

    def played(batches: list[Sequence[int]]) -> tuple[list[int], list[int], dict[int, int]]:
        tallies = tallied(detector, batches)
        said, state = verdicts(detector, tallies)
        fired = [detector.bucket_of(t) for (t, _), verdict in zip(tallies, said, strict=True) if verdict > 0]
        return fired, sorted(state.alerted), state.counts

    at_once = played([times])
    assert played(cut(times, places)) == at_once
    assert played([[t] for t in times]) == at_once
    assert len(set(at_once[0])) == len(at_once[0])


@given(st.data(), conditions(), zones, st.sets(st.integers(0, 60)))
def test_storing_and_loading_at_any_point_changes_nothing(
    data: st.DataObject, rule: AnomalyCondition, zone: tuple[str, str], restarts: set[int]
) -> None:
    name, instant = zone
    times = data.draw(timelines(around(instant), rule.bucket_ms))
    detector = Anomaly(rule, HOUR, name)
    tallies = tallied(detector, cut(times, data.draw(st.lists(st.integers(0, 500), max_size=30))))
    said, state = verdicts(detector, tallies)
    again, loaded = verdicts(detector, tallies, restarts)
    assert again == said
    assert detector.encode(loaded) == detector.encode(state) == detector.encode(stored_and_loaded(detector, state))
    if any(verdict > 0 for verdict in said):
        assert told(detector, loaded) == told(detector, state)


@given(st.data(), conditions(), st.integers(0, 300))
def test_merging_takes_the_larger_counts_any_number_of_times(
    data: st.DataObject, rule: AnomalyCondition, place: int
) -> None:
    times = data.draw(timelines(MIDNIGHT, rule.bucket_ms))
    detector = Anomaly(rule, 0)
    _, learnt = verdicts(detector, tallied(detector, [times]))
    _, state = verdicts(detector, tallied(detector, [times[place:]]))
    before = dict(state.counts)
    detector.merge(state, learnt)
    once = detector.encode(state)
    assert state.counts == learnt.counts
    assert all(learnt.counts[bucket] >= count for bucket, count in before.items())
    assert (state.first, state.top) == (learnt.first, learnt.top)
    assert state.alerted >= {b for b in learnt.alerted if b < learnt.top}
    detector.merge(state, learnt)
    assert detector.encode(state) == once
    detector.merge(state, detector.new())
    assert detector.encode(state) == once


def steady(days: int, a_day: int = 20, start: int = MIDNIGHT) -> list[Tally]:
    """So many events at noon of each day."""
    return [(start + n * DAY + DAY // 2, a_day) for n in range(days)]


def test_what_an_alert_tells() -> None:
    detector = Anomaly(condition(), 600_000)
    burst = MIDNIGHT + 14 * DAY + 3 * HOUR
    said, state = verdicts(detector, [*steady(14), (burst, 130), (burst + HOUR, 5)])
    assert said == [*[INSUFFICIENT] * 10, *[COUNTED] * 4, 130, GREW]
    context = detector.context(state)
    history = context.pop("history")
    assert context == {
        "count": 135,
        "bucket_start": "2026-02-24T00:00:00.000Z",
        "bucket_seconds": 86400,
        "last_event_time": "2026-02-24T04:00:00.000Z",
        "mean": 20.0,
        "stddev": 0.0,
        "threshold": 40,  # 20 + 3 * sqrt(20) is 33.4, and twice the mean is more
        "baseline_buckets": 14,
        "method": "stddev",
    }
    assert history == [
        *([f"2026-02-{10 + n}T00:00:00.000Z", 20] for n in range(14)),
        ["2026-02-24T00:00:00.000Z", 135],
    ]
    assert detector.reason(state, {"actor.id": "u"}, None) == "135 events in a day for actor.id u; 20.0 ± 0.0 are usual"
    assert detector.cause(state) == Cause("bucket", str(MIDNIGHT + 14 * DAY))
    assert detector.clear_at(state) == MIDNIGHT + 15 * DAY


@pytest.mark.parametrize(
    ("days", "every", "expected"),
    [
        (7, 1, INSUFFICIENT),  # 7 buckets with events
        (10, 1, 200),
        (9, 1, INSUFFICIENT),
        (18, 2, INSUFFICIENT),  # 9 of 18
        (20, 2, 200),
    ],
)
def test_how_much_history_is_enough(days: int, every: int, expected: int) -> None:
    past = [tally for n, tally in enumerate(steady(days)) if n % every == 0]
    assert verdicts(Anomaly(condition(), 0), [*past, (MIDNIGHT + days * DAY, 200)])[0][-1] == expected


def test_hours_need_seven_days_too() -> None:
    detector = Anomaly(condition(HOUR, 14), 0)
    hours = [(MIDNIGHT + n * HOUR, 5) for n in range(168)]
    assert verdicts(detector, [*hours[:-1], (MIDNIGHT + 167 * HOUR, 200)])[0][-1] == INSUFFICIENT
    assert verdicts(detector, [*hours, (MIDNIGHT + 168 * HOUR, 200)])[0][-1] == 200


def test_nothing_is_assumed_from_before_the_key_was_first_seen() -> None:
    """Days without events count as such, but only those since the first."""
    past = steady(12)
    _, state = verdicts(Anomaly(condition(), 0), [*past, (MIDNIGHT + 12 * DAY, 200)])
    assert (state.told.buckets, state.told.mean) == (12, 20.0)
    _, state = verdicts(Anomaly(condition(), 0), [(MIDNIGHT - 12 * DAY, 20), *past, (MIDNIGHT + 12 * DAY, 200)])
    assert (state.told.buckets, state.told.active) == (24, 13)


def fired_days(state: Any) -> list[int]:
    return [bucket - MIDNIGHT // DAY for bucket in sorted(state.alerted)]


def test_an_attack_does_not_become_normal() -> None:
    days = steady(60)
    for n in (20, 25, 35):
        days[n] = (days[n][0], 500)
    _, state = verdicts(Anomaly(condition(days=40), 0), days)
    assert fired_days(state) == [20, 25, 35]


@pytest.mark.parametrize(("bucket", "most"), [(DAY, 12), (HOUR, 12 * 24)])
def test_a_lasting_change_does(bucket: int, most: int) -> None:
    """Only the latest 7 days' worth of buckets that fired stay out."""
    usual = [(MIDNIGHT + n * bucket, 20) for n in range(14 * DAY // bucket)]
    raised = [(MIDNIGHT + 14 * DAY + n * bucket, 100) for n in range(30 * DAY // bucket)]
    said, state = verdicts(Anomaly(condition(bucket, 30), 0), [*usual, *raised])
    fired = [verdict > 0 for verdict in said[len(usual) :]]
    week = 7 * DAY // bucket
    assert all(fired[: week + 1])
    assert week < sum(fired) <= most
    assert not any(fired[most:])
    assert len(state.alerted) == sum(fired)


def test_each_bucket_triggers_once_also_when_the_next_has_begun() -> None:
    detector = Anomaly(condition(), HOUR)
    day = MIDNIGHT + 14 * DAY
    tail = [(day, 100), (day + HOUR, 100), (day + DAY, 5), (day + DAY - 1, 100), (day + DAY + HOUR, 100)]
    said, state = verdicts(detector, [*steady(14), *tail])
    assert said[14:] == [100, GREW, COUNTED, GREW, 105]
    assert detector.apply(state, day + DAY - 1, 0, "", 1, RAW) == COUNTED  # no longer the latest trigger's
    assert state.counts[day // DAY] == 301
    assert detector.context(state)["count"] == 105


def test_old_events_are_history_and_do_not_fire() -> None:
    detector = Anomaly(condition(days=30), HOUR)
    now = MIDNIGHT + 20 * DAY + 2 * HOUR
    yesterday = now - 3 * HOUR
    said, state = verdicts(detector, [*steady(20), (now, 1), (yesterday, 500)])
    assert said[-1] == COUNTED  # its day ended more than the lateness before the newest event
    assert state.counts[yesterday // DAY] == 520
    assert detector.apply(state, now - 2 * HOUR - 1, 0, "", 1, RAW) == COUNTED
    said, state = verdicts(detector, [*steady(20), (now - HOUR, 1), (yesterday, 500)])
    assert said[-1] == 520
    assert detector.apply(state, MIDNIGHT - 13 * DAY, 0, "", 1, RAW) == LATE
    assert detector.apply(state, MIDNIGHT - 12 * DAY, 0, "", 1, RAW) == COUNTED


def test_history_may_come_after_the_present() -> None:
    """What a backfill sends late makes the next bucket's baseline."""
    detector = Anomaly(condition(), 0)
    day = MIDNIGHT + 14 * DAY
    said, _ = verdicts(detector, [(day, 1), *steady(14), (day + HOUR, 100)])
    assert said == [*[COUNTED] * 15, 101]


def test_a_seed_gives_a_new_key_its_baseline_and_leaves_the_present_to_it() -> None:
    detector = Anomaly(condition(), 0)
    day = MIDNIGHT + 14 * DAY
    past = steady(14)
    past[12] = (past[12][0], 400)
    said, seed = verdicts(detector, [*past, (day, 100)])
    assert [verdict for verdict in said if verdict > 0] == [400, 100]
    state = detector.new()
    detector.merge(state, seed)
    assert detector.apply(state, day + HOUR, 0, "", 1, RAW) == 101
    assert (state.told.mean, state.told.active) == (20.0, 13)


def test_samples_are_of_the_bucket_that_fired() -> None:
    detector = Anomaly(condition(), 0)
    _, state = verdicts(detector, steady(14))
    day = MIDNIGHT + 14 * DAY
    for n in range(9):
        detector.apply(state, day + n, 0, "", 5, b"%d" % n)
    assert state.alerted
    assert detector.samples(state) == []  # taken when it fired, and let go
    state = verdicts(detector, steady(14))[1]
    for n in range(8):
        detector.apply(state, day + n, 0, "", 5, b"%d" % n)
    assert detector.samples(state) == [b"4", b"5", b"6", b"7"]


def test_a_key_keeps_only_what_some_baseline_needs() -> None:
    detector = Anomaly(condition(HOUR, 14), 600_000)
    state = detector.new()
    most = 0
    for n in range(1500):
        detector.apply(state, MIDNIGHT + n * HOUR, 0, "", 1000 if n % 40 == 39 else 5, RAW * 900)
        most = max(most, len(state.counts))
    assert most == 14 * 24 + 3
    assert 0 < len(state.alerted) <= 10
    assert len(ormsgpack.packb(detector.encode(state))) < 4 * 9000 + 3000


def test_a_late_event_of_the_bucket_that_fired_is_not_its_last() -> None:
    detector = Anomaly(condition(), 0)
    day = MIDNIGHT + 14 * DAY
    said, state = verdicts(detector, [*steady(14), (day + 2 * HOUR, 100), (day + HOUR, 5)])
    assert said[-1] == GREW
    assert detector.context(state)["last_event_time"] == "2026-02-24T02:00:00.000Z"


@pytest.mark.parametrize(
    ("zone", "instant"),
    [
        ("UTC", "2026-10-25T01:00:00+00:00"),
        ("Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", "2026-10-25T01:00:00+00:00"),
        ("America/New_York", "2026-11-01T06:00:00+00:00"),
        ("Asia/Kathmandu", "2026-01-01T00:00:00+00:00"),
        ("Asia/Beirut", "2026-03-28T22:00:00+00:00"),  # from 00:00 to 01:00
        ("Asia/Beirut", "2026-10-24T21:00:00+00:00"),  # from 00:00 back to 23:00
        ("America/Havana", "2026-11-01T05:00:00+00:00"),  # from 01:00 back to 00:00
        ("Atlantic/Azores", "2026-10-25T01:00:00+00:00"),
    ],
)
@pytest.mark.parametrize("bucket", [HOUR, DAY])
def test_buckets_start_where_the_clock_on_the_wall_says(zone: str, instant: str, bucket: int) -> None:
    detector, by_hand = Anomaly(condition(bucket), 0, zone), ByHand(condition(bucket), 0, zone)
    middle = by_hand.place(around(instant))
    for number in range(middle - 4, middle + 4) if bucket == DAY else range(middle - 30, middle + 30):
        start = by_hand.start(number)
        assert by_hand.place(start) == by_hand.place(start - 1000) + 1 == number
        assert detector.bucket_of(start) == detector.bucket_of(start - 1) + 1
        assert detector.start_of(detector.bucket_of(start)) == start


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Adak"])
@pytest.mark.parametrize("bucket", [HOUR, DAY])
def test_any_time_that_an_event_may_carry(zone: str, bucket: int) -> None:
    for t in (0, DAY, MAX_TIME_MS - DAY, MAX_TIME_MS):
        detector = Anomaly(condition(bucket), 0, zone)
        number = detector.bucket_of(t)
        assert detector.start_of(number) <= t < detector.start_of(number + 1) <= t + bucket


@pytest.mark.parametrize(
    ("zone", "first", "second", "together"),
    [
        ("Europe/Berlin", "2026-02-10 00:00:00", "2026-02-10 23:59:59", True),
        ("Europe/Berlin", "2026-02-10 23:59:59", "2026-02-11 00:00:00", False),
        ("Europe/Berlin", "2026-10-25 00:00:00", "2026-10-25 23:59:59", True),  # of 25 hours
        ("America/New_York", "2026-02-10 00:00:00", "2026-02-10 23:59:59", True),
    ],
)
def test_a_day_is_the_local_one(zone: str, first: str, second: str, together: bool) -> None:
    detector = Anomaly(condition(), 0, zone)
    one, two = (
        int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000) for text in (first, second)
    )
    assert (detector.bucket_of(one) == detector.bucket_of(two)) is together


def test_the_two_hours_of_one_name_are_two() -> None:
    detector = Anomaly(condition(HOUR), 0, "Europe/Berlin")
    back = around("2026-10-25T01:00:00+00:00")
    assert detector.bucket_of(back - 1) + 1 == detector.bucket_of(back)
    assert detector.start_of(detector.bucket_of(back + 1)) == back
