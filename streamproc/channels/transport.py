"""What a channel is to the rest: something that makes one attempt and says what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from streamproc.alerting.message import Links, Message, language_of, no_links
from streamproc.channels.http import Answer, Http
from streamproc.channels.outcome import Outcome, of_status
from streamproc.channels.secrets import Environment, masked
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.delivery import MAX_EXCERPT_BYTES, cut
from streamproc.model.notification import Notification


class Transport(Protocol):
    """One type of channel. It never retries."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. May raise `SettingError` for settings that cannot be used."""
        ...


class BaseTransport:
    """What transports have in common: a client, the variables of settings, and how links to alerts are made."""

    def __init__(self, http: Http, environment: Environment, links: Links = no_links) -> None:
        self._http = http
        self._environment = environment
        self._links = links

    def _message(self, notification: Notification, channel: ChannelSettings) -> Message:
        """The notification as renderers take it, in the channel's language."""
        return message_of(notification, channel, self._links)


def message_of(notification: Notification, channel: ChannelSettings, links: Links) -> Message:
    """The notification as renderers take it: in the channel's language, without links where it wants none."""
    return Message.of(notification, language_of(channel), no_links if channel.disable_details else links)


def outcome_of(result: Answer | Outcome, secrets: Iterable[str]) -> Outcome:
    """The outcome of a request by its HTTP status, with an excerpt of the answer, secrets masked."""
    if isinstance(result, Outcome):
        return replace(result, detail=masked(result.detail, secrets))
    kind, reason = of_status(result.status)
    excerpt = masked(result.body.decode("utf-8", "replace"), secrets)
    return Outcome(
        kind,
        reason,
        status=result.status,
        retry_after=result.retry_after,
        excerpt=cut(excerpt, MAX_EXCERPT_BYTES),
        latency_ms=result.latency_ms,
    )
