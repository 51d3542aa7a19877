"""Every alert goes through four channels, three of them sick, while the delivery process is killed again and again.

One is down for a while, one answers 429, one is slow. Everything arrives at all of them; the well one does not wait for
the sick ones. That is shown by what happens first, not by how long it takes: the channel that is down stays down until
the well one has all of its messages, so if that waited for it, neither would ever be done.

`STREAMPROC_TEST_FANOUT=10000` runs it at full size: down for a minute, slow at 2 s.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer

from streamproc.alerting.breaker import FIRST_MS, SICK_AFTER
from streamproc.kafka.client import client_options
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.time_text import milliseconds
from streamproc.settings import Settings

from .harness import Process, apply_config, read_topic
from .test_delivery_kills import alert

ALERTS = int(os.environ.get("STREAMPROC_TEST_FANOUT", "500"))
FULL = ALERTS >= 10_000
DOWN_S, SLOW_S = (60.0, 2.0) if FULL else (6.0, 0.4)
LIMIT_S = 1800 if FULL else 360
pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(LIMIT_S + 120)]

TENANTS = 6
PLACES = 8
"""Attempts at once, per channel and tenant."""
PACE_S = 0.4
"""Between 20 alerts and the next."""
PER_SECOND = 60
"""What the limited channel takes, per tenant."""
WELL, DOWN, LIMITED, SLOW = CHANNELS = ("well", "down", "limited", "slow")
Message = tuple[str, str, str]
"""(channel, alert id, event type)"""


@dataclass
class Receivers:
    """All four channels of all tenants, as one HTTP server."""

    sick: bool = False
    down: bool = True
    arrived: dict[Message, list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    order: list[Message] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    latency: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    phase: str = "warming up"
    port: int = 0

    async def __aenter__(self) -> Receivers:
        app = web.Application()
        app.router.add_post("/{channel}/{tenant}", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def count(self, channel: str) -> int:
        return sum(1 for message in self.arrived if message[0] == channel)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        channel, tenant = request.match_info["channel"], request.match_info["tenant"]
        doc = orjson.loads(await request.read())
        if self.sick:
            self.attempts[channel] += 1
        if self.sick and channel == DOWN and self.down:
            if self.attempts[channel] % 2:
                return web.Response(status=503)
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if self.sick and channel == LIMITED:
            now = int(time.time())
            self.seconds[tenant, now] += 1
            if self.seconds[tenant, now] > PER_SECOND:
                return web.Response(status=429, headers={"Retry-After": "0.3"})
        if self.sick and channel == SLOW:
            await asyncio.sleep(SLOW_S)
        message = (channel, doc["data"]["id"], doc["type"])
        if message not in self.arrived:
            self.order.append(message)
            if channel == WELL:
                self.latency[self.phase].append(time.time() * 1000 - milliseconds(doc["data"]["created_at"]))
        self.arrived[message].append((request.headers["webhook-id"], time.time()))
        return web.Response(text="ok")


RULE = {
    "id": "told",
    "tenant_id": "*",
    "name": "Told to everybody",
    "type": "pattern",
    "condition": {"action": "never.seen"},
    "webhook_ids": list(CHANNELS),
}


class Feed:
    """Sends each alert's trigger, and its resolve some batches later; what it sent is what must arrive."""

    def __init__(self, settings: Settings) -> None:
        self._spec = load_topics(settings)["alerts"]
        self._producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True, linger_ms=5)
        self.expected: set[Message] = set()
        self._number = 0

    async def __aenter__(self) -> Feed:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, count: int, pace_s: float) -> None:
        numbers = range(self._number, self._number + count)
        self._number += count
        for start in range(0, count, 20):
            batch = numbers[start : start + 20]
            for revision, status, kind in ((1, "open", "alert.triggered"), (2, "resolved", "alert.resolved")):
                waits = []
                for number in batch:
                    one = alert(number, revision, status, kind, int(time.time() * 1000))
                    partition = partition_by(one["tenant_id"], self._spec.partitions)
                    key, value = one["id"].encode(), orjson.dumps(one)
                    waits.append(await self._producer.send(self._spec.topic, value, key, partition=partition))
                    self.expected |= {(channel, one["id"], kind) for channel in CHANNELS}
                await asyncio.gather(*waits)
            await asyncio.sleep(pace_s)


def points(times: list[float]) -> str:
    ordered = sorted(times)
    return f"n={len(ordered)} " + " ".join(
        f"p{round(share * 100)}={ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.0f}ms"
        for share in (0.5, 0.99)
    )


