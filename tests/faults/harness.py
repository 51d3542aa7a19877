"""Real processes to hurt, a workload whose right answer is known, and what the topics say afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streamproc.alerting.fingerprint import alert_id, fingerprint
from streamproc.config.record import ConfigRecord
from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings

FAILED, DELETED, GRANTED, TOUCHED = "failed-logins", "many-hosts", "grants", "busy-hour"
RULES: list[dict[str, Any]] = [
    {
        "id": FAILED,
        "name": "Failed logins",
        "type": "threshold",
        "severity": "high",
        "tenant_id": "*",
        "condition": {
            "action": "user.login",
            "outcome": "failure",
            "count": 5,
            "window_seconds": 60,
            "group_by": "actor.ip",
        },
    },
    {
        "id": DELETED,
        "name": "Many hosts deleted",
        "type": "threshold",
        "tenant_id": "*",
        "condition": {
            "action": "host.delete",
            "count": 3,
            "window": "10m",
            "group_by": "actor.id",
            "distinct": "resource.id",
        },
    },
    {
        "id": GRANTED,
        "name": "Role granted",
        "type": "pattern",
        "tenant_id": "*",
        "condition": {"action": "role.grant", "group_by": "actor.id"},
    },
    {
        "id": TOUCHED,
        "name": "Busy hour",
        "type": "threshold",
        "tenant_id": "*",
        "condition": {
            "action": {"matches": "*.delete"},
            "count": 8,
            "window": "1h",
            "window_type": "fixed",
            "group_by": "actor.id",
        },
    },
]
ACTIONS = ["user.login"] * 4 + ["host.read"] * 10 + ["host.delete"] * 2 + ["doc.read"] * 10 + ["role.grant"]


@dataclass
class Expected:
    """What an undisturbed run ends with, per alert id: its rule, group value and number of triggers."""

    alerts: dict[str, tuple[str, str, int]] = field(default_factory=dict)


def workload(
    count: int, seed: int, start_ms: int, prefix: str = "ten", step_ms: int = 20
) -> list[tuple[str, bytes, dict[str, Any]]]:
    """(tenant, value, event) in order of event time, `step_ms` apart; tenants are named after `prefix`."""
    rng = random.Random(seed)
    events = []
    for n in range(count):
        tenant = f"{prefix}_{rng.randrange(24):02d}"
        action = rng.choice(ACTIONS)
        actor = rng.randrange(60)
        event = {
            "id": f"evt_{n:07d}",
            "tenant_id": tenant,
            "action": action,
            "outcome": "failure" if action == "user.login" and rng.random() < 0.4 else "success",
            "event_time": iso(start_ms + n * step_ms),
            "actor": {"id": f"usr_{actor:03d}", "type": "user", "ip": f"10.1.{actor % 7}.{rng.randrange(40)}"},
            "resource": {"type": "host", "id": f"host_{rng.randrange(8)}"},
        }
        events.append((tenant, orjson.dumps(event), event))
    return events


def oracle(events: Iterable[tuple[str, bytes, dict[str, Any]]], start_ms: int, step_ms: int = 20) -> Expected:
    """The rules above, counted in the plainest way, from events in order of time."""
    triggers: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    logins: dict[tuple[str, str], list[int]] = defaultdict(list)
    hosts: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    hours: dict[tuple[str, str, int], int] = defaultdict(int)
    for n, (tenant, _, event) in enumerate(events):
        t, actor, ip = start_ms + n * step_ms, event["actor"]["id"], event["actor"]["ip"]
        if event["action"] == "user.login" and event["outcome"] == "failure":
            times = logins[tenant, ip] = [x for x in logins[tenant, ip] if x > t - 60_000] + [t]
            if len(times) >= 5:
                triggers[tenant, FAILED, ip].append(event["id"])
        if event["action"] == "host.delete":
            seen = [x for x in hosts[tenant, actor] if x[0] > t - 600_000]
            seen.append((t, event["resource"]["id"]))
            hosts[tenant, actor] = seen
            if len({host for _, host in seen}) >= 3:
                triggers[tenant, DELETED, actor].append(event["id"])
            hours[tenant, actor, t // 3_600_000] += 1
            if hours[tenant, actor, t // 3_600_000] >= 8:
                triggers[tenant, TOUCHED, actor].append(event["id"])
        if event["action"] == "role.grant":
            triggers[tenant, GRANTED, actor].append(event["id"])
    expected = Expected()
    for (tenant, rule, group), ids in triggers.items():
        fp = fingerprint(tenant, "*", rule, [group])
        expected.alerts[alert_id(fp, "event", ids[0])] = (rule, group, len(ids))
    return expected


class Process:
    """One `streamproc <command>` of our own, its output in a file."""

    def __init__(
        self,
        command: list[str],
        settings: Settings,
        directory: Path,
        name: str,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "streamproc", *command]
        self._env = {
            **os.environ,
            "STREAMPROC_KAFKA": settings.kafka,
            "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
            "STREAMPROC_DATA_DIR": str(directory),
            "STREAMPROC_SESSION_TIMEOUT": str(settings.session_timeout),
            "STREAMPROC_COMMIT_INTERVAL": "0.5",
            "STREAMPROC_WORKER_HTTP": "127.0.0.1:0",
            "STREAMPROC_DELIVERY_HTTP": "127.0.0.1:0",
            "STREAMPROC_LOG_FORMAT": "console",
            "STREAMPROC_ALLOWED_NETWORKS": "127.0.0.0/8",
            **(environment or {}),
        }
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    def stop(self) -> int | None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if self._process is None:
            return None
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    async def joined(self, times: int = 1, limit_s: float = 90) -> None:
        """Wait until it has got partitions so many times, over all its starts."""
        await self.says("partitions.assigned", times, limit_s)

    async def says(self, text: str, times: int = 1, limit_s: float = 90) -> None:
        """Wait until a text stands in its log so many times, over all its starts."""
        deadline = time.monotonic() + limit_s
        while self.tail(100_000).count(text) < times:
            assert time.monotonic() < deadline, f"no {text} ({times} times): {self.tail()}"
            await asyncio.sleep(0.05)

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


async def apply_config(settings: Settings, documents: list[dict[str, Any]], kind: str = "rule") -> None:
    """Write documents to the config topic as they are."""
    records = [
        ConfigRecord(kind, doc["tenant_id"], doc["id"], 1, doc, "2026-01-01T00:00:00.000Z", "test") for doc in documents
    ]
    async with ConfigWriter(settings) as writer:
        await writer.put(records)


async def produce(settings: Settings, events: list[tuple[str, bytes, Any]], per_second: float | None = None) -> None:
    """Send events keyed by tenant; at a rate, or as fast as the broker takes them."""
    topic = load_topics(settings)["events"]
    producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        started = time.monotonic()
        for n in range(0, len(events), 500):
            waits = [
                await producer.send(
                    topic.topic, value=value, key=tenant.encode(), partition=partition_by(tenant, topic.partitions)
                )
                for tenant, value, _ in events[n : n + 500]
            ]
            await asyncio.gather(*waits)
            if per_second:
                ahead = (n + 500) / per_second - (time.monotonic() - started)
                if ahead > 0:
                    await asyncio.sleep(ahead)
    finally:
        await producer.stop()


async def read_topic(settings: Settings, name: str, isolation: str = "read_committed") -> list[Any]:
    """Every record of a topic, up to its present end, in no order across partitions."""
    spec = load_topics(settings)[name]
    partitions = [TopicPartition(spec.topic, p) for p in range(spec.partitions)]
    consumer = AIOKafkaConsumer(**client_options(settings), isolation_level=isolation, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Any] = []
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for batch in (await consumer.getmany(timeout_ms=300)).values():
                records += batch
        return records
    finally:
        await close_consumer(consumer)


def latest(records: list[Any]) -> dict[str, dict[str, Any]]:
    """The highest revision of each alert; and that no partition ever went back to a lower one."""
    newest: dict[str, dict[str, Any]] = {}
    for record in records:
        alert = orjson.loads(record.value)
        before = newest.get(alert["id"])
        assert before is None or alert["revision"] >= before["revision"], (before, alert)
        newest[alert["id"]] = alert
    return newest


async def lag(settings: Settings, group: str, names: list[str]) -> int:
    """Records of these topics that the group has not committed."""
    topics = load_topics(settings)
    admin = AIOKafkaAdminClient(**client_options(settings))
    consumer = AIOKafkaConsumer(**client_options(settings))
    await admin.start()
    await consumer.start()
    try:
        committed = await admin.list_consumer_group_offsets(settings.group(group))
        partitions = [TopicPartition(topics[n].topic, p) for n in names for p in range(topics[n].partitions)]
        ends = await consumer.end_offsets(partitions)
        return sum(max(0, end - (committed[tp].offset if tp in committed else 0)) for tp, end in ends.items())
    finally:
        await close_consumer(consumer)
        await admin.close()


def differences(expected: Expected, found: dict[str, dict[str, Any]]) -> list[str]:
    """Everything in which the alerts found are not the alerts expected; empty when nothing."""
    wrong = []
    for id_, (rule, group, count) in expected.alerts.items():
        alert = found.get(id_)
        if alert is None:
            wrong.append(f"lost: {rule} {group} ({count} triggers)")
        elif (alert["trigger_count"], alert["revision"]) != (count, count):
            wrong.append(
                f"{rule} {group}: {alert['trigger_count']} triggers at revision {alert['revision']}, not {count}"
            )
    wrong += [f"invented: {a['rule']['id']} {a['group']}" for id_, a in found.items() if id_ not in expected.alerts]
    return wrong


async def settled(settings: Settings, expected: Expected, limit_s: float, processes: list[Process]) -> list[str]:
    """Wait until the alerts are as expected and nothing is left to read; answers what still differs at the end."""
    deadline = time.monotonic() + limit_s
    wrong = ["nothing looked at yet"]
    while time.monotonic() < deadline:
        for process in processes:
            if not process.alive:
                process.start()
        if await lag(settings, settings.worker_group, ["events"]) == 0:
            wrong = differences(expected, latest(await read_topic(settings, "alerts")))
            if not wrong:
                return []
        await asyncio.sleep(1.0)
    return wrong[:20]
