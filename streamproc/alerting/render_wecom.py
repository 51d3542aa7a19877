"""A message as WeCom's group-robot type `markdown`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamproc.alerting.message import Message
from streamproc.alerting.render import Row, facts, headline, list_name, notes
from streamproc.alerting.render_chat import chat_links, inert, markdown_row, missing_link, shortened, within
from streamproc.model.content import Content

MAX_BYTES = 4_096
"""Of the content in UTF-8, by WeCom's document."""
MAX_TITLE = 300


def wecom(message: Message) -> dict[str, Any]:
    """`{msgtype, markdown: {content}}`. A mention is `<@…>`, which text from events cannot contain."""
    head = [f"### {inert(headline(message))}"]
    head += [f">**{name}:** {inert(value)}" for name, value in list(facts(message))[1:]]
    tail = [*_links(chat_links(message)), *map(inert, notes(message))]

    def content(rows: Sequence[Row]) -> str:
        listed = [f">{markdown_row(row)}" for row in rows]
        return "\n".join([*head, f"**{list_name(message)}:**", *listed, *tail])

    return _message(within(message, content, _bytes, MAX_BYTES))


def wecom_content(message: Message, content: Content) -> dict[str, Any]:
    """The same for a Markdown that a template made."""
    head = [f"### {content.subject[:MAX_TITLE]}"] if content.subject else []
    tail = _links(missing_link(message, content.text))
    return _message(shortened(content.text, lambda text: "\n".join([*head, text, *tail]), _bytes, MAX_BYTES))


def _message(text: str) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"content": text}}


def _bytes(text: str) -> int:
    return len(text.encode())


def _links(links: Sequence[tuple[str, str]]) -> list[str]:
    return [f"[{name}]({address})" for name, address in links]
