"""The outbox by example; `test_outbox_property.py` lets chance look for more."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from streamproc.alerting.outbox import MAX_SETTLED, SETTLED_MS, Outbox, Terms
from streamproc.alerting.outbox_entry import Effects, SwitchedOff, decode
from streamproc.alerting.retry import Fixed
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import (
    MAX_EXCERPT_BYTES,
    Delivery,
    DeliveryState,
    Outcome,
    OutcomeKind,
    Reason,
)
from streamproc.model.notification import Notification, Purpose
from tests.alerting.making import HOOK, SLACK, notification

OK = Outcome(OutcomeKind.DELIVERED, Reason.OK, status=200, latency_ms=12, excerpt="fine")
BUSY = Outcome(OutcomeKind.RETRY, Reason.SERVER_ERROR, status=503, excerpt="busy")
BAD = Outcome(OutcomeKind.PERMANENT, Reason.CLIENT_ERROR, status=400)
GONE = Outcome(OutcomeKind.DISABLED, Reason.GONE, status=410)


class Still:
    def uniform(self, a: float, b: float, /) -> float:
        return (a + b) / 2


class Desk:
    """An outbox with its table and its topic; `restart` makes a new one from the table alone."""

    def __init__(self, concurrency: int = 16, waits: tuple[int, ...] = (0, 100, 1000)) -> None:
        self.terms = Terms(Fixed(waits), concurrency)
        self.table: dict[bytes, bytes] = {}
        self.records: list[Delivery] = []
        self.outbox = Outbox(lambda _: self.terms)

    def carry_out(self, effects: Effects) -> Effects:
        self.records += [Delivery.decode(record.encode()) for record in effects.records]
        self.table.update(effects.puts)
        for key in effects.deletes:
            self.table.pop(key, None)
        return effects

    def add(self, *notifications: Notification, now: int = 0) -> None:
        for one in notifications:
            self.carry_out(self.outbox.add(Notification.decode(one.encode()), now))

    def due(self, now: int, room: int | None = None) -> list[tuple[str, int]]:
        return [(e.notification.alert_id, e.notification.revision) for e in self.outbox.due(now, room)]

    def finish(self, one: Notification, outcome: Outcome, now: int) -> Effects:
        return self.carry_out(self.outbox.finished(one.delivery_id, outcome, now, Still()))

    def restart(self, now: int = 0) -> None:
        self.outbox, effects = Outbox.restored(self.table.items(), lambda _: self.terms, now)
        self.carry_out(effects)

    def ends(self) -> dict[int, tuple[str, str]]:
        """Per revision the final state and reason on record."""
        return {r.revision: (str(r.state), str(r.reason)) for r in self.records if r.state.final}


trigger = notification(1)
update = notification(2, Purpose.UPDATED)
acknowledge = notification(3, Purpose.ACKNOWLEDGED)
resolve = notification(4, Purpose.RESOLVED)


def test_a_notification_is_tried_retried_and_delivered() -> None:
    desk = Desk()
    desk.add(trigger)
    assert desk.outbox.next_due() == 0
    assert desk.due(0) == [("alt_1", 1)]
    assert desk.outbox.in_flight == 1
    desk.finish(trigger, BUSY, 10)
    assert desk.outbox.next_due() == 110
    assert desk.due(109) == []
    assert desk.due(110) == [("alt_1", 1)]
    desk.finish(trigger, OK, 120)
    assert [str(record.state) for record in desk.records] == ["retrying", "delivered"]
    assert desk.records[0].next_at == 110
    last = desk.records[-1]
    assert [(a.at, str(a.reason), a.status, a.excerpt) for a in last.attempts] == [
        (10, "server_error", 503, "busy"),
        (120, "ok", 200, "fine"),
    ]
    assert len(desk.outbox) == desk.outbox.in_flight == 0
    assert desk.outbox.next_due() is None


def test_a_resolve_waits_for_its_triggers_retries() -> None:
    desk = Desk()
    desk.add(trigger, resolve)
    assert desk.due(0) == [("alt_1", 1)]
    desk.finish(trigger, BUSY, 0)
    assert desk.due(99) == []
    assert desk.due(100) == [("alt_1", 1)]
    desk.finish(trigger, OK, 101)
    assert desk.due(101) == [("alt_1", 4)]


def test_notices_are_dropped_when_the_trigger_failed_for_good() -> None:
    desk = Desk()
    desk.add(trigger, acknowledge, resolve)
    desk.due(0)
    desk.finish(trigger, BAD, 1)
    assert desk.ends() == {
        1: ("gave_up", "client_error"),
        3: ("superseded", "trigger_failed"),
        4: ("superseded", "trigger_failed"),
    }
    assert desk.due(1) == []


@pytest.mark.parametrize("restarts", [False, True])
def test_a_resolve_that_comes_long_after_the_trigger_failed_is_dropped_too(restarts: bool) -> None:
    desk = Desk()
    desk.add(trigger)
    desk.due(0)
    desk.finish(trigger, BAD, 1)
    month = 30 * 24 * 3600 * 1000
    if restarts:
        desk.restart(month)
    desk.carry_out(desk.outbox.sweep(month))
    desk.add(resolve, now=month)
    assert desk.ends()[4] == ("superseded", "trigger_failed")


@pytest.mark.parametrize("restarts", [False, True])
def test_an_update_that_is_delivered_makes_up_for_the_failed_trigger(restarts: bool) -> None:
    desk = Desk()
    desk.add(trigger, update, resolve)
    desk.due(0)
    desk.finish(trigger, BAD, 1)
    assert desk.due(1) == [("alt_1", 2)]
    desk.finish(update, OK, 2)
    if restarts:
        desk.restart(2)
    assert desk.due(2) == [("alt_1", 4)]


def test_attempts_run_out() -> None:
    desk = Desk(waits=(0, 100))
    desk.add(trigger)
    for now in (0, 100):
        desk.due(now)
        desk.finish(trigger, BUSY, now)
    assert desk.ends() == {1: ("gave_up", "attempts_exhausted")}


def test_alerts_do_not_wait_for_one_another() -> None:
    desk = Desk()
    others = [notification(1, alert_id=f"alt_{number}") for number in range(2, 5)]
    desk.add(trigger, *others)
    assert len(desk.due(0)) == 4
    desk.finish(trigger, BUSY, 0)
    desk.add(notification(1, alert_id="alt_9"))
    assert desk.due(0) == [("alt_9", 1)]


def test_a_channel_has_so_many_places_and_no_more() -> None:
    desk = Desk(concurrency=3)
    many = [notification(1, alert_id=f"alt_{number}") for number in range(10)]
    desk.add(*many)
    desk.add(notification(1, alert_id="alt_other", channel=SLACK))
    taken = desk.due(0)
    assert ("alt_other", 1) in taken
    assert len(taken) == 4
    assert desk.due(0) == []
    assert desk.outbox.next_due() is None
    desk.finish(many[0], OK, 5)
    assert desk.outbox.next_due() == 0
    assert desk.due(5) == [("alt_3", 1)]


def test_places_are_per_tenants_channel() -> None:
    desk = Desk(concurrency=1)
    desk.add(trigger, notification(1, alert_id="alt_2", tenant="other"))
    assert len(desk.due(0)) == 2


def test_channels_take_turns_when_room_is_short() -> None:
    desk = Desk()
    desk.add(*(notification(1, alert_id=f"alt_{n}") for n in range(10)))
    desk.add(notification(1, alert_id="alt_x", channel=ChannelRef("webhook", "b")))
    assert desk.due(0, room=2) == [("alt_0", 1), ("alt_x", 1)]
    assert desk.due(0, room=2) == [("alt_1", 1), ("alt_2", 1)]


def test_a_newer_update_replaces_one_that_nobody_has_tried() -> None:
    desk = Desk()
    newer = notification(5, Purpose.UPDATED, silent=3)
    desk.add(trigger, replace(update, silent_count=1), newer)
    assert desk.ends() == {2: ("superseded", "newer")}
    desk.due(0)
    desk.finish(trigger, OK, 1)
    [entry] = desk.outbox.due(1)
    assert (entry.notification.revision, entry.notification.silent_count) == (5, 5)


def test_an_update_that_was_tried_is_not_replaced_nor_is_any_other_purpose() -> None:
    desk = Desk()
    desk.add(update)
    desk.due(0)
    desk.finish(update, BUSY, 0)
    newer = notification(5, Purpose.UPDATED)
    desk.add(newer, now=1)
    assert desk.ends() == {}
    desk = Desk()
    desk.add(trigger, notification(2, Purpose.ACKNOWLEDGED), newer)
    assert desk.ends() == {}


def test_a_repetition_is_dropped_while_pending_and_answered_once_settled() -> None:
    desk = Desk()
    desk.add(trigger, trigger)
    assert desk.due(0) == [("alt_1", 1)]
    desk.add(trigger)
    assert desk.due(0) == []
    desk.finish(trigger, OK, 1)
    for restart in (False, True):
        desk.records.clear()
        if restart:
            desk.restart(1)
        desk.add(trigger, now=2)
        assert desk.due(2) == []
        assert [(r.id, str(r.state)) for r in desk.records] == [(trigger.delivery_id, "delivered")]


def test_what_comes_after_a_later_revision_was_tried_is_not_sent() -> None:
    desk = Desk()
    desk.add(resolve)
    desk.due(0)
    desk.add(trigger)
    assert desk.ends() == {1: ("superseded", "overtaken")}
    desk.finish(resolve, OK, 1)
    desk.add(acknowledge)
    assert desk.ends()[3] == ("superseded", "overtaken")


def test_what_comes_before_a_later_revision_was_tried_is_put_in_front() -> None:
    desk = Desk()
    desk.add(resolve, trigger)
    assert desk.due(0) == [("alt_1", 1)]
    assert desk.due(0) == []
    desk.finish(trigger, OK, 1)
    assert desk.due(1) == [("alt_1", 4)]


def test_an_attempt_that_was_cancelled_is_due_again_and_not_counted() -> None:
    desk = Desk(concurrency=1)
    desk.add(trigger)
    desk.due(0)
    desk.outbox.released(trigger.delivery_id)
    assert desk.outbox.in_flight == 0
    assert desk.due(0) == [("alt_1", 1)]
    entry = desk.outbox.entry(trigger.delivery_id)
    assert entry is not None
    assert entry.tries == 0


def test_an_endpoint_that_wants_no_more_is_reported() -> None:
    desk = Desk()
    desk.add(trigger)
    desk.due(0)
    effects = desk.finish(trigger, GONE, 1)
    assert effects.disabled == [SwitchedOff("acme", HOOK, Reason.GONE, at=1, since=1, failures=1)]
    assert desk.ends() == {1: ("gave_up", "gone")}


def test_retries_survive_a_restart_at_their_time() -> None:
    desk = Desk()
    desk.add(trigger, resolve)
    desk.due(0)
    desk.finish(trigger, BUSY, 0)
    desk.restart(50)
    assert desk.due(99) == []
    assert desk.due(100) == [("alt_1", 1)]
    desk.finish(trigger, OK, 100)
    assert [a.status for a in desk.records[-1].attempts] == [503, 200]
    assert desk.due(100) == [("alt_1", 4)]


def test_an_attempt_in_flight_at_a_crash_is_made_again() -> None:
    desk = Desk()
    desk.add(trigger)
    desk.due(0)
    desk.restart(7)
    assert desk.due(7) == [("alt_1", 1)]


def test_the_settled_are_forgotten_after_a_while() -> None:
    desk = Desk()
    desk.add(trigger)
    desk.due(0)
    desk.finish(trigger, BUSY, 0)
    desk.due(100)
    desk.finish(trigger, OK, 1)
    desk.carry_out(desk.outbox.sweep(SETTLED_MS))
    assert len(desk.table) == 1
    desk.carry_out(desk.outbox.sweep(SETTLED_MS + 1))
    assert desk.table == {}
    assert desk.outbox._lines == desk.outbox._lanes._lanes == {}


def test_memory_of_the_settled_is_bounded() -> None:
    desk = Desk(concurrency=256)
    for number in range(MAX_SETTLED + 50):
        one = notification(1, alert_id=f"alt_{number}")
        desk.add(one)
        desk.due(0)
        desk.finish(one, OK, 1)
        desk.records.clear()
    assert len(desk.table) == MAX_SETTLED
    assert len(desk.outbox._lines) == MAX_SETTLED


def test_the_log_of_attempts_is_bounded() -> None:
    desk = Desk(waits=tuple(range(100)))
    desk.add(trigger)
    for now in range(0, 20_000, 200):
        desk.due(now)
        desk.finish(trigger, replace(BUSY, excerpt="é" * 50_000), now)
    last = desk.records[-1]
    assert len(last.attempts) == 100
    assert len(last.attempts[-1].excerpt.encode()) <= MAX_EXCERPT_BYTES
    assert len(last.encode()) < 200_000


def test_tens_of_thousands_of_entries() -> None:
    desk = Desk(concurrency=16)
    rng = Random(1)
    for number in range(20_000):
        desk.outbox.add(notification(1, alert_id=f"alt_{number}", channel=ChannelRef("webhook", f"w{number % 50}")), 0)
    settled = now = 0
    while len(desk.outbox):
        now += 1
        for entry in desk.outbox.due(now):
            outcome = OK if rng.random() < 0.9 else BUSY
            settled += any(r.state.final for r in desk.outbox.finished(entry.id, outcome, now, rng).records)
    assert settled == 20_000


def test_stored_values_of_an_unknown_version_are_refused() -> None:
    desk = Desk()
    desk.add(trigger)
    [value] = desk.table.values()
    with pytest.raises(ValueError, match="version"):
        decode(b"\x09" + value[1:])


def test_a_superseded_record_is_final() -> None:
    assert [state for state in DeliveryState if not state.final] == [DeliveryState.PENDING, DeliveryState.RETRYING]


def test_what_the_provider_calls_a_message_is_known_to_those_that_follow_also_after_a_restart() -> None:
    desk = Desk()
    desk.carry_out(desk.outbox.add(notification(1), 0))
    (entry,) = desk.outbox.due(0)
    assert entry.notification.reference == ""
    desk.carry_out(desk.outbox.finished(entry.id, replace(OK, reference="C1:17"), 1, Still()))
    desk.carry_out(desk.outbox.add(notification(2, Purpose.ACKNOWLEDGED), 2))
    (entry,) = desk.outbox.due(2)
    assert entry.notification.reference == "C1:17"
    desk.carry_out(desk.outbox.finished(entry.id, OK, 3, Still()))
    again, _ = Outbox.restored(desk.table.items(), lambda _: desk.terms, 4)
    again.add(notification(3, Purpose.RESOLVED), 5)
    (entry,) = again.due(5)
    assert entry.notification.reference == "C1:17"
