"""One alert as a page to read, for whoever has a signed link: no scripts, nothing to act with, nothing else to see."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import orjson

SEVERITIES = frozenset({"informational", "low", "medium", "high", "critical"})


def alert_page(alert: Mapping[str, Any]) -> str:
    """The page's HTML."""
    title = escape(str(alert.get("title") or "Alert"))
    severity = str(alert.get("severity"))
    rule, context = alert.get("rule") or {}, alert.get("context") or {}
    facts = [
        ("Status", alert.get("status")),
        ("Severity", severity),
        ("Category", alert.get("category")),
        ("Rule", rule.get("name")),
        *(alert.get("group") or {}).items(),
        ("Triggered", alert.get("triggered_at")),
        ("Triggers", alert.get("trigger_count")),
        ("Events", context.get("count")),
        ("First event", context.get("first_event_time")),
        ("Last event", context.get("last_event_time")),
        ("Assignee", alert.get("assignee")),
        ("Acknowledged by", alert.get("acknowledged_by")),
        ("Resolution", alert.get("resolution")),
    ]
    rows = "".join(
        f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>"
        for name, value in facts
        if value is not None
    )
    assets = "".join(
        f"<li>{escape(str(one.get('type')))} {escape(str(one.get('label') or one.get('id')))}</li>"
        for one in alert.get("affected_assets") or ()
        if isinstance(one, Mapping)
    )
    texts = "".join(f"<p>{escape(str(alert[name]))}</p>" for name in ("reason", "description") if alert.get(name))
    event = alert.get("event")
    shown = (
        f"<h2>Event</h2><pre>{escape(orjson.dumps(event, option=orjson.OPT_INDENT_2).decode())}</pre>" if event else ""
    )
    kind = severity if severity in SEVERITIES else "low"
    return _page(
        title,
        f'<h1><span class="severity {kind}">{escape(severity)}</span> {title}</h1>{texts}<table>{rows}</table>'
        + (f"<h2>Affected</h2><ul>{assets}</ul>" if assets else "")
        + shown,
    )


def no_page(text: str) -> str:
    """What is shown for a link that shows nothing."""
    return _page("No alert", f'<h1>No alert</h1><p>{escape(text)}</p><p><a href="/">Sign in</a></p>')


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f'<link rel="stylesheet" href="/docs.css"></head><body><main>{body}</main></body></html>'
    )
