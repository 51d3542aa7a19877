"""Faust's Kafka transport, delivering *slices*: lists of records of one partition, instead of single records.

Stock Faust makes four asyncio tasks per record, which holds an agent to some 13,000 events a second; handing over
what a fetch brought, in slices, makes that cost vanish (docs/adr/0002). Offsets are committed for the longest
prefix of delivered slices that has been acknowledged; gaps in the log (compaction, transactions) cannot shift it,
because a slice is identified by what was delivered, not by counting offsets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import aiokafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.app import App as FaustApp
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from streamproc.kafka.wire import take_wire_records

FULL_POLL_S = 0.05
"""How soon a partition whose lane was full is looked at again: less than a full lane takes."""
MAX_SLICE = 4096
"""Records a slice holds at most: bounds how long one partition keeps the others waiting, and memory."""


class SliceScheduler(DefaultSchedulingStrategy):  # type: ignore[misc]  # faust ships no types
    """Cuts what was fetched into slices and takes partitions in turn."""

    def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, list[Any]]]:
        """Yield (partition, slice), round robin over the partitions."""
        cursors = [(tp, fetched, 0) for tp, fetched in records.items() if fetched]
        while cursors:
            left = []
            for tp, fetched, start in cursors:
                end = start + MAX_SLICE
                yield tp, fetched if start == 0 and len(fetched) <= MAX_SLICE else fetched[start:end]
                if end < len(fetched):
                    left.append((tp, fetched, end))
            cursors = left


class SliceConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # faust ships no types
    """Makes the aiokafka consumer with our client options, and an assignor that keeps equal partitions together."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf, app = self.app.conf, self.app
        # Range gives the same numbers of co-partitioned topics to the same member, whatever their count.
        self._assignor = RangePartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            **app.client_options(),
            client_id=conf.id,
            group_id=conf.id,
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=50,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
            check_crcs=False,
            metadata_max_age_ms=30_000,
        )

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Go back to what is committed, in every partition that is assigned."""
        answer: Mapping[TP, int | None] = await self.call_thread(seek_to_committed, self._ensure_consumer())
        return answer

    async def on_start(self) -> None:
        """Start the consumer, and take its records as they come off the wire."""
        await super().on_start()
        take_wire_records(self._consumer)


async def seek_to_committed(consumer: aiokafka.AIOKafkaConsumer) -> dict[TP, int | None]:
    """Put the position of every assigned partition at its committed offset; at its beginning where there is none.

    aiokafka's own leaves a partition without a committed offset (or with 0) where its reading has got to. What was
    fetched before a rebalance and dropped in it, before the first commit, would then never be read again.
    Raises IllegalStateError when partitions are given up meanwhile.
    """
    partitions = sorted(consumer.assignment())
    if not partitions:
        return {}
    committed: dict[TP, int | None] = {}
    for tp in partitions:
        committed[tp] = await consumer.committed(tp)
    fresh = [tp for tp, offset in committed.items() if offset is None]
    beginnings = await consumer.beginning_offsets(fresh) if fresh else {}
    for tp, offset in committed.items():
        consumer.seek(tp, beginnings[tp] if offset is None else offset)
    return committed


class SliceConsumer(driver.Consumer):  # type: ignore[misc]  # faust ships no types
    """A consumer whose messages are slices; a message's offset is that of its last record."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # per partition, in order of delivery: [offset of the last record, acknowledged?]
        self._delivered: dict[TP, deque[list[Any]]] = {}
        self.held: dict[TP, int] = {}
        """Offsets that must not be committed yet, nor any after them, though slices behind them are acknowledged."""

    def _new_consumer_thread(self) -> SliceConsumerThread:
        return SliceConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 - as Faust calls it
    ) -> tuple[dict[TP, list[Any]], set[TP]]:
        """Fetch from the partitions that have room: one that has none holds up no other.

        What is fetched is delivered even if its partition is full by then, but not if it was given up.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active, waiting = self._get_active_partitions(), self._buffered_partitions
        room = {tp for tp in active if not self.app.full(tp)}
        if not room:
            await self.sleep(FULL_POLL_S if active or waiting else 1.0)
            return {}, room
        records = await self._getmany(room, FULL_POLL_S if waiting or len(room) < len(active) else timeout)
        return records, room & (self._get_active_partitions() | self._buffered_partitions)

    def _to_message(self, tp: TP, record: Any) -> Any:
        last = record[-1]
        self._delivered.setdefault(tp, deque()).append([last.offset, False])
        return driver.ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            record,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps need no book-keeping here."""

    def ack(self, message: Any) -> bool:
        """Mark a slice as done."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        for entry in reversed(self._delivered.get(message.tp, ())):  # of those that are held there may be many
            if entry[0] == message.offset:
                entry[1] = True
                self._n_acked += 1
                return True
        return False  # the partition was given up since

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._delivered) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        entries, held = self._delivered.get(tp), self.held.get(tp)
        offset = None
        while entries and entries[0][1] and (held is None or entries[0][0] < held):
            offset = entries.popleft()[0] + 1
        return offset

    async def perform_seek(self) -> None:
        """Go back to the committed offsets; what was delivered before counts no more."""
        self._delivered.clear()
        self.held.clear()
        await super().perform_seek()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the app bring what it works on to an end, commit that, then give the partitions up."""
        app = self.app
        if isinstance(app, SliceApp):
            await app.before_revoke(revoked)
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._delivered.pop(tp, None)
            self.held.pop(tp, None)
            self._buffered_partitions.discard(tp)  # Faust forgets to


class IdleProducer(driver.Producer):  # type: ignore[misc]  # faust ships no types
    """Faust insists on a producer; ours are awaited and fenced (`ledger`), so this one never connects."""

    async def on_start(self) -> None:
        """Connect to nothing."""

    async def on_stop(self) -> None:
        """Nothing to close."""

    async def flush(self) -> None:
        """Nothing to flush."""


class SliceTransport(driver.Transport):  # type: ignore[misc]  # faust ships no types
    """Faust's aiokafka transport with `SliceConsumer`."""

    Consumer = SliceConsumer
    Producer = IdleProducer


class SliceApp(FaustApp):  # type: ignore[misc]  # faust ships no types
    """A Faust app on slices. Subclasses say what happens around a rebalance."""

    def _new_transport(self) -> SliceTransport:
        return SliceTransport(self.conf.broker_consumer, self)

    def client_options(self) -> dict[str, Any]:
        """Bootstrap servers and security settings for an aiokafka client."""
        raise NotImplementedError

    def full(self, tp: TP) -> bool:
        """Whether a partition is not to be read for now, because what was read of it is not worked off."""
        return False

    async def before_revoke(self, revoked: Iterable[TP]) -> None:
        """Called before partitions go, while offsets can still be committed."""

    async def after_assign(self, assigned: set[TP]) -> None:
        """Called when partitions came, before any of their records is delivered; may take long (recovery)."""
