"""How long an event takes to become a webhook, at a steady rate, beside a bare round trip through the broker.

Times run from the instant an event was *due*, not from when it was sent: if we or the broker lag behind the rate,
that counts. Producer, consumer and webhook receiver are this one process, so one clock measures all.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streamproc.bench.child import Child
from streamproc.bench.cluster import Cluster, NewTopic
from streamproc.bench.contestant import BenchError
from streamproc.bench.draw import W1, Draw, draws, event_id, to_json
from streamproc.bench.figures import Latency
from streamproc.bench.product import configure, free_port, product_command, product_environment, ready
from streamproc.bench.scale import Scale
from streamproc.bench.sink import Sink
from streamproc.kafka.client import client_options
from streamproc.kafka.topics import load_topics
from streamproc.settings import Settings

LATENCY_GOAL_MS = 300.0
PROBE_EVERY = 10
"""One event in so many raises an alert of its own, and is measured."""
WARM_UP_S = 8.0
START_LIMIT_S = 90.0
LAST_LIMIT_S = 30.0
PROBE = "bench.probe"
PREFIX = "bench-latency-"
TENANTS = 20

Tell = Callable[[str, int, int], None]


async def measure_latency(
    settings: Settings, session: aiohttp.ClientSession, directory: Path, scale: Scale, tell: Tell
) -> list[Latency]:
    """The bare round trip, then event to alert record and event to webhook. Raises BenchError."""
    settings = settings.model_copy(update={"topic_prefix": PREFIX})
    async with Cluster(settings) as cluster:
        bare = await _bare(settings, cluster, scale, tell)
        return [bare, *await _pipeline(settings, cluster, session, directory, scale, tell)]


async def _bare(settings: Settings, cluster: Cluster, scale: Scale, tell: Tell) -> Latency:
    topic = f"{settings.topic_prefix}echo"
    await cluster.recreate([NewTopic(topic, 4, 1, {})])
    seen: dict[str, float] = {}

    def take(value: bytes, now: float) -> None:
        seen.setdefault(orjson.loads(value)["id"], now)

    async with _producer(settings) as producer, _following(settings, topic, take):
        due = await _send(producer, topic, scale, tell, "bare round trip")
        await _until(lambda: seen.keys() >= due.keys(), LAST_LIMIT_S)
    return _latency("produce → consume, nothing between", due, seen)


async def _pipeline(
    settings: Settings, cluster: Cluster, session: aiohttp.ClientSession, directory: Path, scale: Scale, tell: Tell
) -> list[Latency]:
    topics = load_topics(settings)
    await cluster.recreate(list(topics.values()))
    ports = {"worker": free_port(), "delivery": free_port()}
    environment = product_environment(settings, directory, uuid.uuid4().hex[:8]) | {
        "STREAMPROC_WORKER_HTTP": f"127.0.0.1:{ports['worker']}",
        "STREAMPROC_DELIVERY_HTTP": f"127.0.0.1:{ports['delivery']}",
        "STREAMPROC_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    alerted: dict[str, float] = {}

    def take(value: bytes, now: float) -> None:
        alerted.setdefault(orjson.loads(value)["event"]["id"], now)

    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(Sink())
        tell("configuring a rule and a webhook", 0, 1)
        await configure(_documents(sink.url), environment, directory)
        children = [stack.enter_context(_child(command, environment, directory)) for command in ("worker", "delivery")]
        for child, (command, port) in zip(children, ports.items(), strict=True):
            tell(f"waiting for the {command}", 0, 1)
            await ready(session, f"127.0.0.1:{port}", child, START_LIMIT_S, 0.1)
        producer = await stack.enter_async_context(_producer(settings))
        await stack.enter_async_context(_following(settings, topics["alerts"].topic, take))
        due = await _send(producer, topics["events"].topic, scale, tell, "events to webhooks")
        await _until(lambda: sink.received.keys() >= due.keys(), LAST_LIMIT_S)
    if not alerted or not sink.received:
        said = "\n".join(child.last_lines() for child in children)
        raise BenchError(f"{len(alerted)} alerts and {len(sink.received)} webhooks of {len(due)}:\n{said}")
    return [
        _latency("event → alert record", due, alerted),
        _latency("event → webhook received", due, sink.received),
    ]


def _documents(url: str) -> list[dict[str, Any]]:
    webhook = "bench-sink"
    found: list[dict[str, Any]] = []
    for n in range(TENANTS):
        tenant = _tenant(n)
        found.append({"kind": "webhook", "tenant_id": tenant, "id": webhook, "url": url, "format": "standard"})
        found.append(
            {
                "kind": "rule",
                "tenant_id": tenant,
                "id": "probe",
                "name": "Probe",
                "type": "pattern",
                "condition": {"action": PROBE, "group_by": "resource.id"},
                "webhook_ids": [webhook],
                "cooldown_min": 0,
            }
        )
    return found


def _tenant(number: int) -> str:
    return f"latency-{number % TENANTS:02d}"


async def _send(producer: Any, topic: str, scale: Scale, tell: Tell, what: str) -> dict[str, float]:
    """Send at the rate, and answer when each probe was due, by its id; those of the warm-up are left out."""
    warm = int(WARM_UP_S * scale.latency_rate)
    count = warm + int(scale.latency_s * scale.latency_rate)
    due: dict[str, float] = {}
    failures: list[BaseException] = []

    def settled(sent: asyncio.Future[Any]) -> None:
        error = sent.exception()
        if error is not None:
            failures.append(error)

    began = time.monotonic() + 0.1
    for draw in draws(W1, count):
        at = began + draw.number / scale.latency_rate
        delay = at - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        probe = draw.number % PROBE_EVERY == 0
        if probe and draw.number >= warm:
            due[event_id(draw.number)] = at
        tenant = _tenant(draw.actor)
        sent = await producer.send(topic, _value(draw, tenant, probe), key=tenant.encode())
        sent.add_done_callback(settled)
        if draw.number % scale.latency_rate == 0:
            tell(what, draw.number, count)
    await producer.flush()
    if failures:
        raise BenchError(f"{what}: {len(failures)} of {count} events could not be sent: {failures[0]!r}")
    return due


def _value(draw: Draw, tenant: str, probe: bool) -> bytes:
    """The drawn event, as of now; a probe has an action and a resource of its own."""
    resource = draw.number if probe else draw.resource
    moved = draw._replace(tenant=tenant, action=PROBE if probe else draw.action, resource=resource)
    return to_json(moved._replace(ms=time.time_ns() // 1_000_000))


@contextlib.asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[Any]:
    """One that sends at once (aiokafka's default) and waits for all replicas."""
    producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def _following(settings: Settings, topic: str, take: Callable[[bytes, float], None]) -> AsyncIterator[None]:
    """Reads a topic from its end on, and hands over each value with the time at which it came."""
    consumer = AIOKafkaConsumer(
        topic,
        **client_options(settings),
        auto_offset_reset="latest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await consumer.start()
    await consumer.seek_to_end()

    async def follow() -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=1000)
            now = time.monotonic()
            for records in batches.values():
                for record in records:
                    if record.value is not None:
                        take(record.value, now)

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await consumer.stop()


def _child(command: str, environment: dict[str, str], directory: Path) -> Child:
    return Child(product_command(command), environment, directory, directory / f"{command}.log")


async def _until(done: Callable[[], bool], limit_s: float) -> None:
    """Wait for what may not come; what is missing then shows in the result."""
    deadline = time.monotonic() + limit_s
    while not done() and time.monotonic() < deadline:  # noqa: ASYNC110  # looked at often enough, and set nowhere
        await asyncio.sleep(0.05)


def _latency(label: str, due: dict[str, float], seen: dict[str, float]) -> Latency:
    times: Sequence[float] = [seen[id_] - at for id_, at in due.items() if id_ in seen]
    if not times:
        raise BenchError(f"{label}: none of {len(due)} probes arrived")
    return Latency.of(label, times, len(due))
