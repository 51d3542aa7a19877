"""A message as an event of PagerDuty's Events API v2.

All events of an alert have its id as `dedup_key`, so they are one incident: every trigger adds to it, acknowledge and
resolve end it. An alert that is opened again opens an incident again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from streamproc.alerting.message import Message
from streamproc.alerting.render import details, notes, title
from streamproc.alerting.render_chat import chat_links
from streamproc.model.notification import Purpose

MAX_DEDUP_KEY = 255
MAX_SUMMARY = 1024
MAX_FIELD = 255
MAX_REASON = 700

_ACTIONS = {Purpose.ACKNOWLEDGED: "acknowledge", Purpose.RESOLVED: "resolve"}
_SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info", "informational": "info"}


def pagerduty(message: Message, alert_id: str) -> dict[str, Any]:
    """The event of one alert, without its `routing_key`. `acknowledge` and `resolve` carry nothing but the key.

    It is English in any case, since event rules at PagerDuty go by the names of details.
    """
    message = replace(message, language="en")
    alert = message.alert
    action = _ACTIONS.get(message.purpose, "trigger")
    event: dict[str, Any] = {"event_action": action, "dedup_key": alert_id[:MAX_DEDUP_KEY]}
    if action != "trigger":
        return event
    told: dict[str, Any] = dict(details(message))
    told["Alert ID"] = alert_id[:MAX_DEDUP_KEY]
    if said := notes(message):
        told["Notes"] = " ".join(said)
    head = title(message)
    payload: dict[str, Any] = {
        "summary": _summary(head, told),
        "source": _cut(str(alert.get("tenant_id") or "streamproc"), MAX_FIELD),
        "severity": _SEVERITIES.get(str(alert.get("severity")), "error"),
        "class": _cut(head, MAX_FIELD),
        "custom_details": told,
    }
    if moment := _moment(alert.get("triggered_at")):
        payload["timestamp"] = moment
    if "Resource" in told:
        payload["component"] = _cut(told["Resource"], MAX_FIELD)
    event |= {"client": "streamproc", "payload": payload}
    if found := chat_links(message):
        event["links"] = [{"href": address, "text": name} for name, address in found]
    return event


def _summary(head: str, told: Mapping[str, Any]) -> str:
    """What the phone shows: the title, and why."""
    reason = told.get("Reason")
    return _cut(f"{head}: {_cut(reason, MAX_REASON)}" if reason else head, MAX_SUMMARY)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _moment(text: Any) -> str | None:
    """ISO 8601 in UTC, to the millisecond."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return None
