"""Puts `SliceApp.after_assign` in the place of Faust's table recovery.

Stock Faust recovers tables record by record through the main consumer, waits for a record at high-water - 1
(which transactions and compaction never promise) and can hang (docs/adr/0004). Here each table partition recovers
by itself (`ledger`), and the flow resumes when all have.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from faust.tables.manager import TableManager
from faust.types import TP

log = structlog.get_logger(__name__)


class LedgerTables(TableManager):  # type: ignore[misc]  # faust ships no types
    """A table manager without Faust tables: it only orders what happens around a rebalance."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._opening: asyncio.Task[None] | None = None

    async def on_start(self) -> None:
        """Nothing to wait for: there are no Faust tables to register."""
        self._tables_finalized.set()
        self._tables_registered.set()

    async def on_stop(self) -> None:
        """Stop opening partitions and fetching."""
        await self._cancel()
        await self.app._fetcher.stop()

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """A new rebalance overtakes an unfinished opening."""
        if self._opening is not None:
            self._opening.cancel()

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Open the new assignment in the background, so that heartbeats go on however long recovery takes."""
        await self._cancel()
        self._opening = asyncio.create_task(self._open(set(assigned), generation_id))

    async def _cancel(self) -> None:
        task, self._opening = self._opening, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _open(self, assigned: set[TP], generation_id: int) -> None:
        app = self.app
        try:
            await app.after_assign(assigned)
            if generation_id != app.consumer_generation_id:
                return  # another rebalance has begun; it will call again
            consumer = app.consumer
            if assigned:
                consumer.resume_partitions(assigned)
                await consumer.perform_seek()
            app.flow_control.resume()
            consumer.resume_flow()
            await app._fetcher.maybe_start()
            self.on_actives_ready()
            self.on_standbys_ready()
            app.on_rebalance_end()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("partitions.open", error=str(error))
            await app.crash(error)

    async def wait_until_recovery_completed(self) -> bool:
        """Faust's start-up must not wait: the health site answers while recovery runs."""
        return False
