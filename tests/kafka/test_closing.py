"""A consumer that is closed neither cancels who closes it nor keeps them waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from streamproc.kafka.closing import close_consumer, close_producer


async def lets_a_cancellation_out() -> None:
    fetch = asyncio.create_task(asyncio.sleep(1))  # as aiokafka: cancelled before it has begun
    fetch.cancel()
    await fetch


async def fails() -> None:
    raise ConnectionError("the broker went away")


async def never_ends() -> None:
    await asyncio.Event().wait()


async def ends() -> None:
    pass


@pytest.mark.parametrize("stop", [lets_a_cancellation_out, fails, never_ends, ends])
@pytest.mark.parametrize("disconnect", [fails, never_ends, ends])
async def test_the_one_who_closes_goes_on_and_the_client_is_closed(
    stop: Callable[[], Awaitable[None]], disconnect: Callable[[], Awaitable[None]]
) -> None:
    called: list[str] = []

    async def stopping() -> None:
        called.append("stop")
        await stop()

    async def disconnecting() -> None:
        called.append("disconnect")
        await disconnect()

    connection = SimpleNamespace(close=disconnecting)
    client = SimpleNamespace(stop=stopping, _client=connection, client=connection)
    for close in (close_consumer, close_producer):
        called.clear()
        await close(client, limit_s=0.01)
        assert called == ["stop", "disconnect"]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1  # what does not end was cancelled


async def test_who_closes_can_be_cancelled() -> None:
    consumer = SimpleNamespace(stop=never_ends, _client=SimpleNamespace(close=ends))
    task = asyncio.create_task(close_consumer(consumer, limit_s=60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
