"""The producer for everything that is not in a ledger's transaction: idempotent, all replicas, awaited."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from streamproc.kafka.closing import close_producer
from streamproc.kafka.dead_letter import DeadLetter
from streamproc.kafka.ledger import BATCH_BYTES, Record, send_all
from streamproc.kafka.partition import partition_by


class AwaitedProducer:
    """`deadline_s` bounds a send: aiokafka's idempotent producer never gives a batch up by itself."""

    def __init__(self, client: Mapping[str, Any], deadline_s: float, dead_letters: str, partitions: int) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._dead_letters = dead_letters
        self._partitions = partitions
        self._producer: AIOKafkaProducer | None = None
        # aiokafka counts the time that a batch waits for others of its partition against it again and again, so that
        # many sends at once fail long before their deadline; one after another they do not.
        self._turns: dict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Connect."""
        producer = AIOKafkaProducer(
            **self._client,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=8 * 1024 * 1024,
        )
        await producer.start()
        self._producer = producer

    async def stop(self) -> None:
        """Flush, within the deadline, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer, self._deadline_s)

    async def send(self, records: Mapping[tuple[str, int], Iterable[Record]]) -> None:
        """Send records by (topic, partition), in order within each; returns when all are acknowledged.

        Raises TimeoutError, KafkaError.
        """
        producer = self._producer
        if producer is None:
            raise RuntimeError("the producer is not started")
        try:
            async with asyncio.timeout(self._deadline_s):
                await asyncio.gather(*(self._send(producer, target, batch) for target, batch in records.items()))
        except TimeoutError:
            where, limit = ", ".join(sorted({topic for topic, _ in records})), self._deadline_s
            raise TimeoutError(f"Kafka did not acknowledge records for {where} within {limit:g} s") from None

    async def _send(self, producer: AIOKafkaProducer, target: tuple[str, int], batch: Iterable[Record]) -> None:
        async with self._turns[target]:
            await send_all(producer, *target, batch)

    async def bury(self, letters: Iterable[DeadLetter]) -> None:
        """Send dead letters; returns when they are acknowledged."""
        records: dict[tuple[str, int], list[Record]] = {}
        for letter in letters:
            partition = partition_by(f"{letter.topic}/{letter.partition}", self._partitions)
            records.setdefault((self._dead_letters, partition), []).append(
                (letter.key, letter.value, letter.record_headers())
            )
        await self.send(records)
