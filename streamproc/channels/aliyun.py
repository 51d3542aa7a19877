"""Alibaba Cloud's OpenAPI: requests signed with ACS3-HMAC-SHA256, and answers with a `Code` whatever the status.

The signature covers method, path, query, the headers `host`, `content-type` and `x-acs-*`, and the body's hash.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import orjson

from streamproc.channels.http import Answer, Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.transport import outcome_of

ALGORITHM = "ACS3-HMAC-SHA256"
LIMITS = ("Throttling", "isv.BUSINESS_LIMIT_CONTROL", "isv.DAY_LIMIT_CONTROL", "BUSINESS_LIMIT_CONTROL")
"""Beginnings of codes that ask to come back later."""
TRANSIENT = ("ServiceUnavailable", "InternalError", "isp.SYSTEM_ERROR")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key of Alibaba Cloud."""

    id: str
    secret: str = field(repr=False)


def authorization(key: AccessKey, method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    """The `Authorization` header. `headers` holds, in lower case, all that are to be signed, `host` among them."""
    parts = urlsplit(url)
    signed = sorted(name for name in headers if name in ("host", "content-type") or name.startswith("x-acs-"))
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            urlencode(sorted(parse_qsl(parts.query, keep_blank_values=True)), quote_via=quote, safe="~"),
            *(f"{name}:{headers[name].strip()}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(key.secret.encode(), text.encode(), "sha256").hex()
    return f"{ALGORITHM} Credential={key.id},SignedHeaders={';'.join(signed)},Signature={signature}"


def signed_headers(
    key: AccessKey, url: str, body: bytes, content_type: str, now: float, extra: Mapping[str, str]
) -> dict[str, str]:
    """The headers of a POST at `now` (s since the epoch), `extra` and the signature among them."""
    headers = {
        "host": urlsplit(url).netloc,
        "content-type": content_type,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-acs-date": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": uuid.uuid4().hex,
        **extra,
    }
    return {**headers, "Authorization": authorization(key, "POST", url, headers, body)}


async def call(
    http: Http,
    key: AccessKey,
    endpoint: str,
    action: str,
    version: str,
    parameters: Mapping[str, str],
    delivery_id: str,
) -> Outcome:
    """One call of an action that takes its parameters as a form."""
    url = endpoint if urlsplit(endpoint).path else f"{endpoint}/"
    body = urlencode(sorted(parameters.items()), quote_via=quote).encode()
    extra = {"x-acs-action": action, "x-acs-version": version}
    headers = signed_headers(key, url, body, "application/x-www-form-urlencoded", http.clock(), extra)
    result = await http.post(url, {**headers, "webhook-id": delivery_id}, body)
    outcome = outcome_of(result, (key.secret,))
    return classified(result, outcome) if isinstance(result, Answer) else outcome


def classified(answer: Answer, outcome: Outcome) -> Outcome:
    """The outcome by the `Code` in the body, which is `OK` when all is well."""
    code = _document(answer.body).get("Code")
    if outcome.kind is OutcomeKind.DELIVERED and code == "OK":
        return outcome
    if not isinstance(code, str) or not answer.complete:
        if outcome.kind is not OutcomeKind.DELIVERED:
            return outcome
        detail = "not an answer of Alibaba Cloud's"
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.BAD_ANSWER, detail=detail)
    if code.startswith(LIMITS):
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED, detail=code[:100])
    if outcome.kind is OutcomeKind.RETRY:
        return replace(outcome, detail=code[:100])
    kind = OutcomeKind.RETRY if code.startswith(TRANSIENT) else OutcomeKind.PERMANENT
    return replace(outcome, kind=kind, reason=Reason.PROVIDER_ERROR, detail=code[:100])


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}
