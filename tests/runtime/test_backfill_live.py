"""`streamproc backfill` beside a running worker: what the past taught is known, and nobody is told of old alerts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings
from tests.faults.harness import Process, apply_config, latest, produce, read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]

RULE = {"id": "country", "tenant_id": "acme", "name": "New country", "type": "new_country"}
DAY_MS = 86_400_000


def login(n: int, at: int, country: str) -> dict[str, Any]:
    return {
        "id": f"e{n}",
        "tenant_id": "acme",
        "action": "user.login",
        "event_time": iso(at),
        "actor": {"id": "u", "country": country},
    }


def sent(event: dict[str, Any]) -> tuple[str, bytes, None]:
    """As the harness sends events."""
    return event["tenant_id"], orjson.dumps(event), None


def backfill(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(settings.data_dir),
    }
    command = [sys.executable, "-m", "streamproc", "backfill", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


async def alerts(settings: Settings, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    deadline = time.monotonic() + 40
    while len(found) < count and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        found = latest([r for r in await read_topic(settings, "alerts") if r.value])
    return found


async def test_a_worker_knows_what_the_past_taught(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    await apply_config(settings, [RULE])
    now = int(time.time() * 1000)
    past = [login(n, now - (40 - n) * DAY_MS, "CA" if n == 20 else "DE") for n in range(30)]
    file = tmp_path / "past.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, past)))

    tried = await asyncio.to_thread(backfill, settings, "--events", str(file), "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "30 events; 1 keys would be seeded, 1 alerts of the past would be told" in tried.stderr
    for _ in range(2):  # repeated, it changes nothing
        ran = await asyncio.to_thread(backfill, settings, "--events", str(file))
        assert ran.returncode == 0, ran.stderr
        assert "1 keys seeded, 1 alerts of the past told" in ran.stderr

    worker = Process(["worker"], settings, tmp_path, "worker")
    worker.start()
    try:
        # known from the past; never seen: only the second is news, though it is the worker's second event of u
        await produce(settings, [sent(login(100, now, "DE")), sent(login(101, now, "NG"))])
        found = await alerts(settings, 2)
    finally:
        worker.stop()
    old = [alert for alert in found.values() if alert["backfill"]]
    new = [alert for alert in found.values() if not alert["backfill"]]
    assert [alert["event"]["id"] for alert in new] == ["e101"]
    assert sorted(new[0]["context"]["known_values"]) == ["CA", "DE"]
    assert [(alert["event"]["id"], alert["status"], alert["resolution"]) for alert in old] == [
        ("e20", "resolved", "backfill")
    ]


async def test_the_topics_own_past(broker: str, new_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = new_settings(kafka=broker)
    await apply_topics(settings, load_topics(settings))
    await apply_config(settings, [RULE])
    now = int(time.time() * 1000)
    await produce(settings, [sent(login(n, now - 1000 + n, "NG" if n == 7 else "DE")) for n in range(10)])
    ran = await asyncio.to_thread(backfill, settings, "--since", "1d", "--dry-run")
    assert ran.returncode == 0, ran.stderr
    assert "10 events; 1 keys would be seeded, 1 alerts of the past would be told" in ran.stderr
    wrong = await asyncio.to_thread(backfill, settings, "--since", "1d", "--rules", "nothing")
    assert wrong.returncode == 2 and "no rule nothing is in force" in wrong.stderr
    neither = await asyncio.to_thread(backfill, settings)
    assert neither.returncode == 2
