"""The second reading of a source partition: events of tenants over their limit, when others leave time for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from streamproc import metrics
from streamproc.engine.deferral import Deferral
from streamproc.kafka.rereading import Rereading
from streamproc.settings import Settings

log = structlog.get_logger(__name__)

READ_RECORDS = 1024
"""Worked on at once: 20 ms in which nobody else's are."""
LEAST_SHARE = 0.2
"""Of a busy process's time that second readings have, all together."""
LOOK_S = 0.01
AGAIN_S = 1.0


class Leisure:
    """One second reading at a time, and while there is other work only for `LEAST_SHARE` of the time."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Do the block when it is our turn; the next turn comes once others have had theirs."""
        async with self._one:
            began = time.perf_counter()
            yield
            now = time.perf_counter()
            end = now + (now - began) * (1 / LEAST_SHARE - 1)
            await asyncio.sleep(0)
            while self._busy() and time.perf_counter() < end:  # noqa: ASYNC110 - lanes set no event
                await asyncio.sleep(LOOK_S)


class SecondReading:
    """Of one source partition. `defer` begins it; it ends by itself once it has reached the first.

    `work` is given records and the tenants whose events of them count, and returns when their hits are acknowledged.
    `hold` is told the offset that must not be committed, None when any may be.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        partition: int,
        work: Callable[[Sequence[Any], Collection[str]], Awaitable[None]],
        hold: Callable[[int | None], None],
        leisure: Leisure,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.deferral = Deferral()
        self._settings = settings
        self._where = (topic, partition)
        self._work = work
        self._hold = hold
        self._leisure = leisure
        self._fail = fail
        self._task: asyncio.Task[None] | None = None
        self._export()

    def defer(self, tenants: Collection[str]) -> None:
        """Leave what these send from now on for the second reading. All that the first has taken must be sent."""
        deferral = self.deferral
        new = sorted(set(tenants) - deferral.since.keys())
        if not new:
            return
        deferral.add(new)
        self._hold(deferral.position)
        self._export()
        log.warning("tenants.deferred", tenants=new, source="{}/{}".format(*self._where), offset=deferral.read)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="second reading {}/{}".format(*self._where))

    async def close(self) -> None:
        """The partition is given up. What is held stays held: whoever has it next reads on from there."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        metrics.DEFERRED_TENANTS.remove(*map(str, self._where))
        metrics.DEFERRED_RECORDS.remove(*map(str, self._where))

    async def _run(self) -> None:
        try:
            async with aclosing(self._batches()) as batches:
                async for records, position in batches:
                    async with self._leisure.turn():
                        await self._take(records, position)
                    if not self.deferral.since:
                        break
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    async def _batches(self) -> AsyncGenerator[tuple[Sequence[Any], int], None]:
        """Records, and the offset that comes after them; no records when there are none for now."""
        while True:
            try:
                async with Rereading(self._settings, *self._where, self.deferral.position) as reading:
                    while True:
                        yield await reading.next(READ_RECORDS), await reading.position()
            except (KafkaError, OSError) as error:
                log.warning("second_reading.interrupted", error=f"{type(error).__name__}: {error}", next="again")
                await asyncio.sleep(AGAIN_S)

    async def _take(self, records: Sequence[Any], position: int) -> None:
        deferral = self.deferral
        while deferral.since:
            now, tenants, records = deferral.cut(records)
            if now:
                await self._work(now, tenants)
            ended = deferral.done(records[0].offset if records else position)
            self._hold(None if ended else deferral.position)
            self._export()
            if ended:
                log.info("tenants.deferred_no_more", source="{}/{}".format(*self._where), offset=deferral.position)
            if not records:
                break

    def _export(self) -> None:
        deferral, labels = self.deferral, [str(part) for part in self._where]
        metrics.DEFERRED_TENANTS.labels(*labels).set(len(deferral.since))
        metrics.DEFERRED_RECORDS.labels(*labels).set(deferral.read - deferral.position if deferral.since else 0)
