"""Threshold by schedule: at each instant of a CRON expression, whether the count was reached since the one before.

An event belongs to the first instant that is not before it, so that a span is `(instant before, instant]`, in local
time of the rule's zone. Each instant is settled once, when stream time reaches it plus the lateness, also when no
event comes then, and also after a downtime. An event for an instant already settled is late; settled it is, too, for
what arrives after that time, so that how often time is told does not matter. A key wakes only for instants that
reached the count; when a rule's count is lowered, that holds for a key from its next event on.

Bound: `MAX_INSTANTS` open instants a key, of which the earliest go first (those of a schedule of minutes, where the
lateness is of hours), each with at most `max(2 * count, 1024)` ids (and values) to tell duplicates by; past that it
counts on without them. `MAX_SAMPLES` sample documents.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from streamproc.detect.detector import NEVER, Cause, EventDetector, Fired
from streamproc.detect.rolling import KEPT_SAMPLES, MAX_EVENT_IDS, MAX_SAMPLE_BYTES, SET_FROM
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.event import MAX_TIME_MS
from streamproc.model.hit import DistinctValue
from streamproc.model.times import iso

MAX_INSTANTS = 64
MAX_SAMPLES = 2 * KEPT_SAMPLES
DAY_MS = 86_400_000
_KNOWN_SPANS = 4
_MAX_STEPS = 400
_DAY = 86_400


class Span:
    """What belongs to one instant. `first` and `last` are event times."""

    __slots__ = ("count", "first", "ids", "instant", "last", "seen", "values")

    def __init__(self, instant: int, t: int) -> None:
        self.instant = instant
        self.count = 0
        self.first = self.last = t
        self.ids: list[str] = []
        self.values: list[DistinctValue] = []
        self.seen: set[str] | None = None

    def knows(self, event_id: str) -> bool:
        """Whether an event of this id was counted."""
        if self.seen is None:
            if len(self.ids) < SET_FROM:
                return event_id in self.ids
            self.seen = set(self.ids)
        return event_id in self.seen

    def add(self, t: int, event_id: str, value: DistinctValue, distinct: bool, cap: int) -> None:
        """Count an event, of which at most `cap` are remembered."""
        if len(self.ids) < cap:
            self.ids.append(event_id)
            if self.seen is not None:
                self.seen.add(event_id)
        if t < self.first:
            self.first = t
        elif t > self.last:
            self.last = t
        if not distinct:
            self.count += 1
        elif value not in self.values and len(self.values) < cap:
            self.values.append(value)
            self.count += 1

    def plain(self) -> list[Any]:
        """As it is stored."""
        return [self.instant, self.count, self.first, self.last, self.ids, self.values]

    @classmethod
    def of(cls, stored: list[Any]) -> Span:
        """The inverse of `plain`."""
        span = cls(stored[0], stored[2])
        _, span.count, _, span.last, span.ids, span.values = stored
        return span


class Agenda:
    """The open spans of a key, earliest first, how far it is settled, the span that triggered last, and samples:
    (instant, document), of the spans that came near to the count."""

    __slots__ = ("fired", "samples", "settled", "spans")

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.settled = -1
        self.fired: Span | None = None
        self.samples: list[tuple[int, bytes]] = []


class Scheduled(EventDetector):
    """Settings of one rule; see `detector.Detector`."""

    __slots__ = ("_known", "cap", "count", "distinct", "horizon_ms", "lateness_ms", "schedule", "zone")

    timed = True

    def __init__(self, count: int, schedule: str, lateness_ms: int, distinct: str | None, zone: str) -> None:
        self.count = count
        self.schedule = schedule
        self.lateness_ms = lateness_ms
        self.distinct = distinct
        self.zone = zone
        self.cap = max(2 * count, 1024)
        self.horizon_ms = longest_step_ms(schedule) + lateness_ms
        self._known: list[tuple[int, int]] = []  # some [from, instant] without an instant in between, latest first

    def new(self) -> Agenda:
        return Agenda()

    def apply(self, state: Agenda, t: int, arrival: int, event_id: str, value: DistinctValue, raw: bytes) -> int:
        instant = self._instant(t)
        if instant <= state.settled or instant + self.lateness_ms < arrival:
            return LATE
        span = self._span(state, instant, t, arrival)
        if span is None:
            return LATE
        if span.knows(event_id):
            return DUPLICATE
        span.add(t, event_id, value, self.distinct is not None, self.cap)
        if self.count - KEPT_SAMPLES <= span.count <= self.count and len(raw) <= MAX_SAMPLE_BYTES:
            state.samples = [*state.samples, (instant, raw)][-MAX_SAMPLES:]
        return COUNTED

    def _instant(self, t: int) -> int:
        for low, instant in self._known:
            if low <= t <= instant:
                return instant
        instant = next_instant(self.schedule, self.zone, t)
        # One that ends at the same instant began later: this one takes its place.
        self._known = [(t, instant), *(known for known in self._known if known[1] != instant)][:_KNOWN_SPANS]
        return instant

    def _span(self, state: Agenda, instant: int, t: int, arrival: int) -> Span | None:
        spans = state.spans
        for span in spans:
            if span.instant == instant:
                return span
        # Those that reached the count wait to be told; the others are settled without a word.
        spans[:] = [one for one in spans if one.count >= self.count or one.instant + self.lateness_ms >= arrival]
        span = Span(instant, t)
        spans.append(span)
        spans.sort(key=lambda one: one.instant)
        if len(spans) > MAX_INSTANTS:
            state.settled = max(state.settled, spans.pop(0).instant)
        return None if instant <= state.settled else span

    def due(self, state: Agenda) -> int:
        for span in state.spans:
            if span.count >= self.count:
                return span.instant + self.lateness_ms + 1  # what arrives at that very time is not late
        return NEVER

    def settle(self, state: Agenda, now: int) -> Fired | None:
        if now < self.due(state):
            return None
        while True:
            span = state.spans.pop(0)
            if span.count >= self.count:
                break
        state.settled = span.instant
        state.fired = span
        state.samples = [one for one in state.samples if one[0] >= span.instant]
        return Fired(span.instant, span.instant + self.lateness_ms)

    def cause(self, state: Agenda) -> Cause | None:
        return None if state.fired is None else Cause("instant", str(state.fired.instant))

    def context(self, state: Agenda) -> dict[str, Any]:
        span = state.fired or Span(0, 0)
        since = instant_before(self.schedule, self.zone, span.instant)
        return {
            "count": span.count,
            "schedule": self.schedule,
            "scheduled_at": iso(span.instant),
            "since": None if since is None else iso(since),
            "first_event_time": iso(span.first),
            "last_event_time": iso(span.last),
            "event_ids": span.ids[-MAX_EVENT_IDS:],
        }

    def samples(self, state: Agenda) -> list[bytes]:
        fired = -1 if state.fired is None else state.fired.instant
        return [raw for instant, raw in state.samples if instant == fired][-KEPT_SAMPLES:]

    def reason(self, state: Agenda, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        span = state.fired or Span(0, 0)
        since = instant_before(self.schedule, self.zone, span.instant)
        what = "events" if self.distinct is None else f"different values of {self.distinct}"
        where = ", ".join(f"{path} {value}" for path, value in group.items())
        return (
            f"{span.count} {what}"
            + ("" if since is None else f" since {iso(since)}")
            + f" at {iso(span.instant)}"
            + (f" for {where}" if where else "")
        )

    def encode(self, state: Agenda) -> Any:
        fired = None if state.fired is None else state.fired.plain()
        return [state.settled, [span.plain() for span in state.spans], fired, state.samples]

    def decode(self, stored: Any) -> Agenda:
        state = Agenda()
        state.settled, spans, fired, samples = stored
        state.spans = [Span.of(span) for span in spans]
        state.fired = None if fired is None else Span.of(fired)
        state.samples = [(instant, raw) for instant, raw in samples]
        return state


def next_instant(schedule: str, zone: str, t: int) -> int:
    """The first instant of the schedule that is not before `t`, in ms; the end of time where there is none.

    Where clocks are set, it is as cronsim has it: an instant that the clock skips comes when it goes on, and one that
    it shows twice comes once, at the first, unless the schedule runs all through the hour.
    """
    second = -(-t // 1000)
    day = second // _DAY
    try:
        if _offset(zone, day - 1) == _offset(zone, day + 2):
            return int(next(_from(schedule, zone, second - 1)).timestamp()) * 1000
        around = _around(schedule, zone, day)
        return around[bisect_left(around, second)] * 1000
    except (StopIteration, OverflowError, ValueError):  # past the year 9999
        return MAX_TIME_MS


def _from(schedule: str, zone: str, second: int) -> CronSim:
    """The instants after a time, in local time of the zone."""
    return CronSim(schedule, datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(zone)))


@lru_cache(maxsize=4096)
def _offset(zone: str, day: int) -> timedelta | None:
    """A zone's distance from UTC when a day of UTC begins."""
    return datetime.fromtimestamp(day * _DAY, UTC).astimezone(ZoneInfo(zone)).utcoffset()


