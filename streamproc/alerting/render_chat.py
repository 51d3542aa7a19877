"""What the renderers of chat messages share: limits on size, links, and colours by severity.

Providers refuse a message that is too large, so the Details list is cut until it fits; what remains (head, facts, link)
always does, since each part of it is cut on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from streamproc.model.notification import Purpose

Line = tuple[str, str]
"""A name and a value, each on one line."""

CUT: Line = ("…", "cut, as the message would be too long")
"""Stands last in a list that was cut."""

MAX_LINK = 500

_Message = TypeVar("_Message")
_FULL_WIDTH = str.maketrans("[]<>*`\\", "［］＜＞＊｀＼")


def within(
    build: Callable[[Sequence[Line]], _Message],
    lines: Sequence[Line],
    size: Callable[[_Message], int],
    limit: int,
) -> _Message:
    """The message with as many of the lines as keep its size at or under the limit, and `CUT` if that is not all."""
    message = build(lines)
    kept = len(lines)
    while size(message) > limit and kept:
        kept -= 1
        message = build([*lines[:kept], CUT])
    return message


def json_bytes(message: Mapping[str, Any]) -> int:
    """The size of a message as it is sent."""
    return len(orjson.dumps(message))


def inert(text: str) -> str:
    """For Markdown dialects without a reliable escape: links, mentions, images and emphasis become full-width marks.

    `_` stays as it is, because ids are full of it and people copy them.
    """
    return text.translate(_FULL_WIDTH)


def runbook(alert: Mapping[str, Any]) -> str:
    """The address of the rule's runbook; empty where there is none that can safely be linked."""
    text = str(alert.get("runbook") or "")
    plain = text.isascii() and text.isprintable() and not any(c in text for c in " |<>()[]\"'\\`")
    return text if plain and text.startswith(("https://", "http://")) and len(text) <= MAX_LINK else ""


def tone(alert: Mapping[str, Any], purpose: Purpose) -> str:
    """`good`, `bad`, `warning` or `calm`: what the colour of a message says."""
    if purpose is Purpose.RESOLVED:
        return "good"
    return {"critical": "bad", "high": "bad", "medium": "warning"}.get(str(alert.get("severity")), "calm")
