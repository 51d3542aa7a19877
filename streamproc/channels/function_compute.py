"""Alibaba Cloud's Function Compute: a POST to a function's HTTP trigger, signed with ACS3-HMAC-SHA256.

The function gets what a standard webhook gets. Delivered is any 2xx, unless the body says that the function failed
(`errorMessage` and `errorType`), which the platform may answer under 200 too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from streamproc.channels import batch
from streamproc.channels.aliyun import AccessKey, signed_headers
from streamproc.channels.http import Answer
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.payload import bodies
from streamproc.channels.transport import BaseTransport, outcome_of
from streamproc.channels.webhook import CONTENT_TYPE
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_cloud import FunctionComputeChannel
from streamproc.model.notification import Notification
from streamproc.model.webhook import WebhookFormat


class FunctionComputeTransport(BaseTransport):
    """Takes a `FunctionComputeChannel`."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, FunctionComputeChannel)
        content = notification.content
        listed = batch.mode_of(content, channel.mode) == "batch"
        if content is None:
            items = bodies(notification, WebhookFormat.STANDARD)
        else:
            items = batch.content_items(content, listed=listed)
        requests = batch.parts(notification, items, listed=listed, max_items=batch.most(content, channel.max_items))

        async def ask(part: batch.Part) -> Outcome:
            return await self._invoke(channel, part)

        return await batch.in_parts(notification, requests, ask, self._http.total_seconds)

    async def _invoke(self, channel: FunctionComputeChannel, part: batch.Part) -> Outcome:
        url = self._environment.text(channel.url)
        headers = {"content-type": CONTENT_TYPE}
        secrets = [url]
        if channel.access_key_id is not None and channel.access_key_secret is not None:
            secret = self._environment.text(channel.access_key_secret)
            secrets.append(secret)
            key = AccessKey(channel.access_key_id, secret)
            headers = signed_headers(key, url, part.body, CONTENT_TYPE, self._http.clock(), {})
        result = await self._http.post(url, {**headers, "webhook-id": part.id}, part.body)
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
