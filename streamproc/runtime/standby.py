"""Warm copies of table partitions that other processes work on, so that taking one over reads little.

A copy is what a former owner leaves: a RocksDB directory and the offset it reaches. Bringing it up to date is what
recovery does, without the fencing. A partition's copy is open in one place at a time: here, or in its ledger.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

import structlog

from streamproc import metrics
from streamproc.kafka.ledger import Ledger

log = structlog.get_logger(__name__)


class Standby:
    """`ledger_of` makes the ledger of a partition, not open, with the directory that its owner here would use."""

    def __init__(self, ledger_of: Callable[[int], Ledger], partitions: int) -> None:
        self._ledger_of = ledger_of
        self._partitions = partitions
        self._ours: set[int] = set()
        self._at_work: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def hand_over(self, partition: int) -> None:
        """The partition is to be opened here: no more work on its copy. Waits for the end of what is being done.

        That is not cut short: what it reads, its ledger would have to read.
        """
        self._ours.add(partition)
        async with self._at_work[partition]:
            pass

    def take_back(self, partition: int) -> None:
        """The partition was given up, and its copy is closed."""
        self._ours.discard(partition)

    async def keep(self, interval_s: float) -> None:
        """Bring all copies up to date, again and again, so long after the last time."""
        while True:
            await self.round()
            await asyncio.sleep(interval_s)

    async def round(self) -> None:
        """Bring each copy that is not in use up to date, one at a time. A failure is told and tried again next time."""
        kept = 0
        for partition in range(self._partitions):
            async with self._at_work[partition]:
                if partition in self._ours:
                    continue
                try:
                    await self._ledger_of(partition).catch_up()
                except Exception as error:  # a copy is a convenience: whatever it is, the work goes on without
                    log.warning("standby.failed", partition=partition, error=f"{type(error).__name__}: {error}")
                else:
                    kept += 1
        metrics.STANDBY_COPIES.set(kept)
