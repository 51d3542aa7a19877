"""A second reading of a partition, beside a consumer group's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.wire import take_wire_records
from streamproc.settings import Settings

WAIT_MS = 500


class Rereading:
    """An async context manager: reads a partition from an offset on. It joins no group and commits nothing.

    Entering it raises KafkaError or OSError while no broker answers; after that, aiokafka keeps trying.
    """

    def __init__(self, settings: Settings, topic: str, partition: int, offset: int) -> None:
        self._options = client_options(settings)
        self._tp = TopicPartition(topic, partition)
        self._offset = offset
        self._consumer: Any = None

    async def position(self) -> int:
        """The offset that comes next, whether there is a record at it or the end of a transaction."""
        position: int = await self._consumer.position(self._tp)
        return position

    async def __aenter__(self) -> Rereading:
        consumer = AIOKafkaConsumer(
            **self._options,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            check_crcs=False,
        )
        self._consumer = consumer
        try:
            await consumer.start()
            take_wire_records(consumer)
            consumer.assign([self._tp])
            consumer.seek(self._tp, self._offset)
        except BaseException:
            await close_consumer(consumer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_consumer(self._consumer)

    async def next(self, most: int) -> Sequence[Any]:
        """The next records, so many at most; none when none come for a while."""
        batches = await self._consumer.getmany(self._tp, timeout_ms=WAIT_MS, max_records=most)
        found: Sequence[Any] = batches.get(self._tp, ())
        return found
