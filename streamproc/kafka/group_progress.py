"""How far consumer groups have come, and what the broker's clock says: what `streamproc doctor` asks of a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from streamproc.kafka.admin import AdminError
from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings

_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class TopicLag:
    """What a group has not committed of a topic: `records` at most (the end of a transaction counts as one), and when
    the oldest of them was written (ms; None: only such ends are left, so nothing is behind)."""

    topic: str
    records: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """A consumer group: its members now, and its lag on each topic that it is to read."""

    group: str
    members: int
    lags: Sequence[TopicLag]


class Clocks(NamedTuple):
    """The broker's time, and ours right before it was asked and right after it answered; all in ms."""

    broker: int
    before: int
    after: int


async def group_progress(
    settings: Settings, reading: Mapping[str, Sequence[str]], topics: Topics
) -> list[GroupProgress]:
    """For each group (by the product's name for it) and the topics that it reads. Raises BrokerUnavailableError."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=200,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S * 2):
            await admin.start()
            await consumer.start()
            return [
                await _progress(admin, consumer, settings.group(group), [topics[name] for name in names])
                for group, names in reading.items()
            ]
    except (OSError, TimeoutError):
        raise unreachable(settings) from None
    except KafkaError as error:
        if error.retriable:
            raise unreachable(settings) from None
        raise AdminError(f"the cluster does not tell how far its groups are: {error}") from None
    finally:
        await close_consumer(consumer)
        await admin.close()


async def _progress(admin: Any, consumer: Any, group: str, specs: Sequence[Any]) -> GroupProgress:
    await _coordinated(admin, group)
    committed = await admin.list_consumer_group_offsets(group)
    (described,) = await admin.describe_consumer_groups([group])
    members = sum(len(one["members"]) for one in described.to_object()["groups"])
    lags = []
    for spec in specs:
        partitions = [TopicPartition(spec.topic, p) for p in range(spec.partitions)]
        consumer.assign(partitions)
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = {
            tp: max(begins[tp], committed[tp].offset if tp in committed and committed[tp].offset >= 0 else 0)
            for tp in partitions
        }
        behind = [tp for tp in partitions if starts[tp] < ends[tp]]
        oldest = await _oldest(consumer, {tp: starts[tp] for tp in behind}, ends) if behind else None
        lags.append(TopicLag(spec.topic, sum(ends[tp] - starts[tp] for tp in behind), oldest))
    return GroupProgress(group, members, lags)


async def _coordinated(admin: Any, group: str) -> None:
    """Wait until the group has a coordinator: a new cluster makes its first when it is first asked."""
    while True:
        try:
            await admin.find_coordinator(group)
        except GroupCoordinatorNotAvailableError:
            await asyncio.sleep(0.2)  # within the timeout of our caller
        else:
            return


async def _oldest(consumer: Any, starts: Mapping[Any, int], ends: Mapping[Any, int]) -> int | None:
    """The earliest timestamp among the first records at or after the offsets."""
    consumer.assign(list(starts))
    for tp, offset in starts.items():
        consumer.seek(tp, offset)
    waiting, found = set(starts), []
    deadline = time.monotonic() + _PATIENCE_S
    while waiting and time.monotonic() < deadline:
        for tp, records in (await consumer.getmany(*waiting, timeout_ms=500, max_records=500)).items():
            found.append(records[0].timestamp)
            waiting.discard(tp)
        for tp in list(waiting):
            if await consumer.position(tp) >= ends[tp]:
                waiting.discard(tp)  # transactions end there, and nothing else
    return min(found, default=None)


async def broker_clock(settings: Settings, topics: Topics) -> Clocks:
    """Ask the broker for its time: it stamps a record of ours, whose transaction is then aborted.

    Nobody who reads committed records, as all our processes do, ever sees it. Raises KafkaError where that is not
    allowed, BrokerUnavailableError.
    """
    topic = next(spec for spec in topics.values() if spec.config["message.timestamp.type"] == "LogAppendTime")
    producer = AIOKafkaProducer(**client_options(settings), transactional_id=settings.group("streamproc-doctor"))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await producer.start()
            await producer.begin_transaction()
            try:
                await producer.client.set_topics([topic.topic])
                before = int(time.time() * 1000)
                sent = await producer.send_and_wait(topic.topic, b"streamproc doctor asks for the time", partition=0)
                after = int(time.time() * 1000)
            finally:
                await producer.abort_transaction()
            return Clocks(sent.timestamp, before, after)
    except (OSError, TimeoutError):
        raise unreachable(settings) from None
    finally:
        await producer.stop()
