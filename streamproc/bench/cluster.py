"""What a measurement asks of the broker: ends of topics, what a group has committed, all records of a topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.client import client_options
from streamproc.settings import Settings

GONE_LIMIT_S = 30.0
Offsets = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic of a peer, to be created with the broker's defaults; see `kafka.admin.NewTopicSpec`."""

    topic: str
    partitions: int
    replication: int
    config: Mapping[str, str]


class Cluster:
    """An async context manager that holds the connections."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = client_options(settings)
        self._admin = AIOKafkaAdminClient(**options)
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
        self._coordinators: dict[str, int] = {}

    async def __aenter__(self) -> Cluster:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """Of those topics that exist."""
        async with ClusterAdmin(self.settings) as admin:
            states = await admin.topics(topics)
        return [TopicPartition(name, p) for name, state in states.items() for p in range(state.partitions)]

    async def ends(self, partitions: Sequence[TopicPartition]) -> Offsets:
        """The offset after the last record of each partition; marks of transactions count as records."""
        found: Offsets = await self._consumer.end_offsets(list(partitions))
        return found

    async def begins(self, partitions: Sequence[TopicPartition]) -> Offsets:
        """The offset of the first record each partition still has."""
        found: Offsets = await self._consumer.beginning_offsets(list(partitions))
        return found

    async def committed(self, group: str) -> Offsets:
        """What the group has committed, by partition; nothing when there is no such group."""
        coordinator = self._coordinators.get(group)
        try:
            if coordinator is None:
                coordinator = self._coordinators[group] = await self._admin.find_coordinator(group)
            found = await self._admin.list_consumer_group_offsets(group, group_coordinator_id=coordinator)
        except KafkaError as error:
            if not error.retriable:
                raise
            self._coordinators.pop(group, None)
            return {}
        return {tp: stored.offset for tp, stored in found.items() if stored.offset >= 0}

    async def lag(self, group: str, ends: Offsets) -> int:
        """Records before `ends` that the group has not committed."""
        committed = await self.committed(group)
        return sum(max(0, end - committed.get(tp, 0)) for tp, end in ends.items())

    async def names(self, containing: str) -> list[str]:
        """All topics whose name contains this."""
        return [name for name in await self._admin.list_topics() if containing in name]

    async def recreate(self, topics: Sequence[Any]) -> None:
        """Make the topics anew and empty. They are ours alone: their names carry our prefix."""
        names = [spec.topic for spec in topics]
        async with ClusterAdmin(self.settings) as admin:
            await admin.delete(names)
            async with asyncio.timeout(GONE_LIMIT_S):
                # brokers learn of it a moment later, and would meanwhile pass off the old topic as the new one
                while not set(names).isdisjoint(await self._admin.list_topics()):  # noqa: ASYNC110  # only the broker can say
                    await asyncio.sleep(0.05)
            await admin.create(topics)

    async def delete(self, topics: Sequence[str]) -> None:
        """Delete topics and their records."""
        if topics:
            async with ClusterAdmin(self.settings) as admin:
                await admin.delete(topics)

    async def read(self, topic: str, limit_s: float = 60.0) -> list[Any]:
        """Every committed record of a topic up to its present end, in order within each partition.

        Raises TimeoutError when that takes longer than `limit_s`.
        """
        partitions = await self.partitions([topic])
        consumer = AIOKafkaConsumer(
            **client_options(self.settings),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        records: list[Any] = []
        try:
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            async with asyncio.timeout(limit_s):
                while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                    for batch in (await consumer.getmany(timeout_ms=200)).values():
                        records += batch
        finally:
            await consumer.stop()
        return records
