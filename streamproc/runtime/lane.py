"""A *lane*: the work on one partition (or a group of co-partitioned ones), in order, one batch at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

log = structlog.get_logger(__name__)

QUEUED_SLICES = 8
"""Slices that wait in a lane; once they do, its partitions are not read until there is room."""

Slice = tuple[str, Sequence[Any]]
"""(topic, records) in the order of their offsets."""


class Lane:
    """Runs `work` on what is delivered and acknowledges it afterwards, never before.

    When `work` raises, nothing is acknowledged and `fail` is called with the error: the process has to end or
    rejoin, because skipping would lose events. Batches begin at least `pace_s` apart, and take all that came
    meanwhile: a transaction costs the same, whatever is in it. With `most_records`, a lane in which so many wait is
    full too, however few slices they are. It takes what is delivered all the same: who reads asks `full` before.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Slice]], Awaitable[None]],
        fail: Callable[[BaseException], None],
        close: Callable[[], Awaitable[None]] | None = None,
        pace_s: float = 0.0,
        most_records: int | None = None,
    ) -> None:
        self.name = name
        self._pace_s = pace_s
        self._work = work
        self._fail = fail
        self._close = close
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._most_records = most_records
        self._records = 0
        self._busy = asyncio.Lock()
        self._task = asyncio.create_task(self._run(), name=f"lane {name}")
        self.next_offsets: dict[str, int] = {}
        """Per topic, the offset after the last record acknowledged."""
        self.oldest: int | None = None
        """Timestamp (ms) of the first record that is being worked on; None when none is."""

    @property
    def full(self) -> bool:
        """As much waits as should."""
        most = self._most_records
        return self._queue.qsize() >= QUEUED_SLICES or (most is not None and self._records >= most)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is being worked on."""
        return self._queue.empty() and not self._busy.locked()

    def deliver(self, event: Any) -> None:
        """Queue a Faust event whose value is a slice."""
        self._records += len(event.value)
        self._queue.put_nowait(event)

    def _take(self, event: Any) -> Any:
        self._records -= len(event.value)
        return event

    async def _run(self) -> None:
        began = 0.0
        try:
            while True:
                events = [self._take(await self._queue.get())]
                async with self._busy:
                    self.oldest = events[0].value[0].timestamp
                    if self._pace_s:
                        await asyncio.sleep(max(0.0, began + self._pace_s - time.perf_counter()))
                        began = time.perf_counter()
                    while not self._queue.empty():
                        events.append(self._take(self._queue.get_nowait()))
                    await self._work([(event.message.topic, event.value) for event in events])
                    for event in events:
                        self.next_offsets[event.message.topic] = event.message.offset + 1
                        event.ack()
                    self.oldest = None
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    async def stop(self, grace_s: float) -> None:
        """Bring the current batch to an end (up to `grace_s`), drop what waits, and close."""
        try:
            async with asyncio.timeout(grace_s):
                await self._busy.acquire()
        except TimeoutError:
            log.warning("lane.abandoned", lane=self.name, after_s=grace_s, next="its batch will be repeated")
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._close is not None:
            await self._close()
