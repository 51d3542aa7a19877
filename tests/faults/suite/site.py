"""What is put under faults: processes on a cluster, a supervisor that starts again whatever ended, and a reader that
sees every alert as a downstream consumer would."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import HostPort, Settings
from tests.faults.harness import GRANTED, RULES, Process, apply_config
from tests.faults.sink import Sink
from tests.faults.suite.cluster import Cluster, free_port

SESSION_S = 3.0


class Site:
    """`direct` are the suite's settings, `proxied` those of the processes."""

    def __init__(self, cluster: Cluster, directory: Path, name: str) -> None:
        free = HostPort("127.0.0.1", 0)
        common: dict[str, Any] = {"topic_prefix": f"{name}-", "broker": "java", "data_dir": directory, "http": free}
        common |= {"session_timeout": SESSION_S, "commit_interval": 0.5, "worker_http": free, "delivery_http": free}
        self.cluster = cluster
        self.directory = directory
        self.direct = Settings(kafka=cluster.direct, **common)
        self.proxied = Settings(kafka=cluster.proxied, **common)
        self.api_port = free_port()
        self.processes: dict[str, Process] = {}
        self.down: set[str] = set()
        """Names of processes that are not to be started again for now."""
        self.alerts: dict[str, dict[str, Any]] = {}
        self.wrong: list[str] = []
        """What a consumer should never see: a revision that goes back."""
        self.times: list[int] = []
        """When each alert record was written, ms."""
        self.sink = Sink()

    def add(self, name: str, command: str, environment: dict[str, str] | None = None) -> Process:
        """A process of ours, started by the supervisor."""
        more = {"STREAMPROC_HTTP": f"127.0.0.1:{self.api_port}", **(environment or {})}
        process = Process([command], self.proxied, self.directory / name, name, more)
        self.processes[name] = process
        return process

    @property
    def workers(self) -> list[str]:
        return [name for name in self.processes if name.startswith("worker")]

    def state_of(self, name: str) -> Path:
        """Where a worker keeps its tables."""
        return self.directory / name / "worker-0"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Site]:
        topics = load_topics(self.direct)
        await apply_topics(self.direct, topics)
        await apply_config(self.direct, rules())
        tasks = [asyncio.create_task(self._supervise()), asyncio.create_task(self._read())]
        async with self.sink:
            try:
                yield self
            finally:
                self.down = set(self.processes)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.gather(*(asyncio.to_thread(process.stop) for process in self.processes.values()))

    async def _supervise(self) -> None:
        while True:
            for name, process in list(self.processes.items()):
                if name not in self.down and not process.alive:
                    process.start()
            await asyncio.sleep(0.2)

    async def _read(self) -> None:
        """Follow the alerts for ever, whatever becomes of the broker."""
        spec = load_topics(self.direct)["alerts"]
        partitions = [TopicPartition(spec.topic, p) for p in range(spec.partitions)]
        positions = dict.fromkeys(partitions, 0)
        while True:
            consumer = AIOKafkaConsumer(
                **client_options(self.direct), isolation_level="read_committed", auto_offset_reset="earliest"
            )
            try:
                await asyncio.wait_for(consumer.start(), 10)
                consumer.assign(partitions)
                for tp, position in positions.items():
                    consumer.seek(tp, position)
                quiet = time.monotonic()
                while time.monotonic() - quiet < 15:
                    for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                        quiet = time.monotonic()
                        for record in records:
                            positions[tp] = record.offset + 1
                            self._seen(record)
            except asyncio.CancelledError:
                raise
            except Exception:
                await asyncio.sleep(0.3)
            finally:
                await close_consumer(consumer)

    def _seen(self, record: Any) -> None:
        if record.value is None:
            return
        alert = orjson.loads(record.value)
        before = self.alerts.get(alert["id"])
        if before is not None and alert["revision"] < before["revision"]:
            self.wrong.append(f"{alert['id']} went from revision {before['revision']} to {alert['revision']}")
        self.alerts[alert["id"]] = alert
        self.times.append(record.timestamp)

    def pause(self, since: int, until: int) -> float:
        """The longest time without any alert record between two moments (ms), in seconds."""
        times = sorted(at for at in self.times if since <= at <= until)
        marks = [since, *times, until] if times else [since, until]
        return max(later - earlier for earlier, later in itertools.pairwise(marks)) / 1000


def rules() -> list[dict[str, Any]]:
    """The rules of the workload, of which one tells a webhook."""
    return [rule | {"webhook_ids": ["hook"]} if rule["id"] == GRANTED else rule for rule in RULES]
