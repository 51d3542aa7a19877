"""Lark and Feishu: a custom bot, signed where the bot has a secret.

The answer's `code` (in older answers `StatusCode`) 0 is success, also beside a status of 200; rate limits come with
200, 400 or 429.
"""

from __future__ import annotations

import base64
import hmac
from typing import Any
from urllib.parse import quote

from streamproc.alerting.render_lark import lark, lark_content
from streamproc.channels.answer_code import Codes, by_code
from streamproc.channels.outcome import Outcome
from streamproc.channels.post_json import post_json, secrets_in
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_chat import LarkChannel
from streamproc.model.notification import Notification

CODES = Codes(
    provider="Lark",
    fields=("code", "StatusCode"),
    text=("msg", "StatusMessage"),
    rate_limits=frozenset({11232, 11233, 230020, 99991400}),
    transient=frozenset({1500, 2200}),
    rate_limit_text="too many request",  # 9499 stands for this, and for a bad request
)


class LarkTransport(BaseTransport):
    """Takes a `LarkChannel`."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, LarkChannel)
        address = self._environment.text(channel.url)
        if channel.token is not None:
            address = f"{address.rstrip('/')}/{quote(self._environment.text(channel.token), safe='')}"
        told, content = self._message(notification, channel), notification.content
        message: dict[str, Any] = lark(told) if content is None else lark_content(told, content)
        further = []
        if channel.secret is not None:
            secret = self._environment.text(channel.secret)
            moment = int(self._http.clock())
            signed = signature(moment, secret)
            message = {"timestamp": str(moment), "sign": signed, **message}
            further = [secret, signed]
        secrets = secrets_in(address, *further)
        answer, outcome = await post_json(self._http, notification, address, message, secrets)
        return outcome if answer is None else by_code(answer, outcome, CODES, secrets)


def signature(timestamp: int, secret: str) -> str:
    """The field `sign`: the HMAC of nothing, keyed with time and secret. `timestamp`: seconds since the epoch."""
    return base64.b64encode(hmac.digest(f"{timestamp}\n{secret}".encode(), b"", "sha256")).decode()
