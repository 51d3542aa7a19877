"""A channel stands in for one that gave up: who is told what, how often, and how it ends. Several outboxes, as live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from streamproc.alerting.fallback import MAX_CHANNELS, stand_ins
from streamproc.alerting.outbox import SETTLED_MS, Outbox
from streamproc.alerting.outbox_entry import Effects
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook
from streamproc.alerting.retry import Fixed
from streamproc.alerting.terms import Terms
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Delivery, DeliveryState, Outcome, OutcomeKind, Reason
from streamproc.model.notification import OPENING, Member, Notification, Purpose, delivery_id
from tests.alerting.making import Record, notification
from tests.alerting.test_outbox import BAD, BUSY, OK, Still

MINUTE = 60_000
A, B, C, D = (ChannelRef("webhook", name) for name in "abcd")
USERS = PeopleBook().fold(
    [
        Record("user", "alice", {"name": "Alice", "email": "alice@example.com", "roles": ["admin"]}),
        Record("user", "carol", {"name": "Carol", "email": "carol@example.com", "roles": ["member"]}),
    ]
)
Answer = Callable[[Notification, int], Outcome]


def hook(id: str, **settings: Any) -> Record:
    return Record("webhook", id, {"url": f"https://example.com/{id}", **settings})


def mail(id: str = "mail", **settings: Any) -> Record:
    return Record("channel", id, {"type": "email", "host": "m.example.com", "sender": "a@example.com", **settings})


class World:
    """An outbox per channel, each with its table; what one makes for another arrives there."""

    def __init__(self, *records: Record, waits: tuple[int, ...] = (0, 1000), people: PeopleBook = USERS) -> None:
        self.book = ChannelBook().fold(records)
        self.people = people
        self.waits = waits
        self.outboxes: dict[ChannelRef, Outbox] = {}
        self.tables: dict[ChannelRef, dict[bytes, bytes]] = {}
        self.records: list[Delivery] = []
        self.sent: list[Notification] = []
        self.now = 0

    def outbox(self, ref: ChannelRef) -> Outbox:
        if ref not in self.outboxes:
            self.tables[ref] = {}
            self.outboxes[ref] = Outbox(self.terms, self.stand_ins)
        return self.outboxes[ref]

    def terms(self, _: Notification) -> Terms:
        return Terms(Fixed(self.waits), 16)

    def stand_ins(self, one: Notification) -> Any:
        return stand_ins(one, self.book, self.people)

    def restart(self) -> None:
        for ref, table in self.tables.items():
            self.outboxes[ref], effects = Outbox.restored(table.items(), self.terms, self.now, self.stand_ins)
            self.carry(ref, effects)

    def carry(self, ref: ChannelRef, effects: Effects) -> None:
        self.records += [Delivery.decode(record.encode()) for record in effects.records]
        self.tables[ref].update(effects.puts)
        for key in effects.deletes:
            self.tables[ref].pop(key, None)
        self.add(*effects.notifications)

    def add(self, *notifications: Notification) -> None:
        for one in notifications:
            outbox = self.outbox(one.channel)
            self.carry(one.channel, outbox.add(Notification.decode(one.encode()), self.now))

    def run(self, answer: Answer, until: int = 10**12) -> None:
        while True:
            due = [at for outbox in self.outboxes.values() if (at := outbox.next_due()) is not None]
            if not due or min(due) > until:
                return
            self.now = max(self.now, min(due))
            for ref, outbox in list(self.outboxes.items()):
                for entry in outbox.due(self.now):
                    self.sent.append(entry.notification)
                    outcome = answer(entry.notification, self.now)
                    self.carry(ref, outbox.finished(entry.id, outcome, self.now, Still()))

    def sweep(self) -> None:
        for ref, outbox in list(self.outboxes.items()):
            self.carry(ref, outbox.sweep(self.now))

    @property
    def delivered(self) -> list[tuple[str, str]]:
        ends = [record for record in self.records if record.state is DeliveryState.DELIVERED]
        return [(end.channel.id if end.channel else "", end.purpose) for end in ends]


def fails(*ids: str, outcome: Outcome = BAD) -> Answer:
    return lambda one, _: outcome if one.channel.id in ids else OK


def test_what_gives_up_is_told_by_the_channel_that_stands_in() -> None:
    world = World(hook("a", fallback="b"), hook("b"))
    trigger = notification(1, channel=A)
    world.add(trigger)
    world.run(fails("a", outcome=BUSY))
    assert [(one.channel.id, world.now) for one in world.sent] == [("a", 1000), ("a", 1000), ("b", 1000)]
    states = [(r.channel and r.channel.id, str(r.state), r.detail) for r in world.records]
    assert states == [
        ("a", "retrying", ""),
        ("a", "gave_up", "webhook/b stands in"),
        ("b", "pending", ""),
        ("b", "delivered", ""),
    ]
    stood_in = world.records[-1]
    assert (stood_in.fallback_for, stood_in.alert_id, stood_in.revision) == (A, "alt_1", 1)
    assert stood_in.id == delivery_id("alt_1", 1, B, "", "triggered fallback") != trigger.delivery_id


@pytest.mark.parametrize("purpose", list(Purpose))
def test_only_what_tells_that_something_is_wrong_is_handed_over(purpose: Purpose) -> None:
    world = World(hook("a", fallback="b"), hook("b"))
    world.add(notification(1, purpose, channel=A))
    world.run(fails("a"))
    assert [one.channel.id for one in world.sent] == (["a", "b"] if purpose in OPENING else ["a"])


def test_channels_stand_in_for_each_other_without_end_but_each_is_tried_once() -> None:
    ring = World(hook("a", fallback="b"), hook("b", fallback="a"))
    ring.add(notification(1, channel=A))
    ring.run(fails("a", "b"))
    assert [one.channel.id for one in ring.sent] == ["a", "b"]
    self_loop = World(hook("a", fallback="a"))
    self_loop.add(notification(1, channel=A))
    self_loop.run(fails("a"))
    assert [one.channel.id for one in self_loop.sent] == ["a"]
    line = World(hook("a", fallback="b"), hook("b", fallback="c"), hook("c", fallback="d"), hook("d"))
    line.add(notification(1, channel=A))
    line.run(fails("a", "b", "c", "d"))
    assert [one.channel.id for one in line.sent] == ["a", "b", "c"]
    assert len(line.sent) == MAX_CHANNELS
    assert {str(one.fallback_for) for one in line.sent[1:]} == {"webhook/a"}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("abcde"), st.sampled_from("abcdex"), max_size=5), st.sampled_from("abcde"))
def test_however_channels_are_wired_each_is_tried_once_and_at_most_three(wiring: dict[str, str], first: str) -> None:
    world = World(*(hook(id, fallback=wiring.get(id)) for id in "abcde"))
    world.add(notification(1, channel=ChannelRef("webhook", first)))
    world.run(fails(*"abcde"))
    tried = [one.channel.id for one in world.sent]
    assert len(tried) == len(set(tried)) <= MAX_CHANNELS
    naive = [first]
    while len(naive) < MAX_CHANNELS and (following := wiring.get(naive[-1], "x")) not in (*naive, "x"):
        naive.append(following)
    assert tried == naive


def test_a_resolve_that_came_meanwhile_follows_to_the_channel_that_stands_in() -> None:
    world = World(hook("a", fallback="b"), hook("b"))
    world.add(notification(1, channel=A), notification(2, Purpose.ACKNOWLEDGED, channel=A))
    world.add(notification(4, Purpose.RESOLVED, channel=A))
    world.run(fails("a", outcome=BUSY))
    assert world.delivered == [("b", "triggered"), ("b", "acknowledged"), ("b", "resolved")]
    ends = {(r.channel, r.revision): str(r.reason) for r in world.records if r.state.final}
    assert ends[A, 4] == "trigger_failed"


@pytest.mark.parametrize("restarts", [False, True])
def test_a_resolve_that_comes_later_is_told_there_once_whoever_sends_it(restarts: bool) -> None:
    """notify tells the stand-in of the end, too, once it knows that it was told; the outbox cannot know that."""
    for order in (0, 1):
        world = World(hook("a", fallback="b"), hook("b"))
        world.add(notification(1, channel=A))
        world.run(fails("a"))
        if restarts:
            world.restart()
        both = [notification(4, Purpose.RESOLVED, channel=A), notification(4, Purpose.RESOLVED, channel=B)]
        world.add(*(reversed(both) if order else both))
        world.run(fails("a"))
        assert world.delivered == [("b", "triggered"), ("b", "resolved")]
        assert Reason.ALREADY_TOLD in {r.reason for r in world.records}


def test_a_channel_that_was_told_itself_is_not_told_again() -> None:
    for order in (0, 1):
        world = World(hook("a", fallback="b"), hook("b"))
        both = [notification(1, channel=A), notification(1, channel=B)]
        world.add(*(reversed(both) if order else both))
        world.run(fails("a"))
        assert world.delivered == [("b", "triggered")]


def test_repeated_escalations_are_not_mistaken_for_the_same() -> None:
    world = World(hook("b"))
    first = notification(1, channel=B)
    again = replace(first, delivery_id=delivery_id("alt_1", 1, B, "", "triggered", 1, 1), step=1, repeat=1)
    world.add(first, again)
    world.run(fails())
    assert world.delivered == [("b", "triggered")] * 2


def test_an_update_is_handed_over_with_the_resolve_behind_it() -> None:
    world = World(hook("a", fallback="b"), hook("b"))
    world.add(notification(1, channel=A))
    world.run(fails())
    world.add(notification(2, Purpose.UPDATED, channel=A), notification(3, Purpose.RESOLVED, channel=A))
    world.run(lambda one, _: BAD if one.channel == A and one.purpose is Purpose.UPDATED else OK)
    assert sorted(world.delivered[1:]) == [("a", "resolved"), ("b", "resolved"), ("b", "updated")]


def test_who_is_told_by_a_channel_that_reaches_people() -> None:
    personal = World(hook("a", fallback="mail"), mail())
    personal.add(notification(1, channel=A))
    personal.run(fails("a"))
    assert [one.recipient for one in personal.sent[1:]] == ["user/alice"], "admins, as by default"
    listed = World(hook("a", fallback="mail"), mail(recipients=["ops@example.com"]))
    listed.add(notification(1, channel=A))
    listed.run(fails("a"))
    assert [one.recipient for one in listed.sent[1:]] == [""]
    same = World(mail(fallback="second"), mail("second"))
    same.add(replace(notification(1, channel=ChannelRef("channel", "mail")), recipient="user/carol"))
    same.run(fails("mail"))
    assert [one.recipient for one in same.sent] == ["user/carol", "user/carol"], "the same person"
    several = World(mail(fallback="b"), hook("b"))
    for user in ("alice", "carol"):
        one = notification(1, channel=ChannelRef("channel", "mail"))
        several.add(replace(one, recipient=f"user/{user}", delivery_id=f"dlv_{user}"))
    several.run(fails("mail"))
    assert [one.channel.id for one in several.sent] == ["mail", "mail", "b"], "once for all of them"


def bundle(channel: ChannelRef, *purposes: Purpose) -> Notification:
    ones = [notification(1, purpose, alert_id=f"alt_{n}", channel=channel) for n, purpose in enumerate(purposes)]
    members = tuple(
        Member(o.delivery_id, o.alert_id, o.fingerprint, o.revision, o.purpose, 0, o.created_at, o.alert) for o in ones
    )
    id = delivery_id("grp_1", 1, channel, "", "bundle")
    return replace(ones[-1], delivery_id=id, alert_id="grp_1", purpose=Purpose.TRIGGERED, members=members)


def test_a_bundle_goes_as_a_whole_or_one_by_one() -> None:
    slack = Record("channel", "s", {"type": "slack", "url": "https://hooks.slack.com/services/x"})
    purposes = (Purpose.TRIGGERED, Purpose.RESOLVED, Purpose.TRIGGERED)
    whole = World(hook("a", fallback="s", mode="batch"), slack)
    whole.add(bundle(A, *purposes))
    whole.run(fails("a"))
    assert [len(one.members) for one in whole.sent] == [3, 3]
    final = [record for record in whole.records if record.state.final]
    assert len({record.id for record in final}) == len(final) == 8, "each alert has a record for either message"
    single = World(hook("a", fallback="b", mode="batch"), hook("b"))
    single.add(bundle(A, *purposes))
    single.run(fails("a"))
    assert [(one.alert_id, len(one.members)) for one in single.sent[1:]] == [("alt_0", 0), ("alt_2", 0)]
    assert {one.fallback_for for one in single.sent[1:]} == {A}


def test_what_a_breaker_holds_is_handed_over_when_its_schedule_would_have_ended() -> None:
    patient = World(hook("a", fallback="b"), hook("b"), waits=(0, 1000, 2000))
    many = [notification(1, alert_id=f"alt_{number}", channel=A) for number in range(50)]
    patient.add(*many)
    patient.run(fails("a", outcome=BUSY), until=2999)
    patient.now = 2999
    patient.sweep()
    assert patient.delivered == []
    patient.now = 3000
    patient.sweep()
    patient.run(fails("a", outcome=BUSY), until=3000)
    waiting = sum(len(outbox) for outbox in patient.outboxes.values())
    assert len(patient.delivered) + waiting == 50
    assert len(patient.delivered) >= 50 - 16, "all but those with attempts and times of their own"
    alone = World(hook("a"), hook("b"), waits=(0, 1000, 2000))
    alone.add(*many)
    alone.run(fails("a", outcome=BUSY), until=3000)
    alone.now = 60 * MINUTE
    alone.sweep()
    assert not [r for r in alone.records if r.state is DeliveryState.GAVE_UP], "nobody else would tell of them"


def test_a_replay_goes_out_whatever_came_after_it_and_revives_the_chain() -> None:
    world = World(hook("a", fallback="b"), hook("b"))
    trigger = notification(1, channel=A)
    world.add(trigger, notification(2, Purpose.RESOLVED, channel=A))
    world.run(fails("a", "b"))
    replay = replace(trigger, delivery_id="dlv_again", replay_of=trigger.delivery_id)
    world.sent.clear()
    world.add(replay, replay)
    world.run(fails())
    assert [one.delivery_id for one in world.sent] == ["dlv_again"]
    assert world.records[-1].detail == f"replay of {trigger.delivery_id}"
    world.restart()
    world.add(replay)
    world.run(fails())
    assert len(world.sent) == 1, "the same request twice is one"
    world.add(notification(3, Purpose.RESOLVED, channel=A))
    world.run(fails())
    assert list(dict.fromkeys(world.delivered)) == [("a", "triggered"), ("a", "resolved")]
    failing = replace(replay, delivery_id="dlv_third")
    world.add(failing)
    world.run(fails("a"))
    assert world.sent[-1].delivery_id == "dlv_third", "a replay that fails is not handed over"
    world.now += SETTLED_MS * 1000
    world.sweep()
    assert all(not outbox._lines for outbox in world.outboxes.values())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(list(Purpose)[1:]), max_size=5), st.booleans())
def test_whatever_fails_somebody_is_told_in_order_or_every_channel_was_tried(
    seed: int, purposes: list[Purpose], restarts: bool
) -> None:
    rng = Random(seed)
    world = World(hook("a", fallback="b"), hook("b", fallback="c"), hook("c"), waits=(0, 5, 5))
    outcomes = (OK, BUSY, BAD, Outcome(OutcomeKind.RETRY, Reason.RATE_LIMITED, status=429, retry_after=1))
    given_ = [notification(n, p, channel=A) for n, p in enumerate([Purpose.TRIGGERED, *purposes], 1)]
    for one in given_:
        world.add(one)
        world.run(lambda *_: rng.choice(outcomes), until=world.now + rng.randrange(10))
        if restarts:
            world.restart()
    world.run(lambda *_: rng.choice(outcomes))
    finals: dict[str, Delivery] = {r.id: r for r in world.records if r.state.final}
    assert {r.id for r in world.records} == set(finals), "everything that began has ended"
    by_channel: dict[str, list[int]] = {}
    delivered = {
        r.id: r for r in world.records if r.state is DeliveryState.DELIVERED
    }  # a repetition has the same record
    for record in delivered.values():
        if record.channel:
            by_channel.setdefault(record.channel.id, []).append(record.revision)
    assert all(found == sorted(set(found)) for found in by_channel.values()), "in order, and nothing twice"
    if not any(1 in found for found in by_channel.values()):
        assert {one.channel.id for one in world.sent if one.revision == 1} == {"a", "b", "c"}
