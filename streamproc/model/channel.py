"""*Channels*: where notifications can go, as tenants configure them.

Two config kinds describe one: `webhook` (named by a rule's `webhook_ids`) and `channel` (named by a rule's
`channels`, by its id or its type). Both parse to a frozen model; how a channel is spoken to lives in
`streamproc/channels`, one file each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator

from streamproc.model.channel_settings import ChannelRef, ChannelSettings, RetryConfig, Url
from streamproc.model.channels_apprise import AppriseChannel
from streamproc.model.channels_chat import DingTalkChannel, LarkChannel, PagerDutyChannel, TeamsChannel, WeComChannel
from streamproc.model.channels_cloud import EventBridgeChannel, FunctionComputeChannel
from streamproc.model.channels_inbox import MessageCenterChannel
from streamproc.model.channels_mail import EmailChannel
from streamproc.model.channels_phone import SmsChannel, VoiceChannel
from streamproc.model.document import DocumentError, Problem, parsed
from streamproc.model.webhook import Webhook, WebhookSettings

__all__ = [
    "SECRET_FIELDS",
    "SETTINGS",
    "ChannelRef",
    "ChannelSettings",
    "DocumentError",
    "RetryConfig",
    "SlackChannel",
    "Webhook",
    "WebhookSettings",
    "parse_channel",
    "parse_webhook",
]

SECRET_FIELDS: Mapping[str, frozenset[str]] = {
    "webhook": frozenset({"url", "secret", "secrets", "headers"}),
    "channel": frozenset(
        {
            *("url", "token", "secret", "secrets", "headers"),
            *("access_token", "key", "routing_key"),
            *("endpoint", "password", "auth_token", "access_key_secret", "session_token"),
        }
    ),
}
"""Per config kind the fields that are sealed in the `config` topic and never answered by the API."""


class SlackChannel(ChannelSettings):
    """Slack: an incoming webhook `url`, or a bot `token` and a `channel` to post to."""

    type: Literal["slack"] = "slack"
    url: Url | None = None
    token: SecretStr | None = Field(default=None, min_length=1, max_length=1024)
    channel: str | None = Field(default=None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _one_way(self) -> SlackChannel:
        if (self.url is None) == (self.token is None):
            raise ValueError("url: give either url (an incoming webhook), or token and channel")
        if self.token is not None and self.channel is None:
            raise ValueError("channel: is required beside token")
        return self


SETTINGS: Mapping[str, type[ChannelSettings]] = {
    "apprise": AppriseChannel,
    "dingtalk": DingTalkChannel,
    "email": EmailChannel,
    "eventbridge": EventBridgeChannel,
    "function_compute": FunctionComputeChannel,
    "lark": LarkChannel,
    "message_center": MessageCenterChannel,
    "pagerduty": PagerDutyChannel,
    "slack": SlackChannel,
    "sms": SmsChannel,
    "teams": TeamsChannel,
    "voice": VoiceChannel,
    "webhook": WebhookSettings,
    "wecom": WeComChannel,
}
"""The settings of each channel type; a new one adds its line here and its transport's in the registry."""


def parse_webhook(doc: Mapping[str, Any], *, default_tenant: str | None = None) -> Webhook:
    """A document of config kind `webhook`. Raises `DocumentError`."""
    if doc.get("kind", "webhook") != "webhook":
        raise DocumentError((Problem("kind", f"{doc['kind']!r} is not 'webhook'"),))
    return parsed(Webhook, _body(doc, default_tenant))


def parse_channel(doc: Mapping[str, Any], *, default_tenant: str | None = None) -> ChannelSettings:
    """A document of config kind `channel`. Raises `DocumentError`.

    The type is `type`; else `kind`, where that is not the config kind; else the id, when that is a known type
    (`id: slack`).
    """
    body = _body(doc, default_tenant)
    kind = doc.get("kind", "channel")
    name = body.get("type") or (body.get("id") if kind == "channel" else kind)
    if not isinstance(name, str) or name not in SETTINGS:
        raise DocumentError((Problem("type", f"{name!r} is not one of {', '.join(sorted(SETTINGS))}"),))
    return parsed(SETTINGS[name], {**body, "type": name})


def _body(doc: Mapping[str, Any], tenant: str | None) -> dict[str, Any]:
    body = {name: value for name, value in doc.items() if name != "kind"}
    if tenant is not None and "tenant_id" not in body and "tenantId" not in body:
        body["tenant_id"] = tenant
    return body
