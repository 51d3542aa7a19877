"""Who streamproc is measured against. Each is a process of its own from `peers`, with nothing of ours but its rule."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from streamproc.bench.child import plain_environment
from streamproc.bench.cluster import NewTopic
from streamproc.bench.contestant import Entry, Launch, Place, nothing
from streamproc.bench.oracle import AlertKey, Alerts, note_trigger
from streamproc.bench.partitions import PARTITIONS
from streamproc.bench.progress import ProgressFile

KAFKA_STREAMS = "kafka-streams"


@dataclass(frozen=True, slots=True)
class RawClient:
    """aiokafka and orjson, and nothing else."""

    name: str = "raw"
    label: str = "aiokafka + orjson.loads"

    async def enter(self, place: Place) -> Entry:
        return await _entry(self.name, place, _module(Path(sys.executable), "raw_client"), [], judged=False)


@dataclass(frozen=True, slots=True)
class StockFaust:
    """The same rule in stock Faust."""

    name: str = "faust"
    label: str = "stock Faust worker"

    async def enter(self, place: Place) -> Entry:
        return await _entry(self.name, place, _module(Path(sys.executable), "faust_worker"), ["{group}-keyed"])


@dataclass(frozen=True, slots=True)
class QuixStreams:
    """The same rule in Quix Streams, run by the Python of its own environment (`rival_tools`)."""

    python: Path
    name: str = "quix"
    label: str = "Quix Streams"

    async def enter(self, place: Place) -> Entry:
        keyed = "repartition__{group}--{events}--by-group"  # it names and makes it itself
        return await _entry(self.name, place, _module(self.python, "quix_worker"), [keyed], make_stages=False)


@dataclass(frozen=True, slots=True)
class KafkaStreamsWorker:
    """The same rule in Kafka Streams, on the Java and with the classes that `rival_tools` has found."""

    java: str
    classes: str
    name: str = KAFKA_STREAMS
    label: str = "Kafka Streams (Java)"

    async def enter(self, place: Place) -> Entry:
        command = [self.java, "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", self.classes]
        keyed = "{group}-by-group-repartition"  # it names and makes it itself
        return await _entry(self.name, place, [*command, "KafkaStreamsWorker"], [keyed], make_stages=False)


def _module(python: Path, name: str) -> list[str]:
    return [str(python), "-m", f"streamproc.bench.peers.{name}"]


async def _entry(
    name: str,
    place: Place,
    command: Sequence[str],
    stages: Sequence[str],
    *,
    judged: bool = True,
    make_stages: bool = True,
) -> Entry:
    """`stages` are patterns of topic names; `make_stages` says whether they are ours to make."""
    group = f"bench-{name}-{place.tag}"
    later = [stage.format(group=group, events=place.events) for stage in stages]
    alerts = [f"{group}-alerts"] if judged else []
    made = [*later, *alerts] if make_stages else alerts
    if made:
        await place.cluster.recreate([NewTopic(topic, PARTITIONS, 1, {}) for topic in made])
    progress = place.directory / "progress.json"
    environment = plain_environment() | {
        "BENCH_KAFKA": place.settings.kafka,
        "BENCH_GROUP": group,
        "BENCH_EVENTS": place.events,
        "BENCH_PROGRESS": str(progress),
        "BENCH_WORKLOAD": place.workload.name,
        "BENCH_KEYED": later[0] if later else "",
        "BENCH_ALERTS": alerts[0] if alerts else "",
        "BENCH_STATE": str(place.directory / "state"),
        "PYTHONUNBUFFERED": "1",
    }

    async def found() -> Alerts:
        episodes: Alerts = {}
        for record in await place.cluster.read(alerts[0]):
            alert = orjson.loads(record.value)
            note_trigger(episodes, AlertKey(alert["rule"], alert["tenant_id"], alert["group"]), alert["event_id"])
        return episodes

    async def clean() -> None:
        await place.cluster.delete(await place.cluster.names(group))

    return Entry(
        [Launch(name, command, environment)],
        ProgressFile(progress),
        group,
        later,
        alerts,
        group,
        found if judged else None,
        clean if made else nothing,
    )
