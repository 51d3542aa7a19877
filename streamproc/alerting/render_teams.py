"""A message as Microsoft Teams takes it: one Adaptive Card 1.2 in the envelope that Workflows take.

All text is in `TextRun`s, which are never read as Markdown, so what comes from events can be neither link nor mention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamproc.alerting.message import Message
from streamproc.alerting.render import Row, facts, headline, list_name, notes
from streamproc.alerting.render_chat import chat_links, json_bytes, linkable, missing_link, shortened, tone, within
from streamproc.model.content import Content

CARD = "application/vnd.microsoft.card.adaptive"
MAX_BYTES = 27_000
"""Teams refuses messages of more than about 28 KB."""
MAX_TITLE = 300

_COLOURS = {"good": "good", "bad": "attention", "warning": "warning", "calm": "accent"}


def teams(message: Message) -> dict[str, Any]:
    """`{type: message, attachments: [card]}`; at most `MAX_BYTES` as JSON."""
    top = list(facts(message))[1:]

    def built(rows: Sequence[Row]) -> dict[str, Any]:
        body = [_named(name, value) for name, value in top]
        body.append({**_block(_run(list_name(message), weight="bolder")), "separator": True})
        body += [_named(*row) for row in rows]
        body += [_block(_run(note, isSubtle=True)) for note in notes(message)]
        return _card(message, headline(message), body, chat_links(message))

    return within(message, built, json_bytes, MAX_BYTES)


def teams_content(message: Message, content: Content) -> dict[str, Any]:
    """The same for a text that a template made; each of its lines is a paragraph."""
    title = (content.subject or headline(message))[:MAX_TITLE]
    found = missing_link(message, content.text)

    def built(text: str) -> dict[str, Any]:
        lines = [{**_block(_run(line)), "spacing": "small"} for line in text.splitlines() if line.strip()]
        return _card(message, title, lines, found)

    return shortened(content.text, built, json_bytes, MAX_BYTES)


def _card(
    message: Message, title: str, body: Sequence[dict[str, Any]], links: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    head = _block(_run(title, weight="bolder", size="large", color=_COLOURS[tone(message)]))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "fallbackText": title,
        "msteams": {"width": "Full"},
        "body": [head, *body],
    }
    if links:
        card["actions"] = [{"type": "Action.OpenUrl", "title": name, "url": link} for name, link in links]
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}


def _named(name: str, value: str, link: str = "") -> dict[str, Any]:
    label = _run(f"{name}: ", weight="bolder")
    if link and linkable(link):
        label["selectAction"] = {"type": "Action.OpenUrl", "url": link}
    return {**_block(label, _run(value)), "spacing": "small"}


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: str | bool) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}
