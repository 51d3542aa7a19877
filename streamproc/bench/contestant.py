"""Who is measured, and what each needs before it starts and after it is done."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import orjson

from streamproc.bench.child import plain_environment
from streamproc.bench.cluster import Cluster, NewTopic
from streamproc.bench.draw import Workload
from streamproc.bench.oracle import AlertKey, Alerts, Episode, note_trigger
from streamproc.bench.progress import ProgressFile, ProgressSource, WorkerProgress
from streamproc.bench.types import state_sizes
from streamproc.kafka.topics import load_topics
from streamproc.settings import Settings

PARTITIONS = 4
CONFIG_LIMIT_S = 300.0


class BenchError(RuntimeError):
    """A measurement that cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run takes place. `settings` have the prefix of the events' topics; `tag` is the run's alone."""

    settings: Settings
    cluster: Cluster
    session: aiohttp.ClientSession
    directory: Path
    tag: str
    events: str
    count: int
    workload: Workload


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant that is ready to start."""

    command: Sequence[str]
    environment: dict[str, str]
    progress: ProgressSource
    group: str
    later_stages: Sequence[str]
    """Topics between its stages, which must be drained too."""
    writes: Sequence[str]
    """Topics of its alerts; the run ends with the last record there."""
    own_topics: str
    """What the names of its topics begin with."""
    alerts: Callable[[], Awaitable[Alerts]] | None
    """Reads what it found; None for one that looks for nothing."""
    clean: Callable[[], Awaitable[None]]
    notes: dict[str, Any] = field(default_factory=dict)


class Contestant(Protocol):
    """`name` is a key in results; `label` is for people."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    async def enter(self, place: Place) -> Entry: ...


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class RawClient:
    """aiokafka and orjson, and nothing else."""

    name: str = "raw"
    label: str = "aiokafka + orjson.loads"

    async def enter(self, place: Place) -> Entry:
        group = f"bench-raw-{place.tag}"
        environment, progress = _peer(place, group)
        command = [sys.executable, "-m", "streamproc.bench.peers.raw_client"]
        return Entry(command, environment, progress, group, (), (), group, None, _nothing)


@dataclass(frozen=True, slots=True)
class StockFaust:
    """The same rule in stock Faust."""

    name: str = "faust"
    label: str = "stock Faust worker"

    async def enter(self, place: Place) -> Entry:
        group = f"bench-faust-{place.tag}"
        environment, progress = _peer(place, group)
        keyed, alerts = f"{group}-keyed", f"{group}-alerts"
        await place.cluster.recreate([NewTopic(name, PARTITIONS, 1, {}) for name in (keyed, alerts)])
        environment |= {
            "BENCH_KEYED": keyed,
            "BENCH_ALERTS": alerts,
            "BENCH_WORKLOAD": place.workload.name,
            "BENCH_STATE": str(place.directory / "state"),
        }

        async def found() -> Alerts:
            episodes: Alerts = {}
            for record in await place.cluster.read(alerts):
                alert = orjson.loads(record.value)
                note_trigger(episodes, AlertKey(alert["rule"], alert["tenant_id"], alert["group"]), alert["event_id"])
            return episodes

        async def clean() -> None:
            await place.cluster.delete(await place.cluster.names(group))

        command = [sys.executable, "-m", "streamproc.bench.peers.faust_worker"]
        return Entry(command, environment, progress, group, [keyed], [alerts], group, found, clean)


@dataclass(frozen=True, slots=True)
class Worker:
    """`streamproc worker` as it is installed, with its default settings and these configured things."""

    name: str
    label: str
    documents: Sequence[dict[str, Any]]
    judged: bool = True
    """Whether its alerts are compared with the oracle's; else what its keys take to store is noted."""

    async def enter(self, place: Place) -> Entry:
        port = free_port()
        environment = product_environment(place.settings, place.directory, place.tag) | {
            "STREAMPROC_WORKER_HTTP": f"127.0.0.1:{port}"
        }
        topics = load_topics(place.settings)
        await place.cluster.recreate([spec for spec in topics.values() if spec.topic != place.events])
        seconds = await configure(self.documents, environment, place.directory)

        async def found() -> Alerts:
            return read_alerts(record.value for record in await place.cluster.read(topics["alerts"].topic))

        notes: dict[str, Any] = {"rules": len(self.documents), "config_apply_s": round(seconds, 2)}

        async def weigh() -> None:
            if not self.judged:
                changelog = await place.cluster.read(topics["detectors-changelog"].topic)
                notes["state_bytes"] = state_sizes((record.key, record.value) for record in changelog)

        return Entry(
            [sys.executable, "-m", "streamproc", "worker"],
            environment,
            WorkerProgress(f"127.0.0.1:{port}", place.session),
            place.settings.group(f"worker-{place.tag}"),
            [topics["signals"].topic],
            [topics["alerts"].topic],
            place.settings.topic_prefix,
            found if self.judged else None,
            weigh,  # its topics are made anew by the next run
            notes,
        )


def _peer(place: Place, group: str) -> tuple[dict[str, str], ProgressFile]:
    progress = place.directory / "progress.json"
    environment = plain_environment() | {
        "BENCH_KAFKA": place.settings.kafka,
        "BENCH_GROUP": group,
        "BENCH_EVENTS": place.events,
        "BENCH_PROGRESS": str(progress),
        "PYTHONUNBUFFERED": "1",
    }
    return environment, ProgressFile(progress)


def product_environment(settings: Settings, directory: Path, tag: str) -> dict[str, str]:
    """What a process of the product is started with: everything at its default but where things are."""
    return plain_environment() | {
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(directory / "state"),
        "STREAMPROC_WORKER_GROUP": f"worker-{tag}",
        "STREAMPROC_DELIVERY_GROUP": f"delivery-{tag}",
        "PYTHONUNBUFFERED": "1",
    }


async def configure(documents: Sequence[dict[str, Any]], environment: dict[str, str], directory: Path) -> float:
    """`streamproc config apply`; answers how long it took. Raises BenchError when it refuses."""
    started = time.monotonic()
    file = _written(documents, directory)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamproc", "config", "apply", str(file)),
        env=environment,
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(CONFIG_LIMIT_S):
            _, said = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise BenchError(f"config apply: {said.decode(errors='replace').strip()[-2000:]}")
    return time.monotonic() - started


def _written(documents: Sequence[dict[str, Any]], directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "config.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, documents)))
    return file


def read_alerts(values: Iterable[bytes | None]) -> Alerts:
    """The latest revision of each alert record; two alerts of one group make its number of triggers wrong."""
    newest: dict[str, dict[str, Any]] = {}
    for value in values:
        if value is None:
            continue
        alert = orjson.loads(value)
        before = newest.get(alert["id"])
        if before is None or alert["revision"] > before["revision"]:
            newest[alert["id"]] = alert
    episodes: Alerts = {}
    for alert in newest.values():
        key = AlertKey(alert["rule"]["id"], alert["tenant_id"], ",".join(map(str, alert["group"].values())))
        before_ = episodes.get(key)
        more = 0 if before_ is None else before_.triggers
        episodes[key] = Episode(alert["event"]["id"], alert["trigger_count"] + more)
    return episodes


def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
