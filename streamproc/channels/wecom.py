"""WeCom: a group robot. The answer is 200 in any case; `errcode` 0 is success."""

from __future__ import annotations

from streamproc.alerting.render_wecom import wecom, wecom_content
from streamproc.channels.answer_code import Codes, by_code
from streamproc.channels.outcome import Outcome
from streamproc.channels.post_json import post_json, secrets_in, with_query
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_chat import WeComChannel
from streamproc.model.notification import Notification

CODES = Codes(
    provider="WeCom",
    fields=("errcode",),
    text=("errmsg",),
    rate_limits=frozenset({45009, 45033}),
    transient=frozenset({-1}),
    pause_seconds=60.0,  # a robot may send 20 messages a minute
)


class WeComTransport(BaseTransport):
    """Takes a `WeComChannel`."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, WeComChannel)
        parameters = {} if channel.key is None else {"key": self._environment.text(channel.key)}
        address = with_query(self._environment.text(channel.url), parameters)
        secrets = secrets_in(address)
        told, content = self._message(notification, channel), notification.content
        message = wecom(told) if content is None else wecom_content(told, content)
        answer, outcome = await post_json(self._http, notification, address, message, secrets)
        return outcome if answer is None else by_code(answer, outcome, CODES, secrets)
