"""A *key*: what a program or a person shows to the API. The config topic holds a hash of it, never the key itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from streamproc.model.channel_settings import Frozen
from streamproc.model.document import parsed

MAX_HASHES = 4
MAX_NAME = 128
SESSION = "oidc-"
"""How the id begins of a key that nobody has: it stands for the session of somebody whom an identity provider knows."""
PERSON = "oidc:"
"""How their name begins."""


class Scope(StrEnum):
    """What a key may do; `admin` may do all of it, and manage keys."""

    EVENTS_WRITE = "events:write"
    ALERTS_READ = "alerts:read"
    ALERTS_WRITE = "alerts:write"
    RULES_READ = "rules:read"
    RULES_WRITE = "rules:write"
    CONFIG_READ = "config:read"
    CONFIG_WRITE = "config:write"
    SENTINEL_RESPOND = "sentinel:respond"
    ADMIN = "admin"


class KeyHash(Frozen):
    """A hash that opens the key; a rotated key has the old one beside the new until it expires."""

    hash: Annotated[str, Field(min_length=1, max_length=256)]
    """As `config.keyring` makes it: the name of the sealing key it is keyed with, and the hash."""
    last4: Annotated[str, Field(min_length=1, max_length=8)]
    """The end of the key, for people to tell keys apart."""
    expires_at: AwareDatetime | None = None

    def opens_at(self, moment: datetime) -> bool:
        """Whether it has not expired; `moment` is aware."""
        return self.expires_at is None or moment < self.expires_at


class Key(Frozen):
    """A document of config kind `key`. `tenant_id` is one tenant, or `*` for operators."""

    id: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]*$")]
    tenant_id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(Scope))]
    hashes: Annotated[tuple[KeyHash, ...], Field(min_length=1, max_length=MAX_HASHES)]
    """The newest first."""
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    @property
    def is_session(self) -> bool:
        """Whether it stands for a session, and has no text."""
        return self.id.startswith(SESSION)

    def opens_at(self, moment: datetime) -> bool:
        """Whether it is neither revoked nor expired; `moment` is aware."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)

    def rotated(self, made: Mapping[str, Any], until: datetime, now: datetime) -> list[dict[str, Any]]:
        """`hashes` with the new one first, and those that still open until `until` at most; all are aware."""
        kept = []
        for one in self.hashes:
            expires = until if one.expires_at is None else min(one.expires_at, until)
            if expires > now:
                kept.append({"hash": one.hash, "last4": one.last4, "expires_at": expires.isoformat()})
        return [dict(made), *kept][:MAX_HASHES]


def parse_key(doc: Mapping[str, Any]) -> Key:
    """A document of config kind `key`. Raises DocumentError."""
    return parsed(Key, {name: value for name, value in doc.items() if name != "kind"})
