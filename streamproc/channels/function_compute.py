"""Alibaba Cloud's Function Compute: a POST to a function's HTTP trigger, signed with ACS3-HMAC-SHA256.

The function gets what a standard webhook gets. Delivered is any 2xx, unless the body says that the function failed
(`errorMessage` and `errorType`), which the platform may answer under 200 too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from streamproc.channels.aliyun import AccessKey, signed_headers
from streamproc.channels.http import Answer, Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.payload import body
from streamproc.channels.secrets import Environment
from streamproc.channels.transport import outcome_of
from streamproc.channels.webhook import CONTENT_TYPE
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_cloud import FunctionComputeChannel
from streamproc.model.notification import Notification
from streamproc.model.webhook import WebhookFormat


class FunctionComputeTransport:
    """Takes a `FunctionComputeChannel`."""

    def __init__(self, http: Http, environment: Environment) -> None:
        self._http = http
        self._environment = environment

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, FunctionComputeChannel)
        content = body(notification, WebhookFormat.STANDARD)
        url = self._environment.text(channel.url)
        headers = {"content-type": CONTENT_TYPE}
        secrets = [url]
        if channel.access_key_id is not None and channel.access_key_secret is not None:
            secret = self._environment.text(channel.access_key_secret)
            secrets.append(secret)
            key = AccessKey(channel.access_key_id, secret)
            headers = signed_headers(key, url, content, CONTENT_TYPE, self._http.clock(), {})
        result = await self._http.post(url, {**headers, "webhook-id": notification.delivery_id}, content)
        outcome = outcome_of(result, secrets)
        return classified(result, outcome) if isinstance(result, Answer) else outcome


def classified(answer: Answer, outcome: Outcome) -> Outcome:
    """A function that failed is tried again: what it fails at is its own, and may pass."""
    if outcome.kind is not OutcomeKind.DELIVERED:
        return outcome
    try:
        document = orjson.loads(answer.body)
    except ValueError:
        return outcome
    kind = document.get("errorType") if isinstance(document, Mapping) and "errorMessage" in document else None
    if not isinstance(kind, str):
        return outcome
    return replace(
        outcome, kind=OutcomeKind.RETRY, reason=Reason.PROVIDER_ERROR, detail=f"the function failed: {kind[:80]}"
    )
