"""Bodies of webhook requests. The shapes are those of the Standard Webhooks specification and of the Trailbase and
Immutable documents, for receivers that were written to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from streamproc.model.notification import Notification
from streamproc.model.times import iso
from streamproc.model.webhook import WebhookFormat


def bodies(notification: Notification, format: WebhookFormat) -> list[bytes]:
    """The JSON of each alert, oldest first: of a bundle its members, else the one. The same each time it is made.

    Format `template` without a content, because the template failed, is `standard`.
    """
    made = _FORMATS.get(format, _standard)
    return [orjson.dumps(made(one, orjson.loads(one.alert))) for one in each(notification)]


def each(notification: Notification) -> list[Notification]:
    """A bundle as a notification for each member; any other as it is."""
    return [
        replace(
            notification,
            delivery_id=member.delivery_id,
            alert_id=member.alert_id,
            fingerprint=member.fingerprint,
            revision=member.revision,
            purpose=member.purpose,
            silent_count=member.silent_count,
            created_at=member.created_at,
            alert=member.alert,
            members=(),
        )
        for member in notification.members
    ] or [notification]


def _standard(notification: Notification, alert: dict[str, Any]) -> dict[str, Any]:
    """`type`, `timestamp` and `data`: the whole alert, and how many triggers were silent."""
    return {
        "type": notification.event_type,
        "timestamp": iso(notification.created_at),
        "data": _told(notification, alert),
    }


def _trailbase(notification: Notification, alert: dict[str, Any]) -> dict[str, Any]:
    """`event_type` and `data`: the alert as Trailbase's own API names things, and all that it has beside."""
    status = {"acknowledged": "ACKNOWLEDGED", "resolved": "RESOLVED"}.get(str(alert.get("status")), "FIRING")
    return {
        "event_type": notification.event_type,
        "data": {
            **_told(notification, alert),
            "name": alert.get("title"),
            "message": alert.get("reason"),
            "status": status,
            "triggeredAt": alert.get("triggered_at"),
            "triggerCount": alert.get("trigger_count"),
        },
    }


def _immutable(notification: Notification, alert: dict[str, Any]) -> dict[str, Any]:
    """Immutable's flat body, field by field."""
    rule, event = _map(alert.get("rule")), _map(alert.get("event"))
    actor = _map(event.get("actor"))
    return {
        "event_type": notification.event_type,
        "alert_id": notification.alert_id,
        "rule_name": rule.get("name"),
        "rule_type": rule.get("type"),
        "reason": alert.get("reason"),
        "event": {
            "id": event.get("id"),
            "action": event.get("action"),
            "actor_id": actor.get("id"),
            "ip_country": actor.get("country"),
        },
        "workspace_id": notification.tenant,
        "triggered_at": _microseconds(alert.get("triggered_at")),
    }


_FORMATS: Mapping[WebhookFormat, Callable[[Notification, dict[str, Any]], dict[str, Any]]] = {
    WebhookFormat.STANDARD: _standard,
    WebhookFormat.TRAILBASE: _trailbase,
    WebhookFormat.IMMUTABLE: _immutable,
}


def _told(notification: Notification, alert: dict[str, Any]) -> dict[str, Any]:
    """The alert record under the name that the notification goes by, with the silent triggers."""
    return {**alert, "event_type": notification.event_type, "silent_count": notification.silent_count}


def _microseconds(text: Any) -> str | None:
    """`2026-03-26T08:45:12.000000Z`."""
    if not isinstance(text, str):
        return None
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
