"""A link that shows one alert without signing in: signed, and over after some days.

The token holds tenant, alert and end, and an HMAC-SHA256 of them. Nothing is kept, so a link cannot be called back
before its end but by another key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

LABEL = "alert-link"
"""The keyring's label for the key that signs."""
DAYS = 7
MAX_TOKEN = 1_024
_DAY_MS = 86_400_000


class LinkError(ValueError):
    """A token that shows nothing: not ours, altered, or over. The text is one line for people."""


@dataclass(frozen=True, slots=True)
class AlertLinks:
    """Makes links under an address such as `https://alerts.example.com`; without an address there are none."""

    base_url: str
    key: bytes = field(repr=False)
    days: int = DAYS

    def __call__(self, alert: Mapping[str, Any], at: int) -> str:
        """The link of an alert, made at `at` (ms); empty where there is none."""
        return link(self.base_url, alert, self.key, at, self.days) if self.base_url else ""


def link(base_url: str, alert: Mapping[str, Any], key: bytes, now: int, days: int = DAYS) -> str:
    """`<base_url>/a/<token>` for an alert record, good for `days` from `now` (ms). Empty without tenant or id."""
    tenant, id = alert.get("tenant_id"), alert.get("id")
    if not isinstance(tenant, str) or not isinstance(id, str) or not tenant or not id:
        return ""
    content = orjson.dumps([tenant, id, (now + days * _DAY_MS) // 1000])
    return f"{base_url.rstrip('/')}/a/{_text(content)}.{_text(_signature(key, content))}"


def verify(token: str, keys: bytes | Sequence[bytes], now: int) -> tuple[str, str]:
    """(tenant, alert id) of a token that one of the keys signed and that is not over at `now` (ms).

    Raises LinkError.
    """
    content_text, _, signature_text = token.partition(".")
    if len(token) > MAX_TOKEN:
        raise LinkError("the link is not one of ours")
    try:
        content, signature = _bytes(content_text), _bytes(signature_text)
    except (binascii.Error, ValueError):
        raise LinkError("the link is not one of ours") from None
    known = [keys] if isinstance(keys, bytes) else list(keys)
    if not any(hmac.compare_digest(_signature(key, content), signature) for key in known):
        raise LinkError("the link is not one of ours")
    tenant, id, ends = orjson.loads(content)
    if now >= ends * 1000:
        raise LinkError("the link is over; sign in to see the alert")
    return tenant, id


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, LABEL.encode() + b"\0" + content, "sha256")


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError, also for a second spelling of the same bytes."""
    content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(content) != text:
        raise ValueError("is not how we write it")
    return content
