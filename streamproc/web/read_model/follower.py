"""Reads the topics into the file, from where the file says that it was; also through restarts of the broker.

A reader of its own, without a consumer group: every API process has all of it. What was read is applied by thousands in
a thread; while one batch is being written the next is fetched.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings
from streamproc.sources.decode import TENANT_HEADER
from streamproc.web.read_model.rows import claimed_tenant
from streamproc.web.read_model.schema import is_broken
from streamproc.web.read_model.writer import DELIVERIES, LETTERS, TOPICS, Applied, Arrived, Position, Writer

log = structlog.get_logger(__name__)

BATCH_RECORDS = 4_000
FETCH_WAIT_MS = 100
FETCH_BYTES = 1 << 20
"""Of one partition at a time, so that reading a long topic takes no more memory than a short one."""
STALE_AFTER_MS = 20 * 3_600_000
"""A file not written for so long is made anew: the topics may have forgotten deletions (they keep them for 24 h)."""
KEEP_EVERY_S = 60.0
_CONNECT_S = 20.0
_SILENCE_S = 6.0
_RETRY_S = 0.5

Parts = Mapping[TopicPartition, Sequence[Any]]


class Follower:
    """`await run(applied)` until it is cancelled; the writer is used in the executor's one thread."""

    def __init__(self, settings: Settings, topics: Topics, writer: Writer, thread: ThreadPoolExecutor) -> None:
        self._settings = settings
        self._topics = topics
        self._writer = writer
        self._thread = thread
        self._names = {topics[name].topic: name for name in TOPICS}
        self._partitions = [
            TopicPartition(topics[name].topic, p) for name in TOPICS for p in range(topics[name].partitions)
        ]
        self._tenants = {spec.topic: spec.tenant for spec in topics.sources}
        self._suspect: dict[TopicPartition, Position] = {}
        self._in_hand = 0
        self._kept_at = time.monotonic()
        self.behind: int | None = None
        """Offsets of the topics that are not in the file yet; None: not known."""
        self.at_end = asyncio.Event()
        self.distrusted: Exception | None = None
        """What a reader stumbled over, if the file is broken: it is made anew."""
        self.answered = time.monotonic()

    async def open(self) -> Any:
        """A consumer that stands where the file says. Raises BrokerUnavailableError."""
        try:
            return await self._connect()
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._settings) from error

    async def run(self, consumer: Any, applied: Callable[[Applied], Awaitable[None]]) -> None:
        """Follow with the consumer, and with others when its connection is lost."""
        while True:
            try:
                await self._follow(consumer, applied)
            except OffsetOutOfRangeError:
                log.warning("read_model.offset_gone")
            except _OtherTopicError as error:
                log.warning("read_model.another_topic", topic=str(error))
                await self._rebuild()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("read_model.connection_lost", error=str(error) or type(error).__name__)
            except Exception as error:
                # no space, or a defect: that may pass, and what is there can still be read
                self.at_end.clear()
                broken = is_broken(error)
                log.exception("read_model.broken_file" if broken else "read_model.failed")
                if broken:
                    await self._rebuild()
            finally:
                await close_consumer(consumer)
            consumer = await self._reconnect()

    async def _reconnect(self) -> Any:
        while True:
            await asyncio.sleep(_RETRY_S)
            try:
                return await self._connect()
            except (KafkaError, OSError, TimeoutError):
                continue
            except Exception as error:
                log.exception("read_model.failed")
                if is_broken(error):
                    await self._rebuild()

    async def _connect(self) -> Any:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await asyncio.wait_for(consumer.start(), _CONNECT_S)
            consumer.assign(self._partitions)
            async with asyncio.timeout(_CONNECT_S):
                begins = await consumer.beginning_offsets(self._partitions)
                ends = await consumer.end_offsets(self._partitions)
            await self._place(consumer, begins, ends)
        except BaseException:
            await close_consumer(consumer)
            raise
        self.answered = time.monotonic()
        return consumer

    async def _place(self, consumer: Any, begins: Mapping[Any, int], ends: Mapping[Any, int]) -> None:
        """Go on from the stored positions; make the file anew when they are not of these topics."""
        try:
            stored = await self._in_thread(self._stored)
            read_at = await self._in_thread(self._writer.meta, "read_at")
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            await self._rebuild()
            stored, read_at = {}, None
        wrong = [str(tp) for tp, at in stored.items() if tp in ends and at.next > ends[tp]]
        wrong += [str(tp) for tp in stored if self._keeps_all(tp) and stored[tp].next < begins.get(tp, 0)]
        wrong += [f"{tp.topic} has more partitions" for tp in stored if tp not in ends]
        if read_at is not None and time.time() * 1000 - read_at > STALE_AFTER_MS:
            wrong.append("not read for too long")
        if wrong:
            log.warning("read_model.rebuilt", because=wrong[0])
            await self._rebuild()
            stored = {}
        self._suspect = {}
        for tp in self._partitions:
            at = stored.get(tp, Position(begins[tp]))
            if at.last is not None and begins[tp] <= at.last < ends[tp]:
                self._suspect[tp] = at  # read the last record again: is it still the same?
                consumer.seek(tp, at.last)
            else:
                consumer.seek(tp, max(at.next, begins[tp]))

    def _keeps_all(self, tp: TopicPartition) -> bool:
        return self._topics[self._names[tp.topic]].cleanup == "compact"

    def _stored(self) -> dict[TopicPartition, Position]:
        topics = {name: topic for topic, name in self._names.items()}
        return {TopicPartition(topics[name], p): at for (name, p), at in self._writer.positions().items()}

    async def _follow(self, consumer: Any, applied: Callable[[Applied], Awaitable[None]]) -> None:
        writing: asyncio.Task[None] | None = None
        try:
            while True:
                parts = await consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=BATCH_RECORDS)
                reached = {tp: await consumer.position(tp) for tp in parts}
                if writing is not None:
                    # one batch is written while the next is fetched, and no more are kept
                    done, writing = writing, None
                    await done
                if parts:
                    self._in_hand = sum(map(len, parts.values()))
                    writing = asyncio.create_task(self._write(parts, reached, applied))
                await self._look(consumer, bool(parts))
        finally:
            if writing is not None:
                await asyncio.wait({writing})
                if not writing.cancelled() and writing.exception() is not None:
                    log.warning("read_model.batch_failed", error=str(writing.exception()))

    async def _write(
        self, parts: Parts, reached: Mapping[TopicPartition, int], applied: Callable[[Applied], Awaitable[None]]
    ) -> None:
        result = await self._in_thread(self._apply, parts, reached)
        self._in_hand = 0
        await applied(result)

    def _apply(self, parts: Parts, reached: Mapping[TopicPartition, int]) -> Applied:
        records: list[Arrived] = []
        positions: dict[tuple[str, int], Position] = {}
        for tp, found in parts.items():
            name, fresh = self._names[tp.topic], list(self._checked(tp, found))
            records += (self._arrived(name, record) for record in fresh)
            last = found[-1]
            positions[name, tp.partition] = Position(reached[tp], last.offset, _check(last))
        return self._writer.apply(records, positions, int(time.time() * 1000))

    def _checked(self, tp: TopicPartition, found: Sequence[Any]) -> Iterable[Any]:
        """The records after the stored position; one before it must be the one that was read there."""
        suspect = self._suspect.pop(tp, None)
        if suspect is None or not found:
            return found
        first = found[0]
        if first.offset == suspect.last and _check(first) != suspect.check:
            raise _OtherTopicError(f"{tp.topic}/{tp.partition}")
        return [record for record in found if record.offset >= suspect.next]

    def _arrived(self, name: str, record: Any) -> Arrived:
        tenant = self._whose(record) if name == LETTERS else None
        headers = tuple(record.headers or ()) if name == LETTERS else ()
        return Arrived(
            name, record.partition, record.offset, record.timestamp, record.key, record.value, headers, tenant
        )

    def _whose(self, letter: Any) -> str | None:
        """The tenant of a dead letter: known only for what came in from outside."""
        headers = dict(letter.headers or ())
        origin = headers.get("origin-topic", b"").decode("utf-8", "replace")
        if origin not in self._tenants:
            return None
        named = headers.get(f"original-{TENANT_HEADER}", b"").decode("utf-8", "replace")
        return self._tenants[origin] or named or claimed_tenant(letter.value)

    async def _look(self, consumer: Any, busy: bool) -> None:
        """How far behind we are, whether the broker still answers, and what may be deleted."""
        if self.distrusted is not None:
            distrusted, self.distrusted = self.distrusted, None
            raise distrusted
        lag, known = self._in_hand, True
        for tp in self._partitions:
            end = consumer.last_stable_offset(tp)
            known = known and end is not None and end >= 0
            lag += max(0, (end or 0) - await consumer.position(tp))
            polled = consumer.last_poll_timestamp(tp)
            if polled is not None:
                self.answered = max(self.answered, time.monotonic() - max(time.time() - polled / 1000, 0))
        self.behind = lag if known else None
        if self.behind == 0:
            self.at_end.set()
        if busy:
            self.answered = time.monotonic()
        if time.monotonic() - self.answered > _SILENCE_S:
            raise TimeoutError(f"no answer for {time.monotonic() - self.answered:.0f} s")
        if time.monotonic() - self._kept_at > KEEP_EVERY_S and self.behind == 0:
            self._kept_at = time.monotonic()
            now = int(time.time() * 1000)
            kept = (self._topics[name].retention_ms for name in (DELIVERIES, LETTERS))
            await self._in_thread(self._writer.keep, now, *(now - ms if ms > 0 else None for ms in kept))

    async def _rebuild(self) -> None:
        self.at_end.clear()
        await self._in_thread(self._writer.rebuild)

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)


class _OtherTopicError(RuntimeError):
    """What stands at a known offset is not what was read there: the topic was made anew."""


def _check(record: Any) -> bytes:
    digest = blake2b(str(record.timestamp).encode(), digest_size=8)
    for part in (record.key, record.value):
        digest.update(b"-" if part is None else b"+" + part)
    return digest.digest()
