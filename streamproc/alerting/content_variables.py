"""What content templates can name: the variables of a notification.

Of one alert: `alert_id`, `alert_name`, `severity`, `status`, `reason`, `group`, `count`, `trigger_count`, `tenant_id`,
`project`, `region`, `fire_time`, `link`, and all of `alert.…` and `event.…`. Of a bundle these are the newest alert's,
and `alerts` lists every one, oldest first, with the same names. Names of two words also go in camelCase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamproc.alerting.message import Message
from streamproc.alerting.render import headline, notes, title

MAX_FIELD = 20_000
"""Characters of a text from an event."""
MAX_DEPTH = 12

_CAMEL = {
    "alert_id": "alertId",
    "alert_name": "alertName",
    "tenant_id": "tenantId",
    "fire_time": "fireTime",
    "trigger_count": "triggerCount",
    "rule_id": "ruleId",
    "event_type": "eventType",
    "silent_count": "silentCount",
    "fallback_for": "fallbackFor",
}


def variables(message: Message, event_type: str = "alert.triggered") -> dict[str, Any]:
    """All of a notification's: its alert's, `alerts`, and what there is to say of the message itself."""
    each = [_of(one) for one in message.each]
    found = {
        **each[-1],
        "alerts": each,
        "alert_count": len(each),
        "headline": headline(message),
        "notes": notes(message),
        "step": message.step,
        "repeat": message.repeat,
        "fallback_for": message.fallback_for,
        "language": message.language,
        "event_type": event_type,
    }
    return found | {camel: found[name] for name, camel in _CAMEL.items() if name in found}


def _of(message: Message) -> dict[str, Any]:
    alert = _plain(message.alert)
    event, context, metadata = _map(alert.get("event")), _map(alert.get("context")), _map(alert.get("metadata"))
    about = _map(event.get("metadata"))
    raw = _map(event.get("raw"))
    rule = _map(alert.get("rule"))
    regions = (event.get("region"), about.get("region"), raw.get("awsRegion"), raw.get("acsRegion"), "")
    projects = (metadata.get("project"), event.get("project"), about.get("project"), alert.get("tenant_id"), "")
    found = {
        "alert_id": alert.get("id", ""),
        "alert_name": title(message),
        "rule_id": rule.get("id", ""),
        "severity": alert.get("severity", ""),
        "status": alert.get("status", ""),
        "purpose": message.purpose.value,
        "reason": alert.get("reason", ""),
        "description": alert.get("description", ""),
        "group": ", ".join(f"{path}={value}" for path, value in _map(alert.get("group")).items()),
        "count": context.get("count", alert.get("trigger_count", 1)),
        "trigger_count": alert.get("trigger_count", 1),
        "silent_count": message.silent_count,
        "tenant_id": alert.get("tenant_id", ""),
        "project": next(one for one in projects if one is not None),
        "region": next(one for one in regions if one is not None),
        "fire_time": alert.get("triggered_at", ""),
        "runbook": alert.get("runbook") or "",
        "link": message.link,
        "alert": alert,
        "event": event,
    }
    return found | {camel: found[name] for name, camel in _CAMEL.items() if name in found}


def _plain(value: Any, depth: int = 0) -> Any:
    """A record with texts cut, and no deeper than templates go."""
    if isinstance(value, str):
        return value if len(value) <= MAX_FIELD else value[:MAX_FIELD] + "…"
    if isinstance(value, Mapping):
        return {name: _plain(one, depth + 1) for name, one in value.items()} if depth < MAX_DEPTH else "…"
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value] if depth < MAX_DEPTH else "…"
    return value


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
