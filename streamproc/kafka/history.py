"""Reading what source topics hold, from a point in time to their present ends, merged in the order of arrival."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.topic_file import TopicSpec
from streamproc.settings import Settings

Span = dict[str, tuple[int, int]]
"""By "topic/partition": the offset to read from, and the one to stop before."""


class History:
    """An async context manager. It joins no consumer group and commits nothing."""

    def __init__(self, settings: Settings, sources: Sequence[TopicSpec]) -> None:
        self._settings = settings
        self._partitions = [TopicPartition(spec.topic, p) for spec in sources for p in range(spec.partitions)]
        self._consumer: Any = None

    async def __aenter__(self) -> History:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
        except (KafkaError, OSError):
            await close_consumer(consumer)
            raise unreachable(self._settings) from None
        consumer.assign(self._partitions)
        self._consumer = consumer
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_consumer(self._consumer)

    async def span(self, since_ms: int) -> Span:
        """What arrived since then, up to now."""
        ends = await self._consumer.end_offsets(self._partitions)
        found = await self._consumer.offsets_for_times(dict.fromkeys(self._partitions, since_ms))
        span: Span = {}
        for tp in self._partitions:
            at = found.get(tp)
            span[f"{tp.topic}/{tp.partition}"] = (ends[tp] if at is None else at.offset, ends[tp])
        return span

    async def read(self, span: Mapping[str, tuple[int, int]]) -> AsyncIterator[tuple[TopicPartition, Any]]:
        """The records of a span in the order of their timestamps; of equal ones, in that of partitions and offsets."""
        names = {f"{tp.topic}/{tp.partition}": tp for tp in self._partitions}
        waiting: dict[TopicPartition, deque[Any]] = {}
        ends: dict[TopicPartition, int] = {}
        order: list[tuple[int, str, int]] = []
        for name, (start, end) in span.items():
            tp = names.get(name)
            if tp is not None and start < end:
                self._consumer.seek(tp, start)
                waiting[tp], ends[tp] = deque(), end
        self._consumer.pause(*(tp for tp in self._partitions if tp not in ends))
        for tp in list(ends):
            await self._more(tp, ends, waiting, order)
        while order:
            _, topic, partition = heapq.heappop(order)
            tp = TopicPartition(topic, partition)
            yield tp, waiting[tp].popleft()
            await self._more(tp, ends, waiting, order)

    async def _more(
        self,
        tp: TopicPartition,
        ends: Mapping[TopicPartition, int],
        waiting: Mapping[TopicPartition, deque[Any]],
        order: list[tuple[int, str, int]],
    ) -> None:
        """Have the partition's next record in the heap, if it has one."""
        while not waiting[tp]:
            if await self._consumer.position(tp) >= ends[tp]:
                return
            batches = await self._consumer.getmany(tp, timeout_ms=500, max_records=2000)
            waiting[tp].extend(record for record in batches.get(tp, ()) if record.offset < ends[tp])
        heapq.heappush(order, (waiting[tp][0].timestamp, tp.topic, tp.partition))
