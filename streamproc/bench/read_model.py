"""The API's read model: how fast it is built from the topic, and how long lists, filters and searches take with it.

Measured from outside, over HTTP, on `streamproc api` as it is installed. Half of the alerts are one tenant's.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from streamproc.bench.child import Child
from streamproc.bench.cluster import Cluster
from streamproc.bench.contestant import BenchError
from streamproc.bench.figures import Latency
from streamproc.bench.product import free_port, product_command, product_environment
from streamproc.bench.usage import process_usage
from streamproc.kafka.client import client_options
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings

READ_GOAL_MS = 50.0
"""At p95, with a million alerts."""
BIG = "tenant-big"
START_MS = 1_770_724_800_000
SPAN_MS = 90 * 86_400_000
REQUESTS = 60
"""Of each kind."""
LIMIT_S = 1_800.0
_IN_FLIGHT = 16
_BATCH_BYTES = 256 * 1024
_VERSION = 1
_RULES = tuple(f"rule-{n:02d}" for n in range(60))
_NOUNS = ("login", "export", "grant", "deletion", "token", "bucket", "session", "policy", "backup", "mailbox")
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ReadModelFigure:
    """What it cost to build, and what requests took (milliseconds)."""

    alerts: int
    build_s: float
    """From the process's start until it is ready."""
    build_cpu_s: float
    peak_mib: float
    after_mib: float
    """After all requests."""
    file_mib: float
    requests: list[Latency]
    p95: dict[str, float]

    @property
    def alerts_per_s(self) -> float:
        """Built, start-up included."""
        return self.alerts / self.build_s

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            **{name: getattr(self, name) for name in ("alerts", "build_s", "build_cpu_s", "alerts_per_s")},
            **{name: getattr(self, name) for name in ("peak_mib", "after_mib", "file_mib", "p95")},
            "requests_ms": [asdict(row) for row in self.requests],
            "goal_p95_ms": READ_GOAL_MS,
        }


async def measure_read_model(
    settings: Settings, session: aiohttp.ClientSession, directory: Path, count: int, tell: Tell
) -> ReadModelFigure:
    """Load `count` alerts unless they are there, build a read model, and ask it. Raises BenchError."""
    mine = settings.model_copy(update={"topic_prefix": f"bench-readmodel-{count}-v{_VERSION}-"})
    async with Cluster(mine) as cluster:
        await _load(mine, cluster, count, tell)
    port = free_port()
    environment = product_environment(mine, directory, uuid.uuid4().hex[:8]) | {
        "STREAMPROC_HTTP": f"127.0.0.1:{port}",
        "STREAMPROC_RATE_LIMIT": "0",
    }
    url = f"http://127.0.0.1:{port}"
    with Child(product_command("api"), environment, directory, directory / "api.log") as child:
        started = time.monotonic()
        peak = await _built(session, url, child, count, tell)
        build_s = time.monotonic() - started
        cpu_s = _usage(child)[0]
        await asyncio.sleep(1)
        key = (directory / "state" / "admin.key").read_text().strip()
        times = await _ask(session, url, {"Authorization": f"Bearer {key}"}, tell)
        after = _usage(child)[1]
    size = sum(file.stat().st_size for file in (directory / "state" / "api").glob("read-model.sqlite*"))
    return ReadModelFigure(
        alerts=count,
        build_s=round(build_s, 2),
        build_cpu_s=round(cpu_s, 2),
        peak_mib=round(max(peak, after) / 2**20, 1),
        after_mib=round(after / 2**20, 1),
        file_mib=round(size / 2**20, 1),
        requests=[Latency.of(label, values, len(values)) for label, values in times.items()],
        p95={label: round(sorted(values)[int(0.95 * len(values))] * 1000, 1) for label, values in times.items()},
    )


