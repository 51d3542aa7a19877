"""Slack: an incoming webhook, or `chat.postMessage` with a bot token.

Slack says in the body whether it took the message, also under status 200: `ok` (incoming webhook) or
`{"ok": true}` (API); anything else is not a delivery. 429 comes with Retry-After.

With a token, the message that told of an alert is changed (`chat.update`) when that is acknowledged, escalated or
resolved; where it cannot be changed any more, there is a new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from streamproc.alerting.message import Links, no_links
from streamproc.alerting.render_slack import slack, slack_content
from streamproc.channels.http import Answer, Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason, unusable
from streamproc.channels.secrets import Environment
from streamproc.channels.transport import BaseTransport, outcome_of
from streamproc.channels.webhook import hidden, own_headers
from streamproc.model.channel import SlackChannel
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.notification import Notification, Purpose
from streamproc.model.webhook import WebhookSettings

API = "https://slack.com/api"
_CHANGES = frozenset({Purpose.ACKNOWLEDGED, Purpose.ESCALATED, Purpose.RESOLVED})
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})
"""Error codes of `chat.update` that say that the message cannot be changed any more."""
_CODE = re.compile(r"[a-z][a-z0-9_]{1,63}")

RATE_LIMITS = frozenset({"message_limit_exceeded", "rate_limited", "ratelimited"})
TRANSIENT = frozenset(
    {
        "accesslimited",
        "fatal_error",
        "internal_error",
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",
    }
)
"""Error codes after which Slack's documentation suggests trying again. All others need a person."""


class SlackTransport(BaseTransport):
    """Takes a `SlackChannel`, and a webhook whose address is Slack's."""

    def __init__(self, http: Http, environment: Environment, links: Links = no_links, api: str = API) -> None:
        super().__init__(http, environment, links)
        self._api = api

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        told, content = self._message(notification, channel), notification.content
        message = slack(told) if content is None else slack_content(told, content)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "webhook-id": notification.delivery_id,
        }
        if isinstance(channel, SlackChannel) and channel.token is not None:
            token = self._environment.text(channel.token)
            if not token.isascii() or not token.isprintable():
                return unusable("token: holds characters that no Slack token has")
            headers["Authorization"] = f"Bearer {token}"
            message = {"channel": channel.channel, "unfurl_links": False, "unfurl_media": False, **message}
            secrets = [token]
            changed = await self._changed(notification, message, headers, [token])
            if changed is not None:
                return changed
            url = f"{self._api}/chat.postMessage"
        else:
            assert isinstance(channel, SlackChannel | WebhookSettings)
            assert channel.url is not None
            url = self._environment.text(channel.url)
            secrets = [url, url.partition("/services/")[2]]
            if isinstance(channel, WebhookSettings):
                own = own_headers(channel, self._environment)
                secrets += hidden(own)
                headers = {**own, **headers}
        result = await self._http.post(url, headers, orjson.dumps(message))
        outcome = outcome_of(result, secrets)
        return classified(result, outcome) if isinstance(result, Answer) else outcome

    async def _changed(
        self, notification: Notification, message: Mapping[str, Any], headers: Mapping[str, str], secrets: list[str]
    ) -> Outcome | None:
        """The attempt to change the message that told of the alert; None: there is none that can be changed."""
        where, _, ts = notification.reference.partition(":")
        if not ts or notification.purpose not in _CHANGES or notification.members:
            return None
        body = {**message, "channel": where, "ts": ts}
        result = await self._http.post(f"{self._api}/chat.update", headers, orjson.dumps(body))
        outcome = outcome_of(result, secrets)
        if not isinstance(result, Answer):
            return outcome
        outcome = classified(result, outcome)
        return None if outcome.detail in GONE else outcome


def classified(answer: Answer, outcome: Outcome) -> Outcome:
    """The outcome by what Slack says in the body."""
    if outcome.kind is not OutcomeKind.DELIVERED:
        return outcome
    text = answer.body.decode("utf-8", "replace").strip()
    document = _document(text)
    if text == "ok" or document.get("ok") is True:
        where, ts = document.get("channel"), document.get("ts")
        named = isinstance(where, str) and isinstance(ts, str) and len(where) + len(ts) < 100
        return replace(outcome, reference=f"{where}:{ts}") if named else outcome
    code = text if _CODE.fullmatch(text) else document.get("error")
    if not answer.complete or not isinstance(code, str):
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.BAD_ANSWER, detail="not an answer of Slack's")
    if code in RATE_LIMITS:
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED, detail=code)
    kind = OutcomeKind.RETRY if code in TRANSIENT else OutcomeKind.PERMANENT
    return replace(outcome, kind=kind, reason=Reason.PROVIDER_ERROR, detail=code[:100])


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = orjson.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}
