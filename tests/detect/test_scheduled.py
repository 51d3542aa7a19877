"""Scheduled thresholds: instants against calendars read minute by minute, counts against counting by hand."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import ormsgpack
import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from streamproc.backtest.replay import backtest
from streamproc.detect.detector import NEVER, Cause, Fired
from streamproc.detect.scheduled import (
    MAX_INSTANTS,
    MAX_SAMPLES,
    Agenda,
    Scheduled,
    instant_before,
    longest_step_ms,
    next_instant,
)
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.event import MAX_TIME_MS
from tests.detect.driving import stored_and_loaded
from tests.detect.living import Step, delivered, lived, plans
from tests.engine.making import BASE, DAY, HOUR, MINUTE, SECOND, event, index, rule

Moment = datetime


def ms(text: str, zone: str = "UTC") -> int:
    return int(Moment.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


# instants


CALENDARS: dict[str, Callable[[Moment], bool]] = {
    "*/7 * * * *": lambda d: d.minute % 7 == 0,
    "0 */2 * * *": lambda d: d.minute == 0 and d.hour % 2 == 0,
    "30 9 * * 1-5": lambda d: (d.hour, d.minute) == (9, 30) and d.isoweekday() <= 5,
    "15,45 22 1,15 * *": lambda d: d.minute in (15, 45) and d.hour == 22 and d.day in (1, 15),
    "0 0 13 * 5": lambda d: (d.hour, d.minute) == (0, 0) and (d.day == 13 or d.isoweekday() == 5),
    "5 4 * * 0": lambda d: (d.hour, d.minute) == (4, 5) and d.isoweekday() == 7,
}
"""What each says of a wall clock, read from crontab(5); both days given means either of them."""


@given(
    st.sampled_from(list(CALENDARS)),
    st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Tokyo"]),
    st.integers(ms("2026-01-01"), ms("2027-01-01")),
)
def test_an_instant_is_the_first_minute_that_the_calendar_means(schedule: str, zone: str, t: int) -> None:
    wall = Moment.fromtimestamp(-(-t // MINUTE) * 60, ZoneInfo(zone))
    for _ in range(32 * 24 * 60):
        if CALENDARS[schedule](wall):
            break
        wall += timedelta(minutes=1)
    assert next_instant(schedule, zone, t) == int(wall.timestamp() * 1000)


CLOCKS_SET = [
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Asia/Beirut", "2026-03-28T22:00"),  # at midnight
    ("Pacific/Apia", "2011-12-30T10:00"),  # a day that was not
]
AROUND = ["30 2 * * *", "0 3 * * *", "*/20 * * * *", "*/10 2 * * *", "10,50 1,2,3 * * *", "0 */2 * * *", "0 0 * * *"]


@given(st.sampled_from(CLOCKS_SET), st.sampled_from(AROUND), st.integers(-2 * DAY, 2 * DAY))
def test_where_clocks_are_set_an_instant_is_one_for_all_events_before_it(
    setting: tuple[str, str], schedule: str, off: int
) -> None:
    zone, moment = setting
    t = ms(moment) + off
    instant = next_instant(schedule, zone, t)
    assert instant >= t
    for between in (t + 1, (t + instant) // 2, instant - 1, instant):
        if t <= between <= instant:
            assert next_instant(schedule, zone, between) == instant
    before = instant_before(schedule, zone, instant)
    assert before is not None
    assert before < t
    assert next_instant(schedule, zone, before) == before
    assert next_instant(schedule, zone, before + 1) == instant
    began = Moment.fromtimestamp((t - 3 * DAY) // 1000, ZoneInfo(zone))
    asked_once = CronSim(schedule, began)
    instants = sorted({int(next(asked_once).timestamp() * 1000) for _ in range(1500)})
    assert instant == instants[bisect_left(instants, t)]


@pytest.mark.parametrize(
    ("schedule", "after", "instants"),
    [
        # 02:30 is skipped, and comes when the clock goes on, at 03:00
        ("30 2 * * *", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        # 02:30 is there twice, and comes once
        ("30 2 * * *", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        # all through the hour: twice
        ("0,30 * * * *", "2026-10-25T00:01", ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
    ],
)
def test_clocks_set_in_berlin(schedule: str, after: str, instants: list[str]) -> None:
    t = ms(after)
    for expected in instants:
        t = next_instant(schedule, "Europe/Berlin", t)
        assert t == ms(expected)
        t += 1


def test_at_the_ends_of_time() -> None:
    assert next_instant("0 0 * * *", "UTC", 0) == 0
    assert instant_before("0 0 * * *", "UTC", 0) is None
    for zone in ("UTC", "Asia/Tokyo", "America/Adak"):
        assert next_instant("0 0 1 1 *", zone, MAX_TIME_MS) == MAX_TIME_MS
        assert next_instant("0 0 1 1 *", zone, MAX_TIME_MS - DAY) >= MAX_TIME_MS - DAY
    # 44 minutes and 30 seconds behind: its full minutes are not those of others
    assert next_instant("0 * * * *", "Africa/Monrovia", 10 * MINUTE) == 44 * MINUTE + 30 * SECOND


@pytest.mark.parametrize("schedule", [*CALENDARS, *AROUND, "0 0 29 2 *", "* * * 1 *", "0 12 1 */3 *", "0 0 * * 5#5"])
def test_no_step_is_longer_than_the_longest(schedule: str) -> None:
    longest = longest_step_ms(schedule)
    instants = CronSim(schedule, Moment(2088, 1, 1, tzinfo=UTC))
    found = list(islice(takewhile(lambda instant: instant.year < 2110, instants), 50_000))
    steps = [(b - a).total_seconds() * 1000 for a, b in pairwise(found)]
    assert max(steps) <= longest <= max(steps) + 4 * DAY


# counting


SCHEDULE = "*/5 * * * *"


def run(detector: Scheduled, *hits: tuple[int, str] | tuple[int, str, Any]) -> tuple[list[int], Agenda]:
    """(t, id, value) each, arriving in time."""
    state, newest, said = detector.new(), 0, []
    for t, id, *value in hits:
        newest = max(newest, t)
        said.append(detector.apply(state, t, newest, id, value[0] if value else None, b'{"id":"%s"}' % id.encode()))
    return said, state


def test_it_looks_once_and_tells_of_what_came_since_the_instant_before() -> None:
    detector = Scheduled(2, SCHEDULE, MINUTE, None, "UTC")
    at = BASE + 5 * MINUTE
    said, state = run(
        detector, (BASE, "before"), (BASE + 1, "a"), (at, "b"), (at + 1, "after"), (BASE + 2, "c"), (at, "b")
    )
    assert said == [*[COUNTED] * 5, DUPLICATE]
    assert detector.due(state) == at + MINUTE + 1, "at that very time an event is still in time"
    assert detector.settle(state, at + MINUTE) is None
    assert detector.settle(state, at + MINUTE + 1) == Fired(at, at + MINUTE)
    assert detector.settle(state, at + DAY) is None
    assert detector.due(state) == NEVER
    assert detector.cause(state) == Cause("instant", str(at))
    assert detector.context(state) == {
        "count": 3,
        "schedule": SCHEDULE,
        "scheduled_at": "2026-02-10T12:05:00.000Z",
        "since": "2026-02-10T12:00:00.000Z",
        "first_event_time": "2026-02-10T12:00:00.001Z",
        "last_event_time": "2026-02-10T12:05:00.000Z",
        "event_ids": ["a", "b", "c"],
    }
    assert detector.reason(state, {"actor.id": "u"}, None) == (
        "3 events since 2026-02-10T12:00:00.000Z at 2026-02-10T12:05:00.000Z for actor.id u"
    )
    assert detector.samples(state) == [b'{"id":"a"}', b'{"id":"b"}']
    assert detector.clear_at(state) == NEVER


def test_what_comes_for_a_settled_instant_is_late() -> None:
    detector = Scheduled(1, SCHEDULE, MINUTE, None, "UTC")
    state, at = detector.new(), BASE + 5 * MINUTE
    assert detector.apply(state, at, at + MINUTE, "a", None, b"{}") == COUNTED
    assert detector.apply(state, at, at + MINUTE + 1, "b", None, b"{}") == LATE, "though nobody told the time"
    assert detector.settle(state, at + MINUTE + 1) == Fired(at, at + MINUTE)
    for id in "cd":
        assert detector.apply(state, at, at, id, None, b"{}") == LATE, "from a source that is behind"
    assert detector.apply(state, at + 1, at + HOUR, "e", None, b"{}") == LATE


def test_different_values() -> None:
    detector = Scheduled(2, SCHEDULE, 0, "actor.id", "UTC")
    said, state = run(detector, (BASE + 1, "a", "u"), (BASE + 2, "b", "u"))
    assert (said, detector.due(state)) == ([COUNTED, COUNTED], NEVER)
    detector.apply(state, BASE + 3, BASE + 3, "c", "v", b"{}")
    assert detector.settle(state, BASE + DAY) == Fired(BASE + 5 * MINUTE, BASE + 5 * MINUTE)
    assert detector.reason(state, {}, None).startswith("2 different values of actor.id since ")


def test_a_key_holds_at_most_its_bounds() -> None:
    detector = Scheduled(3, "* * * * *", DAY, None, "UTC")
    state = detector.new()
    big = b'"%s"' % (b"x" * 8000)
    for n in range(500):
        assert detector.apply(state, BASE + n * MINUTE, BASE, f"e{n}", None, big) == COUNTED
    assert len(state.spans) == MAX_INSTANTS
    assert len(state.samples) == MAX_SAMPLES
    assert detector.apply(state, BASE, BASE, "old", None, b"{}") == LATE, "it went"
    assert len(ormsgpack.packb(detector.encode(state))) < 80_000
    for n in range(5000):
        detector.apply(state, BASE + 499 * MINUTE, BASE, f"more{n}", None, b"{}")
    assert (state.spans[-1].count, len(state.spans[-1].ids)) == (5001, 1024)


def test_instants_below_the_count_are_forgotten_when_they_are_settled() -> None:
    detector = Scheduled(2, "* * * * *", MINUTE, None, "UTC")
    _, state = run(detector, *((BASE + n * MINUTE, str(n)) for n in range(100)))
    assert len(state.spans) <= 2


@given(
    st.lists(st.tuples(st.integers(0, 30 * MINUTE), st.integers(0, MINUTE)), max_size=30), st.sets(st.integers(0, 30))
)
def test_storing_and_loading_at_any_point_changes_nothing(hits: list[tuple[int, int]], restarts: set[int]) -> None:
    detector = Scheduled(2, SCHEDULE, MINUTE, None, "UTC")

    def played(stops: set[int]) -> tuple[list[Any], Any]:
        state, said = detector.new(), list[Any]()
        for n, (arrival, t) in enumerate(sorted((BASE + t + d, BASE + t) for t, d in hits)):
            if n in stops:
                state = stored_and_loaded(detector, state)
            while fired := detector.settle(state, arrival):
                said.append((fired, detector.context(state), detector.samples(state)))
            said.append(detector.apply(state, t, arrival, str(n), None, b"%d" % n))
        return said, detector.encode(state)

    assert played(restarts) == played(set())


# in the engine


def scheduled(**fields: Any) -> dict[str, Any]:
    condition = {"action": "a", "group_by": "actor.id", "count": 2, "schedule": SCHEDULE}
    return rule(type="threshold", condition=condition, auto_resolve_after=None, lateness_seconds=60, **fields)


def by_hand(steps: list[Step]) -> dict[str, tuple[int, int]]:
    """actor → the first instant reached, and how many were: of all events, whatever their order."""
    counts: dict[tuple[str, int], set[str]] = {}
    for step in steps:
        counts.setdefault((step.actor, -(-step.t // (5 * MINUTE)) * 5 * MINUTE), set()).add(step.id)
    found: dict[str, list[int]] = {}
    for (actor, instant), ids in counts.items():
        if len(ids) >= 2:
            found.setdefault(actor, []).append(instant)
    return {actor: (min(instants), len(instants)) for actor, instants in found.items()}


def told(alerts: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    assert all(alert["event"] is None for alert in alerts)
    return {a["group"]["actor.id"]: (ms(a["triggered_at"][:-1]) - BASE, a["trigger_count"]) for a in alerts}


@given(plans(lateness=MINUTE, longest=20 * MINUTE))
def test_alerts_are_those_counted_by_hand_whatever_the_order_the_ticks_and_the_restarts(steps: list[Step]) -> None:
    live, replayed = lived(scheduled(), steps, until=HOUR), delivered(scheduled(), steps)
    assert told(live) == told(replayed) == by_hand(steps)
    assert {a["id"]: a["context"] for a in live} == {a["id"]: a["context"] for a in replayed}


def test_in_a_backtest_time_runs_on_to_the_next_instant_and_resolves_nothing_else() -> None:
    yearly = {"action": "a", "group_by": "actor.id", "count": 2, "schedule": "0 0 1 1 *"}
    rules = index(rule("yearly", type="threshold", condition=yearly), rule("quiet", auto_resolve_after="1h"))
    result = backtest(rules, [event(0, 0), event(1, 1)])
    assert [(a["rule"]["id"], a["status"], a["triggered_at"]) for a in result.alerts.values()] == [
        ("quiet", "open", "2026-02-10T12:00:00.000Z"),
        ("yearly", "open", "2027-01-01T00:00:00.000Z"),
    ]


def test_a_key_is_kept_until_its_instant_however_far_off() -> None:
    yearly = {"action": "a", "group_by": "actor.id", "count": 2, "schedule": "0 0 1 1 *"}
    made = rule("yearly", type="threshold", condition=yearly)
    result = backtest(index(made), [event(0, 0), event(1, 300 * DAY), event(2, 400 * DAY, action="other")])
    [alert] = result.alerts.values()
    assert (alert["trigger_count"], alert["context"]["event_ids"]) == (1, ["e0", "e1"])
