"""A message as Slack's blocks.

The layout is the one of the Trailbase document (text, a section with alert, severity and time, a Details list); limits
are those of Slack's block kit, kept with room to spare. What comes from events is escaped, so that it can mention
nobody and break no layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from streamproc.alerting.message import Message
from streamproc.alerting.render import MAX_VALUE, Row, facts, headline, links, list_name, more, notes, rows
from streamproc.model.content import Content

MAX_SECTION = 2_900
MAX_LISTED = 6_500
"""Characters of the list of a bundle as JSON, so that all stays under 9,500."""
MAX_CONTENT = 9_000


def slack(message: Message) -> dict[str, Any]:
    """`{text, blocks}` for an incoming webhook or `chat.postMessage`; under 9,500 characters in all."""
    head = "\n".join(f"*{name}:* {escaped(value)}" for name, value in facts(message))
    blocks = [_section(head), *(_section(text) for text in _lists(message))]
    blocks += [_section(f"<{escaped(address, MAX_SECTION)}|{escaped(name)}>") for name, address in links(message)]
    if said := notes(message):
        elements = [{"type": "mrkdwn", "text": escaped(note)} for note in said]
        blocks.append({"type": "context", "elements": elements})
    return {"text": escaped(headline(message)), "blocks": blocks}


def slack_content(message: Message, content: Content) -> dict[str, Any]:
    """The same for a text that a template made, in Slack's markup; what comes from events is escaped in it."""
    title = content.subject or escaped(headline(message))
    text = content.text[:MAX_CONTENT]
    blocks = [_section(f"*{title[:MAX_VALUE]}*")] if content.subject else []
    blocks += [_section(part) for part in parts(text, MAX_SECTION)]
    blocks += [
        _section(f"<{escaped(address, MAX_SECTION)}|{escaped(name)}>")
        for name, address in links(message)
        if address == message.link and address not in text
    ]
    return {"text": title[:MAX_VALUE], "blocks": blocks}


def parts(text: str, size: int) -> Iterator[str]:
    """The text in pieces of at most `size` characters, cut at line breaks where there are any."""
    while len(text) > size:
        place = text.rfind("\n", 1, size + 1)
        place = size if place < 0 else place
        yield text[:place]
        text = text[place:].removeprefix("\n")
    if text.strip():
        yield text


def _lists(message: Message) -> Iterator[str]:
    """The list, in as many sections as it takes."""
    title = f"*{escaped(list_name(message))}:*"
    listed = rows(message)
    lines = [_row(row) for row in listed]
    sizes = [len(orjson.dumps(line).decode()) for line in lines] if message.members else [len(line) for line in lines]
    room = MAX_LISTED if message.members else MAX_SECTION
    kept, used = 0, len(title)
    while kept < len(lines) and used + sizes[kept] + 1 <= room:
        used += sizes[kept] + 1
        kept += 1
    lines = lines[:kept]
    if kept < len(listed) and message.members:
        lines.append(f"• … {more(message, len(message.members) - kept)}")
    return parts("\n".join([title, *lines]), MAX_SECTION) if lines else iter(())


def _row(row: Row) -> str:
    name = escaped(row.name)
    return f"• {f'<{row.link}|{name}>' if row.link else name}: {escaped(row.value)}"


def escaped(text: str, limit: int = MAX_VALUE) -> str:
    """For Slack's mrkdwn: `&`, `<` and `>` as entities; at most `limit` characters, never half an entity."""
    entities = [_ENTITIES.get(character, character) for character in text]
    if sum(map(len, entities)) <= limit:
        return "".join(entities)
    room, kept = limit - 1, 0
    while len(entities[kept]) <= room:
        room -= len(entities[kept])
        kept += 1
    return "".join(entities[:kept]) + "…"


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}
