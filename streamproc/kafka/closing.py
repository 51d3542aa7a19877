"""Closing Kafka clients without being cancelled by them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)

CLOSE_S = 5.0


async def close_consumer(consumer: Any, limit_s: float = CLOSE_S) -> None:
    """Leave the group and disconnect; returns in any case, after `limit_s` for each at most. May be called again."""
    await _close(limit_s, consumer.stop, consumer._client.close)


async def close_producer(producer: Any, limit_s: float = CLOSE_S) -> None:
    """Send what waits and disconnect, in the same way."""
    await _close(limit_s, producer.stop, producer.client.close)


async def _close(limit_s: float, *steps: Callable[[], Awaitable[None]]) -> None:
    # aiokafka's `stop` lets the cancellation of a task of its own out that had not begun, such as a fetch from a broker
    # that is gone. That would cancel us, and leave the client connected; so it has a task to itself, and the client
    # is closed after it.
    for step in steps:
        task = asyncio.ensure_future(step())
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done():
            task.cancel()
        elif not task.cancelled() and task.exception() is not None:
            log.debug("client.close_failed", error=str(task.exception()))
