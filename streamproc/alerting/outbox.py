"""The *outbox*: notifications that deliver has taken over and not yet settled. Pure; time is an argument.

One outbox serves one partition of `notifications`, and so all of a channel's. It decides the order and the pace;
the runtime makes the attempts and stores what `Effects` says.

- A *chain* (alert, channel, recipient) goes out one after another, by revision: a resolve waits for its trigger's
  retries. If the trigger fails for good, notices after it are dropped (`trigger_failed`), as their receiver never
  learned of the alert; a later update is tried.
- Different alerts never wait for each other, except for a place in their channel's lane.
- An update that nobody has tried yet is replaced by a newer one, which tells of its triggers too.
- Every notification ends as exactly one of delivered, gave up, superseded; and is remembered for a while, so that
  a repetition by notify is answered with the same record instead of a second message.
- While a channel's breaker is open, what waits for it keeps its attempts; but if another channel would stand in for it,
  no longer than its schedule lasts.
- What tells that something is wrong and gives up goes to the channel that stands in, and so do the notices after it.
- A channel that has failed for long enough is switched off, and what waits for it gives up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace

from streamproc.alerting.ailing import Ailments
from streamproc.alerting.audience import Target
from streamproc.alerting.fallback import stand_in
from streamproc.alerting.lanes import LaneKey, Lanes
from streamproc.alerting.outbox_entry import (
    Chain,
    Effects,
    Entry,
    Mark,
    decode,
    delivery_of,
    members_of,
)
from streamproc.alerting.retry import Delivered, GaveUp, Randomness, RetryAt, decide
from streamproc.alerting.terms import StandIns, Terms, nobody
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Attempt, DeliveryState, Outcome, Reason
from streamproc.model.notification import OPENING, Notification, Purpose

SETTLED_MS = 6 * 3600 * 1000
MAX_SETTLED = 20_000
"""Repetitions are recognised for this long, among this many."""
FAILED_MS = 90 * 24 * 3600 * 1000
"""A failed trigger is remembered this long: notices about the alert may come as late."""


Told = tuple[int, Purpose, bool]
"""(revision, purpose, whether its channel stood in for another)"""


@dataclass(slots=True, eq=False)
class _Line:
    """A chain's queue. `revision`: the latest settled; `told`: the latest delivered; `failed`: the trigger that failed;
    `marks`: its live marks; `reference`: what the provider calls the latest message of the chain.
    """

    queue: list[Entry] = field(default_factory=list)
    revision: int = 0
    told: Told | None = None
    failed: str | None = None
    marks: int = 0
    reference: str = ""


class Outbox:
    """See the module. Not safe for use by several threads; one event loop may interleave calls freely."""

    def __init__(self, terms: Callable[[Notification], Terms], stand_ins: StandIns = nobody) -> None:
        """`terms`: how a notification's channel is treated; `stand_ins`: who is told in its place when it gives up.
        Both are asked whenever it matters (settings may change).
        """
        self._terms = terms
        self._stand_ins = stand_ins
        self._lanes = Lanes(lambda notification: terms(notification).concurrency)
        self._entries: dict[str, Entry] = {}
        self._lines: dict[Chain, _Line] = {}
        self._settled: OrderedDict[str, Mark] = OrderedDict()
        self._failed: OrderedDict[str, Mark] = OrderedDict()
        self._ailments = Ailments()

    @classmethod
    def restored(
        cls,
        stored: Iterable[tuple[bytes, bytes]],
        terms: Callable[[Notification], Terms],
        now: int,
        stand_ins: StandIns = nobody,
    ) -> tuple[Outbox, Effects]:
        """The outbox of a partition from all that its table holds. Raises ValueError for a value it cannot read."""
        outbox, effects = cls(terms, stand_ins), Effects()
        entries: list[Entry] = []
        marks: list[Mark] = []
        for _, value in stored:
            item = decode(value)
            if isinstance(item, Entry):
                entries.append(item)
            elif isinstance(item, Mark):
                marks.append(item)
            else:
                outbox._ailments.restore(item)
        for mark in sorted(marks, key=lambda mark: mark.expires_at):
            outbox._remember(mark)
        for entry in sorted(entries, key=_order):
            outbox._entries[entry.id] = entry
            outbox._line(entry.notification.chain).queue.append(entry)
        for chain in {entry.notification.chain for entry in entries}:
            outbox._advance(chain, effects, now)
        return outbox, effects

    def __len__(self) -> int:
        """How many notifications are not settled."""
        return len(self._entries)

    @property
    def retrying(self) -> int:
        """How many of them have failed at least once. Looks at them all."""
        return sum(entry.tries > 0 for entry in self._entries.values())

    @property
    def in_flight(self) -> int:
        """How many attempts are under way."""
        return self._lanes.in_flight

    @property
    def open_channels(self) -> Set[LaneKey]:
        """The channels whose breaker is open."""
        return self._lanes.open

    def ailing(self, tenant: str, channel: ChannelRef) -> bool:
        """Whether the latest attempt at the channel failed, and none since has succeeded."""
        return (tenant, channel) in self._ailments

    def off(self, notification: Notification) -> bool:
        """Whether its channel was switched off, and has not been configured anew since: it is not to be tried."""
        return self._ailments.off(notification, self._terms(notification).revision)

    def entry(self, delivery_id: str) -> Entry | None:
        """The unsettled entry of that id."""
        return self._entries.get(delivery_id)

    def add(self, notification: Notification, now: int) -> Effects:
        """Take a notification over. Its source offset may be acknowledged once the effects are carried out."""
        effects = Effects()
        id = notification.delivery_id
        mark = self._settled.get(id) or self._failed.get(id)
        if mark is not None:
            effects.records.append(mark.delivery)
        if mark is not None or id in self._entries:
            return effects
        line = self._line(notification.chain)
        entry = Entry(notification, now)
        if _told_already(notification, line):
            self._settle(entry, DeliveryState.SUPERSEDED, Reason.ALREADY_TOLD, effects, now)
            self._tidy(notification.chain)
            return effects
        place = len(line.queue)
        while place and line.queue[place - 1].notification.revision > notification.revision:
            place -= 1
        if notification.revision < line.revision or (
            place < len(line.queue) and any(later.started for later in line.queue[place:])
        ):
            self._settle(entry, DeliveryState.SUPERSEDED, Reason.OVERTAKEN, effects, now)
            self._tidy(notification.chain)
            return effects
        if place and _replaceable(older := line.queue[place - 1], notification):
            silent = older.notification.silent_count + 1 + notification.silent_count
            entry.notification = replace(notification, silent_count=silent)
            place -= 1
            del line.queue[place]
            self._settle(older, DeliveryState.SUPERSEDED, Reason.NEWER, effects, now)
        line.queue.insert(place, entry)
        self._entries[id] = entry
        effects.put(id, entry)
        if place == 0:
            self._unscheduled_copy(line, 1)
            self._advance(notification.chain, effects, now)
        return effects

    def due(self, now: int, room: int | None = None) -> list[Entry]:
        """Entries to attempt now, at most `room`; each must be given back to `finished` or `released`."""
        taken = self._lanes.take(now, room)
        for entry in taken:
            reference = self._line(entry.notification.chain).reference
            if reference != entry.notification.reference:
                entry.notification = replace(entry.notification, reference=reference)
        return taken

    def next_due(self) -> int | None:
        """When to call `due` again, ms; a time in the past: at once; None: after an `add`, `finished`, `released`."""
        return self._lanes.next_at()

    def finished(self, delivery_id: str, outcome: Outcome, now: int, rng: Randomness) -> Effects:
        """An attempt that `due` gave out came to `outcome`."""
        entry, effects = self._entries[delivery_id], Effects()
        before = entry.notification.progress
        reached = outcome.progress is not None and len(outcome.progress.reached) > len(before.reached)
        self._lanes.ended(entry, outcome, reached, now)
        entry.tries += 1
        entry.attempts = (*(a.shortened() for a in entry.attempts), Attempt.of(outcome, now))
        if outcome.progress is not None:
            entry.notification = replace(entry.notification, progress=outcome.progress)
        notification = entry.notification
        terms = self._terms(notification)
        verdict = decide(entry.tries, outcome, now, terms.schedule, rng)
        switched_off = self._ailments.examine(notification, terms.revision, outcome, reached, now, effects)
        if isinstance(verdict, RetryAt) and self.off(notification):
            verdict = GaveUp(Reason.ENDPOINT_OFF)
        if isinstance(verdict, RetryAt):
            entry.at = verdict.at
            effects.put(delivery_id, entry)
            effects.records.append(delivery_of(entry, DeliveryState.RETRYING, outcome.reason, now, verdict.at))
            self._lanes.schedule(entry)
            return effects
        if isinstance(verdict, Delivered):
            entry.reference = outcome.reference
            self._end(entry, DeliveryState.DELIVERED, outcome.reason, effects, now)
        else:
            self._end(entry, DeliveryState.GAVE_UP, verdict.reason, effects, now)
        if switched_off:
            self._give_up_all((notification.tenant, notification.channel), effects, now)
        return effects

    def released(self, delivery_id: str) -> None:
        """An attempt was cancelled before it had an outcome; it is due again at once."""
        entry = self._entries[delivery_id]
        self._lanes.cancelled(entry)
        self._lanes.schedule(entry)

    def sweep(self, now: int) -> Effects:
        """Forget what has been settled for long enough, and let go of what was held for too long; call it every minute
        or so.
        """
        effects = Effects()
        self._lanes.sweep(now)
        self._give_up_held(effects, now)
        self._ailments.sweep(now, effects)
        for marks in (self._settled, self._failed):
            while marks and next(iter(marks.values())).expires_at <= now:
                self._forget(next(iter(marks)), effects)
        return effects

    # sick channels

    def _give_up_all(self, key: LaneKey, effects: Effects, now: int) -> None:
        """Everything that waits for a channel; what is under way comes to its end by itself, and then what follows."""
        self._lanes.forget(key)
        for chain in [chain for chain in self._lines if (chain[0], chain[2]) == key]:
            line = self._lines.get(chain)
            while line is not None and line.queue and not line.queue[0].in_flight:
                self._end(line.queue[0], DeliveryState.GAVE_UP, Reason.ENDPOINT_OFF, effects, now)

    def _give_up_held(self, effects: Effects, now: int) -> None:
        """What a breaker holds, once its schedule would have ended, if there is a channel to stand in."""
        held = self._lanes.held(now)
        if not held:
            return
        for entry in list(self._entries.values()):
            notification = entry.notification
            waits = entry.live and not entry.in_flight and entry.at <= now
            if not waits or (notification.tenant, notification.channel) not in held:
                continue
            line = self._lines[notification.chain]
            patience = self._terms(notification).schedule.span
            if entry is line.queue[0] and now >= notification.created_at + patience and self._targets(notification):
                self._end(entry, DeliveryState.GAVE_UP, Reason.ATTEMPTS_EXHAUSTED, effects, now)

    # standing in

    def _targets(self, notification: Notification) -> Sequence[Target]:
        return self._stand_ins(notification) if notification.purpose in OPENING else ()

    def _hand_over(self, notification: Notification, targets: Iterable[Target], effects: Effects, now: int) -> None:
        for target in targets:
            for copy in stand_in(notification, target):
                one = replace(copy, created_at=now)
                effects.notifications.append(one)
                effects.records.append(delivery_of(Entry(one, now), DeliveryState.PENDING, None, now))

    # chains

    def _line(self, chain: Chain) -> _Line:
        line = self._lines.get(chain)
        if line is None:
            line = self._lines[chain] = _Line()
        return line

    def _advance(self, chain: Chain, effects: Effects, now: int) -> None:
        """Schedule the chain's head; settle heads that must not go out."""
        line = self._lines[chain]
        while line.queue and line.failed is not None and line.queue[0].notification.purpose not in OPENING:
            entry = line.queue.pop(0)
            if self._failed[line.failed].fell_back:
                self._hand_over(entry.notification, self._stand_ins(entry.notification), effects, now)
            self._settle(entry, DeliveryState.SUPERSEDED, Reason.TRIGGER_FAILED, effects, now)
        if line.queue:
            self._lanes.schedule(line.queue[0])
        self._tidy(chain)

    def _unscheduled_copy(self, line: _Line, place: int) -> None:
        """The entry at `place` was the head and is scheduled; put an unscheduled copy of it into the queue."""
        if place < len(line.queue):
            former = line.queue[place]
            former.live = False
            copy = Entry(former.notification, former.at, former.tries, former.attempts)
            line.queue[place] = self._entries[former.id] = copy

    def _tidy(self, chain: Chain) -> None:
        line = self._lines[chain]
        if not line.queue and line.failed is None and not line.marks:
            del self._lines[chain]

    # settling

    def _end(self, entry: Entry, state: DeliveryState, reason: Reason, effects: Effects, now: int) -> None:
        """Of the head of a chain, which goes on with the next."""
        notification, chain = entry.notification, entry.notification.chain
        targets = self._targets(notification) if state is DeliveryState.GAVE_UP else ()
        self._lines[chain].queue.remove(entry)
        self._settle(entry, state, reason, effects, now, targets)
        if targets and self._lines[chain].failed is None:
            for later in self._lines[chain].queue:  # they go on here, and must end what was begun there
                if later.notification.purpose not in OPENING:
                    self._hand_over(later.notification, targets, effects, now)
        self._advance(chain, effects, now)

    def _settle(
        self,
        entry: Entry,
        state: DeliveryState,
        reason: Reason,
        effects: Effects,
        now: int,
        targets: Sequence[Target] = (),
    ) -> None:
        """The entry's end: its record, and a mark in its place; `targets` are told instead. It must be taken from its
        queue by the caller.
        """
        entry.live = False
        self._entries.pop(entry.id, None)
        detail = "" if not targets else f"{targets[0].channel.ref} stands in"
        delivery = delivery_of(entry, state, reason, now, detail=detail)
        effects.records.append(delivery)
        effects.records += members_of(entry.notification, delivery)
        notification, line = entry.notification, self._line(entry.notification.chain)
        self._hand_over(notification, targets, effects, now)
        told = state is DeliveryState.DELIVERED and notification.purpose in OPENING
        failed = (
            state is DeliveryState.GAVE_UP
            and notification.purpose in (Purpose.TRIGGERED, Purpose.REOPENED)
            and not notification.members  # its lane goes on about other alerts
            and not notification.replay_of
            and not notification.progress.reached  # some of its recipients know, and want to know how it ends
        )
        if line.failed is not None and (told or failed):
            self._forget(line.failed, effects)
        if told and notification.replay_of:
            self._made_up_for(notification, effects)
        expires_at = now + (FAILED_MS if failed else SETTLED_MS)
        mark = Mark(replace(delivery, attempts=()), expires_at, failed, bool(targets), bool(notification.replay_of))
        effects.put(entry.id, mark)
        self._remember(mark)
        while len(self._settled) > MAX_SETTLED:
            self._forget(next(iter(self._settled)), effects)

    def _made_up_for(self, replay: Notification, effects: Effects) -> None:
        """A replay has told of the alert: how that ends is of interest again."""
        line = self._lines.get(replace(replay, replay_of="").chain)
        if line is not None and line.failed is not None:
            self._forget(line.failed, effects)

    def _remember(self, mark: Mark) -> None:
        line = self._line(mark.chain)
        delivery = mark.delivery
        line.revision = max(line.revision, delivery.revision)
        if delivery.state is DeliveryState.DELIVERED and (line.told is None or line.told[0] <= delivery.revision):
            line.told = (delivery.revision, Purpose(delivery.purpose), delivery.fallback_for is not None)
            line.reference = delivery.reference or line.reference
        if mark.failed:
            line.failed = mark.delivery.id
            self._failed[mark.delivery.id] = mark
        else:
            line.marks += 1
            self._settled[mark.delivery.id] = mark

    def _forget(self, id: str, effects: Effects) -> None:
        effects.delete((id,))
        mark = self._failed.pop(id, None)
        if mark is not None:
            line = self._lines[mark.chain]
            if line.failed == id:
                line.failed = None
        else:
            mark = self._settled.pop(id)
            line = self._lines[mark.chain]
            line.marks -= 1
        self._tidy(mark.chain)


def _told_already(notification: Notification, line: _Line) -> bool:
    """Whether a channel that stands in for another, and is the alert's own too, has told the same, or is about to."""
    others = [
        (one.notification.revision, one.notification.purpose, one.notification.fallback_for is not None)
        for one in line.queue
    ]
    stands_in = notification.fallback_for is not None
    return any(
        (revision, purpose) == (notification.revision, notification.purpose) and (stands_in or other_stands_in)
        for revision, purpose, other_stands_in in (*others, *(() if line.told is None else (line.told,)))
    )


def _replaceable(older: Entry, notification: Notification) -> bool:
    """Whether a new update says all that an untried one would have said."""
    return (
        older.notification.purpose is Purpose.UPDATED
        and notification.purpose is Purpose.UPDATED
        and not older.started
        and not (older.notification.members or notification.members)
    )


def _order(entry: Entry) -> tuple[int, int, int, str]:
    notification = entry.notification
    return (notification.revision, notification.created_at, entry.at, entry.id)
