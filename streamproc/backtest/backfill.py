"""The past, played through rules in a state of its own: what was learnt of each key, and the alerts it would have made.

The events come in their order of arrival; time is what they say, as in a backtest. `Backfill` is fed event by event
and can be taken up again: an event's number says whether a key has applied it, so that after a crash everything from
the last checkpoint on may be fed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from streamproc.backtest.replay import Replay, Result, placed
from streamproc.backtest.store import ReplayStore
from streamproc.detect.detector import EventDetector
from streamproc.engine import state as codec
from streamproc.engine.frame import PastAlert, RuleRef, Seed
from streamproc.engine.judges import Judges
from streamproc.engine.match import Matcher
from streamproc.model.event import Event
from streamproc.model.hit import EVENTS_PER_RECORD, Hit
from streamproc.model.times import iso
from streamproc.rules import RuleIndex
from streamproc.sources.redact import Redactor


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a backfill is: events fed, and the latest arrival among them in ms."""

    number: int = 0
    last: int = 0


class Backfill:
    """`feed` every event, `flush` before each checkpoint, `finish` at the end; then `seeds` and `past_alerts`."""

    def __init__(
        self, rules: RuleIndex, store: ReplayStore, reached: Reached, redactor: Redactor | None = None
    ) -> None:
        self._rules = rules
        self._matcher = Matcher(rules, redactor)
        self.result = Result()
        self._replay = Replay(rules, self.result, self._matcher.ref, store)
        self._number = reached.number
        self._last = reached.last

    def feed(self, event: Event, arrived: int | None = None) -> None:
        """One event; `arrived` (ms) bounds how far its own time may run ahead, where that is known."""
        time = event.time if arrived is None else min(event.time, arrived)
        self._last = max(self._last, time)
        event.arrival = self._last
        self.result.events += 1
        hits: list[Hit] = []
        self._matcher.match(event, 0, hits)
        self._matcher.tallies(hits)
        if hits:
            self.result.hits += len(hits)
            # from 1 on: a key's guard starts below every place
            self._replay.arrive([placed(hit, self._number * EVENTS_PER_RECORD) for hit in hits])
        self._number += 1

    def flush(self) -> Reached:
        """Write everything fed so far into the store; answers what a checkpoint has to keep."""
        self._replay.flush()
        return Reached(self._number, self._last)

    def finish(self, now: int) -> None:
        """Let time run on to the present: deadlines and instants of the past are settled, later ones are not ours."""
        if self._last:
            self._replay.run_on(max(self._last, now))


def seeds(rules: RuleIndex, keys: Iterator[tuple[bytes, bytes]]) -> Iterator[Seed]:
    """What live keys can learn from stored ones (fingerprint, value): baselines and first-seen values."""
    judges = Judges(rules)
    for fp, value in keys:
        state = codec.decode(fp, value)
        judge = judges.of(state)
        if judge is None or not judge.counts(state) or state.stored is None:
            continue
        if type(judge.detector).merge is not EventDetector.merge:  # type: ignore[comparison-overlap]
            ref = RuleRef(state.owner, state.rule_id, judge.rule.revision, judge.rule.counting_hash, state.tenant)
            yield Seed(ref, fp, state.group, state.touched, state.stored)


def past_alert(record: bytes, ended: int, notify: bool) -> tuple[dict[str, Any], PastAlert]:
    """An alert of the past as it is told: marked, of another id than a live one, and resolved at the latest at `ended`.

    No key stands behind it that could be acknowledged or resolved by people. With `notify` it is told to people as
    a trigger.
    """
    alert: dict[str, Any] = orjson.loads(record)
    alert["id"] = alert["id"].replace("alt_", "alt_bf-", 1)
    alert["backfill"] = True
    if alert["status"] != "resolved":
        alert |= {"status": "resolved", "resolution": "backfill", "resolved_at": iso(ended), "updated_at": iso(ended)}
        alert["revision"] += 1
    alert["event_type"] = "alert.triggered" if notify else "alert.resolved"
    if notify:
        alert["backfill_notify"] = True
    resolved = int(datetime.fromisoformat(alert["resolved_at"]).timestamp() * 1000)
    return alert, PastAlert(alert["id"], max(resolved, ended), orjson.dumps(alert))


def ref_of(alert: dict[str, Any]) -> RuleRef:
    """The reference that a past alert travels under; it needs no rule that still counts the same."""
    rule = alert["rule"]
    return RuleRef(rule["owner"], rule["id"], rule["revision"], b"", alert["tenant_id"])
