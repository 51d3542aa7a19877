"""Puts a workload's events into a topic, and finds them there again the next time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from aiokafka import AIOKafkaProducer

from streamproc.bench.cluster import Cluster
from streamproc.bench.draw import SEED, Draw, Workload, draws, to_json
from streamproc.bench.partitions import PARTITIONS
from streamproc.kafka.client import client_options
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings

VERSION = 1
"""Part of the topics' names: to be raised when the same draws become other bytes."""
BATCH_BYTES = 256 * 1024
"""Before compression; what `streamproc events send` uses."""
_IN_FLIGHT = 16


def prefix(workload: Workload, count: int, partitions: int = PARTITIONS) -> str:
    """The topic prefix of everything that is measured on these events in so many partitions."""
    parted = "" if partitions == PARTITIONS else f"p{partitions}-"
    return f"bench-{workload.name}-{count}-{SEED:x}v{VERSION}-{parted}"


async def preload(
    cluster: Cluster, settings: Settings, workload: Workload, count: int, advance: Callable[[int], None]
) -> str:
    """Answer the topic, `events` under the settings' prefix, after filling it unless it holds the events already.

    lz4, keyed by tenant, partitioned as Kafka's own clients do. `advance` is told how many events are there.
    """
    spec = load_topics(settings)["events"]
    partitions = await cluster.partitions([spec.topic])
    if partitions:
        begins, ends = await cluster.begins(partitions), await cluster.ends(partitions)
        whole = len(partitions) == spec.partitions and not any(begins.values())
        if whole and sum(ends.values()) == count:
            advance(count)
            return spec.topic
    await cluster.recreate([spec])
    await apply_topics(settings)
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=BATCH_BYTES,
    )
    await producer.start()
    try:
        await _fill(producer, spec.topic, spec.partitions, draws(workload, count), advance)
    finally:
        await producer.stop()
    return spec.topic


async def _fill(
    producer: AIOKafkaProducer, topic: str, partitions: int, stream: Iterator[Draw], advance: Callable[[int], None]
) -> None:
    places: dict[str, int] = {}
    batches = [producer.create_batch() for _ in range(partitions)]
    waiting: list[asyncio.Future[object]] = []
    sent = 0
    for draw in stream:
        place = places.get(draw.tenant)
        if place is None:
            place = places[draw.tenant] = partition_by(draw.tenant, partitions)
        value, key = to_json(draw), draw.tenant.encode()
        if batches[place].append(timestamp=None, key=key, value=value, headers=[]) is None:
            full = batches[place]
            waiting.append(await producer.send_batch(full, topic, partition=place))
            sent += full.record_count()
            batches[place] = producer.create_batch()
            batches[place].append(timestamp=None, key=key, value=value, headers=[])
            if len(waiting) >= _IN_FLIGHT:
                await asyncio.gather(*waiting)
                waiting.clear()
                advance(sent)
    for place, batch in enumerate(batches):
        if batch.record_count():
            waiting.append(await producer.send_batch(batch, topic, partition=place))
            sent += batch.record_count()
    await asyncio.gather(*waiting)
    advance(sent)
