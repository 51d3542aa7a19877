"""An alert as a message for people: plain text, and Slack's blocks.

The Slack layout is the one of the Trailbase document (text, a section with alert, severity and time, a Details list);
limits are those of Slack's block kit, kept with room to spare. What comes from events is escaped, cut, and kept on
one line, so that it can neither mention a channel nor break the layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from streamproc.model.notification import Purpose

MAX_TITLE = 200
MAX_VALUE = 300
MAX_DETAILS = 20
MAX_SECTION = 2_900

_HEADS: dict[Purpose, tuple[str, str]] = {
    Purpose.TRIGGERED: ("🚨", "Alert Triggered"),
    Purpose.UPDATED: ("🚨", "Alert Triggered"),
    Purpose.REOPENED: ("🚨", "Alert Reopened"),
    Purpose.ACKNOWLEDGED: ("👀", "Alert Acknowledged"),
    Purpose.ESCALATED: ("📣", "Alert Escalated"),
    Purpose.RESOLVED: ("✅", "Alert Resolved"),
}


def headline(alert: Mapping[str, Any], purpose: Purpose) -> str:
    """`🚨 Alert Triggered: Excessive Failed Logins`, as text that is not escaped."""
    mark, head = _HEADS[purpose]
    return f"{mark} {head}: {_line(_title(alert), MAX_TITLE)}"


def plain(alert: Mapping[str, Any], purpose: Purpose, silent_count: int) -> str:
    """The whole message as plain text."""
    lines = [headline(alert, purpose)]
    lines += [f"{name}: {value}" for name, value in facts(alert)]
    lines += ["", "Details:", *(f"• {name}: {value}" for name, value in details(alert))]
    if note := silent_note(silent_count):
        lines += ["", note]
    return "\n".join(lines)


def slack(alert: Mapping[str, Any], purpose: Purpose, silent_count: int) -> dict[str, Any]:
    """`{text, blocks}` for an incoming webhook or `chat.postMessage`; under 9,500 characters in all."""
    head = "\n".join(f"*{name}:* {escaped(value)}" for name, value in facts(alert))
    listed = "*Details:*"
    for name, value in details(alert):
        line = f"\n• {escaped(name)}: {escaped(value)}"
        if len(listed) + len(line) > MAX_SECTION:
            break
        listed += line
    blocks = [_section(head)]
    if listed != "*Details:*":
        blocks.append(_section(listed))
    if runbook := _web_address(alert.get("runbook")):
        blocks.append(_section(f"<{escaped(runbook, MAX_SECTION)}|Runbook>"))
    if note := silent_note(silent_count):
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": note}]})
    return {"text": escaped(headline(alert, purpose)), "blocks": blocks}


def silent_note(silent_count: int) -> str:
    """What is said of triggers that nobody was told of; empty if there were none."""
    if silent_count <= 0:
        return ""
    noun = "trigger was" if silent_count == 1 else "triggers were"
    return f"{silent_count} more {noun} silent since the last notification."


def facts(alert: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What stands at the top: (name, value)."""
    yield "Alert", _line(_title(alert), MAX_TITLE)
    yield "Severity", _line(alert.get("severity") or "unknown").capitalize()
    yield "Triggered", _moment(alert.get("triggered_at"))
    if alert.get("status") in ("acknowledged", "resolved"):
        yield "Status", str(alert["status"]).capitalize()


def details(alert: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The Details list: (name, value), at most `MAX_DETAILS`, each on one line and cut."""
    for place, (name, value) in enumerate(_details(alert)):
        if place == MAX_DETAILS:
            return
        yield _line(name, 60), _line(value)


def _details(alert: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    event, context = _map(alert.get("event")), _map(alert.get("context"))
    if event.get("action"):
        yield "Action", event["action"]
    if event.get("outcome"):
        yield "Outcome", event["outcome"]
    if context.get("count") is not None:
        span = context.get("window_seconds")
        yield "Count", f"{context['count']} in {_span(span)}" if span else context["count"]
    if actor := _map(event.get("actor")).get("id"):
        yield "Actor", actor
    if resource := _map(event.get("resource")).get("id"):
        yield "Resource", resource
    for path, value in _map(alert.get("group")).items():
        if path not in ("actor.id", "action", "resource.id"):
            yield path, value
    if alert.get("reason"):
        yield "Reason", alert["reason"]
    if (alert.get("trigger_count") or 0) > 1:
        yield "Triggers", alert["trigger_count"]
    yield "Tenant", alert.get("tenant_id", "")
    if alert.get("acknowledged_by"):
        yield "Acknowledged by", alert["acknowledged_by"]
    if alert.get("resolution"):
        yield "Resolution", alert["resolution"]
    notes = alert.get("notes") or ()
    if notes:
        yield "Note", _map(notes[-1]).get("text", "")


def escaped(text: str, limit: int = MAX_VALUE) -> str:
    """For Slack's mrkdwn: `&`, `<` and `>` as entities; at most `limit` characters, never half an entity."""
    entities = [_ENTITIES.get(character, character) for character in text]
    if sum(map(len, entities)) <= limit:
        return "".join(entities)
    room, kept = limit - 1, 0
    while len(entities[kept]) <= room:
        room -= len(entities[kept])
        kept += 1
    return "".join(entities[:kept]) + "…"


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _title(alert: Mapping[str, Any]) -> str:
    return str(alert.get("title") or _map(alert.get("rule")).get("name") or "Alert")


def _line(value: Any, limit: int = MAX_VALUE) -> str:
    """As text on one line, cut."""
    text = str(value)[: 4 * limit]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _moment(text: Any) -> str:
    try:
        return f"{datetime.fromisoformat(str(text)).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return "unknown"


def _span(seconds: float) -> str:
    """`5 minutes`, in the largest unit that divides it."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def _web_address(value: Any) -> str:
    text = str(value or "")
    usable = text.startswith(("https://", "http://")) and not any(c in text for c in " |<>\n") and len(text) < 2000
    return text if usable else ""


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
