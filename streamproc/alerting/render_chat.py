"""What the renderers of chat messages share: limits on size, links, and colours by severity.

Providers refuse a message that is too large, so its list is cut until it fits; what remains (head, facts, link) always
does, since each part of it is cut on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from streamproc.alerting.message import Message
from streamproc.alerting.render import Row, links, more, rows
from streamproc.model.alert_filter import RANKS
from streamproc.model.notification import Purpose

MAX_LINK = 500

_Message = TypeVar("_Message")
_FULL_WIDTH = str.maketrans("[]<>*`\\", "［］＜＞＊｀＼")


def within(
    message: Message, build: Callable[[Sequence[Row]], _Message], size: Callable[[_Message], int], limit: int
) -> _Message:
    """The message with as many of its rows as keep its size at or under the limit; a last row says if that is not all.

    `build` makes it of rows, and larger of more of them.
    """
    listed = rows(message)
    built = build(listed)
    if size(built) <= limit:
        return built

    def cut(kept: int) -> _Message:
        return build([*listed[:kept], Row("…", more(message, max(1, len(message.each) - kept)))])

    fits, too_many = 0, len(listed)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if size(cut(middle)) <= limit:
            fits = middle
        else:
            too_many = middle
    return cut(fits)


def shortened(text: str, build: Callable[[str], _Message], size: Callable[[_Message], int], limit: int) -> _Message:
    """The same for one text, which is cut at its end."""
    built = build(text)
    if size(built) <= limit:
        return built
    fits, too_many = 0, len(text)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if size(build(text[:middle] + "…")) <= limit:
            fits = middle
        else:
            too_many = middle
    return build(text[:fits] + "…")


def json_bytes(message: Mapping[str, Any]) -> int:
    """The size of a message as it is sent."""
    return len(orjson.dumps(message))


def inert(text: str) -> str:
    """For Markdown dialects without a reliable escape: links, mentions, images and emphasis become full-width marks.

    `_` stays as it is, because ids are full of it and people copy them.
    """
    return text.translate(_FULL_WIDTH)


def chat_links(message: Message) -> list[tuple[str, str]]:
    """(name, address) of what the message leads to, where it can safely be linked in any markup."""
    return [(name, address) for name, address in links(message) if linkable(address)]


def missing_link(message: Message, text: str) -> list[tuple[str, str]]:
    """(name, address) of the link that shows the alert, unless a template's text has it already."""
    return [(name, link) for name, link in chat_links(message) if link == message.link and link not in text]


def linkable(address: str) -> bool:
    """Whether an address has nothing in it that a chat's markup could take for its own."""
    plain = address.isascii() and address.isprintable() and not any(c in address for c in " |<>()[]\"'\\`")
    return plain and address.startswith(("https://", "http://")) and len(address) <= MAX_LINK


def runbook(alert: Mapping[str, Any]) -> str:
    """The address of the rule's runbook; empty where there is none that can safely be linked."""
    text = str(alert.get("runbook") or "")
    return text if linkable(text) else ""


def markdown_row(row: Row) -> str:
    """`name: value` in a chat's Markdown, the name linked where the row has an address."""
    name = f"[{inert(row.name)}]({row.link})" if row.link and linkable(row.link) else inert(row.name)
    return f"{name}: {inert(row.value)}"


def tone(message: Message) -> str:
    """`good`, `bad`, `warning` or `calm`: what the colour of a message says."""
    if all(one.purpose is Purpose.RESOLVED for one in message.each):
        return "good"
    worst = max((str(one.alert.get("severity")) for one in message.each), key=lambda name: RANKS.get(name, -1))
    return {"critical": "bad", "high": "bad", "medium": "warning"}.get(worst, "calm")
