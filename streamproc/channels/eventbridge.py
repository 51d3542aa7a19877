"""Event buses: PutEvents of AWS EventBridge (SigV4) and of Alibaba Cloud's EventBridge, one entry per notification.

Both may answer 200 and still have failed: `FailedEntryCount` and the entry's `ErrorCode` decide.
"""

from __future__ import annotations

import base64
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from streamproc.alerting.render_cloud import aws_entry, cloud_event
from streamproc.channels import sigv4
from streamproc.channels.http import Answer, Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.secrets import Environment
from streamproc.channels.transport import outcome_of
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_cloud import EventBridgeChannel
from streamproc.model.notification import Notification

LIMITS = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "LimitExceeded", "SlowDown")
"""Beginnings of codes that ask to come back later."""
TRANSIENT = ("Internal", "ServiceUnavailable", "EventBusInternal", "RequestTimeout")


class EventBridgeTransport(BaseTransport):
    """Takes an `EventBridgeChannel`."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, EventBridgeChannel)
        secret = self._environment.text(channel.access_key_secret)
        token = self._environment.text(channel.session_token) if channel.session_token else None
        request = self._aws if channel.provider == "aws" else self._aliyun
        url, headers, body = request(notification, channel, secret, token)
        result = await self._http.post(url, {**headers, "webhook-id": notification.delivery_id}, body)
        outcome = outcome_of(result, (secret, token or ""))
        return classified(result, outcome) if isinstance(result, Answer) else outcome

    def _aws(
        self, notification: Notification, channel: EventBridgeChannel, secret: str, token: str | None
    ) -> tuple[str, dict[str, str], bytes]:
        """(address, headers, body) of a PutEvents request."""
        zone = "amazonaws.com.cn" if channel.region.startswith("cn-") else "amazonaws.com"
        url = self._endpoint(channel) or f"https://events.{channel.region}.{zone}/"
        body = orjson.dumps({"Entries": [aws_entry(notification, channel.source, channel.bus)]})
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutEvents"}
        key = sigv4.Credentials(channel.access_key_id, secret, token)
        return url, sigv4.signed(key, url, headers, body, channel.region, "events", self._http.clock()), body

    def _aliyun(
        self, notification: Notification, channel: EventBridgeChannel, secret: str, token: str | None
    ) -> tuple[str, dict[str, str], bytes]:
        url = (self._endpoint(channel) or "").rstrip("/") + "/openapi/putEvents"
        headers = {
            "date": format_datetime(
                datetime.fromtimestamp(self._http.clock(), UTC).replace(microsecond=0), usegmt=True
            ),
            "host": urlsplit(url).netloc,
            "accept": "application/json",
            "content-type": "application/cloudevents-batch+json; charset=utf-8",
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-signature-method": "HMAC-SHA1",
            "x-acs-signature-version": "1.0",
            "x-eventbridge-version": "2015-06-06",
            "x-eventbridge-regionid": channel.region,
        }
        if token is not None:
            headers |= {"x-acs-accesskey-id": channel.access_key_id, "x-acs-security-token": token}
        signature = aliyun_signature(secret, urlsplit(url).path, headers)
        headers["authorization"] = f"acs:{channel.access_key_id}:{signature}"
        return url, headers, orjson.dumps([cloud_event(notification, channel.source, channel.bus)])

    def _endpoint(self, channel: EventBridgeChannel) -> str | None:
        if channel.endpoint is None:
            return None
        text = self._environment.text(channel.endpoint)
        return text if urlsplit(text).path else f"{text}/"


def aliyun_signature(secret: str, path: str, headers: Mapping[str, str]) -> str:
    """Base64 of the HMAC-SHA1 over method, content type, date, the `x-acs-` headers, and path."""
    covered = sorted(name for name in headers if name.startswith("x-acs-"))
    lines = [
        "POST",
        "",
        headers["content-type"],
        headers["date"],
        *(f"{name}:{headers[name]}" for name in covered),
        path,
    ]
    return base64.b64encode(hmac.digest(secret.encode(), "\n".join(lines).encode(), "sha1")).decode()


def classified(answer: Answer, outcome: Outcome) -> Outcome:
    """The outcome by what the body says of the entry, and of the request where that was refused."""
    document = _document(answer.body)
    if outcome.kind is not OutcomeKind.DELIVERED:
        code = document.get("__type") or document.get("code") or document.get("Code")
        if not isinstance(code, str):
            return outcome
        return _by_code(outcome, code.rpartition("#")[2])
    entries = document.get("Entries") or document.get("EntryList")
    failed = document.get("FailedEntryCount")
    first = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], Mapping) else {}
    if failed == 0 and first.get("EventId"):
        return outcome
    code = first.get("ErrorCode") or document.get("code")
    if not isinstance(code, str) or not answer.complete:
        return replace(
            outcome, kind=OutcomeKind.RETRY, reason=Reason.BAD_ANSWER, detail="not an answer of EventBridge's"
        )
    refused = replace(outcome, kind=OutcomeKind.PERMANENT, reason=Reason.PROVIDER_ERROR)
    return _by_code(refused, code)


def _by_code(outcome: Outcome, code: str) -> Outcome:
    outcome = replace(outcome, detail=code[:100])
    if code.startswith(LIMITS):
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED)
    if outcome.kind is OutcomeKind.PERMANENT and code.startswith(TRANSIENT):
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.PROVIDER_ERROR)
    return outcome


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}
