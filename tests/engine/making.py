"""An engine on a store in memory, driven as the live worker drives it: match, frame, apply, write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from streamproc.alerting.fingerprint import fingerprint
from streamproc.engine.changes import KEY, Changes
from streamproc.engine.frame import Signal, Tick, frames, pack_frame, unpack
from streamproc.engine.match import Matcher
from streamproc.engine.partition import PartitionEngine
from streamproc.model.command import Action, Command
from streamproc.model.event import Event
from streamproc.model.hit import EVENTS_PER_RECORD, Hit
from streamproc.model.times import iso
from streamproc.rules import RuleIndex, compile_rule, parse_rule

BASE = 1_770_724_800_000
"""2026-02-10T12:00:00Z."""
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
SOURCE = "events/0"


def rule(id: str = "r", **fields: Any) -> dict[str, Any]:
    """A pattern rule of tenant acme on action `a`, by actor; `fields` win."""
    condition = {"action": "a", "group_by": "actor.id"}
    return {"id": id, "tenant_id": "acme", "name": id, "type": "pattern", "condition": condition} | fields


def threshold(id: str = "r", count: int = 2, window: str = "1m", **fields: Any) -> dict[str, Any]:
    condition = {"action": "a", "group_by": "actor.id", "count": count, "window": window}
    return rule(id, type="threshold", **{"condition": condition | fields.pop("condition", {}), **fields})


def index(*rules: Mapping[str, Any], revision: int = 1) -> RuleIndex:
    """The rules that are enabled, as a snapshot gives them to the engine."""
    owners: dict[str, list[Any]] = {}
    for doc in rules:
        compiled = compile_rule(parse_rule(doc), revision)
        if compiled.rule.enabled:
            owners.setdefault(compiled.owner, []).append(compiled)
    return RuleIndex.empty.with_tenants(owners)


def event(n: int, at: int, actor: str | dict[str, Any] = "u", arrival: int | None = None, **fields: Any) -> Event:
    """Event `e<n>` at place n; `at` and `arrival` are ms after BASE; a text as actor is its id."""
    doc = {
        "id": f"e{n}",
        "tenant_id": "acme",
        "action": "a",
        "outcome": "success",
        "event_time": iso(BASE + at),
        "actor": {"id": actor} if isinstance(actor, str) else actor,
    } | fields
    came = at if arrival is None else arrival
    place = n * EVENTS_PER_RECORD
    return Event(doc["tenant_id"], doc["id"], doc["action"], BASE + at, BASE + came, doc, orjson.dumps(doc), place)


class Store:
    """What was written: values, and the index of timers as a set of entries, as the table on disk keeps it."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.timers: set[tuple[int, bytes]] = set()

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        return sorted(entry for entry in self.timers if entry[0] <= until)[:limit]

    def write(self, changes: Changes) -> None:
        for key, value in changes.puts.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
        self.timers -= set(changes.fired)
        self.timers |= set(changes.timers)

    @property
    def keys(self) -> int:
        """How many keys have state."""
        return sum(key[:1] == KEY for key in self.values)


class Partition:
    """One partition: an engine that can be killed, its store, and what was written to the alerts topic."""

    def __init__(self, *rules: Mapping[str, Any], sources: Sequence[str] = (SOURCE,), **settings: Any) -> None:
        self.rules = index(*rules)
        self.store = Store()
        self.sent: list[dict[str, Any]] = []
        self.tombstones: list[str] = []
        self.links: dict[tuple[str, str], Any] = {}
        """What stands on `incidents`, by incident and alert; None where there is a tombstone."""
        self._sources, self._settings = sources, settings
        self.restart()

    def restart(self) -> None:
        """A new engine on what is in the store."""
        self.engine = PartitionEngine(self.store, self.rules, self._sources, **self._settings)

    def use(self, *rules: Mapping[str, Any], revision: int = 2) -> None:
        """Other rules are in force from now on."""
        self.write()
        self.rules = index(*rules, revision=revision)
        self.engine.use(self.rules)

    def signals(self, events: Iterable[Event], source: str = SOURCE) -> list[Signal]:
        """The frames that route would send for these events."""
        matcher, hits = Matcher(self.rules), list[Hit]()
        for one in events:
            matcher.match(one, one.place, hits)
        return [unpack(pack_frame(frame)) for _, frame in frames(source, 0, hits, matcher.ref, 1)]

    def apply(self, *events: Event, source: str = SOURCE) -> None:
        for signal in self.signals(events, source):
            self.engine.apply(signal)

    def tick(self, at: int, source: str = SOURCE) -> None:
        """Time of a source, in ms after BASE; then everything that is due, and the write."""
        self.engine.apply(Tick({source: BASE + at}))
        self.write()
        while self.engine.more_due:
            self.engine.sweep()
            self.write()

    def command(self, action: Action, alert: Mapping[str, Any], at: int, id: str = "c1", **fields: Any) -> None:
        fp = bytes.fromhex(alert["fingerprint"])
        self.engine.apply(Command(id, alert["id"], fp, action, "ann", BASE + at, **fields))
        self.write()

    def write(self) -> list[dict[str, Any]]:
        """Close the batch; answers the alert records in it."""
        changes = self.engine.take()
        self.store.write(changes)
        for record in changes.alerts:
            if record.value is None:
                self.tombstones.append(record.alert_id)
        for link in changes.links:
            value = None if link.value is None else orjson.loads(link.value)
            self.links[link.incident_id, link.alert_id] = value
        records = [orjson.loads(record.value) for record in changes.alerts if record.value is not None]
        self.sent += records
        return records

    def play(self, *events: Event) -> list[dict[str, Any]]:
        """Apply and write."""
        self.apply(*events)
        return self.write()

    @property
    def last(self) -> dict[str, dict[str, Any]]:
        """The last record of each alert."""
        return {record["id"]: record for record in self.sent}

    @property
    def alert(self) -> dict[str, Any]:
        """The last record of the only alert."""
        [record] = self.last.values()
        return record


def key_of(actor: str, rule_id: str = "r") -> bytes:
    return fingerprint("acme", "acme", rule_id, (actor,))
