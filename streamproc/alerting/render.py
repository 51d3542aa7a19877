"""A message for people, before it takes a channel's form: its headline, facts, rows and notes, and all as plain text.

One alert has a list of details; a bundle of alerts has a row for each, and counts. What comes from events is cut and
kept on one line; the renderers of the channels escape it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from streamproc.alerting.message import Message
from streamproc.alerting.words import say
from streamproc.model.alert_filter import RANKS
from streamproc.model.channel_settings import Language
from streamproc.model.notification import OPENING, Purpose

MAX_TITLE = 200
MAX_VALUE = 300
MAX_DETAILS = 20
MAX_ROWS = 200
"""Alerts that one message lists; what its size allows is often less."""
MAX_LINK = 2_000

_HEADS: dict[Purpose, tuple[str, str]] = {
    Purpose.TRIGGERED: ("🚨", "Alert Triggered"),
    Purpose.UPDATED: ("🚨", "Alert Triggered"),
    Purpose.REOPENED: ("🚨", "Alert Reopened"),
    Purpose.ACKNOWLEDGED: ("👀", "Alert Acknowledged"),
    Purpose.ESCALATED: ("📣", "Alert Escalated"),
    Purpose.RESOLVED: ("✅", "Alert Resolved"),
}
_STATES: dict[Purpose, str] = {Purpose.UPDATED: "triggered"}
"""What a purpose is counted as, where that is not its own name."""


class Row(NamedTuple):
    """A line of a message's list: a name, what is said of it, and a web address or nothing."""

    name: str
    value: str
    link: str = ""


def headline(message: Message) -> str:
    """`🚨 Alert Triggered: Excessive Failed Logins`, or `🚨 3 Alerts: 2 triggered, 1 resolved`; not escaped."""
    if message.members:
        purposes = [member.purpose for member in message.members]
        worst = next((one for one in purposes if one in OPENING), purposes[-1])
        mark = "📣" if message.purpose is Purpose.ESCALATED else _HEADS[worst][0]
        return f"{mark} {say(message.language, '{count} Alerts: {what}', count=len(purposes), what=states(message))}"
    mark, head = _HEADS[message.purpose]
    return f"{mark} {say(message.language, head)}: {title(message)}"


def plain(message: Message) -> str:
    """The whole message as plain text."""
    lines = [headline(message)]
    lines += [f"{name}: {value}" for name, value in facts(message)]
    lines += ["", f"{list_name(message)}:", *(f"• {row.name}: {row.value}" for row in rows(message))]
    for note in notes(message):
        lines += ["", note]
    for name, address in links(message):
        lines += ["", f"{name}: {address}"]
    return "\n".join(lines)


def title(message: Message) -> str:
    """The alert's title on one line; of a bundle how many there are."""
    if message.members:
        return say(message.language, "{count} alerts", count=len(message.members))
    alert = message.alert
    return _line(str(alert.get("title") or _map(alert.get("rule")).get("name") or "Alert"), MAX_TITLE)


def severity(message: Message) -> str:
    """The severity in words; of a bundle the highest."""
    named = [str(one.alert.get("severity") or "unknown") for one in message.each]
    return say(message.language, _line(max(named, key=lambda name: RANKS.get(name, -1)))).capitalize()


def states(message: Message) -> str:
    """`2 triggered, 1 resolved`."""
    counted = Counter(_STATES.get(one.purpose, one.purpose.value) for one in message.each)
    return ", ".join(_counted(message.language, count, say(message.language, name)) for name, count in counted.items())


def silent_note(silent_count: int, language: Language = "en") -> str:
    """What is said of triggers that nobody was told of; empty if there were none."""
    if silent_count <= 0:
        return ""
    if silent_count == 1:
        return say(language, "1 more trigger was silent since the last notification.")
    return say(language, "{count} more triggers were silent since the last notification.", count=silent_count)


def notes(message: Message) -> list[str]:
    """What is to be known of the message itself: silent triggers, the escalation, the channel it stands in for."""
    found = [silent_note(sum(one.silent_count for one in message.each), message.language)]
    if message.step > 0:
        found.append(_escalation(message))
    if message.fallback_for:
        text = "{channel} could not be reached; this channel stands in for it."
        found.append(say(message.language, text, channel=_line(message.fallback_for, 128)))
    return [note for note in found if note]


