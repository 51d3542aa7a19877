"""A message as an e-mail: a subject, a text and an HTML part that say the same, in three lengths.

What comes from events is cut, kept on one line and HTML-escaped. Styles stand in the elements, and nothing is loaded
from anywhere, because mail programs drop the one and block the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import orjson

from streamproc.alerting.message import Message
from streamproc.alerting.render import MAX_LINK, Row, facts, headline, list_name, notes, rows, severity, title
from streamproc.alerting.words import say
from streamproc.model.alert_filter import RANKS
from streamproc.model.channels_mail import MailTemplate
from streamproc.model.content import Content
from streamproc.model.notification import Purpose

MAX_JSON = 20_000
MAX_SUBJECT = 300
_MINIMAL = frozenset({"Count", "Reason", "Resolution", "Acknowledged by"})

_COLOURS = {
    "critical": "#7f1d1d",
    "high": "#b91c1c",
    "medium": "#b45309",
    "low": "#1d4ed8",
    "informational": "#475569",
}
_GREEN = "#15803d"
_CELL = "padding:4px 12px 4px 0;vertical-align:top;font-size:14px;"
_FONT = "font-family:Helvetica,Arial,sans-serif;color:#111827;"


@dataclass(frozen=True, slots=True)
class Mail:
    """What a message says. `subject` is one line; `html` may be empty; `urgent`: it may be marked as important."""

    subject: str
    text: str
    html: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the text and the HTML part are both made of."""

    head: str
    colour: str
    top: Sequence[tuple[str, str]]
    list_name: str
    rows: Sequence[Row]
    notes: Sequence[str]
    links: Sequence[tuple[str, str]]
    json_name: str
    json: str


def email(message: Message, template: MailTemplate = MailTemplate.DEFAULT) -> Mail:
    """The message as an e-mail.

    The subject of an alert's later messages is that of its first with `Re:`, since mail programs keep a thread
    together only as long as the subject stays the same; what has happened is the first line of the text.
    """
    minimal = template is MailTemplate.MINIMAL
    detailed = template is MailTemplate.DETAILED and not message.members
    parts = _Parts(
        head=headline(message),
        colour=_colour(message),
        top=list(facts(message)),
        list_name=list_name(message),
        rows=rows(message, _MINIMAL if minimal else None),
        notes=notes(message),
        links=[] if minimal else _links(message),
        json_name=say(message.language, "Alert record"),
        json=_json(message.alert) if detailed else "",
    )
    return Mail(_subject(message), _text(parts), _html(parts), _urgent(message))


def email_content(message: Message, content: Content) -> Mail:
    """The same for texts that a template made. Without a text, the text part is the product's own."""
    subject = " ".join(content.subject.split())[:MAX_SUBJECT] or _subject(message)
    text = content.text if content.text.strip() else email(message).text
    return Mail(subject, text, content.html, _urgent(message))


def _subject(message: Message) -> str:
    if message.members:
        return f"[{severity(message)}] {headline(message).partition(' ')[2]}"
    followed = "" if message.purpose is Purpose.TRIGGERED else "Re: "
    return f"{followed}[{severity(message)}] {title(message)}"


def _urgent(message: Message) -> bool:
    return any(
        one.purpose is not Purpose.RESOLVED and one.alert.get("severity") in ("critical", "high")
        for one in message.each
    )


def _text(parts: _Parts) -> str:
    lines = [parts.head, "", *(f"{name}: {value}" for name, value in parts.top)]
    if parts.rows:
        lines += ["", f"{parts.list_name}:"]
    for row in parts.rows:
        lines.append(f"- {row.name}: {row.value}")
        if row.link:
            lines.append(f"  {row.link}")
    for note in parts.notes:
        lines += ["", note]
    for name, link in parts.links:
        lines += ["", f"{name}: {link}"]
    if parts.json:
        lines += ["", f"{parts.json_name}:", parts.json]
    return "\n".join(lines) + "\n"


def _html(parts: _Parts) -> str:
    made = [
        '<!DOCTYPE html><html><head><meta charset="utf-8"></head>',
        f'<body style="margin:0;padding:16px;background:#ffffff;{_FONT}">',
        f'<div style="border-left:6px solid {parts.colour};padding:4px 0 4px 14px;font-size:18px;font-weight:bold;">'
        f"{escape(parts.head)}</div>",
        _table(Row(name, value) for name, value in parts.top),
        _table(parts.rows),
    ]
    made += [f'<p style="font-size:13px;color:#475569;">{escape(note)}</p>' for note in parts.notes]
    made += [
        f'<p style="font-size:14px;"><a href="{escape(link)}">{escape(name)}</a></p>' for name, link in parts.links
    ]
    if parts.json:
        made.append(
            '<pre style="font-size:12px;background:#f3f4f6;padding:12px;white-space:pre-wrap;">'
            f"{escape(parts.json)}</pre>"
        )
    return "\n".join([*filter(None, made), "</body></html>"]) + "\n"


def _table(rows: Iterable[Row]) -> str:
    cells = [
        f'<tr><td style="{_CELL}color:#475569;">{_named(row)}</td><td style="{_CELL}">{escape(row.value)}</td></tr>'
        for row in rows
    ]
    return '<table style="margin-top:12px;border-collapse:collapse;">' + "".join(cells) + "</table>" if cells else ""


def _named(row: Row) -> str:
    return f'<a href="{escape(row.link)}">{escape(row.name)}</a>' if row.link else escape(row.name)


def _colour(message: Message) -> str:
    if all(one.purpose is Purpose.RESOLVED for one in message.each):
        return _GREEN
    worst = max((str(one.alert.get("severity")) for one in message.each), key=lambda name: RANKS.get(name, -1))
    return _COLOURS.get(worst, _COLOURS["informational"])


def _json(alert: Mapping[str, Any]) -> str:
    text = orjson.dumps(alert, option=orjson.OPT_INDENT_2, default=str).decode()
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text[: MAX_JSON + 1])
    return text if len(text) <= MAX_JSON else text[:MAX_JSON] + "\n…"


def _links(message: Message) -> list[tuple[str, str]]:
    """(name, address), where it is one of the web; nothing else can be followed with a click."""
    if message.members:
        return []
    named = (("View alert", message.link), ("Runbook", _link(message.alert.get("runbook"))))
    return [(say(message.language, name), link) for name, link in named if link]


def _link(value: Any) -> str:
    """The address, where it is one of the web; nothing else can be followed with a click."""
    text = str(value or "")
    usable = text.startswith(("https://", "http://")) and text.isprintable() and not any(c in text for c in " <>\"'")
    return text if usable and len(text) < MAX_LINK else ""
