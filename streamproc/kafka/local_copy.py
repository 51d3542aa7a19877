"""The local copy of one table partition, and how it gets to the end of its changelog.

Recovery is by position: it reads until it has got to the end offset that was asked for at the start, whatever record,
marker or gap is last there (docs/adr/0004). Nothing here takes a partition over, or writes to Kafka.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamproc.kafka.closing import close_consumer
from streamproc.kafka.table import LocalTable
from streamproc.kafka.wire import take_wire_records

log = structlog.get_logger(__name__)

STALE_AFTER_S = 20 * 3600
"""A local copy not written for this long is rebuilt: the changelog may have forgotten deletions (retention 24 h)."""
STALL_S = 60.0
"""Recovery that reads nothing for so long is begun anew once, from an empty copy; then the process ends."""
LOAD_RECORDS = 10_000
"""With more to read, the table is written as one that is loaded."""
POLL_MS = 50
"""Recovery looks that often where it has got to: the last thing on a changelog, a transaction's end, is no record, so
that waiting for one takes as long as it may."""
BEYOND_S = 10.0
"""How long a topic may seem to end before what was read of it."""
POSITION = b"m:position:"


class TopicRecreatedError(RuntimeError):
    """A topic ends before what was read of it: it was deleted and made anew under state that remembers the old one."""


class RecoveryStalledError(RuntimeError):
    """The changelog says that there is more, and nothing comes."""


class CopyOf(NamedTuple):
    """Which partition of which changelog, and the directory that its copy is in.

    `timer_of` reads the timer out of a stored (key, value), so that the timer index can be rebuilt.
    """

    changelog: str
    partition: int
    path: Path
    timer_of: Callable[[bytes, bytes], int | None]


class LocalCopy:
    """`client` goes to the Kafka client that reads; `tell` is told how many records remain while it recovers."""

    def __init__(self, of: CopyOf, client: Mapping[str, Any], tell: Callable[[int], None]) -> None:
        self.of = of
        self._named = {"changelog": of.changelog, "partition": of.partition}
        self._client = client
        self._tell = tell
        self._table: LocalTable | None = None
        self.recovered = 0
        """Records read from the changelog."""
        self.remaining = 0
        """Records still to read (an upper bound)."""

    @property
    def table(self) -> LocalTable:
        """Only while open."""
        if self._table is None:
            raise RuntimeError(f"{self.of.changelog}/{self.of.partition} is not open")
        return self._table

    def close(self) -> None:
        """Release the directory; does nothing when it is not open. Raises what RocksDB raises, and is closed then."""
        table, self._table = self._table, None
        if table is not None:
            table.close()

    async def open(self) -> None:
        """Open what is on disk, or nothing yet; what is damaged is wiped.

        In a thread, which no cancellation stops: what it opens then is closed by `close`, or its lock would stay.
        """
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

    def wipe(self) -> LocalTable:
        """Begin with an empty copy."""
        self.table.close()
        self._table = LocalTable.wipe(self.of.path)
        return self._table

    def _open_table(self) -> LocalTable:
        table = None
        try:
            table = LocalTable(self.of.path)
            _ = table.offset, table.written_at  # what cannot be read would end each process that is started
            return table
        except Exception as error:
            if table is not None:
                with suppress(Exception):  # it is thrown away
                    table.close()
            if any(word in str(error).lower() for word in ("lock file", "lock hold")):  # not "block checksum"
                raise
            log.warning("table.damaged", **self._named, error=str(error), next="rebuilding from the changelog")
            return LocalTable.wipe(self.of.path)

    async def recover(self) -> None:
        """Read the changelog from where the copy ends to its end.

        Raises RecoveryStalledError, TopicRecreatedError, KafkaError.
        """
        where = TopicPartition(self.of.changelog, self.of.partition)
        consumer = AIOKafkaConsumer(
            **self._client,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
            fetch_max_bytes=16 * 1024 * 1024,
        )
        await consumer.start()
        take_wire_records(consumer)
        try:
            begin = (await consumer.beginning_offsets([where]))[where]
            end = (await consumer.end_offsets([where]))[where]
            table = self.table
            start = table.offset
            stale = start < end and time.time() - table.written_at > STALE_AFTER_S
            if start > end or (start and stale):
                log.warning("table.rebuild", **self._named, offset=start, end=end)
                table, start = self.wipe(), 0
            position = max(start, begin)
            consumer.assign([where])
            consumer.seek(where, position)
            deleted: set[bytes] = set()
            with table.loading() if end - position > LOAD_RECORDS else nullcontext():
                position = await self._read_on(consumer, where, position, end, deleted)
            if position > start:
                table.flush()
                # others deleted what this copy has (another owner, `streamproc erase`): nothing of it stays
                moot = table.entries_of(deleted) if deleted else ()
                table.write({}, (), (), position, int(time.time()), moot)
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
            self._tell(self.remaining)
            if position > before:
                moved = time.monotonic()
            elif time.monotonic() - moved > STALL_S:
                raise RecoveryStalledError(
                    f"{where.topic}/{where.partition}: nothing came after offset {position} for {STALL_S:.0f} s, "
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
                TopicPartition(key[len(POSITION) :].decode(), self.of.partition): int.from_bytes(value, "big")
                for key, value in self.table.items(POSITION)
                if key[len(POSITION) :].decode() in there
            }
            ends = await consumer.end_offsets(list(reached)) if reached else {}
            beyond = [tp for tp, offset in reached.items() if offset > ends[tp]]
            if not beyond:
                return
            if time.monotonic() > deadline:
                tp = beyond[0]
                raise TopicRecreatedError(
                    f"{tp.topic}/{tp.partition} ends at {ends[tp]}, but {self.of.changelog}/{tp.partition} says that "
                    f"it was read up to {reached[tp]}: was the topic made anew? docs/how-to/recover.md says what to do"
                )
            await asyncio.sleep(0.5)

    def _replay(self, table: LocalTable, records: Sequence[Any], deleted: set[bytes]) -> None:
        """Apply records of the changelog; `deleted` gathers the keys that the copy had and has no more."""
        puts: dict[bytes, bytes | None] = {record.key: record.value for record in records}
        self.recovered += len(records)
        timers: list[tuple[int, bytes]] = []
        timer_of = self.of.timer_of
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


def position_row(topic: str, offset: int) -> tuple[bytes, bytes]:
    """How a ledger remembers that `topic` is applied up to `offset`."""
    return POSITION + topic.encode(), offset.to_bytes(8, "big")
