"""PagerDuty's Events API v2: an event per notification, in one incident per alert.

An accepted event is 202 with `{"status": "success"}`. Sending one twice does no harm, since both have the alert's
`dedup_key`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import orjson

from streamproc.alerting.render_pagerduty import pagerduty
from streamproc.channels import batch
from streamproc.channels.answer_code import MAX_DETAIL, object_in, strange
from streamproc.channels.http import Answer
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.payload import each
from streamproc.channels.post_json import secrets_in
from streamproc.channels.secrets import SettingError, masked
from streamproc.channels.transport import BaseTransport, outcome_of
from streamproc.channels.webhook import CONTENT_TYPE, hidden, own_headers
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_chat import PagerDutyChannel
from streamproc.model.notification import Notification
from streamproc.model.webhook import WebhookSettings

KEY_HEADER = "x-routing-key"


class PagerDutyTransport(BaseTransport):
    """Takes a `PagerDutyChannel`, and a webhook whose address is PagerDuty's.

    The routing key of such a webhook is its `secret`, or its header `X-Routing-Key`.
    """

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        headers: dict[str, str] = {}
        if isinstance(channel, PagerDutyChannel):
            key = self._environment.text(channel.routing_key)
        else:
            assert isinstance(channel, WebhookSettings)
            headers = own_headers(channel, self._environment)
            key = self._webhook_key(channel, headers)
        url = self._environment.text(channel.url)
        secrets = [url, key, *secrets_in(url), *hidden(headers)]
        message = self._message(notification, channel)
        # a bundle only comes where the settings did not show that this is PagerDuty; each alert is an incident
        events = [
            orjson.dumps({"routing_key": key, **pagerduty(told, one.alert_id)})
            for told, one in zip(message.each, each(notification), strict=True)
        ]

        async def ask(part: batch.Part) -> Outcome:
            own = {**headers, "Content-Type": CONTENT_TYPE, "webhook-id": part.id}
            result = await self._http.post(url, own, part.body)
            outcome = outcome_of(result, secrets)
            return classified(result, outcome, secrets) if isinstance(result, Answer) else outcome

        requests = batch.parts(notification, events, listed=False)
        return await batch.in_parts(notification, requests, ask, self._http.total_seconds)

    def _webhook_key(self, channel: WebhookSettings, headers: dict[str, str]) -> str:
        """The routing key; its header, which PagerDuty does not read here, is taken out."""
        names = [name for name in headers if name.lower() == KEY_HEADER]
        found = [headers.pop(name) for name in names]
        if channel.all_secrets:
            return self._environment.text(channel.all_secrets[0].value)
        if not found:
            raise SettingError("secret: give PagerDuty's routing key as the secret, or in the header X-Routing-Key")
        return found[0]


def classified(answer: Answer, outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """The outcome by the `status` in the body of a 2xx."""
    if outcome.kind is not OutcomeKind.DELIVERED:
        return outcome
    document = object_in(answer)
    status = document.get("status")
    if status == "success":
        return outcome
    if not isinstance(status, str) or not status:
        return strange(outcome, "PagerDuty")
    said = f"{status}: {document['message']}" if document.get("message") else status
    detail = masked(" ".join(said.split()), secrets)[:MAX_DETAIL]
    if "throttle" in said.lower() or "rate limit" in said.lower():
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED, detail=detail)
    return replace(outcome, kind=OutcomeKind.PERMANENT, reason=Reason.PROVIDER_ERROR, detail=detail)
