"""One JSON message to an address that is itself a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

import orjson

from streamproc.channels.http import Answer, Http
from streamproc.channels.outcome import Outcome
from streamproc.channels.transport import outcome_of
from streamproc.channels.webhook import CONTENT_TYPE
from streamproc.model.notification import Notification

LONG_PART = 16
"""Parts of a path that are this long name a robot or workflow, and are its secret."""


async def post_json(
    http: Http,
    notification: Notification,
    url: str,
    message: Mapping[str, Any],
    secrets: Iterable[str],
    headers: Mapping[str, str] | None = None,
) -> tuple[Answer | None, Outcome]:
    """(the answer, or None where there was none; the outcome by its status). The excerpt has no secrets in it."""
    fixed = {"Content-Type": CONTENT_TYPE, "webhook-id": notification.delivery_id}
    result = await http.post(url, {**(headers or {}), **fixed}, orjson.dumps(message))
    return result if isinstance(result, Answer) else None, outcome_of(result, secrets)


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """The address with further parameters, each percent-encoded once."""
    address, hash, fragment = url.partition("#")
    if not parameters:
        return url
    mark = "&" if urlsplit(address).query else "" if address.endswith("?") else "?"
    return f"{address}{mark}{urlencode(parameters, quote_via=quote)}{hash}{fragment}"


def secrets_in(url: str, *further: str) -> list[str]:
    """What must not be logged: the address, its parameters and long parts, and `further`; plain and encoded."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url, *further]
    plain = [url, *further, *(value for _, value in parse_qsl(parts.query))]
    plain += [part for part in parts.path.split("/") if len(part) >= LONG_PART]
    return [form for text in plain if text for form in (text, quote(text, safe=""), quote_plus(text))]
