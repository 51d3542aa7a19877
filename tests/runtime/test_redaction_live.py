"""A worker that redacts: no topic but the source's, and no file of its own, has the secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings
from tests.faults.harness import Process, apply_config, latest, produce, read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]

SECRET = "hunter2-is-my-password"


async def test_no_topic_and_no_file_has_what_is_redacted(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = new_settings(kafka=broker, session_timeout=6.0)
    topics = load_topics(settings)
    await apply_topics(settings, topics)
    rules = [
        {"id": "seen", "condition": {"metadata.password": {"contains": "hunter2"}, "group_by": "metadata.password"}},
        {"id": "new", "type": "new_value", "condition": {"path": "metadata.password", "group_by": "actor.id"}},
    ]
    await apply_config(settings, [{"type": "pattern", "tenant_id": "acme", "name": r["id"], **r} for r in rules])
    now = iso(int(time.time() * 1000))
    made = [
        {"id": f"e{n}", "tenant_id": "acme", "action": "a", "event_time": now, "actor": {"id": "u"}}
        | {"metadata": {"password": f"{SECRET}-{n}"}}
        for n in range(3)
    ]
    broken = orjson.dumps({"tenant_id": "acme", "metadata": {"password": SECRET}})  # has no action
    await produce(settings, [*(("acme", orjson.dumps(doc), doc) for doc in made), ("acme", broken, None)])
    monkeypatch.setenv("STREAMPROC_REDACT", "metadata.password")
    monkeypatch.setenv("STREAMPROC_REDACT_DEAD_LETTERS", "true")
    directory = tmp_path / "worker"
    worker = Process(["worker"], settings, directory, "worker")
    worker.start()
    try:
        alerts: list[dict[str, object]] = []
        letters: list[object] = []
        deadline = time.monotonic() + 60
        while (len(alerts) < 4 or not letters) and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
            alerts = list(latest(await read_topic(settings, "alerts")).values())
            letters = await read_topic(settings, "dead-letters")
    finally:
        assert worker.stop() == 0, worker.tail()
    assert len(alerts) == 4, "three passwords seen, the second of them new: " + worker.tail()
    assert len(letters) == 1

    searched = 0
    for spec in topics.values():
        if spec.format is None:  # what producers write on source topics is theirs
            for record in await read_topic(settings, spec.name, "read_uncommitted"):
                if spec.name == "config":
                    continue
                searched += 1
                assert (
                    SECRET.encode() not in (record.key or b"") + (record.value or b"") + repr(record.headers).encode()
                )
    assert searched > 10
    for path in directory.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
