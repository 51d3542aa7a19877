"""An alert as a DingTalk message of type `markdown`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamproc.alerting.render import details, facts, headline, silent_note
from streamproc.alerting.render_chat import Line, inert, json_bytes, runbook, within
from streamproc.model.notification import Purpose

MAX_BYTES = 15_000
"""Of the whole message as JSON. DingTalk's documents name 15,000 and 20,000 bytes in different places."""


def dingtalk(alert: Mapping[str, Any], purpose: Purpose, silent_count: int) -> dict[str, Any]:
    """`{msgtype, markdown: {title, text}}`. The title is what a notification shows. Nobody is mentioned."""
    head = headline(alert, purpose)
    top = [f"**{name}:** {inert(value)}" for name, value in facts(alert) if name != "Alert"]
    tail = [text for text in (_link(runbook(alert)), silent_note(silent_count)) if text]

    def message(lines: Sequence[Line]) -> dict[str, Any]:
        listed = "\n".join(f"- {inert(name)}: {inert(value)}" for name, value in lines)
        # two blanks before a line break keep it a break
        parts = [f"### {inert(head)}", "  \n".join(top), "**Details:**", listed, *tail]
        return {"msgtype": "markdown", "markdown": {"title": head, "text": "\n\n".join(parts)}}

    return within(message, list(details(alert)), json_bytes, MAX_BYTES)


def _link(address: str) -> str:
    return f"[Runbook]({address})" if address else ""
