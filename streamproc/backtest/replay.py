"""Rules over recorded events: the same `match` and `step` as the live worker, without Kafka, clock or disk.

Time is what the events say. An event arrives at its own time; in order of delivery, at the latest time so far, as
stream time never goes back. Between two events every instant at which something is due is visited, in order, so
that what happens does not depend on how many events are worked on at once.

After the last event time runs on: by `SETTLE_MS`, until all that rules found on events has been told; and then, for
the keys that wait for it alone, until every deadline of an absence, every instant of a schedule that events belong
to and every window of a rule with `auto_resolve: when_clear` is settled, however far off. What only more quiet
would do (auto-resolve after 30 days) is not played: a log's end is not the end of the world that it was taken from.
Nor does one rule's far-off instant make another's alert resolve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from streamproc.alerting.lifecycle import UPDATE_INTERVAL_MS
from streamproc.backtest.store import MemoryStore, ReplayStore
from streamproc.engine.frame import RuleRef, Tick, frames
from streamproc.engine.match import Matcher
from streamproc.engine.partition import PartitionEngine
from streamproc.model.event import Event
from streamproc.model.hit import EVENTS_PER_RECORD, Hit
from streamproc.rules import RuleIndex
from streamproc.sources.redact import Redactor

SOURCE = "backtest/0"
BATCH_MS = UPDATE_INTERVAL_MS
"""Hits of less than so much arrival make a batch: nothing that one of them makes due is due before its end."""
BATCH_HITS = 10_000
SETTLE_MS = UPDATE_INTERVAL_MS
END_OF_TIME = 1 << 62


@dataclass(slots=True)
class Result:
    """What a backtest found. `alerts`: the last record of each alert, in order of creation.

    `ungrouped` counts matches that were not counted, because a value to group by or to count was absent; `first`
    and `last` are the earliest and latest event times in ms, None without events.
    """

    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: int = 0
    hits: int = 0
    triggers: int = 0
    late: int = 0
    duplicates: int = 0
    ungrouped: int = 0
    first: int | None = None
    last: int | None = None


def backtest(
    rules: RuleIndex, events: Iterable[Event], *, by_time: bool = False, redactor: Redactor | None = None
) -> Result:
    """The alerts that the rules make of the events, in order of arrival; `by_time`: in that of their own time.

    `redactor` as the worker's, whose alerts have the same ids then.
    The events' `arrival` is replaced. Memory holds the state of the keys and, `by_time`, all matching events.
    """
    result = Result()
    matcher = Matcher(rules, redactor)
    replay = Replay(rules, result, matcher.ref)
    found = _matched(matcher, events, result, by_time)
    for place, hits in enumerate(sorted(found, key=_arrival) if by_time else found):
        # places say what has been applied, so that they follow the order of the replay
        replay.arrive([placed(hit, place * EVENTS_PER_RECORD) for hit in hits])
    if result.last is not None:
        replay.settle(result.last)
    result.ungrouped = matcher.no_group
    return result


def matches(rules: RuleIndex, events: Iterable[tuple[int, Event]]) -> Iterator[tuple[int, str]]:
    """(line, rule id) for each event that a rule's filter matches, in the order of the lines and of the rules."""
    for line, event in events:
        for rule in rules.candidates(event.tenant, event.doc):
            if rule.matches(event.doc, event.time):
                yield line, rule.id


def _matched(matcher: Matcher, events: Iterable[Event], result: Result, by_time: bool) -> Iterator[list[Hit]]:
    """The hits of each event that has any."""
    for event in events:
        result.events += 1
        result.first = event.time if result.first is None else min(result.first, event.time)
        result.last = event.time if result.last is None else max(result.last, event.time)
        event.arrival = event.time if by_time else result.last
        hits: list[Hit] = []
        matcher.match(event, 0, hits)
        matcher.tallies(hits)
        if hits:
            result.hits += len(hits)
            yield hits


def placed(hit: Hit, place: int) -> Hit:
    """The hit, or the tally of one event, at another place."""
    tally = hit[6] == "" and type(hit[7]) is list
    return (*hit[:5], place, hit[6], [place, hit[7][1]] if tally else hit[7], hit[8])


def _arrival(hits: Sequence[Hit]) -> int:
    return hits[0][4]


class Replay:
    """Drives one engine through hits that come in order of arrival. Alerts go into `result`."""

    def __init__(
        self, rules: RuleIndex, result: Result, ref: Callable[[int], RuleRef], store: ReplayStore | None = None
    ) -> None:
        self._result = result
        self._ref = ref
        self._store: ReplayStore = MemoryStore() if store is None else store
        self._engine = PartitionEngine(self._store, rules, [SOURCE], cache_keys=100_000)
        self._batch: list[Hit] = []
        self._records: dict[str, bytes] = {}

    def arrive(self, hits: Sequence[Hit]) -> None:
        """Hits of one event; the arrival must not be before that of the ones before."""
        arrival = hits[0][4]
        self._advance(arrival - 1)
        if len(self._batch) >= BATCH_HITS:
            self.flush()
        self._batch += hits

    def run_on(self, now: int) -> None:
        """Let time run on to `now`, and no further: what is due by then happens."""
        self._advance(now)
        self.flush()

    def settle(self, last: int) -> None:
        """Let time run on past `last`, the latest arrival of all events, and complete the result."""
        self._advance(last + SETTLE_MS)
        self.flush()
        if self._engine.timed:
            self._engine.ending = True
            self._advance(END_OF_TIME)
        self.complete()

    def complete(self) -> None:
        """Have in the result what has come of it so far."""
        self._result.alerts = {id: orjson.loads(record) for id, record in self._records.items()}
        counts = self._engine.counts
        self._result.triggers, self._result.late = counts.triggers, counts.late
        self._result.duplicates = counts.duplicate

    def _advance(self, now: int) -> None:
        """Visit each instant up to `now` at which something is due. What arrived at one comes before it."""
        if self._batch and now >= self._batch[0][4] + BATCH_MS:
            self.flush()
        while (due := self._store.next_due()) <= now:
            self.flush()
            self._engine.apply(Tick({SOURCE: int(due)}))
            self._write()
            while self._store.next_due() <= due:  # more than a sweep takes, or due at once
                self._engine.sweep()
                self._write()

    def flush(self) -> None:
        """Apply what has arrived and write what it made."""
        if self._batch:
            for _, frame in frames(SOURCE, 0, self._batch, self._ref, 1):
                self._engine.apply(frame)
            self._batch = []
            self._write()

    def _write(self) -> None:
        changes = self._engine.take()
        self._store.write(changes)
        for record in changes.alerts:
            if record.value is not None:  # an alert that a long log has outlived was one all the same
                self._records[record.alert_id] = record.value
