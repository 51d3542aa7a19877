"""Reading all that a topic holds, and writing tombstones into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError

from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.ledger import Record
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topic_file import TopicSpec
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings

_PATIENCE_S = 30.0
_AT_ONCE = 5000


async def read_whole(settings: Settings, spec: TopicSpec) -> AsyncIterator[Any]:
    """Every committed record of the topic up to its present end; partitions in no order. Raises
    BrokerUnavailableError."""
    async for record in _read(settings, [TopicPartition(spec.topic, p) for p in range(spec.partitions)]):
        yield record


async def read_partition(settings: Settings, topic: str, partition: int) -> AsyncIterator[Any]:
    """Every committed record of one partition up to its present end. Raises BrokerUnavailableError."""
    async for record in _read(settings, [TopicPartition(topic, partition)]):
        yield record


async def _read(settings: Settings, partitions: Sequence[TopicPartition]) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    try:
        await asyncio.wait_for(consumer.start(), _PATIENCE_S)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=300)).values():
                    for record in records:
                        yield record
    except (KafkaError, OSError, TimeoutError):
        raise unreachable(settings) from None
    finally:
        await close_consumer(consumer)


async def bury(settings: Settings, topics: Topics, places: Mapping[str, Iterable[tuple[int, bytes]]]) -> None:
    """Write a tombstone for each (partition, key), by topic; returns when all are acknowledged."""
    dead = topics["dead-letters"]
    producer = AwaitedProducer(client_options(settings), _PATIENCE_S, dead.topic, dead.partitions)
    await producer.start()
    try:
        for name, keys in places.items():
            waiting = list(keys)
            for start in range(0, len(waiting), _AT_ONCE):
                batch: dict[tuple[str, int], list[Record]] = {}
                for partition, key in waiting[start : start + _AT_ONCE]:
                    batch.setdefault((topics[name].topic, partition), []).append((key, None, []))
                await producer.send(batch)
    finally:
        await producer.stop()


async def cut(settings: Settings, group: str, specs: Iterable[TopicSpec]) -> int:
    """Delete the records of these topics that the group has read and committed; answers how many partitions had any.

    `group` is the product's name for it.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    topics = {spec.topic for spec in specs}
    try:
        await asyncio.wait_for(admin.start(), _PATIENCE_S)
        committed = await admin.list_consumer_group_offsets(settings.group(group))
        before = {
            tp: RecordsToDelete(before_offset=found.offset)
            for tp, found in committed.items()
            if tp.topic in topics and found.offset > 0
        }
        if before:
            await admin.delete_records(before, int(_PATIENCE_S * 1000))
        return len(before)
    except (OSError, TimeoutError):
        raise unreachable(settings) from None
    finally:
        await admin.close()
