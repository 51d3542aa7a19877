"""Gives one table and its input topic more partitions, in place: rows move, and what was not applied yet is sent again.

Every step is a transaction of a ledger, and the plan that says how far it is stands in the changelog's partition 0,
changed in the same transactions (docs/adr/0010). So a run that was killed is continued by the next. Until the end all
partitions carry a mark with which no worker opens them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import blake2b
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamproc.kafka.admin import AdminError, ClusterAdmin
from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.ledger import Ledger, Output
from streamproc.kafka.local_copy import STALL_S, position_row
from streamproc.kafka.resize_plan import MARK, RESIZING, Phase, ResizePlan
from streamproc.kafka.table import META, TIMER
from streamproc.kafka.topic_file import TopicSpec
from streamproc.runtime.resize_groups import Group
from streamproc.runtime.takeover import taken_over
from streamproc.settings import Settings

CHUNK_ROWS = 5000
CHUNK_BYTES = 4 * 1024 * 1024
"""One transaction holds so much, and a little more."""
TELL_S = 5.0
_MODULUS = 1 << 128

Progress = Callable[[str], None]


class ResizeError(AdminError):
    """What the log says afterwards is not what it said before. Nothing works on the table until that is understood."""


class TableResize:
    """`input` and `changelog` as declared, so with the new number of partitions; both have `old` now, or some of each
    when a run before this one was cut off."""

    def __init__(
        self,
        settings: Settings,
        group: Group,
        topics: tuple[TopicSpec, TopicSpec],
        old: int,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._group = group
        self._input, self._changelog = topics
        self._old = old
        self._new = self._changelog.partitions
        self._progress = progress

    async def run(self) -> ResizePlan:
        """From wherever it is to the end; answers what was done. Raises Fenced, ResizeError and what Kafka raises."""
        async with taken_over(self._settings, self._changelog, 0, resizing=True) as holder:
            plan = await self._begun(holder)
            if plan.phase is Phase.COUNTING:
                await self._count(holder, plan)
            await self._grow(self._changelog)
            await holder.learn(self._changelog.topic, self._new)
            await self._mark(holder, plan, range(1, self._new))
            if plan.phase is Phase.MOVING:
                await self._move(holder, plan)
            await self._grow(self._input)
            await holder.learn(self._input.topic, self._new)
            if plan.phase is Phase.SPLITTING:
                await self._split(holder, plan)
        await self._check(plan)
        async with taken_over(self._settings, self._changelog, 0, resizing=True) as holder:
            gone = [Output(self._changelog.topic, p, RESIZING, None) for p in range(1, self._new)]
            await holder.commit({RESIZING: None}, (), (), gone, {})
        return plan

    async def _begun(self, holder: Ledger) -> ResizePlan:
        stored = holder.table.get(RESIZING)
        if stored is None:
            plan = ResizePlan(self._old, self._new)
            await self._mark(holder, plan, range(1, self._old))
            return plan
        plan = ResizePlan.decode(stored)
        if plan.new != self._new:
            raise AdminError(
                f"{self._changelog.topic}: a resize from {plan.old} to {plan.new} partitions was begun and not "
                f"finished, and {self._new} are declared: declare {plan.new} and finish it first"
            )
        return plan

    async def _mark(self, holder: Ledger, plan: ResizePlan, others: Iterable[int]) -> None:
        marks = [Output(self._changelog.topic, partition, RESIZING, MARK) for partition in others]
        await holder.commit({RESIZING: plan.encode()}, (), (), marks, {})

    async def _grow(self, spec: TopicSpec) -> None:
        async with ClusterAdmin(self._settings) as admin:
            await admin.grow({spec.topic: self._new})

    @asynccontextmanager
    async def _ledger(self, holder: Ledger, partition: int) -> AsyncIterator[Ledger]:
        """That of a partition; the plan's is open all the time, and may not be opened twice."""
        async with AsyncExitStack() as stack:
            if partition == 0:
                yield holder
            else:
                yield await stack.enter_async_context(
                    taken_over(self._settings, self._changelog, partition, resizing=True)
                )

    async def _count(self, holder: Ledger, plan: ResizePlan) -> None:
        """Sum up the table as it is."""
        digest = 0
        for partition in range(plan.old):
            self._progress(f"{self._changelog.topic}/{partition}: counting")
            async with self._ledger(holder, partition) as ledger:
                for key, value in _rows(ledger):
                    plan.rows += 1
                    digest += row_digest(key, value)
        plan.digest, plan.phase = _text(digest), Phase.MOVING
        await holder.commit({RESIZING: plan.encode()}, (), (), (), {})

    async def _move(self, holder: Ledger, plan: ResizePlan) -> None:
        """Each row to its partition, and a tombstone where it was, in one transaction."""
        plan.next = []
        for partition in range(plan.old):
            self._progress(f"{self._changelog.topic}/{partition}: moving rows")
            async with self._ledger(holder, partition) as ledger:
                plan.next.append(ledger.position(self._input.topic))
                gone: dict[bytes, bytes | None] = {}
                there: list[Output] = []
                size = 0
                for key, value in _rows(ledger):
                    target = await self._group.place(key, value, partition, plan.new)
                    if target == partition:
                        continue
                    gone[key] = None
                    there.append(Output(self._changelog.topic, target, key, value))
                    size += len(key) + len(value)
                    if len(gone) >= CHUNK_ROWS or size >= CHUNK_BYTES:
                        await self._moved(holder, ledger, plan, gone, there)
                        gone, there, size = {}, [], 0
                if gone:
                    await self._moved(holder, ledger, plan, gone, there)
        plan.memory = [{} for _ in range(plan.old)]
        plan.ends = await self._ends(plan)
        plan.next = [min(start, end) for start, end in zip(plan.next, plan.ends, strict=True)]
        plan.phase = Phase.SPLITTING
        await holder.commit({RESIZING: plan.encode()}, (), (), (), {})

    async def _moved(
        self, holder: Ledger, ledger: Ledger, plan: ResizePlan, gone: dict[bytes, bytes | None], there: list[Output]
    ) -> None:
        plan.moved += len(gone)
        if ledger is holder:
            gone[RESIZING] = plan.encode()
        await ledger.commit(gone, (), (), there, {})

    async def _ends(self, plan: ResizePlan) -> list[int]:
        """Where the input ends, what open transactions hold back included: it is waited for when it is read."""
        async with _consumer(self._settings, "read_uncommitted") as consumer:
            partitions = [TopicPartition(self._input.topic, p) for p in range(plan.old)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            return [ends[partition] for partition in partitions]

    async def _split(self, holder: Ledger, plan: ResizePlan) -> None:
        """Send again what was not applied, oldest first over all old partitions, and note how far that is."""
        splitter = self._group.splitter(plan.new, plan.memory)
        topic = self._input.topic
        out: list[Output] = []
        size = records = 0
        self._progress(f"{topic}: sending again what was not applied")
        told = time.monotonic()
        async for partition, record in self._backlog(plan):
            if record is None:
                out += [Output(topic, target, None, value) for target, value in splitter.ended(partition)]
                continue
            for target, value in splitter.split(partition, record.value) if record.value is not None else ():
                out.append(Output(topic, target, record.key, value, list(record.headers or ())))
                size += len(value)
            plan.next[partition] = record.offset + 1
            plan.resent += 1
            records += 1
            if records >= CHUNK_ROWS or size >= CHUNK_BYTES:
                await holder.commit({RESIZING: plan.encode()}, (), (), out, {})
                if time.monotonic() - told > TELL_S:
                    self._progress(f"{topic}: {plan.resent} records sent again")
                    told = time.monotonic()
                out, size, records = [], 0, 0
        plan.next, plan.phase = list(plan.ends), Phase.CHECKING
        rows = [position_row(topic, end) for end in plan.ends]
        out += [Output(self._changelog.topic, p, *rows[p]) for p in range(1, plan.old)]
        key, value = rows[0]
        await holder.commit({key: value, RESIZING: plan.encode()}, (), (), out, {})

    async def _backlog(self, plan: ResizePlan) -> AsyncIterator[tuple[int, Any]]:
        """(partition, record) by time over all old partitions, each in its order; (partition, None) at its end."""
        async with _consumer(self._settings) as consumer:
            where = [TopicPartition(self._input.topic, p) for p in range(plan.old)]
            consumer.assign(where)
            begins = await consumer.beginning_offsets(where)
            for tp in where:
                consumer.seek(tp, max(plan.next[tp.partition], begins[tp]))
            waiting: dict[Any, deque[Any]] = {tp: deque() for tp in where}
            while waiting:
                for tp, records in list(waiting.items()):
                    end, moved = plan.ends[tp.partition], time.monotonic()
                    while not records and (position := await consumer.position(tp)) < end:
                        found = await consumer.getmany(tp, timeout_ms=300, max_records=500)
                        records.extend(record for record in found.get(tp, ()) if record.offset < end)
                        if await consumer.position(tp) > position:
                            moved = time.monotonic()
                        elif time.monotonic() - moved > STALL_S:
                            raise AdminError(
                                f"{tp.topic}/{tp.partition}: nothing came after offset {position}; run this again"
                            )
                    if not records:
                        del waiting[tp]
                        yield tp.partition, None
                if waiting:
                    first = min(waiting, key=lambda tp: (waiting[tp][0].timestamp, tp.partition))
                    yield first.partition, waiting[first].popleft()

    async def _check(self, plan: ResizePlan) -> None:
        """Read all partitions anew: the same rows, each where it belongs, and positions where the old records end."""
        rows = digest = 0
        for partition in range(plan.new):
            name = f"{self._changelog.topic}/{partition}"
            self._progress(f"{name}: checking")
            async with taken_over(self._settings, self._changelog, partition, resizing=True) as ledger:
                for key, value in _rows(ledger):
                    rows += 1
                    digest += row_digest(key, value)
                    target = await self._group.place(key, value, partition, plan.new)
                    if target != partition:
                        raise ResizeError(f"{name}: row {key!r} belongs to partition {target}")
                position, end = ledger.position(self._input.topic), (*plan.ends, *[0] * plan.new)[partition]
                if position != end:
                    raise ResizeError(f"{name}: {self._input.topic} is applied to {position}, and should be to {end}")
        if (rows, _text(digest)) != (plan.rows, plan.digest):
            raise ResizeError(
                f"{self._changelog.topic}: {rows} rows (sum {_text(digest)}) are not the {plan.rows} "
                f"(sum {plan.digest}) that there were"
            )


def row_digest(key: bytes, value: bytes) -> int:
    """16 bytes of BLAKE2b as a number; their sum over rows, in any order, is a table's."""
    return int.from_bytes(blake2b(len(key).to_bytes(4, "big") + key + value, digest_size=16).digest(), "big")


def _text(digest: int) -> str:
    return f"{digest % _MODULUS:032x}"


def _rows(ledger: Ledger) -> Iterable[tuple[bytes, bytes]]:
    """The table without its own bookkeeping. What is written meanwhile is not seen."""
    return ((key, value) for key, value in ledger.table.items(b"") if key[:1] not in (TIMER, META))


@asynccontextmanager
async def _consumer(settings: Settings, isolation: str = "read_committed") -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await close_consumer(consumer)
