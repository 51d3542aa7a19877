"""One partition of a table, written by exactly one process at a time.

A *ledger* is a local RocksDB copy, its changelog partition and a transactional producer named after both. A batch
of changes, the records it sends to other topics and the source position it reached are one Kafka transaction, so
that after a crash they are all there or none is. Opening a ledger first takes the producer's name: from then on
the broker refuses everything a former owner still tries to write, however late it wakes up (docs/adr/0003).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer import sender

from streamproc import metrics
from streamproc.kafka.closing import close_producer
from streamproc.kafka.local_copy import POSITION, CopyOf, LocalCopy, RecoveryStalledError, position_row
from streamproc.kafka.table import LocalTable

log = structlog.get_logger(__name__)

BATCH_BYTES = 900 * 1024
"""A record batch is closed before it grows past this; a single larger record travels alone."""
COMMIT_RETRY_S = 0.005
"""aiokafka's wait while the broker still writes the markers of the transaction before: 20 ms by default, which made
transactions that follow one another take 24 ms; with this they take 3.5 ms, at the same CPU (docs/adr/0003)."""
SIZES_S = 10.0
"""How often a ledger in use tells its table's size."""
RESIZING = b"m:resizing"
"""The key of the mark of a resize (`resize_plan`)."""


Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""(key, value, headers)"""


class Fenced(RuntimeError):  # noqa: N818 - it names a fact, as the broker does
    """Another process owns the partition now. Whoever sees this must stop writing and rejoin."""


class ResizeUnfinishedError(RuntimeError):
    """The partition's rows are on their way to other partitions."""


