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
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from streamproc.alerting.lanes import Lanes
from streamproc.alerting.outbox_entry import Chain, Effects, Entry, Mark, decode, delivery_of, members_of
from streamproc.alerting.retry import Delivered, Randomness, RetryAt, Schedule, decide, schedule_of
from streamproc.model.channel_settings import CONCURRENCY, ChannelSettings
from streamproc.model.delivery import Attempt, DeliveryState, Outcome, Reason
from streamproc.model.notification import OPENING, Notification, Purpose

SETTLED_MS = 6 * 3600 * 1000
MAX_SETTLED = 20_000
"""Repetitions are recognised for this long, among this many."""
FAILED_MS = 90 * 24 * 3600 * 1000
"""A failed trigger is remembered this long: notices about the alert may come as late."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a channel is treated."""

    schedule: Schedule
    concurrency: int

    @classmethod
    def of(cls, channel: ChannelSettings | None) -> Terms:
        """By its settings; defaults for one that is gone."""
        return cls(schedule_of(channel), CONCURRENCY if channel is None else channel.max_concurrency)


@dataclass(slots=True, eq=False)
class _Line:
    """A chain's queue. `revision`: the latest settled; `failed`: the trigger that failed; `marks`: its live marks."""

    queue: list[Entry] = field(default_factory=list)
    revision: int = 0
    failed: str | None = None
    marks: int = 0


class Outbox:
    """See the module. Not safe for use by several threads; one event loop may interleave calls freely."""

    def __init__(self, terms: Callable[[Notification], Terms]) -> None:
        """`terms`: how a notification's channel is treated, asked whenever it matters (settings may change)."""
        self._terms = terms
        self._lanes = Lanes(lambda notification: terms(notification).concurrency)
        self._entries: dict[str, Entry] = {}
        self._lines: dict[Chain, _Line] = {}
        self._settled: OrderedDict[str, Mark] = OrderedDict()
        self._failed: OrderedDict[str, Mark] = OrderedDict()

    @classmethod
    def restored(
        cls, stored: Iterable[tuple[bytes, bytes]], terms: Callable[[Notification], Terms], now: int
    ) -> tuple[Outbox, Effects]:
        """The outbox of a partition from all that its table holds. Raises ValueError for a value it cannot read."""
        outbox, effects = cls(terms), Effects()
        entries: list[Entry] = []
        marks: list[Mark] = []
        for _, value in stored:
            item = decode(value)
            if isinstance(item, Entry):
                entries.append(item)
            else:
                marks.append(item)
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
    def in_flight(self) -> int:
        """How many attempts are under way."""
        return self._lanes.in_flight

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
        return self._lanes.take(now, room)

    def next_due(self) -> int | None:
        """When to call `due` again, ms; a time in the past: at once; None: after an `add`, `finished`, `released`."""
        return self._lanes.next_at()

    def finished(self, delivery_id: str, outcome: Outcome, now: int, rng: Randomness) -> Effects:
        """An attempt that `due` gave out came to `outcome`."""
        entry, effects = self._entries[delivery_id], Effects()
        self._lanes.freed(entry)
        entry.tries += 1
        entry.attempts = (*(a.shortened() for a in entry.attempts), Attempt.of(outcome, now))
        if outcome.progress is not None:
            entry.notification = replace(entry.notification, progress=outcome.progress)
        verdict = decide(entry.tries, outcome, now, self._terms(entry.notification).schedule, rng)
        if isinstance(verdict, RetryAt):
            entry.at = verdict.at
            effects.put(delivery_id, entry)
            effects.records.append(delivery_of(entry, DeliveryState.RETRYING, outcome.reason, now, verdict.at))
            self._lanes.schedule(entry)
            return effects
        if isinstance(verdict, Delivered):
            self._settle(entry, DeliveryState.DELIVERED, outcome.reason, effects, now)
        else:
            self._settle(entry, DeliveryState.GAVE_UP, verdict.reason, effects, now)
            if verdict.disable:
                effects.disabled.append((entry.notification.tenant, entry.notification.channel))
        chain = entry.notification.chain
        self._lines[chain].queue.remove(entry)
        self._advance(chain, effects, now)
        return effects

    def released(self, delivery_id: str) -> None:
        """An attempt was cancelled before it had an outcome; it is due again at once."""
        entry = self._entries[delivery_id]
        self._lanes.freed(entry)
        self._lanes.schedule(entry)

    def sweep(self, now: int) -> Effects:
        """Forget what has been settled for long enough; call it every minute or so."""
        effects = Effects()
        for marks in (self._settled, self._failed):
            while marks and next(iter(marks.values())).expires_at <= now:
                self._forget(next(iter(marks)), effects)
        return effects

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
            self._settle(line.queue.pop(0), DeliveryState.SUPERSEDED, Reason.TRIGGER_FAILED, effects, now)
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

    def _settle(self, entry: Entry, state: DeliveryState, reason: Reason, effects: Effects, now: int) -> None:
        """The entry's end: its record, and a mark in its place. It must be taken from its queue by the caller."""
        entry.live = False
        self._entries.pop(entry.id, None)
        delivery = delivery_of(entry, state, reason, now)
        effects.records.append(delivery)
        effects.records += members_of(entry.notification, delivery)
        notification, line = entry.notification, self._line(entry.notification.chain)
        told = state is DeliveryState.DELIVERED and notification.purpose in OPENING
        failed = (
            state is DeliveryState.GAVE_UP
            and notification.purpose in (Purpose.TRIGGERED, Purpose.REOPENED)
            and not notification.members  # its lane goes on about other alerts
            and not notification.progress.reached  # some of its recipients know, and want to know how it ends
        )
        if line.failed is not None and (told or failed):
            self._forget(line.failed, effects)
        mark = Mark(replace(delivery, attempts=()), now + (FAILED_MS if failed else SETTLED_MS), failed)
        effects.put(entry.id, mark)
        self._remember(mark)
        while len(self._settled) > MAX_SETTLED:
            self._forget(next(iter(self._settled)), effects)

    def _remember(self, mark: Mark) -> None:
        line = self._line(mark.chain)
        line.revision = max(line.revision, mark.delivery.revision)
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
