"""An alert as a Lark (Feishu) message: an interactive card.

All text is `plain_text`, in which neither Markdown nor `<at>` means anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamproc.alerting.render import details, facts, headline, silent_note
from streamproc.alerting.render_chat import Line, json_bytes, runbook, tone, within
from streamproc.model.notification import Purpose

MAX_BYTES = 19_000
"""Lark refuses requests of more than 20 KB; timestamp and signature are added to this."""

_COLOURS = {"good": "green", "bad": "red", "warning": "orange", "calm": "blue"}


def lark(alert: Mapping[str, Any], purpose: Purpose, silent_count: int) -> dict[str, Any]:
    """`{msg_type: interactive, card}`; at most `MAX_BYTES` as JSON."""
    fields = [{"is_short": True, "text": _plain(f"{name}: {value}")} for name, value in facts(alert) if name != "Alert"]
    note = silent_note(silent_count)
    link = runbook(alert)

    def message(lines: Sequence[Line]) -> dict[str, Any]:
        listed = "\n".join(f"• {name}: {value}" for name, value in lines)
        elements: list[dict[str, Any]] = [
            {"tag": "div", "fields": fields},
            {"tag": "hr"},
            {"tag": "div", "text": _plain(f"Details:\n{listed}")},
        ]
        if link:
            button = {"tag": "button", "text": _plain("Runbook"), "url": link, "type": "default"}
            elements.append({"tag": "action", "actions": [button]})
        if note:
            elements.append({"tag": "note", "elements": [_plain(note)]})
        header = {"template": _COLOURS[tone(alert, purpose)], "title": _plain(headline(alert, purpose))}
        card = {"config": {"wide_screen_mode": True}, "header": header, "elements": elements}
        return {"msg_type": "interactive", "card": card}

    return within(message, list(details(alert)), json_bytes, MAX_BYTES)


def _plain(text: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": text}