async def _built(session: aiohttp.ClientSession, url: str, child: Child, count: int, tell: Tell) -> int:
    """Wait until it is ready; answers the most memory seen, in bytes."""
    peak, deadline = 0, time.monotonic() + LIMIT_S
    while True:
        if child.status is not None or time.monotonic() > deadline:
            raise BenchError(f"the API is not ready:\n{child.last_lines()}")
        peak = max(peak, _usage(child)[1])
        try:
            async with session.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return peak
        except (aiohttp.ClientError, OSError):
            pass
        tell("building the read model", 0, count)
        await asyncio.sleep(0.1)


def _usage(child: Child) -> tuple[float, int]:
    return process_usage(child.pid) or (0.0, 0)


async def _ask(session: aiohttp.ClientSession, url: str, headers: dict[str, str], tell: Tell) -> dict[str, list[float]]:
    rng = random.Random(5)
    small = [f"tenant-{n:02d}" for n in range(99)]

    def day() -> str:
        return iso(START_MS + rng.randrange(SPAN_MS))

    kinds: dict[str, Callable[[], str]] = {
        "list, newest": lambda: f"tenant_id={rng.choice((BIG, *small))}",
        "list, of all tenants": lambda: "",
        "list, from a time": lambda: f"tenant_id={BIG}&created_before={day()}",
        "filter by status": lambda: f"tenant_id={BIG}&status={rng.choice(('open', 'acknowledged', 'escalated'))}",
        "filter by severity and rule": lambda: f"tenant_id={BIG}&severity=critical,low&rule_id={rng.choice(_RULES)}",
        "filter by rare things": lambda: f"status=escalated&severity=critical&rule_id={rng.choice(_RULES)}",
        "filter by category, of all": lambda: "category=compliance&status=suppressed",
        "search a common word": lambda: f"tenant_id={BIG}&q={rng.choice(_NOUNS)}",
        "search an address": lambda: f"q=10.{rng.randrange(20)}.{rng.randrange(250)}.7",
        "search what begins so": lambda: f"tenant_id={BIG}&q={rng.choice(('unus*', 'rule-*', '10.3.*'))}",
        "search and filter": lambda: f"tenant_id={BIG}&q=events%20{rng.choice(_NOUNS)}&status=escalated&severity=low",
    }
    times: dict[str, list[float]] = {}
    for label, query in kinds.items():
        tell(label, 0, 1)
        times[label] = [await _timed(session, f"{url}/v1/alerts?limit=50&{query()}", headers) for _ in range(REQUESTS)]
    address = f"{url}/v1/alerts?limit=50&tenant_id={BIG}"
    cursor, times["pages"] = "", []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        async with session.get(address + cursor, headers=headers) as answer:
            page = await answer.json()
        times["pages"].append(time.perf_counter() - began)
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    times["statistics"] = [
        await _timed(session, f"{url}/v1/stats?hours={24 * 366}&tenant_id={rng.choice((BIG, *small))}", headers)
        for _ in range(REQUESTS)
    ]
    return times


async def _timed(session: aiohttp.ClientSession, address: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    async with session.get(address, headers=headers) as answer:
        content = await answer.read()
        if answer.status != 200:
            raise BenchError(f"{address}: {answer.status} {content[:300]!r}")
    return time.perf_counter() - began


async def _load(settings: Settings, cluster: Cluster, count: int, tell: Tell) -> None:
    topics = load_topics(settings)
    spec = topics["alerts"]
    partitions = await cluster.partitions([spec.topic])
    if len(partitions) == spec.partitions and sum((await cluster.ends(partitions)).values()) == count:
        # the rest anew: a first start makes a key, and only then is it known
        await cluster.recreate([one for one in topics.values() if one is not spec])
        return
    await cluster.recreate(list(topics.values()))
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=_BATCH_BYTES,
    )
    await producer.start()
    try:
        batches = [producer.create_batch() for _ in range(spec.partitions)]
        waiting: list[Any] = []
        for number, alert in enumerate(drawn_alerts(count)):
            place = partition_by(alert["tenant_id"], spec.partitions)
            record = {"timestamp": None, "key": alert["id"].encode(), "value": orjson.dumps(alert), "headers": []}
            if batches[place].append(**record) is None:
                waiting.append(await producer.send_batch(batches[place], spec.topic, partition=place))
                batches[place] = producer.create_batch()
                batches[place].append(**record)
                if len(waiting) >= _IN_FLIGHT:
                    await asyncio.gather(*waiting)
                    waiting.clear()
                    tell("loading alerts into Kafka", number, count)
        for place, batch in enumerate(batches):
            if batch.record_count():
                waiting.append(await producer.send_batch(batch, spec.topic, partition=place))
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()


