"""Whatever receivers answer, and wherever the process stops: nothing is lost, nothing overtakes.

Chance chooses what is added, what each attempt comes to, when attempts are cancelled, and when the process stops: the
next one has only the table, which may hold any beginning of the last effects (records first, then puts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from streamproc.alerting.outbox import Outbox, Terms
from streamproc.alerting.outbox_entry import Effects
from streamproc.alerting.retry import Fixed
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Delivery, DeliveryState, Outcome, OutcomeKind, Reason
from streamproc.model.notification import OPENING, Notification, Purpose
from tests.alerting.making import notification

LIMIT = 2
OUTCOMES = (
    Outcome(OutcomeKind.DELIVERED, Reason.OK, status=200),
    Outcome(OutcomeKind.RETRY, Reason.SERVER_ERROR, status=503),
    Outcome(OutcomeKind.RETRY, Reason.RATE_LIMITED, status=429, retry_after=1),
    Outcome(OutcomeKind.PERMANENT, Reason.CLIENT_ERROR, status=400),
)
LIFE = (Purpose.TRIGGERED, Purpose.UPDATED, Purpose.UPDATED, Purpose.ACKNOWLEDGED, Purpose.UPDATED, Purpose.RESOLVED)
NOTIFICATIONS = [
    notification(revision, purpose, alert_id=alert, channel=ChannelRef("webhook", channel))
    for revision, purpose in enumerate(LIFE, 1)
    for alert in ("alt_1", "alt_2", "alt_3")
    for channel in ("a", "b")
]


class Stopped(Exception):
    pass


@dataclass
class World:
    """What outlives the process, and what receivers saw."""

    table: dict[bytes, bytes] = field(default_factory=dict)
    ends: dict[str, list[Delivery]] = field(default_factory=dict)
    received: list[Notification] = field(default_factory=list)
    added: dict[str, Notification] = field(default_factory=dict)
    writes_left: int | None = None

    def carry_out(self, effects: Effects) -> None:
        for record in effects.records:
            self.write()
            if record.state.final:
                self.ends.setdefault(record.id, []).append(record)
        for key, value in effects.puts.items():
            self.write()
            self.table[key] = value
        for key in effects.deletes:
            self.write()
            self.table.pop(key, None)

    def write(self) -> None:
        if self.writes_left is not None:
            if not self.writes_left:
                raise Stopped
            self.writes_left -= 1


def terms(_: Notification) -> Terms:
    return Terms(Fixed((0, 10, 100, 1000)), LIMIT)


def step(world: World, outbox: Outbox, data: st.DataObject, waiting: list[Notification], now: int, rng: Random) -> int:
    """One thing happens; the time after it."""
    do = data.draw(st.sampled_from(("add", "attempt", "attempt", "later")))
    if do == "add" and waiting:
        one = waiting[0]
        world.carry_out(outbox.add(one, now))
        world.added[one.delivery_id] = one
        waiting.pop(0)  # acknowledged only now: a stop before it brings the notification again
    elif do == "later":
        due = outbox.next_due()
        now = max(now + 1, due if due is not None else 0)
    else:
        entries = outbox.due(now, data.draw(st.sampled_from((None, 1, 3))))
        lanes = [(e.notification.channel, e.in_flight) for e in entries]
        assert all(lanes.count(lane) <= LIMIT for lane in lanes)
        for entry in data.draw(st.permutations(entries)):
            if data.draw(st.integers(0, 9)) == 0:
                outbox.released(entry.id)
                continue
            outcome = data.draw(st.sampled_from(OUTCOMES))
            check_order(world, entry.notification)
            world.received.append(entry.notification)
            world.carry_out(outbox.finished(entry.id, outcome, now, rng))
    return now


def check_order(world: World, about: Notification) -> None:
    """All of the chain that was added before it has settled, and so can no longer arrive after it."""
    for earlier in world.added.values():
        if earlier.chain == about.chain and earlier.revision < about.revision:
            assert earlier.delivery_id in world.ends, f"{about.purpose} overtook {earlier.purpose}"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_is_lost_and_nothing_overtakes(data: st.DataObject) -> None:
    world, rng, now = World(), Random(1), 0
    waiting = [one for one in NOTIFICATIONS if data.draw(st.booleans())]
    outbox = Outbox(terms)
    for _ in range(data.draw(st.integers(0, 4))):
        world.writes_left = data.draw(st.integers(0, 40))
        try:
            for _ in range(30):
                now = step(world, outbox, data, waiting, now, rng)
        except Stopped:
            pass
        world.writes_left = None
        outbox, effects = Outbox.restored(list(world.table.items()), terms, now)
        world.carry_out(effects)

    for one in waiting:
        world.carry_out(outbox.add(one, now))
        world.added[one.delivery_id] = one
    for _ in range(1000):
        if not len(outbox):
            break
        due = outbox.next_due()
        assert due is not None, "entries are left that nothing will try"
        now = max(now, due)
        for entry in outbox.due(now):
            check_order(world, entry.notification)
            world.received.append(entry.notification)
            world.carry_out(outbox.finished(entry.id, rng.choice(OUTCOMES), now, rng))
    assert not len(outbox)
    assert outbox.in_flight == 0

    for id, one in world.added.items():
        assert world.ends.get(id), f"revision {one.revision} of {one.alert_id} has no end"
    for id, ends in world.ends.items():
        if ends[-1].state is DeliveryState.DELIVERED:
            assert any(one.delivery_id == id for one in world.received)
    for id, one in world.added.items():
        end = world.ends[id][-1]
        if end.reason is Reason.TRIGGER_FAILED:
            assert one.purpose not in OPENING
            assert any(
                other.chain == one.chain
                and other.purpose is Purpose.TRIGGERED
                and world.ends[other.delivery_id][-1].state is DeliveryState.GAVE_UP
                for other in world.added.values()
            )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(("take", "finish", "retry")), max_size=60), st.integers(1, 4))
def test_a_channels_limit_is_never_passed(doings: list[str], limit: int) -> None:
    outbox, now = Outbox(lambda _: Terms(Fixed((0, 5, 5, 5, 5, 5)), limit)), 0
    for number in range(20):
        outbox.add(notification(1, alert_id=f"alt_{number}"), now)
    flying: list[str] = []
    for do in doings:
        now += 1
        if do == "take":
            flying += [entry.id for entry in outbox.due(now)]
            assert len(flying) == min(limit, len(outbox)) or now < (outbox.next_due() or now + 1)
        elif flying:
            outcome = OUTCOMES[0] if do == "finish" else OUTCOMES[1]
            outbox.finished(flying.pop(0), outcome, now, Random(1))
        assert len(flying) == outbox.in_flight <= limit
