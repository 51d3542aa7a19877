"""How far the worker and the delivery process are behind, and how fast events come, as the brokers tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streamproc.kafka.client import BrokerUnavailableError, client_options
from streamproc.kafka.topics import Topics, load_topics
from streamproc.settings import Settings

KEPT_S = 5.0
"""So long an answer is given again."""
RATE_MS = 60_000
_ASK_S = 5.0


@dataclass(frozen=True, slots=True)
class Lag:
    """Records that a group has not worked off, by topic (the product's name); None: it has not read any yet."""

    group: str
    topics: dict[str, int | None]


@dataclass(frozen=True, slots=True)
class ClusterLook:
    """What the brokers told; `events_per_second` is over the last minute."""

    lags: tuple[Lag, ...]
    events_per_second: float | None


class ClusterLag:
    """Connects when it is first asked, and anew when a connection was lost."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics: Topics = load_topics(settings)
        self._clients: tuple[Any, Any] | None = None
        self._kept: tuple[float, ClusterLook] | None = None
        self._asking = asyncio.Lock()

    async def look(self) -> ClusterLook | None:
        """The state of a few seconds ago at most; None: no broker answers."""
        async with self._asking:
            if self._kept is not None and time.monotonic() - self._kept[0] < KEPT_S:
                return self._kept[1]
            try:
                async with asyncio.timeout(_ASK_S):
                    found = await self._look()
            except (KafkaError, OSError, TimeoutError, BrokerUnavailableError):
                await self.close()
                return None
            self._kept = (time.monotonic(), found)
            return found

    async def close(self) -> None:
        """Disconnect."""
        clients, self._clients = self._clients, None
        if clients is not None:
            admin, consumer = clients
            for close in (admin.close, consumer.stop):
                await asyncio.wait({asyncio.ensure_future(close())}, timeout=_ASK_S)

    async def _look(self) -> ClusterLook:
        admin, consumer = await self._connected()
        sources = [spec.name for spec in self._topics.sources]
        groups = (
            ("worker", self._settings.worker_group, [*sources, "signals"]),
            ("delivery", self._settings.delivery_group, ["alerts", "deliveries", "notifications"]),
        )
        ends = await consumer.end_offsets(self._partitions({name for *_, names in groups for name in names}))
        lags = []
        for name, group, topics in groups:
            committed = await admin.list_consumer_group_offsets(self._settings.group(group))
            lags.append(Lag(name, {topic: self._lag(topic, committed, ends) for topic in topics}))
        return ClusterLook(tuple(lags), await self._rate(consumer, sources, ends))

    def _lag(self, topic: str, committed: Any, ends: dict[TopicPartition, int]) -> int | None:
        found = [(tp, committed[tp].offset) for tp in self._partitions([topic]) if tp in committed]
        found = [(tp, offset) for tp, offset in found if offset >= 0]
        return sum(max(0, ends[tp] - offset) for tp, offset in found) if found else None

    async def _rate(self, consumer: Any, sources: list[str], ends: dict[TopicPartition, int]) -> float | None:
        since = time.time_ns() // 1_000_000 - RATE_MS
        found = await consumer.offsets_for_times(dict.fromkeys(self._partitions(sources), since))
        came: int = sum(ends[tp] - at.offset for tp, at in found.items() if at is not None)
        return round(came / (RATE_MS / 1000), 2)

    def _partitions(self, names: Iterable[str]) -> list[TopicPartition]:
        return [
            TopicPartition(self._topics[name].topic, p) for name in names for p in range(self._topics[name].partitions)
        ]

    async def _connected(self) -> tuple[Any, Any]:
        if self._clients is None:
            options = client_options(self._settings)
            self._clients = (AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options))
            for client in self._clients:
                await client.start()
        return self._clients
