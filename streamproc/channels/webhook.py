"""Webhooks: one signed POST per notification, or per so many of its alerts.

`webhook-id` is the delivery id, so it is the same on every retry and receivers can drop what they have had;
`webhook-timestamp` is the time of the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from streamproc.channels import batch, sign
from streamproc.channels.outcome import Outcome
from streamproc.channels.payload import bodies
from streamproc.channels.secrets import Environment, SettingError
from streamproc.channels.transport import BaseTransport, outcome_of
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.notification import Notification
from streamproc.model.webhook import STANDARD_SIGNATURE, WebhookSettings, sendable_header

CONTENT_TYPE = "application/json;charset=utf-8"
_OPEN_HEADERS = frozenset({"accept", "content-type", "user-agent"})


class WebhookTransport(BaseTransport):
    """Delivered is any 2xx."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt; `channel` is a `WebhookSettings`. Raises `SettingError`."""
        assert isinstance(channel, WebhookSettings)
        content = notification.content
        listed = batch.mode_of(content, channel.mode) == "batch"
        if content is None:
            items = bodies(notification, channel.format)
        else:
            items = batch.content_items(content, listed=listed)
        requests = batch.parts(notification, items, listed=listed, max_items=batch.most(content, channel.max_items))
        url, custom = self._environment.text(channel.url), own_headers(channel, self._environment)

        async def ask(part: batch.Part) -> Outcome:
            now = self._http.clock()
            secrets = self._signing_secrets(channel, now)
            headers = {
                "Content-Type": CONTENT_TYPE,
                **custom,
                "webhook-id": part.id,
                "webhook-timestamp": str(int(now)),
                **_signature(channel, part.id, int(now), part.body, secrets),
            }
            result = await self._http.post(url, headers, part.body)
            return outcome_of(result, (*secrets, *hidden(custom)))

        return await batch.in_parts(notification, requests, ask, self._http.total_seconds)

    def _signing_secrets(self, channel: WebhookSettings, now: float) -> list[str]:
        configured = channel.all_secrets
        moment = datetime.fromtimestamp(now, UTC)
        texts = [self._environment.text(secret.value) for secret in configured if secret.signs_at(moment)]
        if configured and not texts:
            raise SettingError("secrets: every secret has expired; add one that has not")
        return texts


def own_headers(channel: WebhookSettings, environment: Environment) -> dict[str, str]:
    """The headers that the settings add, in the names' own spelling but one for each. Raises `SettingError`."""
    headers: dict[str, str] = {}
    for name, setting in channel.headers.items():
        text = environment.text(setting)
        if not sendable_header(text):
            raise SettingError(f"headers: the value of {name} holds a line break or control character")
        headers["Content-Type" if name.lower() == "content-type" else name] = text
    return headers


def hidden(headers: Mapping[str, str]) -> list[str]:
    """Header values that must not be logged."""
    return [value for name, value in headers.items() if name.lower() not in _OPEN_HEADERS]


def _signature(channel: WebhookSettings, id: str, timestamp: int, content: bytes, secrets: list[str]) -> dict[str, str]:
    if not secrets:
        return {}
    style = channel.signature_style
    if style != STANDARD_SIGNATURE:
        return {style.header: sign.header(style, content, secrets[0])}
    try:
        return {style.header: sign.standard(id, timestamp, content, secrets)}
    except ValueError as error:
        raise SettingError(f"secret: {error}") from None
