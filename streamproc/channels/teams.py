"""Microsoft Teams: a workflow's address takes an Adaptive Card.

Workflows answer 202 without a body as soon as they have the request. The older connectors answer 200 with `1`, and
also with 200 where Teams refused the message: the text then names the status that Teams gave.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import orjson

from streamproc.alerting.render_teams import teams, teams_content
from streamproc.channels.answer_code import MAX_DETAIL, object_in, strange
from streamproc.channels.http import Answer
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason, of_status
from streamproc.channels.post_json import post_json, secrets_in
from streamproc.channels.secrets import masked
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_chat import TeamsChannel
from streamproc.model.notification import Notification

_FAILED = re.compile(r"delivery failed|endpoint returned HTTP error", re.IGNORECASE)
_STATUS = re.compile(r"HTTP error (\d{3})\b")
_THROTTLED = re.compile(r"throttl|too many requests|rate limit", re.IGNORECASE)
_TRANSIENT = re.compile(r"timeout|timed out|unavailable|internalserver|error contacting", re.IGNORECASE)


class TeamsTransport(BaseTransport):
    """Takes a `TeamsChannel`. Delivered is what the workflow has accepted; what it does then nobody can see."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, TeamsChannel)
        told, content = self._message(notification, channel), notification.content
        message = teams(told) if content is None else teams_content(told, content)
        url = self._environment.text(channel.url)
        secrets = secrets_in(url)
        answer, outcome = await post_json(self._http, notification, url, message, secrets)
        return outcome if answer is None else classified(answer, outcome, secrets)


def classified(answer: Answer, outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """The outcome by what stands in the body of a 2xx."""
    if outcome.kind is not OutcomeKind.DELIVERED:
        return outcome
    text = answer.body.decode("utf-8", "replace").strip()
    if answer.complete and text in ("", "1", "ok", '"1"'):
        return outcome
    detail = masked(" ".join(text.split()), secrets)[:MAX_DETAIL]
    document = object_in(answer)
    if _FAILED.search(text):
        found = _STATUS.search(text)
        status = int(found[1]) if found else 503
        # a status that Teams gave the connector says nothing of this address: a 410 does not disable it
        kind, reason = of_status(status)
        if status == 410 or kind is OutcomeKind.DELIVERED:
            kind, reason = OutcomeKind.PERMANENT, Reason.PROVIDER_ERROR
        elif reason is not Reason.RATE_LIMITED:
            reason = Reason.PROVIDER_ERROR
        return replace(outcome, kind=kind, reason=reason, detail=detail)
    if not document:
        if _THROTTLED.search(text) and not text.startswith("<"):
            return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED, detail=detail)
        return strange(outcome, "Microsoft")
    error = document.get("error")
    if not error:
        return outcome  # a workflow may end in an answer of its own
    said = orjson.dumps(error).decode()
    if _THROTTLED.search(said):
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED, detail=detail)
    kind = OutcomeKind.RETRY if _TRANSIENT.search(said) else OutcomeKind.PERMANENT
    return replace(outcome, kind=kind, reason=Reason.PROVIDER_ERROR, detail=detail)
