"""Answers kept for a day, so that a POST sent again under the same `Idempotency-Key` is done once.

They are in a local SQLite file, sealed, as an answer may hold a secret. Each replica has its own: a request has to be
repeated at the replica that took it first (docs/how-to/api-keys.md says how).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from streamproc.config.keyring import Keyring, SealError

KEPT_S = 24 * 3600
MAX_KEY = 255
MAX_ANSWER = 1 << 20
_SCHEMA = """
create table if not exists answers (
    owner text not null, name text not null, request blob not null, at integer not null, run text not null,
    status integer, sealed text, primary key (owner, name)
) without rowid
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer given before."""

    status: int
    body: str
    headers: dict[str, str]


class DifferentRequestError(ValueError):
    """The key was used for another request."""


class InProgressError(ValueError):
    """The first request under the key has not been answered yet."""


def fingerprint(method: str, path: str, content_type: str, body: bytes) -> bytes:
    """What makes two requests the same."""
    digest = hashlib.blake2b(digest_size=32)
    for part in (method.encode(), path.encode(), content_type.encode(), body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


class Answers:
    """Opened from `directory`; `owner` is who asks: nobody gets another's answer."""

    def __init__(self, directory: Path, keyring: Keyring) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "answers.db"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute(_SCHEMA)
        self._keyring = keyring
        self._run = os.urandom(8).hex()
        self._swept = 0.0

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def begin(self, owner: str, name: str, request: bytes) -> Kept | None:
        """The answer kept under `name`; None: there is none, and the caller is the one to `finish` or `forget`.

        Raises DifferentRequestError or InProgressError.
        """
        self._sweep()
        row = self._db.execute(
            "select request, run, status, sealed from answers where owner = ? and name = ? and at > ?",
            (owner, name, int(time.time()) - KEPT_S),
        ).fetchone()
        if row is not None:
            known, run, status, sealed = row
            if known != request:
                raise DifferentRequestError("Idempotency-Key: was used for another request")
            if status is not None:
                try:
                    body, headers = self._keyring.open(sealed, f"{owner}/{name}")
                except SealError:
                    row = None  # sealed with a key that is gone: as if it had been forgotten
                else:
                    return Kept(status, body, headers)
            elif run == self._run:
                raise InProgressError("Idempotency-Key: the first request with it has not been answered yet")
            # else a process that has ended took it and gave no answer: what it did is not known, so it is done again
        self._db.execute(
            "insert or replace into answers (owner, name, request, at, run) values (?, ?, ?, ?, ?)",
            (owner, name, request, int(time.time()), self._run),
        )
        return None

    def finish(self, owner: str, name: str, answer: Kept) -> None:
        """Keep what was answered; one that is very long is not kept."""
        if len(answer.body) > MAX_ANSWER:
            self.forget(owner, name)
            return
        sealed = self._keyring.seal([answer.body, answer.headers], f"{owner}/{name}")
        self._db.execute(
            "update answers set status = ?, sealed = ? where owner = ? and name = ?",
            (answer.status, sealed, owner, name),
        )

    def forget(self, owner: str, name: str) -> None:
        """Nothing was done under it: it may be used again."""
        self._db.execute("delete from answers where owner = ? and name = ?", (owner, name))

    def _sweep(self) -> None:
        now = time.time()
        if now - self._swept > 600:
            self._db.execute("delete from answers where at <= ?", (int(now) - KEPT_S,))
            self._swept = now
