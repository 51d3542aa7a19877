"""API keys: made, hashed, and known again.

A key reads `sp_<id>_<secret>`. Only a keyed BLAKE2b hash of it is kept, in a record of config kind `key`; the id in it
finds the record, so that one hash is compared, in constant time.
"""

from __future__ import annotations

import os
import secrets
import string
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from streamproc.config.keyring import Keyring
from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import Snapshot
from streamproc.kafka.tailer import ConfigTailer
from streamproc.model.document import DocumentError
from streamproc.model.key import Key, parse_key
from streamproc.model.rule import EVERY_TENANT
from streamproc.settings import Settings
from streamproc.web.principal import Principal, Scope

log = structlog.get_logger(__name__)

KIND = "key"
PREFIX = "sp"
PURPOSE = "api key"
ADMIN_FILE = "admin.key"
_LETTERS = string.ascii_letters + string.digits
_SECRET_LENGTH = 43
"""256 bits."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `token` is shown once; `hash` is what is kept."""

    id: str
    token: str
    hash: dict[str, Any]


def new_key(keyring: Keyring, id: str | None = None) -> NewKey:
    """A fresh key; `id` of the one that it shall follow, when a key is rotated. Raises SealError."""
    id = id or "k" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
    token = f"{PREFIX}_{id}_" + "".join(secrets.choice(_LETTERS) for _ in range(_SECRET_LENGTH))
    return NewKey(id, token, {"hash": keyring.mac(token.encode(), PURPOSE), "last4": token[-4:]})


def key_spec(
    made: NewKey, name: str, scopes: Sequence[str], expires_at: datetime | None, *, now: datetime
) -> dict[str, Any]:
    """The document of a new key, without tenant and id."""
    return {
        "name": name,
        "scopes": list(scopes),
        "hashes": [made.hash],
        "created_at": now.isoformat(),
        **({"expires_at": expires_at.isoformat()} if expires_at is not None else {}),
    }


class KeyBook:
    """Every key that is configured; always as new as the tailer's snapshot."""

    def __init__(self, tailer: ConfigTailer, keyring: Keyring) -> None:
        self._tailer = tailer
        self._keyring = keyring
        self._of: Snapshot | None = None
        self._by_id: dict[str, list[ConfigRecord]] = {}

    def principal(self, token: str) -> Principal | None:
        """Who shows this key; None when it is none, or no longer."""
        prefix, _, rest = token.partition("_")
        id, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret or len(token) > 256:
            return None
        now = datetime.now(UTC)
        for key in self._named(id):
            for one in key.hashes:
                if self._keyring.verifies(one.hash, token.encode(), PURPOSE) and one.opens_at(now):
                    return _principal(key) if key.opens_at(now) else None
        return None

    def of_session(self, tenant: str, id: str) -> Principal | None:
        """Who signed in with that key, as long as it holds."""
        now = datetime.now(UTC)
        for key in self._named(id):
            if key.tenant_id == tenant and key.opens_at(now):
                return _principal(key)
        return None

    def _named(self, id: str) -> Iterator[Key]:
        snapshot = self._tailer.snapshot
        if snapshot is not self._of:
            self._by_id = {}
            for record in snapshot.records(KIND):
                self._by_id.setdefault(record.id, []).append(record)
            self._of = snapshot
        for record in self._by_id.get(id, ()):
            try:
                yield parse_key(record.document())
            except DocumentError as error:
                log.warning("key.unusable", tenant=record.tenant, id=record.id, error=str(error))


def _principal(key: Key) -> Principal:
    return Principal(key.id, key.name, key.tenant_id, frozenset(key.scopes))


def first_key(settings: Settings, snapshot: Snapshot, keyring: Keyring) -> tuple[ConfigRecord, str] | None:
    """The operators' first admin key, and its text; None where operators have one, if only a revoked one."""
    if next(snapshot.records(KIND, EVERY_TENANT), None) is not None:
        return None
    made, now = new_key(keyring), datetime.now(UTC)
    spec = key_spec(made, "admin", [Scope.ADMIN.value], None, now=now)
    return ConfigRecord(KIND, EVERY_TENANT, made.id, 1, spec, now.isoformat(), "streamproc: first start"), made.token


def show_once(settings: Settings, token: str) -> Path:
    """Put the first key where only we can read it, and on standard error, once: never in a log."""
    path = settings.data_dir / ADMIN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    sys.stderr.write(f"The admin key, shown this once and kept in {path}:\n\n    {token}\n\n")
    sys.stderr.flush()
    return path
