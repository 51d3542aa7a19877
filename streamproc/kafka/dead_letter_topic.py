"""Reading the `dead-letters` topic, and sending letters back to where they came from."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as found. `id` is its place in the topic, `partition-offset`."""

    id: str
    timestamp: int
    key: bytes | None
    value: bytes | None
    reason: str
    message: str
    by: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    headers: tuple[tuple[str, bytes], ...]


async def read_letters(settings: Settings, topics: Topics) -> list[Letter]:
    """Every letter that the topic still holds, oldest first. Raises BrokerUnavailableError."""
    spec = topics["dead-letters"]
    partitions = [TopicPartition(spec.topic, p) for p in range(spec.partitions)]
    consumer = AIOKafkaConsumer(**client_options(settings), isolation_level="read_committed")
    try:
        await asyncio.wait_for(consumer.start(), 15)
    except (KafkaError, OSError, TimeoutError):
        await close_consumer(consumer)
        raise unreachable(settings) from None
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        letters: list[Letter] = []
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    letters += [_letter(record) for record in records]
        return sorted(letters, key=lambda letter: letter.timestamp)
    finally:
        await close_consumer(consumer)


async def replay(settings: Settings, topics: Topics, letters: list[Letter]) -> None:
    """Send letters to their origin's partition again, as they were; returns when they are acknowledged."""
    dead = topics["dead-letters"]
    producer = AwaitedProducer(client_options(settings), 30, dead.topic, dead.partitions)
    await producer.start()
    try:
        for letter in letters:
            headers = [("replayed-from", letter.id.encode()), *letter.headers]
            target = (letter.origin_topic, letter.origin_partition)
            await producer.send({target: [(letter.key, letter.value, headers)]})
    finally:
        await producer.stop()


def _letter(record: Any) -> Letter:
    headers = {name: value for name, value in record.headers if isinstance(value, bytes)}

    def text(name: str) -> str:
        return headers.get(name, b"").decode("utf-8", "replace")

    return Letter(
        id=f"{record.partition}-{record.offset}",
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        reason=text("reason"),
        message=text("message"),
        by=text("by"),
        origin_topic=text("origin-topic"),
        origin_partition=int(text("origin-partition") or 0),
        origin_offset=int(text("origin-offset") or 0),
        headers=tuple(
            (name.removeprefix("original-"), value) for name, value in record.headers if name.startswith("original-")
        ),
    )
