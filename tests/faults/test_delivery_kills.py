"""The delivery process is killed while it works: everything arrives, repetitions keep their id, order holds."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streamproc.kafka.client import client_options
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings

from .harness import Process, apply_config, lag, read_topic
from .sink import Sink

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(400)]

ALERTS = 1500
RULE = {
    "id": "told",
    "tenant_id": "*",
    "name": "Told to a webhook",
    "type": "pattern",
    "condition": {"action": "never.seen"},
    "webhook_ids": ["hook"],
    "cooldown_min": 30,
}


def alert(number: int, revision: int, status: str, event_type: str, at: int) -> dict[str, Any]:
    return {
        "event_type": event_type,
        "id": f"alt_{number:05d}",
        "revision": revision,
        "tenant_id": f"ten_{number % 6}",
        "fingerprint": f"{number:032x}",
        "status": status,
        "severity": "high",
        "title": "Told to a webhook",
        "description": "",
        "reason": "because",
        "rule": {"id": "told", "owner": "*", "revision": 1, "name": "Told to a webhook", "type": "pattern"},
        "group": {},
        "trigger_count": 1,
        "context": {},
        "event": None,
        "created_at": iso(at),
        "triggered_at": iso(at),
        "updated_at": iso(at),
        "schema_version": 1,
    }


async def send_alerts(settings: Settings, alerts: list[dict[str, Any]]) -> None:
    spec = load_topics(settings)["alerts"]
    producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        for n in range(0, len(alerts), 100):
            waits = []
            for one in alerts[n : n + 100]:
                partition = partition_by(one["tenant_id"], spec.partitions)
                waits.append(
                    await producer.send(
                        spec.topic, value=orjson.dumps(one), key=one["id"].encode(), partition=partition
                    )
                )
            await asyncio.gather(*waits)
            await asyncio.sleep(0.05)
    finally:
        await producer.stop()


async def test_nothing_undelivered_and_never_a_resolve_before_its_trigger(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker, session_timeout=3.0, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    rng = random.Random(5)
    now = int(time.time() * 1000)
    async with Sink(refuse=0.15) as sink:
        await apply_config(settings, [RULE])
        hooks = [
            {
                "id": "hook",
                "tenant_id": f"ten_{n}",
                "name": "Sink",
                "url": sink.url(),
                "retry_config": {"max_attempts": 50, "initial_seconds": 0.2, "max_seconds": 1.0},
            }
            for n in range(6)
        ]
        await apply_config(settings, hooks, kind="webhook")
        alerts = [alert(n, 1, "open", "alert.triggered", now) for n in range(ALERTS)]
        alerts += [alert(n, 2, "resolved", "alert.resolved", now) for n in range(ALERTS)]
        process = Process(["delivery"], settings, tmp_path / "d", "delivery")
        process.start()
        try:
            sending = asyncio.create_task(send_alerts(settings, alerts))
            for _ in range(5):
                await asyncio.sleep(rng.uniform(1.0, 4.0))
                process.kill()
                process.start()
            await sending
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                told = {r.what for r in sink.received}
                if len(told) == 2 * ALERTS and await lag(settings, settings.delivery_group, ["alerts"]) == 0:
                    break
                if not process.alive:  # it ends, and says why, where Kafka takes too long; a supervisor starts it again
                    process.start()
                await asyncio.sleep(0.5)
        finally:
            process.stop()

    expected = {(a["id"], a["event_type"]) for a in alerts}
    told = {r.what for r in sink.received}
    assert told == expected, (len(expected - told), process.tail())

    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for received in sink.received:
        ids[received.what].add(received.webhook_id)
    assert all(len(found) == 1 for found in ids.values()), "a repetition keeps its idempotency key"

    first: dict[tuple[str, str], float] = {}
    for received in sink.received:
        first.setdefault(received.what, received.at)
    early = [
        id_ for id_, kind in first if kind == "alert.resolved" and first[id_, kind] < first[id_, "alert.triggered"]
    ]
    assert not early, "a resolve overtook its trigger"

    logged = [orjson.loads(r.value) for r in await read_topic(settings, "deliveries") if r.value]
    final = {(d["alert_id"], d["purpose"]): d["state"] for d in logged}
    assert set(final.values()) == {"delivered"}
    assert len(final) == 2 * ALERTS
