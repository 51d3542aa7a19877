"""Taking everything of one tenant out of the topics and tables: tombstones wherever a record has a key of its own.

Worker and delivery must not run meanwhile: their tables are opened here, as by a new owner, so that a process that was
only paused is fenced (docs/adr/0003). Each step may be repeated; erasing twice finds nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

from streamproc.alerting.belonging import in_notify, in_outbox
from streamproc.engine.belonging import in_detect
from streamproc.engine.changes import KEY, RETIRED
from streamproc.kafka.topic_file import TopicSpec
from streamproc.kafka.topics import Topics, check_topics, load_topics
from streamproc.kafka.whole_topic import bury, cut, read_whole
from streamproc.runtime.takeover import nobody_runs, taken_over
from streamproc.settings import Settings

BY_KEY = ("config", "config-history")
"""Topics whose keys begin with the tenant."""
BY_VALUE = ("alerts", "deliveries", "incidents")
"""Topics whose values name it."""
TABLES = ("detectors-changelog", "notify-state-changelog", "outbox-changelog")
TRANSIT = {"worker": ("signals",), "delivery": ("notifications",)}
"""Topics whose records nobody needs once they were read, whoever's they are."""
_CHUNK = 5000

Progress = Callable[[str], None]
Place = tuple[int, bytes]
"""(partition, key)"""


@dataclass(slots=True)
class Holdings:
    """What compacted topics hold of a tenant: places of its records, ids of its alerts, fingerprints (hex)."""

    places: dict[str, list[Place]] = field(default_factory=dict)
    fingerprints: set[str] = field(default_factory=set)

    @property
    def counts(self) -> dict[str, int]:
        """Records by topic."""
        return {name: len(places) for name, places in self.places.items()}


@dataclass(slots=True)
class Erased:
    """What was done. `records`: tombstones by topic; `rows`: by table; `remaining`: what is still found, by topic."""

    records: dict[str, int]
    rows: dict[str, int]
    cut: list[str]
    remaining: dict[str, int]


async def holdings(settings: Settings, tenant: str) -> Holdings:
    """What the topics hold of the tenant. Raises BrokerUnavailableError and TopicMismatchError."""
    topics = load_topics(settings)
    await check_topics(settings, topics)
    found = Holdings()
    for name in (*BY_KEY, *BY_VALUE):
        if name in topics:
            await _hold(settings, topics[name], name, tenant, found)
    return found


def lives(topics: Topics) -> list[tuple[str, int]]:
    """Topics whose records only age ends, and for how long each lives (ms)."""
    return [(spec.topic, spec.retention_ms) for spec in topics.values() if spec.cleanup == "delete"]


async def erase(settings: Settings, tenant: str, purge: bool, progress: Progress) -> Erased:
    """Take it all out. Raises StillRunningError, BrokerUnavailableError and TopicMismatchError."""
    topics = load_topics(settings)
    progress("looking who runs")
    await nobody_runs(settings, topics)
    progress("reading topics")
    found = await holdings(settings, tenant)
    places = {name: list(of_topic) for name, of_topic in found.places.items()}
    await bury(settings, topics, {name: places[name] for name in BY_KEY if name in places})
    rows = await _tables(settings, topics, tenant, found, progress)
    progress("writing tombstones")
    await bury(settings, topics, {name: places[name] for name in BY_VALUE})
    cut_topics: list[str] = []
    if purge:
        groups = {"worker": settings.worker_group, "delivery": settings.delivery_group}
        for process, names in TRANSIT.items():
            specs = [topics[name] for name in names]
            if await cut(settings, groups[process], specs):
                cut_topics += [spec.topic for spec in specs]
    progress("looking again")
    remaining = (await holdings(settings, tenant)).counts
    return Erased(found.counts, rows, cut_topics, remaining)


async def _hold(settings: Settings, spec: TopicSpec, name: str, tenant: str, found: Holdings) -> None:
    mine: dict[Place, None] = {}
    async for record in read_whole(settings, spec):
        if record.key is None:
            continue
        place = (record.partition, record.key)
        if record.value is None:
            mine.pop(place, None)
        elif _owner(name, record) == tenant:
            mine[place] = None
            if name != "incidents" and name in BY_VALUE:
                found.fingerprints.add(str(_document(record.value).get("fingerprint")))
    found.places[name] = list(mine)


def _owner(name: str, record: Any) -> str | None:
    if name in BY_KEY:
        return unquote(record.key.split(b"/", 1)[0].decode("utf-8", "replace"))
    return _document(record.value).get("tenant_id")


def _document(value: bytes) -> dict[str, Any]:
    try:
        doc = orjson.loads(value)
    except ValueError:
        return {}
    return doc if isinstance(doc, dict) else {}


async def _tables(
    settings: Settings, topics: Topics, tenant: str, found: Holdings, progress: Progress
) -> dict[str, int]:
    """Delete the tenant's rows from the three tables; how many, by changelog."""
    deleted = dict.fromkeys(TABLES, 0)
    detectors, notify, outbox = TABLES
    for name in TABLES:
        for partition in range(topics[name].partitions):
            progress(f"{topics[name].topic}/{partition}")
            async with taken_over(settings, topics[name], partition) as ledger:
                rows = ledger.table.items
                if name == detectors:
                    belongings = in_detect((row for kind in (KEY, RETIRED) for row in rows(kind)), tenant)
                    found.fingerprints |= belongings.fingerprints
                    keys = belongings.keys
                elif name == notify:
                    keys = in_notify(_data(rows(b"")), tenant, found.fingerprints)
                else:
                    assert name == outbox
                    keys = in_outbox(rows(b"o"), tenant)
                for start in range(0, len(keys), _CHUNK):
                    await ledger.commit(dict.fromkeys(keys[start : start + _CHUNK]), (), (), (), {})
                deleted[name] += len(keys)
    return deleted


def _data(rows: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    """Without the table's own bookkeeping (`kafka.table`)."""
    return (row for row in rows if row[0][:1] not in (b"t", b"m"))
