"""The contestant that all this is about: `streamproc worker`, one process or several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from streamproc.bench.contestant import Entry, Launch, Place
from streamproc.bench.door import Door
from streamproc.bench.oracle import AlertKey, Alerts, Episode
from streamproc.bench.product import configure, free_port, product_command, product_environment
from streamproc.bench.progress import WorkerProgress
from streamproc.bench.types import state_sizes
from streamproc.kafka.topics import load_topics


@dataclass(frozen=True, slots=True)
class Worker:
    """`streamproc worker` as it is installed, with its default settings and these configured things."""

    name: str
    label: str
    documents: Sequence[dict[str, Any]]
    judged: bool = True
    """Whether its alerts are compared with the oracle's; else what its keys take to store is noted."""
    processes: int = 1

    async def enter(self, place: Place) -> Entry:
        common = product_environment(place.settings, place.directory, place.tag)
        topics = load_topics(place.settings)
        await place.cluster.recreate([spec for spec in topics.values() if spec.topic != place.events])
        seconds = await configure(self.documents, common, place.directory)
        addresses = [f"127.0.0.1:{free_port()}" for _ in range(self.processes)]
        group = place.settings.group(common["STREAMPROC_WORKER_GROUP"])

        async def found() -> Alerts:
            return read_alerts(record.value for record in await place.cluster.read(topics["alerts"].topic))

        notes: dict[str, Any] = {"rules": len(self.documents), "config_apply_s": round(seconds, 2)}

        async def weigh() -> None:
            if not self.judged:
                changelog = await place.cluster.read(topics["detectors-changelog"].topic)
                notes["state_bytes"] = state_sizes((record.key, record.value) for record in changelog)

        return Entry(
            [
                Launch(f"{self.name}-{n}", product_command("worker"), common | {"STREAMPROC_WORKER_HTTP": address})
                for n, address in enumerate(addresses)
            ],
            WorkerProgress(addresses, place.session),
            group,
            [topics["signals"].topic],
            [topics["alerts"].topic],
            place.settings.topic_prefix,
            found if self.judged else None,
            weigh,  # its topics are made anew by the next run
            notes,
            Door(place.settings, group, [place.events, topics["signals"].topic]) if self.processes > 1 else None,
        )


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