async def settled(settings: Settings) -> dict[tuple[str, str, str], str]:
    """The last state of each delivery that is settled, by channel, alert and purpose."""
    logged = [orjson.loads(r.value) for r in await read_topic(settings, "deliveries") if r.value]
    states = {(d["channel"], d["alert_id"], d["purpose"]): d["state"] for d in logged}
    return {place: state for place, state in states.items() if state not in ("pending", "retrying")}


async def test_sick_channels_lose_nothing_and_hold_up_nobody(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    rng = random.Random(7)
    retry = {"max_attempts": 60, "initial_seconds": 0.2, "max_seconds": 2.0}
    process = Process(["delivery"], settings, tmp_path / "d", "delivery")
    deadline = time.monotonic() + LIMIT_S

    starts = 1

    async def until(holds: Callable[[], bool], what: str) -> None:
        nonlocal starts
        while not holds():
            assert time.monotonic() < deadline, (what, dict(receivers.attempts), process.tail())
            if not process.alive:  # it ends when it cannot be sure of its writes; a supervisor starts it again
                starts += 1
                process.start()
            await asyncio.sleep(0.1)

    async with Receivers() as receivers, Feed(settings) as feed:

        def arrived(channel: str) -> bool:
            return {m for m in feed.expected if m[0] == channel} <= receivers.arrived.keys()

        await apply_config(settings, [RULE])
        hooks = [
            {
                "id": channel,
                "tenant_id": f"ten_{n}",
                "url": f"http://127.0.0.1:{receivers.port}/{channel}/ten_{n}",
                "retry_config": retry,
                "max_concurrency": PLACES,
            }
            for n in range(TENANTS)
            for channel in CHANNELS
        ]
        await apply_config(settings, hooks, kind="webhook")
        process.start()
        try:
            await feed.send(20, 0.0)
            await until(lambda: all(map(arrived, CHANNELS)), "warming up")
            receivers.phase = "all are well"
            await feed.send(ALERTS // 3, PACE_S)
            await until(lambda: all(map(arrived, CHANNELS)), "all of the well ones")
            told_before = receivers.count(DOWN)
            receivers.sick, receivers.phase = True, "beside the sick"
            began = time.monotonic()
            await feed.send(ALERTS // 3, PACE_S)
            await until(lambda: arrived(WELL), "the well one beside the sick")
            assert receivers.count(DOWN) == told_before, "all of it came while the other was down"
            beside = receivers.order.index(next(m for m in reversed(receivers.order) if m[0] == WELL))
            sick_by_then = {channel: receivers.count(channel) for channel in CHANNELS}

            receivers.phase = "while killed"
            sending = asyncio.create_task(feed.send(ALERTS // 3, PACE_S))
            for _ in range(5):
                await asyncio.sleep(rng.uniform(2.0, 5.0))
                process.kill()
                starts += 1
                process.start()
            await sending
            await until(lambda: arrived(WELL), "the well one, process killed")
            assert receivers.count(DOWN) == told_before
            down_attempts, down_s = receivers.attempts[DOWN], time.monotonic() - began
            await asyncio.sleep(max(0.0, began + DOWN_S - time.monotonic()))
            receivers.down = False
            await until(lambda: feed.expected <= receivers.arrived.keys(), "everything")
            while len(final := await settled(settings)) < len(feed.expected):  # records follow their messages
                assert time.monotonic() < deadline, process.tail()
                await asyncio.sleep(0.5)
        finally:
            process.stop()

    assert receivers.arrived.keys() == feed.expected
    assert sick_by_then[WELL] > sick_by_then[SLOW], "the slow one was behind, and only that"
    assert beside < len(receivers.order) - 1

    for message, found in receivers.arrived.items():
        assert len({webhook_id for webhook_id, _ in found}) == 1, f"{message} was repeated under another id"
    first = {message: found[0][1] for message, found in receivers.arrived.items()}
    early = [m for m in first if m[2] == "alert.resolved" and first[m] < first[(*m[:2], "alert.triggered")]]
    assert not early, "a resolve came before its trigger"

    assert set(final.values()) == {"delivered"}
    assert len(final) == len(feed.expected)
    # what waited did not try the one that was down, one by one, but for what was under way before each breaker opened
    probes = 1 + down_s * 1000 / FIRST_MS
    assert down_attempts <= TENANTS * (starts * (SICK_AFTER + PLACES) + probes), (down_attempts, starts, down_s)
    for name, times in receivers.latency.items():
        print(f"alert to the well channel, {name}: {points(times)}", file=sys.stderr)
    repeated = sum(len(found) - 1 for found in receivers.arrived.values())
    print(f"{len(first)} messages, {repeated} repeated, attempts {dict(receivers.attempts)}", file=sys.stderr)
