"""Real logs as they really come: late, out of order and more than once. Who alerts must not depend on it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from streamproc.backtest.replay import backtest
from streamproc.backtest.source import EventFiles
from streamproc.model.event import Event
from tests.engine.making import index

REAL = Path(os.environ.get("STREAMPROC_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
INVICTUS = REAL / "cloudtrail_invictus" / "events.jsonl"
pytestmark = pytest.mark.skipif(not INVICTUS.exists(), reason=f"no real data in {REAL} (STREAMPROC_REAL_DATA)")

LATE_MS = 10 * 60 * 1000
READ = {"action": {"matches": "*:Get*"}}
LIST = {"action": {"matches": "*:List*"}}


def rule(id: str, type: str, **condition: Any) -> dict[str, Any]:
    return {"id": id, "tenant_id": "*", "name": id, "type": type, "condition": condition, "auto_resolve_after": None}


RULES = [
    rule("rolling", "threshold", count=10, window="5m", group_by="actor.id", outcome="denied"),
    rule("rolling-source", "threshold", count=50, window="1h", group_by=["source", "resource.type"]),
    rule("fixed", "threshold", count=30, window="1h", window_type="fixed", group_by="action"),
    rule("distinct", "threshold", count=15, window="15m", distinct="action", group_by="actor.id"),
    rule("scheduled", "threshold", count=20, schedule="*/30 * * * *", group_by="actor.id"),
    rule("pattern", "pattern", action={"matches": "iam:Create*"}, group_by="actor.id"),
    rule("repeated", "repeated_action", count=8, window="2m"),
    rule("destructive", "high_volume_destructive", actions=["*:Delete*"], count=5, window="10m", group_by="actor.id"),
    rule("new", "new_value", path="action", group_by="actor.id", outcome="denied"),
    rule("ordered", "sequence", steps=[LIST, READ, LIST], within="2m", group_by="actor.id"),
    rule("unordered", "sequence", steps=[READ, LIST], ordered=False, within="30s", group_by="actor.ip"),
    rule("absent", "absence", expect_every="20m", group_by="actor.id"),
    rule("off", "off_hours", business_hours={"start": "12:00", "end": "13:00"}, group_by="actor.id"),
]


def events() -> list[Event]:
    """The file's events, each once, by their time; of equal times in the order of the file."""
    found: dict[str, Event] = {}
    for _, event in EventFiles([str(INVICTUS)], "cloudtrail", "acme"):
        found.setdefault(event.id, event)
    return sorted(found.values(), key=lambda event: event.time)


def alerts(log: Iterable[Event]) -> list[dict[str, Any]]:
    return list(backtest(index(*RULES), log).alerts.values())


def who(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(alert["rule"]["id"], repr(alert["group"])) for alert in found}


@pytest.mark.parametrize("seed", range(4))
def test_in_any_order_within_the_lateness_and_with_duplicates_the_same_groups_alert(seed: int) -> None:
    rng = random.Random(seed)
    log = events()
    log += rng.sample(log, len(log) // 5)
    disorder = sorted(log, key=lambda event: event.time + rng.uniform(0, LATE_MS))
    expected = who(alerts(events()))
    assert {rule_id for rule_id, _ in expected} == {rule["id"] for rule in RULES}  # each has something to find
    assert who(alerts(disorder)) == expected


def test_duplicates_in_order_change_neither_ids_nor_counts() -> None:
    rng = random.Random(7)
    log = events()
    twice = sorted([*log, *rng.sample(log, len(log) // 5)], key=lambda event: event.time)
    expected = {alert["id"]: alert["trigger_count"] for alert in alerts(log)}
    assert {alert["id"]: alert["trigger_count"] for alert in alerts(twice)} == expected
