"""A sign-in under way: what the browser keeps, sealed, between leaving for the provider and coming back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import asdict, dataclass

from streamproc.config.keyring import Keyring, SealError

COOKIE = "streamproc_sign_in"
SECONDS = 600
"""How long somebody may take at the provider."""
HOME = "/"
_CONTEXT = "oidc sign-in"
_MAX_COOKIE = 4096
_PLACE = re.compile(r"/(?!/)[!-\[\]-~]{0,511}")
"""A place in the dashboard, as it stands behind the # of its address: no other host, no control characters."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`state` and `nonce` bind the answer and the token to this browser; `verifier` is the PKCE secret (RFC 7636).

    `place` is where to go in the dashboard afterwards; `ends_at` is in seconds since the epoch.
    """

    state: str
    nonce: str
    verifier: str
    place: str
    ends_at: float

    @classmethod
    def begun(cls, place: str, now: float) -> Attempt:
        """A new one. A `place` that is none in the dashboard is its first page."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, place if _PLACE.fullmatch(place) else HOME, now + SECONDS)

    @property
    def challenge(self) -> str:
        """What the provider is shown of the verifier (S256)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")

    def sealed(self, keyring: Keyring) -> str:
        """As the cookie holds it: neither to be read nor to be changed. Raises SealError."""
        return keyring.seal(asdict(self), _CONTEXT)

    def answers(self, state: str) -> bool:
        """Whether an answer with this state is to this attempt."""
        return state.isascii() and hmac.compare_digest(self.state, state)


def read_attempt(cookie: str, keyring: Keyring, now: float) -> Attempt | None:
    """The attempt of a cookie; None when it is none of ours, or over."""
    if len(cookie) > _MAX_COOKIE:
        return None
    try:
        attempt = Attempt(**keyring.open(cookie, _CONTEXT))
    except (SealError, TypeError):
        return None
    return attempt if now < attempt.ends_at else None
