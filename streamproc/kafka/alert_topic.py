"""Reading the `alerts` topic, and asking detect to change an alert."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc.alerting.fingerprint import partition_of
from streamproc.engine.frame import pack_command
from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics
from streamproc.model.command import Command
from streamproc.settings import Settings

Alert = dict[str, Any]


class AlertTopic:
    """An async context manager; sees only what detect has committed."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics
        spec = topics["alerts"]
        self._partitions = [TopicPartition(spec.topic, p) for p in range(spec.partitions)]
        self._consumer: Any = None

    async def __aenter__(self) -> AlertTopic:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
        )
        try:
            await asyncio.wait_for(consumer.start(), 15)
        except (KafkaError, OSError, TimeoutError):
            await close_consumer(consumer)
            raise unreachable(self._settings) from None
        consumer.assign(self._partitions)
        self._consumer = consumer
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_consumer(self._consumer)

    async def all(self) -> dict[str, Alert]:
        """The latest revision of every alert, up to the topic's present end; oldest alert first."""
        consumer, found = self._consumer, dict[str, Alert]()
        await consumer.seek_to_beginning(*self._partitions)
        ends = await consumer.end_offsets(self._partitions)
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                batches = await consumer.getmany(timeout_ms=200)
                for records in batches.values():
                    for record in records:
                        _fold(found, record)
        return dict(sorted(found.items(), key=lambda item: str(item[1].get("created_at"))))

    async def follow(self) -> AsyncIterator[Alert]:
        """Records as they come from now on (or from where `all` ended)."""
        while True:
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    if record.value is not None:
                        yield orjson.loads(record.value)

    async def from_now(self) -> None:
        """Let `follow` begin at the topic's present end."""
        await self._consumer.seek_to_end(*self._partitions)

    async def ask(self, command: Command, wait_s: float) -> Alert | None:
        """Send a command to the key's owner and wait for the record that answers it; None: no worker answered.

        Call it after `all`, so that the answer is among what follows.
        """
        signals, dead = self._topics["signals"], self._topics["dead-letters"]
        producer = AwaitedProducer(client_options(self._settings), 15, dead.topic, dead.partitions)
        await producer.start()
        try:
            partition = partition_of(command.fingerprint, signals.partitions)
            await producer.send({(signals.topic, partition): [(None, pack_command(command), [])]})
        finally:
            await producer.stop()
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            for records in (await self._consumer.getmany(timeout_ms=300)).values():
                for record in records:
                    alert = orjson.loads(record.value) if record.value is not None else {}
                    if (alert.get("last_command") or {}).get("id") == command.id:
                        return dict(alert)
        return None


def _fold(found: dict[str, Alert], record: Any) -> None:
    id_ = record.key.decode()
    if record.value is None:
        found.pop(id_, None)
        return
    alert = orjson.loads(record.value)
    before = found.get(id_)
    if before is None or alert["revision"] >= before["revision"]:
        found[id_] = alert
