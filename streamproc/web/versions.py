"""The versions of rules, looked up in a local copy of `config-history` that is caught up whenever somebody asks.

Nothing follows the topic meanwhile: versions are asked for seldom, and who asks sees all that Kafka had acknowledged by
then. The copy is a SQLite file that may be deleted at any time; it is made again from the topic.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc.config.record import ConfigRecord, RecordError, decode, record_key, split_key
from streamproc.config.snapshot import RULE
from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.config_writer import HISTORY
from streamproc.settings import Settings

FILE = "rule-versions.sqlite"
_BATCH = 2_000
_SECONDS = 60.0
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS version (
    key TEXT, revision INTEGER, place INTEGER, value BLOB, PRIMARY KEY (key, revision)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS version_by_place ON version (place);
CREATE TABLE IF NOT EXISTS reached (one INTEGER PRIMARY KEY CHECK (one = 1), place INTEGER);
"""

Entry = tuple[str, int, int, bytes]
"""Key of the thing, its revision, the record's offset, its value."""


class Versions:
    """One per process of the API; `close` it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partition = TopicPartition(settings.topic(HISTORY), 0)
        self._copy = VersionCopy(settings.data_dir / "api" / FILE)
        self._consumer: Any = None
        self._catching_up = asyncio.Lock()

    async def of(self, tenant: str, id: str, current: ConfigRecord | None) -> list[ConfigRecord]:
        """A rule's versions, the latest first. `current` is what is configured, None when it was deleted.

        Of a rule that was deleted and made again, which counts from 1 again, those of its former life are left out.
        Raises BrokerUnavailableError.
        """
        await self._catch_up()
        found = await asyncio.to_thread(self._copy.of, record_key(tenant, RULE, id))
        if current is None:
            return found
        return [current, *(one for one in found if one.revision < current.revision)]

    async def close(self) -> None:
        """Close the file and the connection."""
        async with self._catching_up:
            await self._disconnect()
            self._copy.close()

    async def _catch_up(self) -> None:
        async with self._catching_up:
            try:
                async with asyncio.timeout(_SECONDS):
                    await self._read()
            except (KafkaError, OSError, TimeoutError):
                await self._disconnect()
                raise unreachable(self._settings) from None
            except BaseException:
                await self._disconnect()
                raise

    async def _read(self) -> None:
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(
                **client_options(self._settings),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=10,  # the next question waits behind a fetch that is under way
            )
            await self._consumer.start()
            self._consumer.assign([self._partition])
            self._consumer.pause(self._partition)
        consumer, partition = self._consumer, self._partition
        begin = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        place = max(begin, await asyncio.to_thread(self._copy.prepare, begin, end))
        if place >= end:
            return
        consumer.seek(partition, place)
        consumer.resume(partition)
        try:
            while place < end:
                batches = await consumer.getmany(partition, timeout_ms=500, max_records=_BATCH)
                records = [record for record in batches.get(partition, ()) if record.offset < end]
                place = min(end, await consumer.position(partition))
                await asyncio.to_thread(self._copy.add, list(_entries(records)), place)
        finally:
            consumer.pause(partition)  # or it would hold records that nobody asks for

    async def _disconnect(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_consumer(consumer)


class VersionCopy:
    """The file. Its methods may be called in any thread, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def prepare(self, begin: int, end: int) -> int:
        """Where to read on, in a topic that has the offsets from `begin` to before `end`.

        Forgets what the topic has no more; all of it, when the topic is another than the one that was read.
        """
        db = self._opened()
        with db:
            row = db.execute("SELECT place FROM reached").fetchone()
            reached = 0 if row is None else int(row[0])
            if reached > end:
                db.execute("DELETE FROM version")
                db.execute("DELETE FROM reached")
                return 0
            db.execute("DELETE FROM version WHERE place < ?", (begin,))
        return reached

    def add(self, entries: Sequence[Entry], reached: int) -> None:
        """Keep versions; one of the same key and revision replaces what was there before."""
        db = self._opened()
        with db:
            db.executemany("INSERT OR REPLACE INTO version VALUES (?, ?, ?, ?)", entries)
            db.execute("INSERT OR REPLACE INTO reached VALUES (1, ?)", (reached,))

    def of(self, key: str) -> list[ConfigRecord]:
        """The versions of `tenant/kind/id`, the latest first."""
        rows = self._opened().execute("SELECT value FROM version WHERE key = ? ORDER BY revision DESC", (key,))
        return [decode(key.encode(), value) for (value,) in rows.fetchall()]

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = self._open()
            except sqlite3.DatabaseError:  # damaged, and made again
                for suffix in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                self._db = self._open()
        return self._db

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, check_same_thread=False, timeout=30)
        try:
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db


def _entries(records: Iterable[Any]) -> Iterable[Entry]:
    """What the records say; one that cannot be read is no version of anything."""
    for record in records:
        if record.key is None or record.value is None:
            continue
        key, _, revision = record.key.rpartition(b"/")
        try:
            split_key(key)
            version = decode(key, record.value)
        except RecordError:
            continue
        if revision.isdigit() and int(revision) == version.revision:
            yield key.decode(), version.revision, record.offset, record.value
