"""DingTalk: a group robot, signed where the robot has a secret.

The answer is 200 in any case; `errcode` 0 is success.
"""

from __future__ import annotations

import base64
import hmac

from streamproc.alerting.render_dingtalk import dingtalk, dingtalk_content
from streamproc.channels.answer_code import Codes, by_code
from streamproc.channels.outcome import Outcome
from streamproc.channels.post_json import post_json, secrets_in, with_query
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_chat import DingTalkChannel
from streamproc.model.notification import Notification

CODES = Codes(
    provider="DingTalk",
    fields=("errcode",),
    text=("errmsg",),
    rate_limits=frozenset({130101, 410100, 90018, 90030}),
    transient=frozenset({-1}),
    pause_seconds=60.0,  # a robot may send 20 messages a minute
)


class DingTalkTransport(BaseTransport):
    """Takes a `DingTalkChannel`."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, DingTalkChannel)
        url = self._environment.text(channel.url)
        secrets: list[str] = []
        parameters: dict[str, str] = {}
        if channel.access_token is not None:
            parameters["access_token"] = self._environment.text(channel.access_token)
        if channel.secret is not None:
            secret = self._environment.text(channel.secret)
            moment = int(self._http.clock() * 1000)
            parameters |= {"timestamp": str(moment), "sign": signature(moment, secret)}
            secrets.append(secret)
        address = with_query(url, parameters)
        secrets = secrets_in(address, *secrets)
        told, content = self._message(notification, channel), notification.content
        message = dingtalk(told) if content is None else dingtalk_content(told, content)
        answer, outcome = await post_json(self._http, notification, address, message, secrets)
        return outcome if answer is None else by_code(answer, outcome, CODES, secrets)


def signature(timestamp: int, secret: str) -> str:
    """The parameter `sign`, before it is percent-encoded. `timestamp`: ms since the epoch, as in the parameter."""
    return base64.b64encode(hmac.digest(secret.encode(), f"{timestamp}\n{secret}".encode(), "sha256")).decode()
