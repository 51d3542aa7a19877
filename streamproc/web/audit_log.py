"""Follows the `audit` topic into a local SQLite file, from which the log is listed. The file may be deleted: the topic
has all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings

log = structlog.get_logger(__name__)

_LOAD_S = 120.0
_RETRY_S = 0.5
_FETCH_MS = 100
_SCHEMA = """
create table if not exists entries (
    place integer primary key, id text not null, tenant text not null, kind text not null, target text not null,
    actor text not null, entry blob not null
);
create index if not exists by_tenant on entries (tenant, place);
create index if not exists by_id on entries (id);
create table if not exists origin (topic text primary key, next integer not null);
"""


class AuditLog:
    """`await start()`, then `page`; entries come within moments of their writing."""

    def __init__(self, settings: Settings, topics: Topics, directory: Path) -> None:
        self._settings = settings
        self._partition = TopicPartition(topics["audit"].topic, 0)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "audit.db"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the topic to its end, then follow it. Raises BrokerUnavailableError."""
        try:
            consumer = await self._open()
        except (KafkaError, OSError, TimeoutError):
            raise unreachable(self._settings) from None
        self._task = asyncio.create_task(self._run(consumer), name="audit-log")

    async def stop(self) -> None:
        """Stop following, and close the file."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._db.close()

    async def seen(self, id: str, seconds: float = 5.0) -> bool:
        """Wait until an entry is here; False when it does not come."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._has(id))
        except TimeoutError:
            return False
        return True

    def page(
        self,
        tenant: str | None,
        *,
        before: int | None = None,
        kind: str | None = None,
        target: str | None = None,
        actor: str | None = None,
        limit: int = 50,
    ) -> list[tuple[int, dict[str, Any]]]:
        """(place, entry), the newest first, below the place `before`; `tenant` None: everybody's."""
        tests, values = ["1 = 1"], []
        for column, value in (("tenant", tenant), ("kind", kind), ("target", target), ("actor", actor)):
            if value is not None:
                tests.append(f"{column} = ?")
                values.append(value)
        if before is not None:
            tests.append("place < ?")
            values.append(str(before))
        rows = self._db.execute(
            f"select place, entry from entries where {' and '.join(tests)} order by place desc limit ?",  # noqa: S608
            (*values, limit),
        )
        return [(place, orjson.loads(entry)) for place, entry in rows]

    def _has(self, id: str) -> bool:
        return self._db.execute("select 1 from entries where id = ?", (id,)).fetchone() is not None

    async def _run(self, consumer: Any) -> None:
        while True:
            try:
                while True:
                    await self._take(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("audit.connection_lost", error=str(error) or type(error).__name__)
            finally:
                await close_consumer(consumer)
            while True:
                await asyncio.sleep(_RETRY_S)
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    consumer = await self._open()
                    break

    async def _open(self) -> Any:
        """A consumer that has read to the end, from where the file ends or from what the topic still has."""
        consumer = AIOKafkaConsumer(
            **client_options(self._settings), group_id=None, enable_auto_commit=False, auto_offset_reset="none"
        )
        try:
            await asyncio.wait_for(consumer.start(), 20)
            consumer.assign([self._partition])
            async with asyncio.timeout(_LOAD_S):
                begin = (await consumer.beginning_offsets([self._partition]))[self._partition]
                end = (await consumer.end_offsets([self._partition]))[self._partition]
                row = self._db.execute("select next from origin where topic = ?", (self._partition.topic,)).fetchone()
                if row is None or row[0] > end:  # another topic's file, or a topic made anew
                    self._db.execute("delete from entries")
                    self._db.execute("delete from origin")
                    row = (0,)
                self._db.execute("delete from entries where place < ?", (begin,))
                consumer.seek(self._partition, max(row[0], begin))
                while await consumer.position(self._partition) < end:
                    await self._take(consumer)
        except BaseException:
            await close_consumer(consumer)
            raise
        return consumer

    async def _take(self, consumer: Any) -> None:
        batches = await consumer.getmany(self._partition, timeout_ms=_FETCH_MS)
        records = batches.get(self._partition, ())
        if not records:
            return
        self._db.execute("begin")
        for record in records:
            try:
                entry = orjson.loads(record.value)
                row = (entry["id"], entry["tenant_id"], entry["kind"], entry["target_id"], entry["actor"]["key_id"])
            except (orjson.JSONDecodeError, KeyError, TypeError):
                log.warning("audit.unreadable", offset=record.offset)
                continue
            self._db.execute(
                "insert or replace into entries values (?, ?, ?, ?, ?, ?, ?)", (record.offset, *row, record.value)
            )
        self._db.execute("insert or replace into origin values (?, ?)", (self._partition.topic, records[-1].offset + 1))
        self._db.execute("commit")
        async with self._changed:
            self._changed.notify_all()
