"""An alert as an e-mail: a subject, a text and an HTML part that say the same, in three lengths.

What comes from events is cut, kept on one line and HTML-escaped. Styles stand in the elements, and nothing is loaded
from anywhere, because mail programs drop the one and block the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import orjson

from streamproc.alerting.render import details, facts, headline, silent_note
from streamproc.model.channels_mail import MailTemplate
from streamproc.model.notification import Purpose

MAX_JSON = 20_000
MAX_LINK = 2_000
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
    """What a message says. `subject` is one line; `urgent`: it may be marked as important."""

    subject: str
    text: str
    html: str
    urgent: bool


def email(
    alert: Mapping[str, Any],
    purpose: Purpose,
    silent_count: int,
    template: MailTemplate = MailTemplate.DEFAULT,
) -> Mail:
    """The alert as an e-mail.

    The subject of an alert's later messages is that of its first with `Re:`, since mail programs keep a thread
    together only as long as the subject stays the same; what has happened is the first line of the text.
    """
    head = headline(alert, purpose)
    top = list(facts(alert))
    listed = list(details(alert))
    if template is MailTemplate.MINIMAL:
        listed = [(name, value) for name, value in listed if name in _MINIMAL]
    notes = [note] if (note := silent_note(silent_count)) else []
    link = "" if template is MailTemplate.MINIMAL else _link(alert.get("runbook"))
    json = _json(alert) if template is MailTemplate.DETAILED else ""
    values = dict(top)
    followed = "" if purpose is Purpose.TRIGGERED else "Re: "
    return Mail(
        subject=f"{followed}[{values['Severity']}] {values['Alert']}",
        text=_text(head, top, listed, notes, link, json),
        html=_html(head, _colour(alert, purpose), top, listed, notes, link, json),
        urgent=purpose is not Purpose.RESOLVED and alert.get("severity") in ("critical", "high"),
    )


def _text(
    head: str,
    top: Iterable[tuple[str, str]],
    listed: Iterable[tuple[str, str]],
    notes: list[str],
    link: str,
    json: str,
) -> str:
    lines = [head, "", *(f"{name}: {value}" for name, value in top)]
    if rows := [f"- {name}: {value}" for name, value in listed]:
        lines += ["", "Details:", *rows]
    for note in notes:
        lines += ["", note]
    if link:
        lines += ["", f"Runbook: {link}"]
    if json:
        lines += ["", "Alert record:", json]
    return "\n".join(lines) + "\n"


def _html(
    head: str,
    colour: str,
    top: Iterable[tuple[str, str]],
    listed: Iterable[tuple[str, str]],
    notes: list[str],
    link: str,
    json: str,
) -> str:
    parts = [
        '<!DOCTYPE html><html><head><meta charset="utf-8"></head>',
        f'<body style="margin:0;padding:16px;background:#ffffff;{_FONT}">',
        f'<div style="border-left:6px solid {colour};padding:4px 0 4px 14px;font-size:18px;font-weight:bold;">'
        f"{escape(head)}</div>",
        _table(top),
        _table(listed),
    ]
    parts += [f'<p style="font-size:13px;color:#475569;">{escape(note)}</p>' for note in notes]
    if link:
        parts.append(f'<p style="font-size:14px;"><a href="{escape(link)}">Runbook</a></p>')
    if json:
        parts.append(
            f'<pre style="font-size:12px;background:#f3f4f6;padding:12px;white-space:pre-wrap;">{escape(json)}</pre>'
        )
    return "\n".join([*filter(None, parts), "</body></html>"]) + "\n"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = [
        f'<tr><td style="{_CELL}color:#475569;">{escape(name)}</td><td style="{_CELL}">{escape(value)}</td></tr>'
        for name, value in rows
    ]
    return '<table style="margin-top:12px;border-collapse:collapse;">' + "".join(cells) + "</table>" if cells else ""


def _colour(alert: Mapping[str, Any], purpose: Purpose) -> str:
    if purpose is Purpose.RESOLVED:
        return _GREEN
    return _COLOURS.get(str(alert.get("severity")), _COLOURS["informational"])


def _json(alert: Mapping[str, Any]) -> str:
    text = orjson.dumps(alert, option=orjson.OPT_INDENT_2, default=str).decode()
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text[: MAX_JSON + 1])
    return text if len(text) <= MAX_JSON else text[:MAX_JSON] + "\n…"


def _link(value: Any) -> str:
    """The address, where it is one of the web; nothing else can be followed with a click."""
    text = str(value or "")
    usable = text.startswith(("https://", "http://")) and text.isprintable() and not any(c in text for c in " <>\"'")
    return text if usable and len(text) < MAX_LINK else ""