class Output(NamedTuple):
    """A record for another topic, sent in the same transaction."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012 - never changed; aiokafka insists on a list


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """What all ledgers of a process share. `client` goes to every Kafka client; `deadline_s` bounds one commit.

    `resizing`: also open what an unfinished `streamproc topics resize` has marked.
    """

    client: Mapping[str, Any]
    deadline_s: float
    transaction_timeout_s: float = 30.0
    resizing: bool = False


class Ledger:
    """`timer_of` reads the timer out of a stored value, so that recovery can rebuild the timer index."""

    def __init__(
        self,
        settings: LedgerSettings,
        changelog: str,
        partition: int,
        path: Path,
        timer_of: Callable[[bytes, bytes], int | None],
    ) -> None:
        self.changelog = changelog
        self.partition = partition
        self._settings = settings
        of = CopyOf(changelog, partition, path, timer_of)
        self._copy = LocalCopy(of, settings.client, self._tell)
        self._producer: AIOKafkaProducer | None = None
        self._labels = (changelog, str(partition))
        self._sizes_due = 0.0

    @property
    def table(self) -> LocalTable:
        """The local copy; only while open."""
        return self._copy.table

    @property
    def recovered(self) -> int:
        """Records read from the changelog by `open`."""
        return self._copy.recovered

    @property
    def remaining(self) -> int:
        """While `open` recovers: records still to read (an upper bound)."""
        return self._copy.remaining

    def _tell(self, remaining: int) -> None:
        if self._producer is not None:
            metrics.RECOVERY_REMAINING.labels(*self._labels).set(remaining)

    async def open(self) -> None:
        """Fence off any former owner, then bring the local copy up to the end of the changelog.

        When that fails, or is cancelled, the ledger is closed again.
        """
        started = time.monotonic()
        try:
            await self._take_over()
        except BaseException:
            await self.close()
            raise
        metrics.RECOVERED.labels(self.changelog).inc(self.recovered)
        metrics.RECOVERY_SECONDS.labels(self.changelog).observe(time.monotonic() - started)
        metrics.RECOVERY_REMAINING.labels(*self._labels).set(0)
        self._export_sizes()

    async def catch_up(self) -> None:
        """Bring the local copy up to the end of the changelog, and close it. Takes nothing over: the owner goes on."""
        try:
            await self._copy.open()
            await self._copy.recover()
        finally:
            await self.close()

    async def _take_over(self) -> None:
        sender.BACKOFF_OVERRIDE = COMMIT_RETRY_S  # there is no setting for it
        producer = AIOKafkaProducer(
            **self._settings.client,
            transactional_id=f"{self.changelog}-{self.partition}",
            transaction_timeout_ms=int(self._settings.transaction_timeout_s * 1000),
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * 1024 * 1024,
        )
        self._producer = producer
        await producer.start()
        await self._copy.open()
        try:
            await self._copy.recover()
        except RecoveryStalledError as error:
            log.warning("table.stalled", error=str(error), next="rebuilding from the changelog, once")
            self._copy.wipe()
            await self._copy.recover()
        if not self._settings.resizing and self.table.get(RESIZING) is not None:
            raise ResizeUnfinishedError(
                f"{self.changelog}/{self.partition} is being resized: let `streamproc topics resize` come to its end"
            )

    def position(self, topic: str) -> int:
        """The offset in `topic` up to which signals are applied; 0 when nothing was."""
        stored = self.table.get(POSITION + topic.encode())
        return 0 if stored is None else int.from_bytes(stored, "big")

    async def commit(
        self,
        puts: Mapping[bytes, bytes | None],
        timers: Iterable[tuple[int, bytes]],
        fired: Iterable[tuple[int, bytes]],
        outputs: Iterable[Output],
        positions: Mapping[str, int],
    ) -> None:
        """Write a batch: changelog, outputs and positions in one transaction, then the local copy.

        Returns when the broker has committed. Raises Fenced when the partition has a new owner, TimeoutError past
        the deadline and KafkaError otherwise; after any of them the caller must not go on with this ledger.
        """
        everything = dict(puts)
        for topic, offset in positions.items():
            key, value = position_row(topic, offset)
            everything[key] = value
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                end = await self._transact(everything, outputs)
        except TimeoutError:
            self._mute()
            where, limit = f"{self.changelog}/{self.partition}", self._settings.deadline_s
            raise TimeoutError(f"Kafka did not commit a transaction for {where} within {limit:g} s") from None
        except KafkaError as error:
            self._mute()
            if type(error).__name__ in _FENCING:
                raise Fenced(f"{self.changelog}/{self.partition} has a new owner") from error
            raise
        self.table.write(everything, timers, fired, end, int(time.time()))
        if time.monotonic() >= self._sizes_due:
            self._export_sizes()

    def _mute(self) -> None:
        """aiokafka tells the end of a transaction by a future for who commits it. Where that does not come to pass, the
        garbage collector would complain in the log, anywhere and at length, that nobody asked for its error."""
        waiter = None if self._producer is None else self._producer._txn_manager._transaction_waiter
        if waiter is not None:
            waiter.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def _export_sizes(self) -> None:
        self._sizes_due = time.monotonic() + SIZES_S
        keys, size = self.table.size()
        metrics.TABLE_KEYS.labels(*self._labels).set(keys)
        metrics.TABLE_BYTES.labels(*self._labels).set(size)

    async def _transact(self, puts: Mapping[bytes, bytes | None], outputs: Iterable[Output]) -> int:
        """Answers the changelog's offset after the last of `puts`."""
        producer = self._producer
        if producer is None:
            raise RuntimeError(f"{self.changelog}/{self.partition} is not open")
        by_target: dict[tuple[str, int], list[Record]] = {}
        for out in outputs:
            by_target.setdefault((out.topic, out.partition), []).append((out.key, out.value, out.headers))
        await producer.begin_transaction()
        # All partitions at once: left to itself, aiokafka registers those of the first batch first.
        for topic, partition in [(self.changelog, self.partition), *by_target]:
            producer._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))
        changes: list[Record] = [(key, value, []) for key, value in puts.items()]
        waits = [send_all(producer, self.changelog, self.partition, changes)]
        waits += [send_all(producer, topic, partition, records) for (topic, partition), records in by_target.items()]
        ends = await asyncio.gather(*waits)
        await producer.commit_transaction()
        return ends[0]

    async def learn(self, topic: str, partitions: int) -> None:
        """Wait until the producer knows that a topic has got so many partitions; it looks every five minutes only."""
        producer = self._producer
        if producer is None:
            raise RuntimeError(f"{self.changelog}/{self.partition} is not open")
        async with asyncio.timeout(self._settings.deadline_s):
            await producer.client.add_topic(topic)
            while len(producer.client.cluster.partitions_for_topic(topic) or ()) < partitions:
                await producer.client.force_metadata_update()
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Give the partition up. An open transaction is left to the next owner's fencing."""
        for gauge in (metrics.RECOVERY_REMAINING, metrics.TABLE_KEYS, metrics.TABLE_BYTES):
            gauge.remove(*self._labels)
        producer, self._producer = self._producer, None
        try:
            self._copy.close()  # first: nothing that happens to the producer may keep its lock
        except Exception as error:  # a disk that is full; what it lacks is in the changelog
            log.warning("table.close", changelog=self.changelog, partition=self.partition, error=str(error))
        if producer is not None:
            await close_producer(producer)


_FENCING = {"ProducerFenced", "InvalidProducerEpoch", "InvalidProducerIdMapping", "InvalidTxnState"}


async def send_all(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    records: Iterable[Record],
) -> int:
    """Send records to one partition in as few batches as fit, await all, answer the offset after the last."""
    waits = []
    counts = []
    batch = producer.create_batch()
    for key, value, headers in records:
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            counts.append(batch.record_count())
            waits.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
    if batch.record_count():
        batch.close()
        counts.append(batch.record_count())
        waits.append(await producer.send_batch(batch, topic, partition=partition))
    done = await asyncio.gather(*waits)
    return done[-1].offset + counts[-1] if done else 0
