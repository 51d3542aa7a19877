"""Settings of the channels that post to a chat or to an on-call service with one request each.

Each has a `url` with its provider's address as the default, so that a proxy, another region or a test can stand in for
it. The whole address as the provider shows it may be given instead of its secret part.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, model_validator

from streamproc.model.channel_settings import ENV_MARK, ChannelSettings, Url

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
DINGTALK_URL = "https://oapi.dingtalk.com/robot/send"
WECOM_URL = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"
LARK_URL = "https://open.feishu.cn/open-apis/bot/v2/hook"

Secret = Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class TeamsChannel(ChannelSettings):
    """Microsoft Teams: the `url` of a workflow that posts what it receives to a channel or chat."""

    type: Literal["teams"] = "teams"
    url: Url


class PagerDutyChannel(ChannelSettings):
    """PagerDuty's Events API v2; `routing_key` is the integration key of a service or of an event orchestration."""

    type: Literal["pagerduty"] = "pagerduty"
    routing_key: Secret
    url: Url = SecretStr(PAGERDUTY_URL)

    @property
    def bundles(self) -> bool:
        """Each alert is an incident of its own."""
        return False


class DingTalkChannel(ChannelSettings):
    """A DingTalk group robot: its `access_token`, or the `url` with it; `secret` (`SEC…`) where it wants signatures."""

    type: Literal["dingtalk"] = "dingtalk"
    access_token: Secret | None = None
    secret: Secret | None = None
    url: Url = SecretStr(DINGTALK_URL)

    @model_validator(mode="after")
    def _names_a_robot(self) -> DingTalkChannel:
        _one_place(self.url, "access_token", self.access_token)
        return self


class WeComChannel(ChannelSettings):
    """A WeCom group robot: its `key`, or the `url` with it."""

    type: Literal["wecom"] = "wecom"
    key: Secret | None = None
    url: Url = SecretStr(WECOM_URL)

    @model_validator(mode="after")
    def _names_a_robot(self) -> WeComChannel:
        _one_place(self.url, "key", self.key)
        return self


class LarkChannel(ChannelSettings):
    """A custom bot of Lark or Feishu: its `token`, the last part of its address, or the whole `url`.

    With `token`, `url` is what stands before it. `secret` where the bot wants signatures.
    """

    type: Literal["lark"] = "lark"
    token: Secret | None = None
    secret: Secret | None = None
    url: Url = SecretStr(LARK_URL)

    @model_validator(mode="after")
    def _names_a_bot(self) -> LarkChannel:
        if self.token is None and self.url.get_secret_value().rstrip("/") == LARK_URL:
            raise ValueError("token: is required, unless url is the whole address of the bot")
        return self


def _one_place(url: SecretStr, name: str, value: SecretStr | None) -> None:
    """The robot must be named, by the setting or in the address, and not by both. Raises ValueError."""
    text = url.get_secret_value()
    inside = name in parse_qs(urlsplit(text).query)
    if value is not None and inside:
        raise ValueError(f"{name}: is given twice (in url too)")
    if value is None and not inside and ENV_MARK not in text:
        raise ValueError(f"{name}: is required, unless url holds it")
