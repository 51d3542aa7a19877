"""A *replay*: rules over events, given or of the topics, and a report of what they would have made of them.

What is here runs in a process of its own (`replay_process`): a heavy rule then costs its own time, and not that of
everybody who uses the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from streamproc.backtest.past import play_past
from streamproc.backtest.replay import Result, backtest
from streamproc.model.event import Event, EventError
from streamproc.model.time_text import milliseconds
from streamproc.model.times import iso, iso_or_none
from streamproc.rules import CompiledRule, RuleIndex, compile_rule, parse_rule
from streamproc.sources.decode import Decoder
from streamproc.sources.enrich import Enrich
from streamproc.sources.registry import CANONICAL

MAX_EVENTS = 5_000
"""Of a simulation."""
MAX_REJECTED_SHOWN = 10
MAX_BUCKETS = 60
BUCKETS = (60, 300, 900, 3_600, 10_800, 21_600, 86_400)
"""Widths of the timeline's bars in seconds; the first that needs at most `MAX_BUCKETS` of them."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What to do, as it goes to the other process. `rules` are documents with their tenant; `lists` by owner and id.

    `events` are given ones, in their order; None: those of the topics that arrived within `span_ms` before `now`
    (ms). `latest_only`: of these only the latest `MAX_EVENTS` of the tenant, and what can be read in a moment.
    """

    tenant: str
    rules: tuple[Mapping[str, Any], ...]
    now: int
    revisions: tuple[int, ...] = ()
    lists: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    events: tuple[Any, ...] | None = None
    format: str = CANONICAL
    span_ms: int = 0
    latest_only: bool = True
    max_alerts: int = 100

    def encode(self) -> bytes:
        """As JSON."""
        return orjson.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def decode(cls, written: bytes) -> Replay:
        """The inverse of `encode`."""
        fields = orjson.loads(written)
        for name in ("rules", "revisions", "events"):
            fields[name] = None if fields[name] is None else tuple(fields[name])
        return cls(**fields)

    def index(self) -> RuleIndex:
        """Its rules, ready to judge; those that are disabled too. Raises DocumentError."""
        owners: dict[str, list[CompiledRule]] = {}
        for place, document in enumerate(self.rules):
            rule = parse_rule(document)
            if not rule.enabled:
                rule = rule.model_copy(update={"enabled": True})
            revision = self.revisions[place] if self.revisions else 1
            compiled = compile_rule(rule, revision, self.lists.get(rule.tenant_id))
            owners.setdefault(compiled.owner, []).append(compiled)
        return RuleIndex.empty.with_tenants(owners)


@dataclass(slots=True)
class Given:
    """Iterates the events of a replay that has them; what is no event is counted and left out."""

    replay: Replay
    enrich: Enrich | None = None
    rejected: int = 0
    first: list[str] = field(default_factory=list)
    truncated: bool = False

    def __iter__(self) -> Iterator[Event]:
        replay = self.replay
        decoder = Decoder("simulation", replay.format, replay.tenant, self.enrich)
        found = 0
        for place, written in enumerate(replay.events or ()):
            try:
                events = decoder.decode(orjson.dumps(written), 0, place, replay.now)
            except EventError as error:
                self._reject(f"events[{place}]: {error.message}")
                continue
            for event in events:
                if found == MAX_EVENTS:
                    self.truncated = True
                    return
                found += 1
                yield event

    def _reject(self, problem: str) -> None:
        self.rejected += 1
        if len(self.first) < MAX_REJECTED_SHOWN:
            self.first.append(problem)


def play_given(replay: Replay, enrich: Enrich | None = None) -> dict[str, Any]:
    """The report on given events. They arrive in their order; time runs on until all is settled, as in a backtest."""
    events = Given(replay, enrich)
    result = backtest(replay.index(), events)
    report = report_of(replay, result)
    report["rejected"] = {"count": events.rejected, "first": events.first}
    report["truncated"] = events.truncated
    return report


def play_recorded(replay: Replay, events: Iterable[Event]) -> dict[str, Any]:
    """The report on events of the topics, in the order of their arrival, up to the replay's `now`."""
    return report_of(replay, play_past(replay.index(), events, replay.now))


def report_of(replay: Replay, result: Result) -> dict[str, Any]:
    """What is answered. `alerts` are the first `max_alerts` of `alert_count`, each as its last record."""
    alerts = list(result.alerts.values())
    counts = Counter(alert["rule"]["id"] for alert in alerts)
    triggers: Counter[str] = Counter()
    for alert in alerts:
        triggers[alert["rule"]["id"]] += alert["trigger_count"]
    starts = [milliseconds(alert["triggered_at"]) for alert in alerts]
    first, last = result.first, result.last
    if replay.events is None:
        first, last = replay.now - replay.span_ms, replay.now
    return {
        "events": result.events,
        "matches": result.hits,
        "triggers": result.triggers,
        "late": result.late,
        "duplicates": result.duplicates,
        "uncounted": result.ungrouped,
        "from": iso_or_none(first),
        "to": iso_or_none(last),
        "alert_count": len(alerts),
        "alerts": alerts[: replay.max_alerts],
        "rules": [
            {"rule_id": id, "alerts": counts[id], "triggers": triggers[id]}
            for id in dict.fromkeys(str(rule["id"]) for rule in replay.rules)
        ],
        "timeline": timeline(starts, first, last),
        "rejected": {"count": 0, "first": []},
        "truncated": False,
    }


def timeline(starts: Sequence[int], first: int | None, last: int | None) -> dict[str, Any]:
    """How many alerts began when: `{bucket_seconds, buckets: [{at, alerts}]}`, empty buckets too."""
    if first is None or last is None:
        return {"bucket_seconds": BUCKETS[0], "buckets": []}
    first, last = min([first, *starts]), max([last, *starts])
    width = BUCKETS[-1]
    for seconds in reversed(BUCKETS):
        if (last - first) // (seconds * 1000) < MAX_BUCKETS:
            width = seconds
    ms = width * 1000
    while (last // ms) - (first // ms) >= 2 * MAX_BUCKETS:  # given events may lie years apart
        width, ms = width * 2, ms * 2
    counts = Counter(start // ms for start in starts)
    return {
        "bucket_seconds": width,
        "buckets": [{"at": iso(n * ms), "alerts": counts[n]} for n in range(first // ms, last // ms + 1)],
    }
