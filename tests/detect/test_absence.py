"""Absence against gaps read off all event times at once."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamproc.alerting.fingerprint import alert_id, fingerprint
from streamproc.backtest.replay import backtest
from streamproc.detect.absence import MAX_RUNS, Absence
from streamproc.detect.detector import NEVER, Cause, Fired
from streamproc.detect.verdict import CLEARED, COUNTED, LATE
from streamproc.model.command import Action
from streamproc.model.times import iso
from tests.detect.driving import stored_and_loaded
from tests.detect.living import Step, delivered, lived, plans
from tests.engine.making import BASE, DAY, HOUR, MINUTE, Partition, event, index, rule

EVERY, LATENESS = 60, 10


def made() -> Absence:
    return Absence(EVERY, LATENESS)


def test_it_fires_once_and_is_cleared_by_the_next_event() -> None:
    detector = made()
    state = detector.new()
    assert (detector.due(state), detector.settle(state, 10**6)) == (NEVER, None), "a group never seen is not awaited"
    assert detector.apply(state, 100, 100, "a", None, b"{}") == COUNTED
    assert detector.apply(state, 130, 130, "b", None, b"{}") == COUNTED
    assert detector.apply(state, 120, 131, "late", None, b"{}") == COUNTED
    assert detector.due(state) == 130 + 60 + 10 + 1, "at that very time an event is still in time"
    assert detector.settle(state, 200) is None
    assert detector.settle(state, 201) == Fired(190, 200)
    assert (detector.settle(state, 10**6), detector.due(state)) == (None, NEVER)
    assert detector.cause(state) == Cause("deadline", "190")
    assert detector.context(state) == {
        "count": 0,
        "expected_every_seconds": 0.06,
        "deadline": iso(190),
        "first_event_time": iso(130),
        "last_event_time": iso(130),
        "event_ids": ["b"],
    }
    assert detector.apply(state, 190, 300, "too late", None, b"{}") == LATE
    assert detector.apply(state, 250, 300, "c", None, b"{}") == CLEARED
    assert detector.apply(state, 251, 301, "d", None, b"{}") == COUNTED
    assert detector.settle(state, 400) == Fired(311, 321)


@pytest.mark.parametrize(
    ("second", "fired"),
    [
        ((60, 60), None),  # at the deadline
        ((60, 70), None),  # arrived when it was about to be settled
        ((60, 71), Fired(60, 70)),  # too late, though nobody told the time
        ((61, 61), Fired(60, 70, 70)),  # after it, and there before it is settled
        ((61, 75), Fired(60, 70, 75)),
        ((75, 75), Fired(60, 70, 75)),
    ],
)
def test_a_deadline_is_met_by_events_up_to_it_and_not_by_what_follows(
    second: tuple[int, int], fired: Fired | None
) -> None:
    detector = made()
    state = detector.new()
    detector.apply(state, 0, 0, "a", None, b"{}")
    detector.apply(state, *second, "b", None, b"{}")
    assert detector.settle(state, 80) == fired


@pytest.mark.parametrize(
    ("every_ms", "reason"),
    [(HOUR, "for 1 h"), (90 * MINUTE, "for 90 min"), (2 * DAY, "for 2 d"), (90_000, "for 90 s"), (1500, "for 1.5 s")],
)
def test_the_reason(every_ms: int, reason: str) -> None:
    detector = Absence(every_ms, 0)
    state = detector.new()
    detector.apply(state, BASE, BASE, "a", None, b"{}")
    detector.settle(state, BASE + 3 * DAY)
    last = "(last at 2026-02-10T12:00:00.000Z)"
    assert detector.reason(state, {"resource.id": "d1"}, None) == (
        f"no matching event {reason} for resource.id d1 {last}"
    )
    assert detector.reason(state, {}, None) == f"no matching event {reason} {last}"
    assert detector.context(state)["expected_every_seconds"] == every_ms / 1000


def test_an_older_event_counts_only_while_its_own_deadline_is_not_settled() -> None:
    detector = made()
    state = detector.new()
    detector.apply(state, 1000, 1000, "a", None, b"{}")
    assert detector.apply(state, 900, 971, "b", None, b"{}") == LATE, "60 + 10 after it"
    assert detector.apply(state, 910, 980, "c", None, b"{}") == COUNTED
    assert detector.settle(state, 2000) == Fired(970, 980, 1000)
    assert detector.settle(state, 2000) == Fired(1060, 1070)


def gaps(times: list[int], every: int) -> list[int]:
    """The deadlines that were missed, by all events; the last one always is."""
    return [one + every for one, after in pairwise(sorted({*times, 10**15})) if after > one + every]


times_ = st.lists(st.tuples(st.integers(0, 600), st.integers(0, LATENESS) | st.just(LATENESS)), min_size=1, max_size=25)


@given(times_, st.sets(st.integers(0, 25)), st.sets(st.integers(0, 25)), st.sampled_from([1, 5, 20, 60]))
@example([(0, 0), (300, 0), (301, 0), (299, 10)], set(), set(), 1)
def test_each_gap_fires_once_whatever_the_order_the_ticks_and_the_restarts(
    events: list[tuple[int, int]], ticks: set[int], restarts: set[int], every: int
) -> None:
    detector = Absence(every, LATENESS)
    state, fired = detector.new(), list[Fired]()
    open_ = False
    for n, (arrival, t) in enumerate(sorted((t + delay, t) for t, delay in events)):
        if n in restarts:
            state = stored_and_loaded(detector, state)
        if n in ticks:
            while found := detector.settle(state, arrival):
                assert not open_
                fired.append(found)
                open_ = found.over is None
        said = detector.apply(state, t, arrival, str(n), None, b"{}")
        assert said == (CLEARED if open_ else COUNTED), "within the lateness none is late"
        open_ = False
    while found := detector.settle(state, 10**6):
        assert not open_
        fired.append(found)
        open_ = found.over is None
    deadlines = [one.t for one in fired]
    assert deadlines == gaps([t for t, _ in events], every)
    assert [one.at for one in fired] == [deadline + LATENESS for deadline in deadlines]
    assert open_, "what never came again stays open"


def test_a_key_holds_at_most_so_many_runs() -> None:
    detector = Absence(1, 10**6)
    state = detector.new()
    for n in range(1000):
        assert detector.apply(state, n * 10, 10_000, str(n), None, b"{}") == COUNTED
    assert len(state.runs) == MAX_RUNS
    fired = []
    while found := detector.settle(state, 10**8):
        fired.append(found.t)
    assert fired == [n * 10 + 1 for n in range(1000 - MAX_RUNS, 1000)]


# in the engine


def awaited(**fields: Any) -> dict[str, Any]:
    condition = {"action": "a", "group_by": "actor.id", "expect_every": "5m"}
    return rule(type="absence", condition=condition, auto_resolve_after=None, lateness_seconds=60) | fields


Told = dict[str, tuple[str, int, str, str | None]]


def by_hand(steps: list[Step]) -> Told:
    """Alert id → actor, deadline, how it ended, and when: each gap is an alert, ended by the first to come after it."""
    found: Told = {}
    for actor in {step.actor for step in steps}:
        mine = [step for step in steps if step.actor == actor]
        for deadline in gaps([step.t for step in mine], 5 * MINUTE):
            id = alert_id(fingerprint("acme", "acme", "r", (actor,)), "deadline", str(BASE + deadline))
            after = [step.arrival for step in mine if step.t > deadline]
            if after:
                found[id] = (actor, deadline, "resolved", iso(BASE + max(deadline + MINUTE, min(after))))
            else:
                found[id] = (actor, deadline, "open", None)
    return found


def told(alerts: list[dict[str, Any]]) -> Told:
    for alert in alerts:
        assert (alert["event"], alert["trigger_count"]) == (None, 1)
        assert alert["triggered_at"] == alert["context"]["deadline"]
    return {a["id"]: (a["group"]["actor.id"], _ms(a["triggered_at"]), a["status"], a["resolved_at"]) for a in alerts}


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000) - BASE


@given(plans(lateness=MINUTE, longest=40 * MINUTE))
def test_alerts_are_those_of_the_gaps_whatever_the_order_the_ticks_and_the_restarts(steps: list[Step]) -> None:
    live, replayed = lived(awaited(), steps, until=HOUR), delivered(awaited(), steps)
    assert told(live) == told(replayed) == by_hand(steps)
    assert {a["id"]: a["context"] for a in live} == {a["id"]: a["context"] for a in replayed}


def test_it_survives_a_restart_and_a_person_may_resolve_it() -> None:
    partition = Partition(awaited())
    partition.play(event(0, 0))
    partition.restart()
    partition.tick(6 * MINUTE)
    assert partition.sent == []
    partition.tick(6 * MINUTE + 1)
    assert (partition.alert["status"], partition.alert["created_at"]) == ("open", iso(BASE + 6 * MINUTE))
    partition.command(Action.RESOLVE, partition.alert, 7 * MINUTE)
    partition.restart()
    partition.play(event(1, 8 * MINUTE))
    assert partition.alert["resolution"] != "cleared"
    partition.tick(20 * MINUTE)
    assert [alert["status"] for alert in partition.last.values()] == ["resolved", "open"]


def test_what_comes_again_resolves_an_alert_though_the_key_was_out_of_memory() -> None:
    partition = Partition(awaited())
    partition.play(event(0, 0))
    partition.tick(10 * MINUTE)
    partition.restart()
    partition.play(event(1, 12 * MINUTE))
    assert (partition.alert["status"], partition.alert["resolution"]) == ("resolved", "cleared")
    assert partition.alert["resolved_at"] == iso(BASE + 12 * MINUTE)


def test_in_a_backtest_time_runs_on_until_the_last_deadline_and_resolves_nothing_else() -> None:
    long = {"action": "a", "group_by": "actor.id", "expect_every": "300d"}
    rules = index(
        rule("yearly", type="absence", condition=long), awaited(id="soon"), rule("p", auto_resolve_after="1h")
    )
    result = backtest(rules, [event(0, 0), event(1, 1, "v"), event(2, MINUTE)])
    assert [
        (a["rule"]["id"], a["group"]["actor.id"], a["status"], a["created_at"]) for a in result.alerts.values()
    ] == [
        ("p", "u", "open", iso(BASE)),
        ("p", "v", "open", iso(BASE + 1)),
        ("soon", "v", "open", iso(BASE + 1 + 6 * MINUTE)),
        ("soon", "u", "open", iso(BASE + 7 * MINUTE)),
        ("yearly", "v", "open", iso(BASE + 1 + 300 * DAY + 10 * MINUTE)),
        ("yearly", "u", "open", iso(BASE + MINUTE + 300 * DAY + 10 * MINUTE)),
    ]
