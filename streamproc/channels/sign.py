"""Signatures of webhook requests: HMAC-SHA256 in the two ways receivers know."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from streamproc.model.webhook import Signature, standard_key


def standard(id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> str:
    """The value of `webhook-signature` (Standard Webhooks): one `v1,<base64>` per secret, with a space between.

    `timestamp`: seconds since the epoch, as in `webhook-timestamp`. Raises ValueError for a secret that is none.
    """
    signed = b"%s.%d.%s" % (id.encode(), timestamp, body)
    return " ".join(
        f"v1,{base64.b64encode(hmac.digest(standard_key(secret), signed, 'sha256')).decode()}" for secret in secrets
    )


def header(style: Signature, body: bytes, secret: str) -> str:
    """The value of the style's header: its prefix, and the HMAC of the body keyed with the secret as it is."""
    digest = hmac.digest(secret.encode(), body, "sha256")
    encoded = digest.hex() if style.encoding == "hex" else base64.b64encode(digest).decode()
    return style.prefix + encoded
