"""A message as an interactive card of Lark (Feishu).

All text is `plain_text`, in which neither Markdown nor `<at>` means anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamproc.alerting.message import Message
from streamproc.alerting.render import Row, facts, headline, list_name, notes
from streamproc.alerting.render_chat import chat_links, json_bytes, linkable, missing_link, shortened, tone, within
from streamproc.alerting.words import say
from streamproc.model.content import Content

MAX_BYTES = 19_000
"""Lark refuses requests of more than 20 KB; timestamp and signature are added to this."""
MAX_TITLE = 300

_COLOURS = {"good": "green", "bad": "red", "warning": "orange", "calm": "blue"}


def lark(message: Message) -> dict[str, Any]:
    """`{msg_type: interactive, card}`; at most `MAX_BYTES` as JSON."""
    top = list(facts(message))[1:]
    # of a bundle the facts are long, and stand one below the other
    fields = [{"is_short": not message.members, "text": _plain(f"{name}: {value}")} for name, value in top]

    def built(rows: Sequence[Row]) -> dict[str, Any]:
        elements: list[dict[str, Any]] = [{"tag": "div", "fields": fields}, {"tag": "hr"}, *_list(message, rows)]
        return _card(message, headline(message), [*elements, *_foot(message)])

    return within(message, built, json_bytes, MAX_BYTES)


def lark_content(message: Message, content: Content) -> dict[str, Any]:
    """The same for a text that a template made."""
    title = (content.subject or headline(message))[:MAX_TITLE]
    found = missing_link(message, content.text)
    foot = [_buttons(found)] if found else []

    def built(text: str) -> dict[str, Any]:
        return _card(message, title, [{"tag": "div", "text": _plain(text)}, *foot])

    return shortened(content.text, built, json_bytes, MAX_BYTES)


def _list(message: Message, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One text of all rows; of rows that lead somewhere, one each with its button."""
    if not any(row.link for row in rows):
        listed = "\n".join(f"• {row.name}: {row.value}" for row in rows)
        return [{"tag": "div", "text": _plain(f"{list_name(message)}:\n{listed}")}]
    elements: list[dict[str, Any]] = [{"tag": "div", "text": _plain(f"{list_name(message)}:")}]
    for row in rows:
        element: dict[str, Any] = {"tag": "div", "text": _plain(f"• {row.name}: {row.value}")}
        if linkable(row.link):
            element["extra"] = _button(say(message.language, "View alert"), row.link)
        elements.append(element)
    return elements


def _foot(message: Message) -> list[dict[str, Any]]:
    foot: list[dict[str, Any]] = []
    if found := chat_links(message):
        foot.append(_buttons(found))
    if said := notes(message):
        foot.append({"tag": "note", "elements": [_plain(note) for note in said]})
    return foot


def _buttons(links: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"tag": "action", "actions": [_button(name, address) for name, address in links]}


def _button(name: str, address: str) -> dict[str, Any]:
    return {"tag": "button", "text": _plain(name), "url": address, "type": "default"}


def _card(message: Message, title: str, elements: list[dict[str, Any]]) -> dict[str, Any]:
    header = {"template": _COLOURS[tone(message)], "title": _plain(title)}
    card = {"config": {"wide_screen_mode": True}, "header": header, "elements": elements}
    return {"msg_type": "interactive", "card": card}


def _plain(text: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": text}
