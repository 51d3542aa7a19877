"""Closing a Kafka client without being cancelled by it."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

log = structlog.get_logger(__name__)

CLOSE_S = 5.0


async def close_consumer(consumer: Any, limit_s: float = CLOSE_S) -> None:
    """Leave the group and disconnect; returns in any case, after `limit_s` for each at most. May be called again.

    With a fetch under way to a broker that is gone, aiokafka's `stop` lets the cancellation of that fetch out. That
    would cancel us, and leave the client connected; so it has a task of its own, and the client is closed after it.
    """
    for close in (consumer.stop, consumer._client.close):
        task = asyncio.ensure_future(close())
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done():
            task.cancel()
        elif not task.cancelled() and task.exception() is not None:
            log.debug("consumer.close_failed", error=str(task.exception()))
