"""An alert as a Microsoft Teams message: one Adaptive Card 1.2 in the envelope that Workflows take.

All text is in `TextRun`s, which are never read as Markdown, so what comes from events can be neither link nor mention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamproc.alerting.render import details, facts, headline, silent_note
from streamproc.alerting.render_chat import Line, json_bytes, runbook, tone, within
from streamproc.model.notification import Purpose

CARD = "application/vnd.microsoft.card.adaptive"
MAX_BYTES = 27_000
"""Teams refuses messages of more than about 28 KB."""

_COLOURS = {"good": "good", "bad": "attention", "warning": "warning", "calm": "accent"}


def teams(alert: Mapping[str, Any], purpose: Purpose, silent_count: int) -> dict[str, Any]:
    """`{type: message, attachments: [card]}`; at most `MAX_BYTES` as JSON."""
    head = headline(alert, purpose)
    top = [(name, value) for name, value in facts(alert) if name != "Alert"]
    note = silent_note(silent_count)
    link = runbook(alert)

    def message(lines: Sequence[Line]) -> dict[str, Any]:
        title = {"weight": "bolder", "size": "large", "color": _COLOURS[tone(alert, purpose)]}
        body = [_block(_run(head, **title))]
        body += [_named(name, value) for name, value in top]
        body.append({**_block(_run("Details", weight="bolder")), "separator": True})
        body += [_named(name, value) for name, value in lines]
        if note:
            body.append(_block(_run(note, isSubtle=True)))
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "fallbackText": head,
            "msteams": {"width": "Full"},
            "body": body,
        }
        if link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": "Runbook", "url": link}]
        return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}

    return within(message, list(details(alert)), json_bytes, MAX_BYTES)


def _named(name: str, value: str) -> dict[str, Any]:
    return {**_block(_run(f"{name}: ", weight="bolder"), _run(value)), "spacing": "small"}


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: str | bool) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}
