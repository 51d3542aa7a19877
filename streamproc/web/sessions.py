"""Sessions: a cookie that stands for a key, and a token that shows a request came from our own pages.

Both are made with the keyring and kept nowhere: a session ends with its time, or when its key is revoked. Whoever signs
in with an identity provider has a key of the session's own, whose text nobody has (`oidc.opening`).
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import dataclass

import orjson

from streamproc.config.keyring import Keyring
from streamproc.web.keys import KeyBook
from streamproc.web.principal import Principal

COOKIE = "streamproc_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SESSION = "session"
_CSRF = "csrf"


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its cookie says it. `expires_at`: seconds since the epoch."""

    tenant: str
    key_id: str
    expires_at: int
    token: str


class Sessions:
    """`hours`: how long one lasts."""

    def __init__(self, keyring: Keyring, keys: KeyBook, hours: float) -> None:
        self._keyring = keyring
        self._keys = keys
        self._seconds = int(hours * 3600)

    def open(self, principal: Principal) -> Session:
        """A new session of whoever showed the key."""
        expires_at = int(time.time()) + self._seconds
        content = orjson.dumps([principal.tenant, principal.key_id, expires_at, secrets.token_urlsafe(12)])
        text = base64.urlsafe_b64encode(content).decode().rstrip("=")
        token = f"{text}.{self._keyring.mac(text.encode(), _SESSION)}"
        return Session(principal.tenant, principal.key_id, expires_at, token)

    def read(self, token: str) -> Session | None:
        """The session of a cookie; None when it is none of ours, or over."""
        text, _, mac = token.partition(".")
        if len(token) > 1024 or not token.isascii() or not self._keyring.verifies(mac, text.encode(), _SESSION):
            return None
        try:
            tenant, key_id, expires_at, _ = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError):
            return None
        return Session(tenant, key_id, expires_at, token) if time.time() < expires_at else None

    def principal(self, session: Session) -> Principal | None:
        """Whose it is; None when the key it was opened with holds no longer."""
        return self._keys.of_session(session.tenant, session.key_id)

    def csrf_token(self, session: Session) -> str:
        """What our pages send as `X-CSRF-Token` with every unsafe method."""
        return self._keyring.mac(session.token.encode(), _CSRF)

    def is_ours(self, session: Session, csrf_token: str) -> bool:
        """Whether the token is the session's."""
        return self._keyring.verifies(csrf_token, session.token.encode(), _CSRF)
