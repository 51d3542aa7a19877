"""One rule of every type that the drawn events have something for, and what each of their keys takes to store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from streamproc.bench.draw import LOGIN
from streamproc.bench.rules import EVERYONE
from streamproc.engine import state as codec
from streamproc.engine.changes import KEY

FAILED = {"action": LOGIN, "outcome": "failure"}
BY_ACTOR = {"group_by": "actor.id"}
CONDITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "rolling": ("threshold", {**FAILED, "count": 10, "window": "1m", "group_by": "actor.ip"}),
    "fixed": ("threshold", {**BY_ACTOR, "action": LOGIN, "count": 12, "window": "1h", "window_type": "fixed"}),
    "distinct": ("threshold", {**FAILED, "count": 5, "window": "10m", "distinct": "actor.id", "group_by": "actor.ip"}),
    "scheduled": ("threshold", {**BY_ACTOR, **FAILED, "count": 20, "schedule": "0 * * * *"}),
    "pattern": ("pattern", {**BY_ACTOR, "action": "role.grant", "outcome": "denied"}),
    "anomaly": ("anomaly", {"bucket": "hour"}),
    "ingestion-spike": ("ingestion_spike", {}),
    "new-value": ("new_value", {**BY_ACTOR, "action": LOGIN, "path": "actor.ip"}),
    "destructive": ("high_volume_destructive", {**BY_ACTOR, "count": 20}),
    "repeated": ("repeated_action", {"outcome": "denied", "count": 5}),
    "off-hours": ("off_hours", {**BY_ACTOR, "action": "role.grant"}),
    "sequence": ("sequence", {**BY_ACTOR, "steps": [FAILED, {"action": "role.grant"}], "within": "10m"}),
    "absence": ("absence", {"expect_every": "1d", "group_by": "actor.id", "action": "report.export"}),
    "compliance": ("compliance", {}),
}
"""By id: type and condition. There are no coordinates in the events, so impossible_travel would see nothing. Several
count all events of an action, two all there are."""

DENIED = {"action": "role.grant", "outcome": "denied"}
RARE: dict[str, tuple[str, dict[str, Any]]] = {
    **CONDITIONS,
    "fixed": ("threshold", {**BY_ACTOR, **FAILED, "count": 12, "window": "1h", "window_type": "fixed"}),
    "anomaly": ("anomaly", {**FAILED, "bucket": "hour"}),
    "ingestion-spike": ("ingestion_spike", {**FAILED}),
    "new-value": ("new_value", {**BY_ACTOR, **FAILED, "path": "actor.ip"}),
    "destructive": ("high_volume_destructive", {**BY_ACTOR, "outcome": "denied", "count": 20}),
    "off-hours": ("off_hours", {**BY_ACTOR, **DENIED}),
    "sequence": ("sequence", {**BY_ACTOR, "steps": [FAILED, DENIED], "within": "10m"}),
    "absence": ("absence", {"expect_every": "1d", **BY_ACTOR, **DENIED}),
}
"""The same types, of what W1's own rule counts or what is rarer: as rules of an installation mostly are."""


def documents(conditions: Mapping[str, tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rules, each of which holds for every tenant."""
    return [
        {"kind": "rule", "tenant_id": EVERYONE, "id": id, "name": id, "type": kind, "condition": condition}
        for id, (kind, condition) in conditions.items()
    ]


def state_sizes(records: Iterable[tuple[bytes | None, bytes | None]]) -> dict[str, dict[str, float]]:
    """Of a changelog's records: by rule the number of keys, and the mean and the greatest size of one in bytes."""
    latest: dict[bytes, bytes | None] = {}
    for key, value in records:
        if key is not None and key[:1] == KEY:
            latest[key[1:]] = value
    sizes: dict[str, list[int]] = {}
    for fp, value in latest.items():
        if value is not None:
            sizes.setdefault(codec.decode(fp, value).rule_id, []).append(len(value))
    return {
        rule_id: {"keys": len(found), "mean": round(sum(found) / len(found)), "max": max(found)}
        for rule_id, found in sorted(sizes.items())
    }
