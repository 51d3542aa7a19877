"""Rules over recorded events: the same `match` and `step` as the live worker, without Kafka, clock or disk.

Time is what the events say. Arrival is the running maximum of event time, so that stream time never goes back;
after the last event time runs on until every window, expiry and held-back update is settled. Alerts are left in
the state in which the last event found them: what only more quiet would do (auto-resolve after 30 days) is not
played, because a log's end is not the end of the world it was taken from.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from streamproc.engine.frame import Tick, frames
from streamproc.engine.match import Matcher
from streamproc.engine.partition import Changes, PartitionEngine
from streamproc.model.event import Event
from streamproc.model.hit import EVENTS_PER_RECORD, Hit
from streamproc.rules import RuleIndex

SOURCE = "backtest/0"
TICK_MS = 1000
BATCH_EVENTS = 1000
SETTLE_MS = 10_000
"""Stream time run on after the last event: enough for what is held back. Windows fire on events alone."""


class MemoryStore:
    """What `PartitionEngine` needs of a table, in dictionaries."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._timers: list[tuple[int, bytes]] = []

    def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`."""
        return self._values.get(key)

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Takes the due entries out; they would be removed by the write that follows anyway."""
        found: list[tuple[int, bytes]] = []
        while self._timers and self._timers[0][0] <= until and len(found) < limit:
            found.append(heapq.heappop(self._timers))
        return found

    def write(self, changes: Changes) -> None:
        """Make a batch's changes."""
        for key, value in changes.puts.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        for timer in changes.timers:
            heapq.heappush(self._timers, timer)


@dataclass(slots=True)
class Result:
    """What a backtest found. `alerts`: the last record of each alert, in order of creation."""

    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: int = 0
    hits: int = 0
    triggers: int = 0
    late: int = 0
    duplicates: int = 0


class Backtest:
    """Feed it events with `play`, in the order in which they arrive; then `settle` once; then read `result`."""

    def __init__(self, rules: RuleIndex) -> None:
        self.result = Result()
        self._matcher = Matcher(rules)
        self._store = MemoryStore()
        self._engine = PartitionEngine(self._store, rules, [SOURCE], cache_keys=200_000)
        self._arrival = -1
        self._ticked = -1
        self._place = 0

    def play(self, events: Iterable[Event]) -> None:
        """Events in order of arrival; their own `arrival` is replaced (see the module)."""
        for batch in _batches(events):
            hits: list[Hit] = []
            for event in batch:
                self._arrival = max(self._arrival, event.time)
                event.arrival = self._arrival
                if self._arrival - self._ticked >= TICK_MS:
                    self._apply(hits)
                    hits = []
                    self._tick(self._arrival)
                self._matcher.match(event, self._place * EVENTS_PER_RECORD, hits)
                self._place += 1
            self._apply(hits)
            self.result.events += len(batch)
            self._write()

    def settle(self) -> Result:
        """Let time run on past the last event."""
        if self._arrival >= 0:
            self._tick(self._arrival + SETTLE_MS)
            self._write()
        counts = self._engine.counts
        self.result.triggers, self.result.late = counts.triggers, counts.late
        self.result.duplicates = counts.duplicate
        return self.result

    def _tick(self, now: int) -> None:
        """A tick comes behind the hits that arrived before it."""
        self._ticked = now
        self._engine.apply(Tick({SOURCE: now - 1}))
        self._write()
        while self._engine.more_due:
            self._engine.sweep()
            self._write()

    def _apply(self, hits: list[Hit]) -> None:
        self.result.hits += len(hits)
        for _, frame in frames(SOURCE, 0, hits, self._matcher.ref, 1):
            self._engine.apply(frame)

    def _write(self) -> None:
        changes = self._engine.take()
        self._store.write(changes)
        alerts = self.result.alerts
        for record in changes.alerts:
            if record.value is not None:
                alerts[record.alert_id] = orjson.loads(record.value)


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) >= BATCH_EVENTS:
            yield batch
            batch = []
    if batch:
        yield batch


def backtest(rules: RuleIndex, events: Iterable[Event]) -> Result:
    """`play` and `settle` in one."""
    test = Backtest(rules)
    test.play(events)
    return test.settle()


def matches(rules: RuleIndex, events: Iterable[tuple[int, Event]]) -> Iterator[tuple[int, str]]:
    """(line, rule id) for each event that a rule's filter matches, in the order of the lines and of the rules."""
    for line, event in events:
        for rule in rules.candidates(event.tenant, event.doc):
            if rule.matches(event.doc, event.time):
                yield line, rule.id
