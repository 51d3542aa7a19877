"""What a content template makes of an alert, shown to whoever writes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from streamproc.alerting.message import Message
from streamproc.alerting.render import headline, plain
from streamproc.alerting.render_email import email
from streamproc.model.channel_settings import Language
from streamproc.model.content import Content
from streamproc.model.content_template import Method
from streamproc.model.notification import Purpose

SAMPLE: dict[str, Any] = {
    "event_type": "alert.triggered",
    "id": "alt_4f7a8b9c-0d1e-4f3a-8b5c-6d7e8f9a0b1c",
    "revision": 1,
    "tenant_id": "acme",
    "status": "open",
    "severity": "high",
    "category": "identity",
    "title": "Excessive Failed Logins",
    "description": "Somebody tries passwords.",
    "reason": "5 events in 300 s for actor.ip 203.0.113.7",
    "rule": {"id": "excessive-failed-logins", "revision": 3, "name": "Excessive Failed Logins", "type": "threshold"},
    "group": {"actor.ip": "203.0.113.7"},
    "trigger_count": 1,
    "context": {"count": 5, "window_seconds": 300},
    "event": {
        "id": "evt_01",
        "action": "user.login",
        "outcome": "failure",
        "actor": {"id": "user_alice", "email": "alice@example.com", "ip": "203.0.113.7", "country": "DE"},
        "resource": {"type": "session", "id": "session_1"},
        "region": "eu-west-1",
    },
    "runbook": "https://wiki.example.com/failed-logins",
    "created_at": "2026-02-10T14:32:15.123Z",
    "triggered_at": "2026-02-10T14:32:15.123Z",
}
"""The alert of previews where none is given."""
SECOND: dict[str, Any] = {
    **SAMPLE,
    "id": "alt_9c8b7a6f-1e0d-4a2b-9c4d-0f1e2d3c4b5a",
    "severity": "critical",
    "title": "Root login",
    "reason": "console.login by root from 198.51.100.23",
    "group": {"actor.id": "root"},
    "triggered_at": "2026-02-10T14:40:02.000Z",
}


def message_of(alerts: Sequence[Mapping[str, Any]], language: Language) -> Message:
    """What is told of these alerts; several are one message."""
    each = tuple(Message(one, _purpose(one), language=language) for one in alerts)
    return each[0] if len(each) == 1 else replace(each[-1], members=each)


def _purpose(alert: Mapping[str, Any]) -> Purpose:
    """As its record says what has happened."""
    names = {"alert.acknowledged": Purpose.ACKNOWLEDGED, "alert.resolved": Purpose.RESOLVED}
    return names.get(str(alert.get("event_type")), Purpose.TRIGGERED)


def built_in(message: Message, method: Method) -> Content:
    """The product's own text, as far as it is one."""
    if method == "email":
        mail = email(message)
        return Content(mail.subject, mail.text, mail.html)
    return Content(headline(message), plain(message))
