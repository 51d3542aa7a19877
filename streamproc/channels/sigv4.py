"""AWS Signature Version 4, for a POST with a JSON body and no query."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key of AWS; `token` where it is temporary."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def signed(
    credentials: Credentials,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """`headers` with those that AWS checks: date, session token, host and the signature over all of them.

    `now`: seconds since the epoch. `headers`: names once each, whatever their case.
    """
    parts = urlsplit(url)
    moment = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    sent = {**headers, "Host": parts.netloc, "X-Amz-Date": moment}
    if credentials.token is not None:
        sent["X-Amz-Security-Token"] = credentials.token
    covered = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
    names = ";".join(sorted(covered))
    canonical = "\n".join(
        [
            "POST",
            quote(parts.path or "/", safe="/-_.~"),
            "",
            *(f"{name}:{covered[name]}" for name in sorted(covered)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    sent["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent
