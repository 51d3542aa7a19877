"""Records as detect and deliver write them, for the read model's tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import orjson

from streamproc.model.times import iso
from streamproc.web.read_model.writer import ALERTS, DELIVERIES, INCIDENTS, Arrived

START = 1_767_225_600_000
"""2026-01-01."""


def uid(number: int) -> str:
    """An alert's id, the same for the same number."""
    return f"alt_{uuid.uuid5(uuid.NAMESPACE_OID, str(number))}"


def alert(number: int, revision: int = 1, **more: Any) -> dict[str, Any]:
    """An alert record; `rule` is its id, `at` its creation in ms after START."""
    at = START + more.pop("at", number * 1000)
    rule = more.pop("rule", "failed-logins")
    group = more.pop("group", {"actor.ip": f"203.0.113.{number % 250}"})
    tenant = more.get("tenant_id", "acme")
    return {
        "event_type": "alert.triggered" if revision == 1 else "alert.updated",
        "id": uid(number),
        "revision": revision,
        "tenant_id": tenant,
        "fingerprint": uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant}{rule}{group}").hex,
        "status": "open",
        "severity": "high",
        "category": "identity",
        "title": "Excessive Failed Logins",
        "description": "",
        "rule": {"id": rule, "owner": "*", "revision": 1, "name": rule.title(), "type": "threshold"},
        "mitre_tactics": [],
        "mitre_techniques": ["T1110"],
        "runbook": None,
        "metadata": {},
        "reason": f"{revision + 4} events in 300 s for {' '.join(f'{k} {v}' for k, v in group.items())}",
        "group": group,
        "trigger_count": revision,
        "context": {
            "count": revision + 4,
            "window_seconds": 300,
            "first_event_time": iso(at - 60_000),
            "last_event_time": iso(at),
            "event_ids": [f"evt_{number}_{n}" for n in range(3)],
            "sample": [],
        },
        "event": {"id": f"evt_{number}_0", "tenant_id": tenant, "action": "user.login", "actor": {"id": "alice"}},
        "affected_assets": [],
        "source": "app",
        "late": False,
        "backfill": False,
        "created_at": iso(at),
        "triggered_at": iso(at),
        "updated_at": iso(at + revision * 1000),
        "acknowledged_at": None,
        "resolved_at": None,
        "acknowledged_by": None,
        "resolution": None,
        "incident_id": None,
        "notes": [],
        "history": [],
        "last_command": None,
        "suppressed_by": None,
        "snoozed_until": None,
        "assignee": None,
        "schema_version": 1,
        **more,
    }


def delivery(number: int, alert_number: int, **more: Any) -> dict[str, Any]:
    """A delivery record of an alert of acme's."""
    at = START + more.pop("at", number * 1000)
    return {
        "schema_version": 1,
        "id": f"dlv_{uuid.uuid5(uuid.NAMESPACE_OID, f'd{number}')}",
        "tenant_id": "acme",
        "alert_id": uid(alert_number),
        "fingerprint": "00" * 16,
        "revision": 1,
        "channel": "slack/security",
        "recipient": "",
        "purpose": "triggered",
        "state": "delivered",
        "reason": "ok",
        "silent_count": 0,
        "count": 0,
        "created_at": iso(at),
        "updated_at": iso(at + 500),
        "next_at": None,
        "attempts": [
            {
                "at": iso(at + 500),
                "outcome": "delivered",
                "reason": "ok",
                "status": 200,
                "latency_ms": 12,
                "excerpt": "ok",
                "detail": "",
            }
        ],
        "bundle": "",
        "step": 0,
        "repeat": 0,
        "fallback_for": None,
        "detail": "",
        **more,
    }


def link(incident: str, alert_number: int, **more: Any) -> dict[str, Any]:
    """An alert's part in an incident."""
    at = iso(START + more.pop("at", 0))
    return {
        "schema_version": 1,
        "incident_id": incident,
        "alert_id": uid(alert_number),
        "tenant_id": "acme",
        "title": "Excessive Failed Logins",
        "severity": "high",
        "linked_at": at,
        "linked_by": "ann",
        "note": None,
        "alert_status": "escalated",
        "rule_id": "failed-logins",
        "updated_at": at,
        **more,
    }


def arrived(docs: Iterable[dict[str, Any] | str], topic: str = ALERTS, start: int = 0) -> list[Arrived]:
    """Records of one partition; a text is the key of a tombstone."""
    found = []
    for offset, doc in enumerate(docs, start):
        if isinstance(doc, str):
            key, value = doc, None
        else:
            key = f"{doc['incident_id']}/{doc['alert_id']}" if topic == INCIDENTS else doc["id"]
            value = orjson.dumps(doc)
        found.append(Arrived(topic, 0, offset, 0, key.encode(), value))
    return found


__all__ = ["ALERTS", "DELIVERIES", "INCIDENTS", "START", "alert", "arrived", "delivery", "link", "uid"]