def _escalation(message: Message) -> str:
    waited = message.at - _milliseconds(message.alert.get("created_at") or message.alert.get("triggered_at"))
    if message.at and not message.members and 60_000 <= waited < 90 * 86_400_000:
        span = span_text(message.language, waited // 60_000 * 60)
        text = say(
            message.language, "Escalation step {step}: nobody acknowledged for {span}.", step=message.step, span=span
        )
    else:
        text = say(message.language, "Escalation step {step}: nobody acknowledged.", step=message.step)
    if message.repeat:
        text += " " + say(message.language, "Repetition {repeat}.", repeat=message.repeat)
    return text


def links(message: Message) -> list[tuple[str, str]]:
    """(name, address): the link that shows the alert, and its rule's runbook. A bundle's rows have their own."""
    if message.members:
        return []
    named = (("View alert", message.link), ("Runbook", web_address(message.alert.get("runbook"))))
    return [(say(message.language, name), address) for name, address in named if address]


def facts(message: Message) -> Iterator[tuple[str, str]]:
    """What stands at the top: (name, value). The first is the alert's title, or how many alerts there are."""
    language, alert = message.language, message.alert
    if message.members:
        yield say(language, "Alerts"), str(len(message.members))
        yield say(language, "Severity"), _severities(message)
        yield say(language, "Status"), states(message)
        yield say(language, "Period"), _period(message)
        return
    yield say(language, "Alert"), title(message)
    yield say(language, "Severity"), severity(message)
    yield say(language, "Triggered"), _moment(alert.get("triggered_at"), language)
    if alert.get("status") in ("acknowledged", "resolved"):
        status = say(language, str(alert["status"]))
        yield say(language, "Status"), status.capitalize()


def list_name(message: Message) -> str:
    """What the list of rows is called."""
    return say(message.language, "Alerts" if message.members else "Details")


def rows(message: Message, only: frozenset[str] | None = None) -> list[Row]:
    """A row for each alert of a bundle, oldest first; else the details, or `only` those of these English names."""
    if not message.members:
        return [Row(name, value) for name, value in details(message, only)]
    listed = [_member_row(member) for member in message.members[:MAX_ROWS]]
    left = len(message.members) - len(listed)
    return [*listed, Row("…", more(message, left))] if left else listed


def more(message: Message, count: int) -> str:
    """What is said of rows that are left out."""
    if message.members:
        return say(message.language, "and {count} more", count=count)
    return say(message.language, "cut, as the message would be too long")


def _member_row(member: Message) -> Row:
    language, alert = member.language, member.alert
    group = ", ".join(f"{path} {value}" for path, value in _map(alert.get("group")).items())
    why = _line(alert.get("reason") or group, 160)
    state = say(language, _STATES.get(member.purpose, member.purpose.value))
    said = [state, why, _moment(alert.get("triggered_at"), language)]
    return Row(f"[{severity(member)}] {title(member)}", " · ".join(part for part in said if part), member.link)


def details(message: Message, only: frozenset[str] | None = None) -> Iterator[tuple[str, str]]:
    """The Details list of one alert: (name, value), at most `MAX_DETAILS`, each on one line and cut."""
    wanted = ((name, value) for name, value in _details(message) if only is None or name in only)
    for place, (name, value) in enumerate(wanted):
        if place == MAX_DETAILS:
            return
        yield say(message.language, _line(name, 60)), _line(value)


def _details(message: Message) -> Iterator[tuple[str, Any]]:
    alert = message.alert
    event, context = _map(alert.get("event")), _map(alert.get("context"))
    if event.get("action"):
        yield "Action", event["action"]
    if event.get("outcome"):
        yield "Outcome", event["outcome"]
    if context.get("count") is not None:
        span = context.get("window_seconds")
        said = span_text(message.language, span) if span else ""
        text = say(message.language, "{count} in {span}", count=context["count"], span=said)
        yield "Count", text if span else context["count"]
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
    told = alert.get("notes") or ()
    if told:
        yield "Note", _map(told[-1]).get("text", "")


def _severities(message: Message) -> str:
    counted = Counter(str(member.alert.get("severity") or "unknown") for member in message.members)
    ordered = sorted(counted.items(), key=lambda item: -RANKS.get(item[0], -1))
    return ", ".join(_counted(message.language, count, say(message.language, _line(name))) for name, count in ordered)


def _counted(language: Language, count: int, what: str) -> str:
    return say(language, "{count} of {what}", count=count, what=what) if language != "en" else f"{count} {what}"


def _period(message: Message) -> str:
    moments = sorted(str(one.alert["triggered_at"]) for one in message.members if one.alert.get("triggered_at"))
    if not moments:
        return say(message.language, "unknown")
    first, last = _moment(moments[0], message.language), _moment(moments[-1], message.language)
    return first if first == last else f"{first.removesuffix(' UTC')} – {last}"


def _line(value: Any, limit: int = MAX_VALUE) -> str:
    """As text on one line, cut."""
    text = str(value)[: 4 * limit]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _moment(text: Any, language: Language = "en") -> str:
    try:
        return f"{datetime.fromisoformat(str(text)).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return say(language, "unknown")


def _milliseconds(text: Any) -> int:
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def span_text(language: Language, seconds: float) -> str:
    """`5 minutes`, in the largest unit that divides it."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count, name = seconds // size, unit
            break
    else:
        count, name = seconds, "second"
    return say(language, "{count} {unit}", count=f"{count:g}", unit=say(language, name if count == 1 else f"{name}s"))


def web_address(value: Any) -> str:
    """The text where it is an http or https address that can stand in markup; else nothing."""
    text = str(value or "")
    usable = text.startswith(("https://", "http://")) and not any(c in text for c in " |<>\n") and len(text) < MAX_LINK
    return text if usable else ""


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
