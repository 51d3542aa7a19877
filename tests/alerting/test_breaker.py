"""A channel whose endpoint is sick: when it is tried, and what that costs those who wait for it. The time is driven."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from streamproc.alerting.breaker import FIRST_MS, LONGEST_MS, SICK_AFTER, Breaker
from streamproc.alerting.outbox import Outbox
from streamproc.alerting.retry import DEFAULT, Fixed
from streamproc.alerting.terms import Terms
from streamproc.model.delivery import Outcome, OutcomeKind, Reason
from streamproc.model.progress import Progress
from tests.alerting.making import HOOK, SLACK, notification
from tests.alerting.test_outbox import BAD, BUSY, OK, Desk, Still

MINUTE = 60_000
HOUR = 60 * MINUTE
LIMITED = Outcome(OutcomeKind.RETRY, Reason.RATE_LIMITED, status=429)


def sick(breaker: Breaker, times: int = SICK_AFTER, at: int = 0) -> None:
    for number in range(times):
        breaker.began(str(number))
        breaker.ended(str(number), BUSY, False, at)


def probe(breaker: Breaker, outcome: Outcome, at: int) -> None:
    assert breaker.admits(at)
    breaker.began("probe")
    assert not breaker.admits(at), "one probe at a time"
    breaker.ended("probe", outcome, False, at)


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker()
    sick(breaker, SICK_AFTER - 1)
    breaker.ended("x", OK, False, 0)
    sick(breaker, SICK_AFTER - 1)
    assert breaker.admits(0)
    sick(breaker, 1)
    assert breaker.open
    assert not breaker.admits(FIRST_MS - 1)
    assert breaker.admits(FIRST_MS)


def test_each_probe_that_fails_doubles_the_wait_up_to_a_limit() -> None:
    breaker, now, waits = Breaker(), 0, []
    sick(breaker)
    for _ in range(8):
        until = breaker.until
        assert until is not None
        waits.append(until - now)
        now = until
        probe(breaker, BUSY, now)
    assert waits == [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, LONGEST_MS]


@pytest.mark.parametrize(
    ("outcome", "closes"),
    [
        (OK, True),
        (BAD, True),  # it answers
        (LIMITED, True),
        (BUSY, False),
        (Outcome(OutcomeKind.RETRY, Reason.CONNECTION), False),
        (Outcome(OutcomeKind.PERMANENT, Reason.RECIPIENT_GONE), False),  # says nothing; the next may probe at once
    ],
)
def test_the_first_sign_of_health_closes_it(outcome: Outcome, closes: bool) -> None:
    breaker = Breaker()
    sick(breaker)
    probe(breaker, outcome, FIRST_MS)
    assert breaker.open is not closes
    assert breaker.admits(FIRST_MS) is (closes or outcome.reason is Reason.RECIPIENT_GONE)


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_wait() -> None:
    breaker = Breaker()
    for number in range(16):
        breaker.began(str(number))
    for number in range(16):
        breaker.ended(str(number), BUSY, False, 0)
    assert breaker.until == FIRST_MS


def test_rate_limits_are_no_sickness_but_a_pause_if_they_say_for_how_long() -> None:
    breaker = Breaker()
    for number in range(20):
        breaker.ended(str(number), LIMITED, False, 0)
    assert breaker.admits(0)
    breaker.ended("x", replace(LIMITED, retry_after=30.5), False, 1000)
    breaker.ended("y", OK, False, 1000)  # one that was under way; the pause holds all the same
    assert not breaker.admits(31_499)
    assert breaker.admits(31_500)
    assert not breaker.open
    assert not breaker.idle(31_499)
    assert breaker.idle(31_500)


def test_a_retry_of_some_recipients_is_no_failure_of_the_channel_if_others_were_reached() -> None:
    desk = Desk(waits=(0,) * 20)
    one = notification(1)
    desk.add(one)
    for number in range(10):
        desk.due(number)
        reached = tuple(str(person) for person in range(number + 1))
        desk.finish(one, Outcome(OutcomeKind.RETRY, Reason.TIMEOUT, progress=Progress(reached)), number)
    assert not desk.outbox.open_channels


def test_a_channel_that_is_down_for_an_hour_does_not_use_up_what_waits_for_it() -> None:
    """Three attempts each, within seconds: without the breaker all would have failed for good within the minute."""
    desk = Desk(waits=(0, 1000, 5000))
    many = [notification(1, alert_id=f"alt_{number}") for number in range(200)]
    desk.add(*many)
    now, attempts = 0, 0
    while now < HOUR:
        for entry in desk.outbox.due(now):
            attempts += 1
            desk.carry_out(desk.outbox.finished(entry.id, BUSY, now, Still()))
        due = desk.outbox.next_due()
        assert due is not None
        now = max(now + 1, due)
    assert desk.outbox.open_channels == {("acme", HOOK)}
    assert attempts < 16 + 20, "16 were under way at first, then single probes"
    assert not desk.ends(), "nobody gave up"
    while len(desk.outbox):
        now = max(now, desk.outbox.next_due() or now)
        for entry in desk.outbox.due(now):
            desk.carry_out(desk.outbox.finished(entry.id, OK, now, Still()))
    assert {str(r.state) for r in desk.records if r.state.final} == {"delivered"}
    assert now < HOUR + LONGEST_MS + 6000, "all within moments of its recovery"
    assert not desk.outbox.open_channels


def test_other_channels_notice_nothing() -> None:
    desk = Desk(concurrency=2)
    desk.add(*(notification(1, alert_id=f"alt_{n}") for n in range(20)))
    desk.add(*(notification(1, alert_id=f"alt_{n}", channel=SLACK) for n in range(20)))
    told: dict[int, int] = {}
    now = 0
    while now < 100:
        for entry in desk.outbox.due(now):
            well = entry.notification.channel == SLACK
            told[now] = told.get(now, 0) + well
            desk.carry_out(desk.outbox.finished(entry.id, OK if well else BUSY, now, Still()))
        now += 1
    assert [told.get(n, 0) for n in range(10)] == [2] * 10, "two places, every time"


def test_a_restart_probes_anew() -> None:
    desk = Desk(waits=(0,) * 30)
    desk.add(*(notification(1, alert_id=f"alt_{n}") for n in range(10)))
    for entry in desk.outbox.due(0):
        desk.carry_out(desk.outbox.finished(entry.id, BUSY, 0, Still()))
    assert desk.due(5) == []
    desk.restart(5)
    assert len(desk.due(5)) == 10


def test_a_cancelled_probe_leaves_room_for_the_next() -> None:
    desk = Desk(waits=(0,) * 30)
    desk.add(*(notification(1, alert_id=f"alt_{n}") for n in range(10)))
    for entry in desk.outbox.due(0):
        desk.carry_out(desk.outbox.finished(entry.id, BUSY, 0, Still()))
    [entry] = desk.outbox.due(FIRST_MS)
    assert desk.outbox.next_due() is None, "only its end changes anything"
    desk.outbox.released(entry.id)
    assert len(desk.due(FIRST_MS)) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.floats(0, 1))
def test_whatever_fails_everything_ends_and_no_wake_up_is_missed_or_wasted(
    seed: int, count: int, health: float
) -> None:
    """`next_due` names a time at which there is something to do, until nothing is left."""
    rng = Random(seed)
    outbox, now, wakes, attempts = Outbox(lambda _: Terms(Fixed((0, 10, 500, 20_000)), 3)), 0, 0, 0
    for number in range(count):
        outbox.add(notification(1, alert_id=f"alt_{number}", channel=rng.choice((HOOK, SLACK))), 0)
    failures = (BUSY, replace(LIMITED, retry_after=7), LIMITED, Outcome(OutcomeKind.RETRY, Reason.CONNECTION))
    while len(outbox):
        due = outbox.next_due()
        assert due is not None, "entries are left that nothing will try"
        now = max(now, due)
        taken = outbox.due(now)
        wakes, attempts = wakes + 1, attempts + len(taken)
        for entry in taken:
            outbox.finished(entry.id, OK if rng.random() < health else rng.choice(failures), now, rng)
    assert outbox.in_flight == 0
    assert wakes <= 3 * attempts + count, "at most so many for entries that come due, breakers that reopen, and ends"


def test_the_span_of_a_schedule() -> None:
    assert Fixed((0, 100, 1000)).span == 1100
    assert 12 * HOUR < DEFAULT.span < 14 * HOUR
