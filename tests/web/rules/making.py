"""Rules, events and replays for the tests."""

from __future__ import annotations

from typing import Any

from streamproc.web.replaying import Replay

NOW = 1_770_733_935_000


def login_rule(**more: Any) -> dict[str, Any]:
    """Five failed logins of an address within five minutes."""
    rule = {
        "id": "failed-logins",
        "tenant_id": "acme",
        "name": "Excessive Failed Logins",
        "type": "threshold",
        "condition": {
            "action": "user.login",
            "outcome": "failure",
            "count": 5,
            "window_seconds": 300,
            "group_by": "actor.ip",
        },
        "severity": "high",
    }
    return rule | more


def every_event(**more: Any) -> dict[str, Any]:
    """A pattern rule that every event of an action matches."""
    return {
        "id": "exports",
        "tenant_id": "acme",
        "name": "Data Export",
        "type": "pattern",
        "condition": {"action": "data.export"},
    } | more


def failure(**more: Any) -> dict[str, Any]:
    """A failed login, without a time of its own."""
    return {"action": "user.login", "outcome": "failure", "actor": {"id": "u1", "ip": "203.0.113.7"}} | more


def replay(rules: list[dict[str, Any]], events: list[Any] | None, **more: Any) -> Replay:
    """A replay for acme."""
    given = None if events is None else tuple(events)
    return Replay(tenant="acme", rules=tuple(rules), now=NOW, events=given, **more)
