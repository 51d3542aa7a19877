"""An alert as a WeCom group-robot message of type `markdown`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamproc.alerting.render import details, facts, headline, silent_note
from streamproc.alerting.render_chat import Line, inert, runbook, within
from streamproc.model.notification import Purpose

MAX_BYTES = 4_096
"""Of the content in UTF-8, by WeCom's document."""


def wecom(alert: Mapping[str, Any], purpose: Purpose, silent_count: int) -> dict[str, Any]:
    """`{msgtype, markdown: {content}}`. A mention is `<@…>`, which text from events cannot contain."""
    head = [f"### {inert(headline(alert, purpose))}"]
    head += [f">**{name}:** {inert(value)}" for name, value in facts(alert) if name != "Alert"]
    link = runbook(alert)
    tail = [text for text in (f"[Runbook]({link})" if link else "", silent_note(silent_count)) if text]

    def content(lines: Sequence[Line]) -> str:
        listed = [f">{inert(name)}: {inert(value)}" for name, value in lines]
        return "\n".join([*head, "**Details:**", *listed, *tail])

    text = within(content, list(details(alert)), lambda text: len(text.encode()), MAX_BYTES)
    return {"msgtype": "markdown", "markdown": {"content": text}}
