"""A message as DingTalk's type `markdown`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamproc.alerting.message import Message
from streamproc.alerting.render import Row, facts, headline, list_name, notes
from streamproc.alerting.render_chat import chat_links, inert, json_bytes, markdown_row, missing_link, shortened, within
from streamproc.model.content import Content

MAX_BYTES = 15_000
"""Of the whole message as JSON. DingTalk's documents name 15,000 and 20,000 bytes in different places."""
MAX_TITLE = 300


def dingtalk(message: Message) -> dict[str, Any]:
    """`{msgtype, markdown: {title, text}}`. The title is what a notification shows. Nobody is mentioned."""
    head = headline(message)
    top = [f"**{name}:** {inert(value)}" for name, value in list(facts(message))[1:]]
    tail = [*_links(chat_links(message)), *map(inert, notes(message))]

    def built(rows: Sequence[Row]) -> dict[str, Any]:
        listed = "\n".join(f"- {markdown_row(row)}" for row in rows)
        # two blanks before a line break keep it a break
        return _message(head, [f"### {inert(head)}", "  \n".join(top), f"**{list_name(message)}:**", listed, *tail])

    return within(message, built, json_bytes, MAX_BYTES)


def dingtalk_content(message: Message, content: Content) -> dict[str, Any]:
    """The same for a Markdown that a template made."""
    title = (content.subject or headline(message))[:MAX_TITLE]
    tail = _links(missing_link(message, content.text))

    def built(text: str) -> dict[str, Any]:
        return _message(title, [*([f"### {content.subject[:MAX_TITLE]}"] if content.subject else []), text, *tail])

    return shortened(content.text, built, json_bytes, MAX_BYTES)


def _message(title: str, parts: Sequence[str]) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"title": title, "text": "\n\n".join(parts)}}


def _links(links: Sequence[tuple[str, str]]) -> list[str]:
    return [f"[{name}]({address})" for name, address in links]
