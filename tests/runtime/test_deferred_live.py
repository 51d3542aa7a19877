"""A tenant over its limit waits for its own events only, and a SIGKILL on the way loses and repeats none."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings
from tests.faults.harness import Process, apply_config, lag, latest, produce, read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]

HOT_EVENTS, ACTORS, CALM_EVERY = 40_000, 40, 2_000
SEEN = {"name": "Seen", "tenant_id": "*", "type": "pattern", "condition": {"action": "seen", "group_by": "actor.id"}}
SPIKE = {
    "name": "Many",
    "tenant_id": "*",
    "type": "threshold",
    "condition": {"action": "seen", "count": 900, "window": "1h", "window_type": "fixed", "group_by": "actor.id"},
}


def tenants(partitions: int) -> tuple[str, str]:
    """Two of one partition."""
    hot, *others = [f"tenant-{n}" for n in range(100)]
    return hot, next(one for one in others if partition_by(one, partitions) == partition_by(hot, partitions))


def event(tenant: str, n: int, actor: str) -> tuple[str, bytes, Any]:
    doc = {"id": f"{tenant}-{n}", "tenant_id": tenant, "action": "seen", "event_time": iso(int(time.time() * 1000))}
    return tenant, orjson.dumps(doc | {"outcome": "success", "actor": {"id": actor}}), None


async def triggers(settings: Settings) -> tuple[Counter[tuple[str, str, str]], dict[str, int]]:
    """How often, by tenant, rule and actor; and when each tenant's last alert record was written."""
    records = [record for record in await read_topic(settings, "alerts") if record.value]
    counts: Counter[tuple[str, str, str]] = Counter()
    for alert in latest(records).values():
        counts[alert["tenant_id"], alert["rule"]["id"], alert["group"]["actor.id"]] += alert["trigger_count"]
    ended: dict[str, int] = {}
    for record in records:
        tenant = orjson.loads(record.value)["tenant_id"]
        ended[tenant] = max(ended.get(tenant, 0), record.timestamp)
    return counts, ended


async def test_a_hot_tenant_waits_and_nothing_of_it_is_lost(settings_with_topics: Settings, tmp_path: Path) -> None:
    settings = settings_with_topics.model_copy(update={"session_timeout": 3.0, "commit_interval": 0.5})
    hot, calm = tenants(load_topics(settings)["events"].partitions)
    await apply_config(settings, [SEEN | {"id": "seen"}, SPIKE | {"id": "many"}])
    await apply_config(
        settings, [{"id": "plan", "tenant_id": hot, "plan": "pro", "events_per_second": 10}], kind="plan"
    )
    sent = []
    for n in range(HOT_EVENTS):
        sent.append(event(hot, n, f"u{n % ACTORS}"))
        if n % CALM_EVERY == 0:
            sent.append(event(calm, n, "somebody"))
    await produce(settings, sent)
    await asyncio.sleep(1.2)  # a backlog, more than a second old

    worker = Process(["worker"], settings, tmp_path, "worker")
    worker.start()
    await worker.says("tenants.deferred")
    await asyncio.sleep(0.5)
    assert "deferred_no_more" not in worker.tail(100_000), "killed on the way"
    worker.kill()
    assert await lag(settings, settings.worker_group, ["events"]) > 0, "nothing is committed that is not done"
    worker.start()
    await worker.joined(2)
    each = HOT_EVENTS // ACTORS
    expected = {(hot, "seen", f"u{n}"): each for n in range(ACTORS)}
    expected |= {(hot, "many", f"u{n}"): each - 899 for n in range(ACTORS)}
    expected |= {(calm, "seen", "somebody"): HOT_EVENTS // CALM_EVERY}
    deadline = time.monotonic() + 90
    while await lag(settings, settings.worker_group, ["events"]) > 0 or (await triggers(settings))[0] != expected:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(1)
    assert worker.stop() == 0, worker.tail()
    counts, ended = await triggers(settings)
    assert counts == expected
    assert ended[calm] < ended[hot], "who keeps to a limit does not wait for who does not"
    assert await lag(settings, settings.worker_group, ["events"]) == 0
