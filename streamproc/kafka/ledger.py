"""One partition of a table, written by exactly one process at a time.

A *ledger* is a local RocksDB copy, its changelog partition and a transactional producer named after both. A batch
of changes, the records it sends to other topics and the source position it reached are one Kafka transaction, so
that after a crash they are all there or none is. Opening a ledger first takes the producer's name: from then on
the broker refuses everything a former owner still tries to write, however late it wakes up (docs/adr/0003).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer import sender

from streamproc import metrics
from streamproc.kafka.closing import close_consumer, close_producer
from streamproc.kafka.table import LocalTable
from streamproc.kafka.wire import take_wire_records

log = structlog.get_logger(__name__)

BATCH_BYTES = 900 * 1024
"""A record batch is closed before it grows past this; a single larger record travels alone."""
STALE_AFTER_S = 20 * 3600
"""A local copy not written for this long is rebuilt: the changelog may have forgotten deletions (retention 24 h)."""
COMMIT_RETRY_S = 0.005
"""aiokafka's wait while the broker still writes the markers of the transaction before: 20 ms by default, which made
transactions that follow one another take 24 ms; with this they take 3.5 ms, at the same CPU (docs/adr/0003)."""
STALL_S = 60.0
"""Recovery that reads nothing for so long is begun anew once, from an empty copy; then the process ends."""
LOAD_RECORDS = 10_000
"""With more to read, the table is written as one that is loaded."""
POLL_MS = 50
"""Recovery looks that often where it has got to: the last thing on a changelog, a transaction's end, is no record, so
that waiting for one takes as long as it may."""
SIZES_S = 10.0
"""How often a ledger in use tells its table's size."""
BEYOND_S = 10.0
"""How long a topic may seem to end before what was read of it."""
_POSITION = b"m:position:"
RESIZING = b"m:resizing"
"""The key of the mark of a resize (`resize_plan`)."""


Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""(key, value, headers)"""


class Fenced(RuntimeError):  # noqa: N818 - it names a fact, as the broker does
    """Another process owns the partition now. Whoever sees this must stop writing and rejoin."""


class TopicRecreatedError(RuntimeError):
    """A topic ends before what was read of it: it was deleted and made anew under state that remembers the old one."""


class RecoveryStalledError(RuntimeError):
    """The changelog says that there is more, and nothing comes."""


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
        self._path = path
        self._timer_of = timer_of
        self._producer: AIOKafkaProducer | None = None
        self._table: LocalTable | None = None
        self._offset = 0
        self._labels = (changelog, str(partition))
        self._sizes_due = 0.0
        self.recovered = 0
        """Records read from the changelog by `open`."""
        self.remaining = 0
        """While `open` recovers: records still to read (an upper bound)."""

    @property
    def table(self) -> LocalTable:
        """The local copy; only while open."""
        if self._table is None:
            raise RuntimeError(f"{self.changelog}/{self.partition} is not open")
        return self._table

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
            await self._open_copy()
            await self._recover()
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
        await self._open_copy()
        try:
            await self._recover()
        except RecoveryStalledError as error:
            log.warning("table.stalled", error=str(error), next="rebuilding from the changelog, once")
            self._wipe()
            await self._recover()
        if not self._settings.resizing and self.table.get(RESIZING) is not None:
            raise ResizeUnfinishedError(
                f"{self.changelog}/{self.partition} is being resized: let `streamproc topics resize` come to its end"
            )

    async def _open_copy(self) -> None:
        """In a thread, which no cancellation stops: what it opens then is closed by `close`, or its lock would stay."""
        opening = asyncio.get_running_loop().run_in_executor(None, self._open_table)
        try:
            self._table = await asyncio.shield(opening)
        except asyncio.CancelledError:
            while not opening.done():  # cancelled once more
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({opening})
            if opening.exception() is None:
                self._table = opening.result()
            raise

    def _wipe(self) -> LocalTable:
        self.table.close()
        self._table = LocalTable.wipe(self._path)
        return self._table

    def _open_table(self) -> LocalTable:
        try:
            return LocalTable(self._path)
        except Exception as error:
            if any(word in str(error).lower() for word in ("lock file", "lock hold")):  # not "block checksum"
                raise
            log.warning("table.damaged", path=str(self._path), error=str(error), next="rebuilding from the changelog")
            return LocalTable.wipe(self._path)

    async def _recover(self) -> None:
        where = TopicPartition(self.changelog, self.partition)
        consumer = AIOKafkaConsumer(
            **self._settings.client,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
            fetch_max_bytes=16 * 1024 * 1024,
        )
        await consumer.start()
        take_wire_records(consumer)
        try:
            consumer.assign([where])
            begin = (await consumer.beginning_offsets([where]))[where]
            end = (await consumer.end_offsets([where]))[where]
            table = self.table
            start = table.offset
            stale = start < end and time.time() - table.written_at > STALE_AFTER_S
            if start > end or (start and stale):
                log.warning("table.rebuild", changelog=self.changelog, partition=self.partition, offset=start, end=end)
                table, start = self._wipe(), 0
            position = max(start, begin)
            consumer.seek(where, position)
            deleted: set[bytes] = set()
            with table.loading() if end - position > LOAD_RECORDS else nullcontext():
                position = await self._read_on(consumer, where, position, end, deleted)
            if position > start:
                table.flush()
                # others deleted what this copy has (another owner, `streamproc erase`): nothing of it stays
                moot = table.entries_of(deleted) if deleted else ()
                table.write({}, (), (), position, int(time.time()), moot)
            self._offset = max(position, start)
            await self._check_positions(consumer)
        finally:
            await close_consumer(consumer)

    async def _read_on(
        self, consumer: AIOKafkaConsumer, where: TopicPartition, position: int, end: int, deleted: set[bytes]
    ) -> int:
        """Apply the changelog from `position` to `end`; answers where that came to."""
        moved = time.monotonic()
        while position < end:
            batches = await consumer.getmany(where, timeout_ms=POLL_MS)
            records = batches.get(where, ())
            if records:
                self._replay(self.table, records, deleted)
            before, position = position, await consumer.position(where)
            self.remaining = max(end - position, 0)
            if self._producer is not None:
                metrics.RECOVERY_REMAINING.labels(*self._labels).set(self.remaining)
            if position > before:
                moved = time.monotonic()
            elif time.monotonic() - moved > STALL_S:
                raise RecoveryStalledError(
                    f"{self.changelog}/{self.partition}: nothing came after offset {position} for {STALL_S:.0f} s, "
                    f"though it ends at {end}"
                )
        return position

    async def _check_positions(self, consumer: AIOKafkaConsumer) -> None:
        """Refuse to go on where a topic ends before what was read of it: all that comes would be passed over until its
        offsets have caught up. A broker that has just started may need a moment to know its end.
        """
        deadline = time.monotonic() + BEYOND_S
        there = await consumer.topics()
        while True:
            reached = {
                TopicPartition(key[len(_POSITION) :].decode(), self.partition): int.from_bytes(value, "big")
                for key, value in self.table.items(_POSITION)
                if key[len(_POSITION) :].decode() in there
            }
            ends = await consumer.end_offsets(list(reached)) if reached else {}
            beyond = [tp for tp, offset in reached.items() if offset > ends[tp]]
            if not beyond:
                return
            if time.monotonic() > deadline:
                tp = beyond[0]
                raise TopicRecreatedError(
                    f"{tp.topic}/{tp.partition} ends at {ends[tp]}, but {self.changelog}/{self.partition} says that it "
                    f"was read up to {reached[tp]}: was the topic made anew? docs/how-to/recover.md says what to do"
                )
            await asyncio.sleep(0.5)

    def _replay(self, table: LocalTable, records: Sequence[Any], deleted: set[bytes]) -> None:
        """Apply records of the changelog; `deleted` gathers the keys that the copy had and has no more."""
        puts: dict[bytes, bytes | None] = {record.key: record.value for record in records}
        self.recovered += len(records)
        timers: list[tuple[int, bytes]] = []
        timer_of = self._timer_of
        for key, value in puts.items():
            if value is None:
                if table.get(key) is not None:
                    deleted.add(key)
                continue
            if deleted:
                deleted.discard(key)
            timer = timer_of(key, value)
            if timer is not None:
                timers.append((timer, key))
        table.write(puts, timers, (), records[-1].offset + 1, int(time.time()), logged=False)

    def position(self, topic: str) -> int:
        """The offset in `topic` up to which signals are applied; 0 when nothing was."""
        stored = self.table.get(_POSITION + topic.encode())
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
                await self._transact(everything, outputs)
        except TimeoutError:
            where, limit = f"{self.changelog}/{self.partition}", self._settings.deadline_s
            raise TimeoutError(f"Kafka did not commit a transaction for {where} within {limit:g} s") from None
        except KafkaError as error:
            if type(error).__name__ in _FENCING:
                raise Fenced(f"{self.changelog}/{self.partition} has a new owner") from error
            raise
        self.table.write(everything, timers, fired, self._offset, int(time.time()))
        if time.monotonic() >= self._sizes_due:
            self._export_sizes()

    def _export_sizes(self) -> None:
        self._sizes_due = time.monotonic() + SIZES_S
        keys, size = self.table.size()
        metrics.TABLE_KEYS.labels(*self._labels).set(keys)
        metrics.TABLE_BYTES.labels(*self._labels).set(size)

    async def _transact(self, puts: Mapping[bytes, bytes | None], outputs: Iterable[Output]) -> None:
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
        self._offset = ends[0]

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
        table, self._table = self._table, None
        if table is not None:  # first: nothing that happens to the producer may keep its lock
            try:
                table.close()
            except Exception as error:  # a disk that is full; what it lacks is in the changelog
                log.warning("table.close", path=str(self._path), error=str(error))
        if producer is not None:
            await close_producer(producer)


def position_row(topic: str, offset: int) -> tuple[bytes, bytes]:
    """How a ledger remembers that `topic` is applied up to `offset`."""
    return _POSITION + topic.encode(), offset.to_bytes(8, "big")


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
