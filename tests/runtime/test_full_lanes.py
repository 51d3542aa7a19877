"""On the real broker: a lane that is full holds up no other partition, and what is held is not committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from streamproc.kafka.client import client_options
from streamproc.runtime.app import LaneApp
from streamproc.runtime.lane import Lane, Slice
from streamproc.settings import Settings
from tests.faults.harness import lag

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def until(what: Callable[[], bool], limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_one_partition_waits_and_the_others_do_not(settings_with_topics: Settings) -> None:
    settings = settings_with_topics.model_copy(update={"commit_interval": 0.2})
    topic = settings.topic("events")
    seen: dict[int, list[int]] = {}
    gate = asyncio.Event()
    app = LaneApp(settings, settings.group("w"))

    async def open_lane(partition: int) -> Lane:
        async def work(slices: list[Slice]) -> None:
            if partition == 0:
                await gate.wait()
            for _, records in slices:
                seen.setdefault(partition, []).extend(record.offset for record in records)

        return Lane(f"test {partition}", work, app.fail, most_records=20)

    app.openers[topic] = open_lane
    app.deliver_from("test", topic)
    producer: Any = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    await app.start()
    try:
        await until(lambda: app.ready)
        for n in range(40):  # many slices of the partition that does not move, each as long as a lane takes
            for _ in range(20):
                await producer.send(topic, b"{}", partition=0)
            await producer.flush()
            await producer.send_and_wait(topic, b"{}", partition=1)
            await until(lambda n=n: len(seen.get(1, ())) > n, 5)
        assert 0 not in seen
        assert app.full(TP(topic, 0))
        assert not app.full(TP(topic, 1))
        app.hold(TP(topic, 0), 500)
        gate.set()
        await until(lambda: len(seen.get(0, ())) == 800)
        assert seen == {0: list(range(800)), 1: list(range(40))}, "each once, in order"
        await asyncio.sleep(1)
        held = await lag(settings, "w", ["events"])
        assert 300 <= held < 800, "as far as the last slice before it"
        app.hold(TP(topic, 0), None)
        deadline = time.monotonic() + 10
        while await lag(settings, "w", ["events"]):
            assert time.monotonic() < deadline, "all is committed, now that nothing is held"
            await asyncio.sleep(0.1)
    finally:
        await app.stop()
        await producer.stop()
    assert app.failure is None