def drawn_alerts(count: int) -> Iterator[dict[str, Any]]:
    """Alerts as detect writes them, 2 kB each, over ninety days; half of them one tenant's."""
    rng = random.Random(20260210)
    for number in range(count):
        at = iso(START_MS + number * SPAN_MS // count)
        tenant = BIG if rng.random() < 0.5 else f"tenant-{int(99 * rng.random() ** 2):02d}"
        rule = _RULES[int(rng.random() ** 2 * len(_RULES))]
        actor = f"actor-{rng.randrange(10_000)}"
        ip = f"10.{rng.randrange(20)}.{rng.randrange(250)}.{rng.randrange(250)}"
        noun = _NOUNS[int(rng.random() ** 2 * len(_NOUNS))]
        status = rng.choices(("resolved", "acknowledged", "open", "suppressed", "escalated"), (80, 10, 8, 1.9, 0.1))[0]
        severity = rng.choices(("low", "medium", "high", "critical", "informational"), (40, 30, 20, 9.9, 0.1))[0]
        event = {
            "id": f"evt-{number}",
            "tenant_id": tenant,
            "action": f"user.{noun}",
            "outcome": "failure",
            "event_time": at,
            "actor": {"id": actor, "type": "user", "email": f"{actor}@example.com", "ip": ip, "country": "DE"},
            "resource": {"type": "session", "id": f"session-{number}"},
            "source": "app",
            "metadata": {"actor_role": "member"},
        }
        yield {
            "event_type": "alert.updated",
            "id": f"alt_{uuid.UUID(int=rng.getrandbits(128), version=4)}",
            "revision": 1 + rng.randrange(5),
            "tenant_id": tenant,
            "fingerprint": f"{rng.getrandbits(128):032x}",
            "status": status,
            "severity": severity,
            "category": rng.choices(("identity", "cloud", "network", "compliance"), (60, 30, 9, 1))[0],
            "title": f"Unusual {noun} activity",
            "description": "",
            "rule": {"id": rule, "owner": "*", "revision": 1, "name": rule.title(), "type": "threshold"},
            "mitre_tactics": ["Credential Access"],
            "mitre_techniques": ["T1110"],
            "runbook": None,
            "metadata": {},
            "reason": f"5 events in 300 s for actor.ip {ip}",
            "group": {"actor.ip": ip},
            "trigger_count": 1 + rng.randrange(5),
            "context": {
                "count": 5,
                "window_seconds": 300,
                "first_event_time": at,
                "last_event_time": at,
                "event_ids": [f"evt-{number}-{n}" for n in range(5)],
                "sample": [event, event],
            },
            "event": event,
            "affected_assets": [{"type": "user", "id": actor, "label": f"{actor}@example.com"}],
            "source": "app",
            "late": False,
            "backfill": False,
            "created_at": at,
            "triggered_at": at,
            "updated_at": at,
            "acknowledged_at": at if status == "acknowledged" else None,
            "resolved_at": at if status == "resolved" else None,
            "acknowledged_by": "ann" if status == "acknowledged" else None,
            "resolution": None,
            "incident_id": None,
            "notes": [],
            "history": [],
            "last_command": None,
            "suppressed_by": None,
            "snoozed_until": None,
            "assignee": None,
            "schema_version": 1,
        }