@lru_cache(maxsize=256)
def _around(schedule: str, zone: str, day: int) -> list[int]:
    """All instants, in seconds, from before a day of UTC to the first after it, in order.

    About the hour in which clocks are set, what cronsim finds depends on where it begins. So it always begins two
    days before.
    """
    instants = _from(schedule, zone, (day - 2) * _DAY)
    found = set[int]()
    while True:
        instant = int(next(instants).timestamp())
        found.add(instant)
        if instant >= (day + 1) * _DAY:
            return sorted(found)


@lru_cache(maxsize=1024)
def instant_before(schedule: str, zone: str, instant: int) -> int | None:
    """The last instant of the schedule that is before this one of its instants, in ms; None where there is none."""
    step = 60_000
    while instant - step > 0:
        found = next_instant(schedule, zone, instant - step)
        if found < instant:
            while (later := next_instant(schedule, zone, found + 1)) < instant:
                found = later
            return found
        step *= 2
    return None


@lru_cache(maxsize=4096)
def longest_step_ms(schedule: str) -> int:
    """No two neighbouring instants are further apart than this, in any zone."""
    fields = schedule.split()
    if fields[2:] == ["*", "*", "*"]:
        return 2 * DAY_MS
    # By days, over enough of them for the calendar's longest gap: the leap year that is none, 2100.
    instants = CronSim(" ".join(["0", "0", *fields[2:]]), datetime(2095, 1, 1, tzinfo=UTC))
    longest, last = 0, next(instants)
    for _ in range(_MAX_STEPS):
        following = next(instants)
        longest = max(longest, int((following - last).total_seconds() * 1000))
        if (last := following).year > 2104:
            break
    return longest + 2 * DAY_MS
