"""Event buses: PutEvents of AWS EventBridge (SigV4) and of Alibaba Cloud's EventBridge, one entry per alert.

Both may answer 200 and still have failed: `FailedEntryCount` and the entry's `ErrorCode` decide.
"""

from __future__ import annotations

import base64
import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from streamproc.alerting.render_cloud import MAX_ENTRY_BYTES, aws_entry, cloud_event
from streamproc.channels import batch, sigv4
from streamproc.channels.http import Answer
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.payload import each
from streamproc.channels.transport import BaseTransport, outcome_of
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_cloud import EventBridgeChannel
from streamproc.model.notification import Notification
from streamproc.model.progress import Progress

LIMITS = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "LimitExceeded", "SlowDown")
"""Beginnings of codes that ask to come back later."""
TRANSIENT = ("Internal", "ServiceUnavailable", "EventBusInternal", "RequestTimeout")


MAX_ENTRIES = 10
"""In a request, by AWS; Alibaba Cloud takes as many."""

Entry = dict[str, Any]


class EventBridgeTransport(BaseTransport):
    """Takes an `EventBridgeChannel`."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, EventBridgeChannel)
        secret = self._environment.text(channel.access_key_secret)
        token = self._environment.text(channel.session_token) if channel.session_token else None
        sign = self._aws if channel.provider == "aws" else self._aliyun
        content = notification.content
        single = batch.mode_of(content, channel.mode) == "single"
        most = 1 if single else min(batch.most(content, channel.max_items) or MAX_ENTRIES, MAX_ENTRIES)
        entries = _entries(notification, channel)
        requests = _requests(notification, entries, most)

        async def ask(part: batch.Part) -> Outcome:
            chosen = [entries[int(key) - 1] for key in part.keys]
            url, headers, body = sign(chosen, channel, secret, token)
            result = await self._http.post(url, {**headers, "webhook-id": part.id}, body)
            outcome = outcome_of(result, (secret, token or ""))
            return classified(result, outcome, part.keys) if isinstance(result, Answer) else outcome

        return await batch.in_parts(notification, requests, ask, self._http.total_seconds)

    def _aws(
        self, entries: Sequence[Entry], channel: EventBridgeChannel, secret: str, token: str | None
    ) -> tuple[str, dict[str, str], bytes]:
        """(address, headers, body) of a PutEvents request."""
        zone = "amazonaws.com.cn" if channel.region.startswith("cn-") else "amazonaws.com"
        url = self._endpoint(channel) or f"https://events.{channel.region}.{zone}/"
        body = orjson.dumps({"Entries": entries})
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutEvents"}
        key = sigv4.Credentials(channel.access_key_id, secret, token)
        return url, sigv4.signed(key, url, headers, body, channel.region, "events", self._http.clock()), body

    def _aliyun(
        self, entries: Sequence[Entry], channel: EventBridgeChannel, secret: str, token: str | None
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
        return url, headers, orjson.dumps(entries)

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


def classified(answer: Answer, outcome: Outcome, keys: Sequence[str] = ("1",)) -> Outcome:
    """The outcome by what the body says of each entry, and of the request where that was refused.

    `keys` name the entries, in their order; of several the progress says which were taken and which never will be.
    """
    document = _document(answer.body)
    if outcome.kind is not OutcomeKind.DELIVERED:
        code = document.get("__type") or document.get("code") or document.get("Code")
        if not isinstance(code, str):
            return outcome
        return _by_code(outcome, code.rpartition("#")[2])
    said = document.get("Entries") or document.get("EntryList")
    entries = [one if isinstance(one, Mapping) else {} for one in said] if isinstance(said, list) else []
    taken = len(entries) == len(keys) and all(one.get("EventId") for one in entries)
    if document.get("FailedEntryCount") == 0 and taken:
        return outcome
    refused = replace(outcome, kind=OutcomeKind.PERMANENT, reason=Reason.PROVIDER_ERROR)
    if len(entries) != len(keys) or not answer.complete:
        code = entries[0].get("ErrorCode") if len(entries) == len(keys) else document.get("code")
        if isinstance(code, str) and answer.complete:
            return _by_code(refused, code)
        return _strange(outcome)
    progress, judged = Progress(), list[Outcome]()
    for key, entry in zip(keys, entries, strict=True):
        code = entry.get("ErrorCode") or (None if entry.get("EventId") else document.get("code"))
        if entry.get("EventId") and not code:
            progress = progress.after([key], [])
            continue
        one = _by_code(refused, code) if isinstance(code, str) else _strange(outcome)
        judged.append(one)
        if one.kind is OutcomeKind.PERMANENT:
            progress = progress.after([], [key])
    if not judged:
        return _strange(outcome)
    worst = next((one for one in judged if one.kind is OutcomeKind.RETRY), judged[0])
    return worst if len(keys) == 1 else replace(worst, progress=progress)


def _strange(outcome: Outcome) -> Outcome:
    detail = "not an answer of EventBridge's"
    return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.BAD_ANSWER, detail=detail)


def _entries(notification: Notification, channel: EventBridgeChannel) -> list[Entry]:
    """An entry for each alert, oldest first."""
    make = aws_entry if channel.provider == "aws" else cloud_event
    alone, content = each(notification), notification.content
    texts = [None] * len(alone) if content is None else [(content.subject, item) for item in content.items]
    return [make(one, channel.source, channel.bus, text) for one, text in zip(alone, texts, strict=True)]


def _requests(notification: Notification, entries: Sequence[Entry], most: int) -> list[batch.Part]:
    """The entries that are left, in requests of at most so many and of `MAX_ENTRY_BYTES`. Their bodies are not made."""
    left = notification.progress.left(str(place) for place in range(1, len(entries) + 1))
    groups: list[list[str]] = []
    room = 0
    for key in left:
        size = len(orjson.dumps(entries[int(key) - 1]))
        if not groups or len(groups[-1]) >= most or size > room:
            groups.append([])
            room = MAX_ENTRY_BYTES
        groups[-1].append(key)
        room -= size
    whole = len(groups) == 1 and len(left) == len(entries)
    id = notification.delivery_id
    return [batch.Part(tuple(keys), id if whole else f"{id}.{keys[0]}-{keys[-1]}", b"") for keys in groups]


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
