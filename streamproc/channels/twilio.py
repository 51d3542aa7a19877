"""Twilio's REST API: a form with basic authentication for each recipient; 201 is success, errors have a code.

Twilio knows no idempotency key, so an attempt whose answer was lost may be a second message.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from streamproc.channels.http import Answer, Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.secrets import Environment
from streamproc.channels.transport import outcome_of
from streamproc.model.channels_phone import PhoneChannel
from streamproc.model.notification import Notification

API = "https://api.twilio.com"
RATE_CODES = frozenset({14107, 20429, 21611, 30022, 63018})
"""Too many at once, or the sender's queue is full."""


async def post(
    http: Http,
    environment: Environment,
    notification: Notification,
    channel: PhoneChannel,
    resource: str,
    form: Mapping[str, str],
) -> Outcome:
    """One request for `resource` (`Messages`, `Calls`). Raises `SettingError`."""
    assert channel.account_sid is not None
    assert channel.auth_token is not None
    token = environment.text(channel.auth_token)
    credentials = base64.b64encode(f"{channel.account_sid}:{token}".encode()).decode()
    base = (environment.text(channel.endpoint) if channel.endpoint else API).rstrip("/")
    result = await http.post(
        f"{base}/2010-04-01/Accounts/{quote(channel.account_sid)}/{resource}.json",
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": f"Basic {credentials}",
            "webhook-id": notification.delivery_id,
        },
        urlencode(form).encode(),
    )
    outcome = outcome_of(result, (token, credentials))
    return classified(result, outcome) if isinstance(result, Answer) else outcome


def classified(answer: Answer, outcome: Outcome) -> Outcome:
    """The outcome by Twilio's code: 21610 (they have unsubscribed) is for good, a full queue is not."""
    if outcome.kind is OutcomeKind.DELIVERED:
        return outcome
    document = _document(answer.body)
    code = document.get("code")
    if not isinstance(code, int):
        return outcome
    if code in RATE_CODES:
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED, detail=f"Twilio error {code}")
    if answer.status == 400:
        outcome = replace(outcome, reason=Reason.PROVIDER_ERROR)
    return replace(outcome, detail=f"Twilio error {code}")


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}
