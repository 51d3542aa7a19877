"""A resolved alert leaves the topic when its retention is over, on a real broker with a clock that is driven."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streamproc.engine.frame import pack_tick
from streamproc.kafka.client import client_options
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings
from tests.faults.harness import Process, apply_config, produce, read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]

DAY_MS = 86_400_000


async def test_only_the_alert_whose_time_is_over_gets_its_tombstone(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = new_settings(kafka=broker, session_timeout=6.0)
    topics = load_topics(settings)
    await apply_topics(settings, topics)
    rule = {"id": "r", "tenant_id": "acme", "name": "r", "type": "pattern", "auto_resolve_after": None}
    await apply_config(settings, [{**rule, "condition": {"action": "a", "group_by": "actor.id"}}])
    now = int(time.time() * 1000)
    made = [
        {"id": f"e{n}", "tenant_id": "acme", "action": "a", "event_time": iso(now), "actor": {"id": f"u{n}"}}
        for n in range(2)
    ]
    await produce(settings, [("acme", orjson.dumps(doc), doc) for doc in made])
    monkeypatch.setenv("STREAMPROC_ALERT_RETENTION_DAYS", "2")
    worker = Process(["worker"], settings, tmp_path, "worker")
    worker.start()

    async def alerts(until: Callable[[dict[str, bytes | None]], bool]) -> dict[str, bytes | None]:
        deadline = time.monotonic() + 40
        while True:
            found = {
                record.key.decode(): record.value
                for record in sorted(await read_topic(settings, "alerts"), key=lambda r: (r.partition, r.offset))
            }
            if until(found) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.3)

    async def tick(at: int) -> None:
        signals = topics["signals"]
        times = {f"{spec.topic}/{p}": at for spec in topics.sources for p in range(spec.partitions)}
        async with AIOKafkaProducer(**client_options(settings)) as producer:
            for partition in range(signals.partitions):
                await producer.send_and_wait(signals.topic, pack_tick(times), partition=partition)

    try:
        opened = await alerts(lambda found: len(found) == 2)
        assert len(opened) == 2, worker.tail()
        over, going_on = sorted(opened)
        environment = {
            **os.environ,
            "STREAMPROC_KAFKA": settings.kafka,
            "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
            "STREAMPROC_DATA_DIR": str(tmp_path / "cli"),
        }
        command = [sys.executable, "-m", "streamproc", "alerts", "resolve", over]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        await tick(now + DAY_MS)
        await asyncio.sleep(1.5)
        assert (await alerts(lambda found: True))[over] is not None, "a day is not two"
        await tick(now + 3 * DAY_MS)
        found = await alerts(lambda found: found[over] is None)
        assert found[over] is None
        assert found[going_on] is not None, "an open alert stays, however old"
    finally:
        assert worker.stop() == 0, worker.tail()
