"""Erasing one tenant on a real broker: every topic and every store is read afterwards, and the other tenant goes on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.kafka.table import LocalTable
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings
from tests.faults.harness import Process, apply_config, produce, read_topic
from tests.faults.sink import Sink

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(240)]

GONE, STAYS = "forgetme", "remains"
BY_AGE = {"events", "signals", "notifications", "dead-letters", "audit"}
"""Topics on which records have no key of their own, as `erase` says."""


def _run(settings: Settings, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(directory),
    }
    command = [sys.executable, "-m", "streamproc", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


async def _latest(settings: Settings, name: str) -> dict[bytes, bytes]:
    """The topic as compaction will leave it."""
    found: dict[bytes, bytes] = {}
    for record in sorted(await read_topic(settings, name), key=lambda r: (r.partition, r.offset)):
        if record.value is None:
            found.pop(record.key, None)
        elif record.key is not None:
            found[record.key] = record.value
    return found


async def _until(what: Callable[[], Any], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not await what():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.3)


def _stores(directory: Path) -> dict[bytes, bytes]:
    rows: dict[bytes, bytes] = {}
    for lock in directory.rglob("LOCK"):
        table = LocalTable(lock.parent)
        rows |= {lock.parent.name.encode() + b" " + key: value for key, value in table.items(b"")}
        table.close()
    return rows


async def test_one_tenant_is_gone_from_everywhere_and_the_other_goes_on(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    topics = load_topics(settings)
    await apply_topics(settings, topics)
    async with Sink() as sink:
        for tenant in (GONE, STAYS):
            own = {
                "id": f"own-{tenant}",
                "tenant_id": tenant,
                "name": "Own",
                "type": "pattern",
                "condition": {"action": "seen", "group_by": "actor.id"},
                "webhook_ids": ["hook"],
            }
            hook = {"id": "hook", "tenant_id": tenant, "name": "Hook", "url": sink.url()}
            await apply_config(settings, [own])
            await apply_config(settings, [hook], kind="webhook")
        everybody = {
            "id": "everybody",
            "tenant_id": "*",
            "name": "Everybody",
            "type": "threshold",
            "condition": {"action": "seen", "count": 2, "window": "1d", "group_by": "actor.id"},
        }
        await apply_config(settings, [everybody])

        def events(tenant: str, first: int, actors: int) -> list[tuple[str, bytes, Any]]:
            now = iso(int(time.time() * 1000))
            made = [
                {"id": f"{tenant}-{first + n}", "tenant_id": tenant, "action": "seen", "event_time": now}
                | {"actor": {"id": f"{tenant}-u{n % actors}"}}
                for n in range(actors * 2)
            ]
            return [(tenant, orjson.dumps(doc), doc) for doc in made]

        processes = [Process([name], settings, tmp_path, name) for name in ("worker", "delivery")]
        for process in processes:
            process.start()
        try:
            await produce(settings, events(GONE, 0, 5) + events(STAYS, 0, 5))

            async def all_told() -> bool:
                alerts, told = await _latest(settings, "alerts"), await _latest(settings, "deliveries")
                return len(alerts) == 20 and sum(b'"delivered"' in value for value in told.values()) >= 10

            await _until(all_told)
            resolved = orjson.loads(next(v for v in (await _latest(settings, "alerts")).values() if GONE.encode() in v))
            done = await asyncio.to_thread(_run, settings, tmp_path / "cli", "alerts", "resolve", resolved["id"])
            assert done.returncode == 0, done.stderr

            refused = await asyncio.to_thread(_run, settings, tmp_path / "cli", "erase", "--tenant", GONE, "--yes")
            assert refused.returncode == 2
            assert "stop all `streamproc worker`" in refused.stderr
        finally:
            statuses = [process.stop() for process in processes]
        assert statuses == [0, 0], processes[0].tail() + processes[1].tail()

        before = {name: await _latest(settings, name) for name in topics if name not in BY_AGE}
        assert any(GONE.encode() in value for value in before["detectors-changelog"].values()), "there is some to erase"

        looked = await asyncio.to_thread(_run, settings, tmp_path / "cli", "erase", "--tenant", GONE, "--json")
        assert (looked.returncode, json.loads(looked.stdout)["found"]["alerts"]) == (0, 10), looked.stderr
        assert {name: await _latest(settings, name) for name in before} == before, "looking changes nothing"

        erased = await asyncio.to_thread(
            _run, settings, tmp_path / "cli", "erase", "--tenant", GONE, "--yes", "--purge", "--json"
        )
        assert erased.returncode == 0, erased.stdout + erased.stderr
        said = json.loads(erased.stdout)
        assert set(said["remaining"].values()) == {0}
        assert said["rows"]["detectors-changelog"] == 11, "5 keys of each rule, and one resolved alert"
        assert said["records"]["config"] == 2

        fingerprints = {
            orjson.loads(value)["fingerprint"] for value in before["alerts"].values() if GONE.encode() in value
        }
        traces = [GONE.encode(), *(fp.encode() for fp in fingerprints), *(bytes.fromhex(fp) for fp in fingerprints)]

        async def untouched(name: str) -> None:
            after = await _latest(settings, name)
            for key, value in after.items():
                assert not [trace for trace in traces if trace in key + value], (name, key, value)
            mine = {k: v for k, v in before[name].items() if not any(trace in k + v for trace in traces)}
            assert {k: v for k, v in after.items() if not k.startswith(b"m:")} == {
                k: v for k, v in mine.items() if not k.startswith(b"m:")
            }, f"{name}: the other tenant's records are as they were"

        for name in before:
            await untouched(name)
        assert await read_topic(settings, "notifications") == [], "cut, for all"
        assert not [r for r in await read_topic(settings, "signals") if r.value[:1] == b"h"], "cut, for all"

        # the processes come back with the disks they had
        for process in processes:
            process.start()
        try:
            await produce(settings, events(STAYS, 100, 5))

            async def counted() -> bool:
                alerts = [orjson.loads(value) for value in (await _latest(settings, "alerts")).values()]
                return sorted(a["trigger_count"] for a in alerts if a["rule"]["id"] == "own-" + STAYS) == [4] * 5

            await _until(counted)
        finally:
            statuses = [process.stop() for process in processes]
        assert statuses == [0, 0]
        stored = _stores(tmp_path)
        assert len(stored) > 10
        for key, value in stored.items():
            assert not [trace for trace in traces if trace in key + value], (key, value)
        again = await asyncio.to_thread(_run, settings, tmp_path / "cli", "erase", "--tenant", GONE, "--yes", "--json")
        said = json.loads(again.stdout)
        assert {*said["records"].values(), *said["rows"].values()} == {0}, "nothing of it came back"


def test_the_tenant_of_everybody_is_none(settings: Settings, tmp_path: Path) -> None:
    done = _run(settings, tmp_path, "erase", "--tenant", "*", "--yes")
    assert done.returncode == 2
    assert "--tenant" in done.stderr
