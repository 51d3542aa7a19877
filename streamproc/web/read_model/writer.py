"""Writes records into the file: a batch and the positions it reached are one transaction, so neither is there alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from streamproc.web.read_model import apply_alerts, apply_others
from streamproc.web.read_model.names import Names
from streamproc.web.read_model.places import begins
from streamproc.web.read_model.schema import forget, is_broken, open_writer

log = structlog.get_logger(__name__)

ALERTS, DELIVERIES, INCIDENTS, LETTERS = "alerts", "deliveries", "incidents", "dead-letters"
TOPICS = (ALERTS, DELIVERIES, INCIDENTS, LETTERS)
"""The topics that are read, by the product's own names."""
PRUNED_AT_ONCE = 2_000
REMEMBERED_WORDS = 100_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record as it came; `topic` is the product's own name. `tenant`: whose a dead letter is, if that is known."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition was read: `next` is the offset to go on from; `last` and `check` are of the last record."""

    next: int
    last: int | None = None
    check: bytes | None = None


@dataclass(slots=True)
class Applied:
    """What a batch came to. `changed` is the number of the latest change of an alert; `commands` those answered."""

    changed: int
    commands: list[tuple[str, str]] = field(default_factory=list)
    """(command id, result), also of revisions that were overtaken in the same batch."""
    deliveries: int = 0
    unreadable: int = 0


class Writer:
    """Used by one thread at a time. The file is opened, and made if need be, when the object is made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known_words: set[str] = set()
        """Of the vocabulary, some; asked for in vain they are only put there again."""
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            self.rebuild()

    def _open(self) -> None:
        self.connection = open_writer(self.path)
        self.names = Names(self.connection)
        self.changed = int(self.connection.execute("SELECT coalesce(max(changed), 0) FROM alerts").fetchone()[0])
        found = self.meta("epoch")
        if found is None:
            found = uuid4().hex[:12]
            with self._transaction():
                self.set_meta("epoch", found)
        self.epoch = str(found)
        """Names this file; the numbers of changes mean nothing in another."""

    def close(self) -> None:
        """Close the file; what was applied is in it."""
        self.connection.close()

    def rebuild(self) -> None:
        """Forget everything and begin anew."""
        self.connection.close()
        forget(self.path)
        self.known_words.clear()
        self._open()

    def remember_words(self, words: Iterable[str]) -> None:
        """Words that are in the vocabulary now."""
        if len(self.known_words) > REMEMBERED_WORDS:
            self.known_words.clear()
        self.known_words.update(words)

    def meta(self, name: str) -> Any:
        """A value of the file as a whole; None: none."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, name: str, value: Any) -> None:
        """Keep such a value, in the transaction that is open."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def positions(self) -> dict[tuple[str, int], Position]:
        """How far each partition was read."""
        rows = self.connection.execute("SELECT topic, partition, next, last, last_check FROM positions")
        return {(topic, partition): Position(*rest) for topic, partition, *rest in rows}

    def apply(self, records: Iterable[Arrived], positions: dict[tuple[str, int], Position], now_ms: int) -> Applied:
        """Apply records, in order within a partition, and remember how far that is. All of it or nothing."""
        by_topic: dict[str, list[Arrived]] = {name: [] for name in TOPICS}
        for record in records:
            by_topic[record.topic].append(record)
        before = self.changed
        applied = Applied(before)
        try:
            with self._transaction():
                apply_alerts.apply(self, by_topic[ALERTS], applied)
                apply_others.deliveries(self, by_topic[DELIVERIES], applied)
                apply_others.links(self, by_topic[INCIDENTS], applied)
                apply_others.letters(self, by_topic[LETTERS], applied)
                self.connection.executemany(
                    "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)",
                    [(topic, p, at.next, at.last, at.check) for (topic, p), at in positions.items()],
                )
                self.set_meta("read_at", now_ms)
        except BaseException:
            self.changed = before
            self.names.forget()
            self.known_words.clear()
            raise
        applied.changed = self.changed
        return applied

    def keep(self, now_ms: int, deliveries_before: int | None, letters_before: int | None) -> int:
        """Note that the file is up to date, and delete some of what its topic keeps no longer; times are ms.

        Answers how many rows went.
        """
        with self._transaction():
            self.set_meta("read_at", now_ms)
            gone = 0
            if deliveries_before is not None:
                gone += apply_others.prune_deliveries(self, begins(deliveries_before), PRUNED_AT_ONCE)
            if letters_before is not None:
                gone += self.connection.execute(
                    "DELETE FROM letters WHERE place IN (SELECT place FROM letters WHERE place < ? LIMIT ?)",
                    (begins(letters_before), PRUNED_AT_ONCE),
                ).rowcount
        return gone

    def unreadable(self, record: Arrived, error: Exception, applied: Applied) -> None:
        """A record that is no document of its topic is passed over, loudly."""
        applied.unreadable += 1
        log.error("read_model.unreadable", topic=record.topic, offset=record.offset, problem=str(error))

    def _transaction(self) -> _Transaction:
        return _Transaction(self.connection)


class _Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
