"""A *message*: a notification as the renderers take it, its records parsed.

One alert, or a bundle of several; in a language; with the link that shows an alert without signing in, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from streamproc.model.channel_settings import ChannelSettings, Language
from streamproc.model.channels_phone import VoiceChannel
from streamproc.model.notification import Notification, Purpose

Links = Callable[[Mapping[str, Any], int], str]
"""(alert record, time in ms) → an address, or nothing."""


def no_links(alert: Mapping[str, Any], at: int) -> str:
    """Where nobody said how the API is reached."""
    return ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. Of a bundle, `members` are the messages of its alerts, oldest first, and `alert` is the newest.

    `silent_count`, `step`, `repeat` are the notification's; `fallback_for` names the channel that could not be
    reached; `at`: when somebody had to be told, ms, 0 where that does not matter.
    """

    alert: Mapping[str, Any]
    purpose: Purpose
    silent_count: int = 0
    members: tuple[Message, ...] = ()
    step: int = 0
    repeat: int = 0
    fallback_for: str = ""
    language: Language = "en"
    link: str = ""
    at: int = 0

    @classmethod
    def of(cls, notification: Notification, language: Language = "en", links: Links = no_links) -> Message:
        """The message of a notification. Raises ValueError for an alert that is no JSON object."""
        members = tuple(
            cls(
                alert := _record(member.alert),
                member.purpose,
                member.silent_count,
                language=language,
                link=links(alert, member.created_at),
                at=member.created_at,
            )
            for member in notification.members
        )
        alert = members[-1].alert if members else _record(notification.alert)
        return cls(
            alert,
            notification.purpose,
            notification.silent_count,
            members,
            notification.step,
            notification.repeat,
            "" if notification.fallback_for is None else notification.fallback_for.id,
            language,
            "" if members else links(alert, notification.created_at),
            notification.created_at,
        )

    @property
    def each(self) -> tuple[Message, ...]:
        """The messages of its alerts: of a bundle the members, else itself."""
        return self.members or (self,)


def language_of(channel: ChannelSettings) -> Language:
    """The language of messages to a channel: as it says; of calls else by the voice; else English."""
    if channel.content_language is not None:
        return channel.content_language
    return "zh" if isinstance(channel, VoiceChannel) and channel.language.startswith("zh") else "en"


def _record(content: bytes) -> Mapping[str, Any]:
    alert = orjson.loads(content)
    if not isinstance(alert, dict):
        raise ValueError("the alert is not a JSON object")  # noqa: TRY004  # it is the text that is wrong
    return alert
