"""How many notifications a delivery process brings to a local webhook a second, and what CPU each costs it.

The notifications are on their topic before the process starts; measured is from the first request that the receiver
got to the last one, so that starting up is left out. The receiver is this process, whose CPU is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from streamproc.bench.child import Child
from streamproc.bench.cluster import Cluster
from streamproc.bench.contestant import BenchError
from streamproc.bench.product import configure, free_port, product_command, product_environment
from streamproc.bench.sink import Sink
from streamproc.bench.usage import Sampler
from streamproc.kafka.client import client_options
from streamproc.kafka.ledger import Record
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics, load_topics
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.notification import Notification, Purpose, delivery_id
from streamproc.model.times import iso
from streamproc.settings import Settings

PREFIX = "bench-deliver-"
CHANNELS = 20
WEBHOOK = ChannelRef("webhook", "bench-sink")
START_MS = 1_770_724_800_000
LIMIT_S = 600.0
SETTLE_S = 1.0
"""After the last request, its results are still to be written."""

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class DeliverFigure:
    """`cpu_ms`: of the delivery process, per notification; `repeated`: requests beyond one for each."""

    notifications: int
    per_s: float
    cpu_ms: float
    rss_peak_mib: float
    repeated: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def measure_deliver(settings: Settings, directory: Path, count: int, tell: Tell) -> DeliverFigure:
    """Deliver `count` notifications of as many alerts, through a webhook of each of 20 tenants. Raises BenchError."""
    settings = settings.model_copy(update={"topic_prefix": PREFIX})
    topics = load_topics(settings)
    environment = product_environment(settings, directory, uuid.uuid4().hex[:8]) | {
        "STREAMPROC_DELIVERY_HTTP": f"127.0.0.1:{free_port()}",
        "STREAMPROC_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(Cluster(settings))
        await cluster.recreate(list(topics.values()))
        sink = await stack.enter_async_context(Sink())
        await configure([_webhook(n, sink.url) for n in range(CHANNELS)], environment, directory)
        tell("loading notifications into Kafka", 0, count)
        await _load(settings, topics, count)
        log = directory / "delivery.log"
        child = stack.enter_context(Child(product_command("delivery"), environment, directory, log))
        with Sampler([child.pid], None) as sampler:
            deadline = time.monotonic() + LIMIT_S
            while len(sink.received) < count:  # nothing but the sink knows
                if child.status is not None or time.monotonic() > deadline:
                    raise BenchError(f"deliver: {len(sink.received)} of {count} arrived:\n{child.last_lines()}")
                tell("delivering notifications", len(sink.received), count)
                await asyncio.sleep(0.1)
            await asyncio.sleep(SETTLE_S)
    first, last = min(sink.received.values()), max(sink.received.values())
    trace = sampler.trace
    return DeliverFigure(
        notifications=count,
        per_s=round((count - 1) / (last - first), 1),
        cpu_ms=round(trace.between(first, last + SETTLE_S) * 1000 / count, 3),
        rss_peak_mib=round(trace.rss_peak / 2**20, 1),
        repeated=sink.requests - count,
    )


def _tenant(number: int) -> str:
    return f"deliver-{number % CHANNELS:02d}"


def _webhook(number: int, url: str) -> dict[str, Any]:
    return {"kind": "webhook", "tenant_id": _tenant(number), "id": WEBHOOK.id, "url": url, "format": "standard"}


async def _load(settings: Settings, topics: Topics, count: int) -> None:
    spec, dead = topics["notifications"], topics["dead-letters"]
    records: dict[tuple[str, int], list[Record]] = {}
    for number in range(count):
        one = _notification(number)
        partition = partition_by(f"{one.tenant}/{one.channel}", spec.partitions)
        records.setdefault((spec.topic, partition), []).append((one.delivery_id.encode(), one.encode(), []))
    producer = AwaitedProducer(client_options(settings), 120, dead.topic, dead.partitions)
    await producer.start()
    try:
        await producer.send(records)
    finally:
        await producer.stop()


def _notification(number: int) -> Notification:
    tenant, id, at = _tenant(number), f"alt_{number:08d}", iso(START_MS + number)
    event = {
        "id": f"evt_{number:08d}",
        "tenant_id": tenant,
        "action": "user.login",
        "outcome": "failure",
        "event_time": at,
        "actor": {"id": f"user_{number % 997}", "type": "user", "ip": "203.0.113.7"},
        "resource": {"type": "session", "id": f"session_{number}"},
    }
    alert = {
        "event_type": "alert.triggered",
        "schema_version": 1,
        "id": id,
        "revision": 1,
        "tenant_id": tenant,
        "fingerprint": f"{number:032x}",
        "status": "open",
        "severity": "high",
        "title": "Excessive Failed Logins",
        "description": "",
        "reason": "10 events in 60 s for actor.ip 203.0.113.7",
        "rule": {"id": "probe", "owner": tenant, "revision": 1, "name": "Failed logins", "type": "threshold"},
        "group": {"actor.ip": "203.0.113.7"},
        "trigger_count": 1,
        "context": {"count": 10, "window_seconds": 60, "sample": [event]},
        "event": event,
        "created_at": at,
        "triggered_at": at,
        "updated_at": at,
    }
    return Notification(
        delivery_id=delivery_id(id, 1, WEBHOOK, "", Purpose.TRIGGERED),
        tenant=tenant,
        alert_id=id,
        fingerprint=f"{number:032x}",
        revision=1,
        channel=WEBHOOK,
        purpose=Purpose.TRIGGERED,
        silent_count=0,
        created_at=START_MS + number,
        alert=orjson.dumps(alert),
    )
