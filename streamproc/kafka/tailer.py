"""Follows the config topic and keeps the newest snapshot of it.

A reader of its own, without a consumer group: every process reads all of it. It survives the broker's restarts,
also one at another address: when fetches stop coming back it connects anew and loads the topic again, while the
last snapshot stays in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc import metrics
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.kafka.client import BrokerUnavailableError, client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.settings import Settings

log = structlog.get_logger(__name__)

TOPIC = "config"
_FETCH_WAIT_MS = 100
_CONNECT_SECONDS = 20.0
_LOAD_SECONDS = 120.0
_SILENCE_SECONDS = 6.0
"""Without an answered fetch for so long, the connection counts as lost (fetches wait 0.1 s for records)."""
_RETRY_SECONDS = 0.5


class ConfigTailer:
    """`await start()`, then read `snapshot`, which is replaced as a whole when the topic changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partition = TopicPartition(settings.topic(TOPIC), 0)
        self._snapshot = Snapshot.empty()
        self._subscribers: list[Callable[[Snapshot], None]] = []
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._answered = time.monotonic()

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    @property
    def age(self) -> float:
        """Seconds since the broker last confirmed that nothing newer was there, or was being read."""
        return time.monotonic() - self._answered

    def subscribe(self, callback: Callable[[Snapshot], None]) -> None:
        """Call `callback` with each new snapshot, on the event loop, right after it is in force."""
        self._subscribers.append(callback)

    async def start(self) -> None:
        """Load the topic to its end, then follow it. Raises BrokerUnavailableError."""
        try:
            consumer, snapshot = await self._load()
        except (KafkaError, OSError, TimeoutError) as error:
            if isinstance(error, BrokerUnavailableError):
                raise
            raise unreachable(self._settings) from error
        await self._use(snapshot)
        self._task = asyncio.create_task(self._run(consumer), name="config-tailer")

    async def stop(self) -> None:
        """Stop following; the last snapshot stays readable."""
        if self._task is not None:
            await asyncio.sleep(0)  # a task that never began would not close its consumer
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def wait_for(self, offset: int) -> Snapshot:
        """The first snapshot that is at `offset` or after it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._snapshot.offset >= offset)
            return self._snapshot

    async def _run(self, consumer: Any) -> None:
        while True:
            try:
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("config.connection_lost", error=str(error) or type(error).__name__)
            except Exception:
                log.exception("config.reader_failed")  # a defect, but old rules for ever would be worse
            finally:
                await close_consumer(consumer)
            consumer = await self._reconnect()

    async def _reconnect(self) -> Any:
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            try:
                consumer, snapshot = await self._load()
            except (KafkaError, OSError, TimeoutError):
                continue
            log.info("config.connected_again", offset=snapshot.offset)
            await self._use(snapshot)
            return consumer

    async def _load(self) -> tuple[Any, Snapshot]:
        """A consumer at the end of the topic, and what it read from its beginning to there."""
        consumer = self._consumer()
        try:
            await asyncio.wait_for(consumer.start(), _CONNECT_SECONDS)
            consumer.assign([self._partition])
            async with asyncio.timeout(_LOAD_SECONDS):
                begin = (await consumer.beginning_offsets([self._partition]))[self._partition]
                end = (await consumer.end_offsets([self._partition]))[self._partition]
                consumer.seek(self._partition, begin)
                entries: list[ConfigEntry] = []
                while await consumer.position(self._partition) < end:
                    entries += await self._fetch(consumer)
        except BaseException:
            await close_consumer(consumer)
            raise
        self._answered = time.monotonic()
        return consumer, Snapshot.empty().fold(entries)

    def _consumer(self) -> Any:
        return AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",  # a topic made anew is loaded anew, not continued
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=4 << 20,
        )

    async def _follow(self, consumer: Any) -> None:
        while True:
            entries = await self._fetch(consumer)
            if entries:
                await self._use(self._snapshot.fold(entries))
            polled = consumer.last_poll_timestamp(self._partition)
            if polled is not None:
                self._answered = max(self._answered, time.monotonic() - max(time.time() - polled / 1000, 0))
            metrics.CONFIG_CONFIRMED.set(time.time() - self.age)
            if self.age > _SILENCE_SECONDS:
                raise TimeoutError(f"no answer for {self.age:.0f} s")

    async def _fetch(self, consumer: Any) -> list[ConfigEntry]:
        batches = await consumer.getmany(self._partition, timeout_ms=_FETCH_WAIT_MS)
        return [ConfigEntry(record.offset, record.key, record.value) for record in batches.get(self._partition, ())]

    async def _use(self, snapshot: Snapshot) -> None:
        before, self._snapshot = self._snapshot, snapshot
        metrics.SNAPSHOT_OFFSET.set(snapshot.offset)
        metrics.RULE_PROBLEMS.set(len(snapshot.problems))
        metrics.RULES_ACTIVE.set(len(snapshot.rules))
        known = set(before.problems)
        for problem in snapshot.problems:
            if problem not in known:
                log.error("config.inactive", key=problem.key, problem=problem.message, offset=problem.offset)
        for callback in self._subscribers:
            callback(snapshot)
        async with self._changed:
            self._changed.notify_all()
