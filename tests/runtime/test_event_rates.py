"""Route counts what tenants send above their plans, and works on it all the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
from prometheus_client import REGISTRY

from streamproc.config.record import ConfigRecord, encode
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.engine.meter import BURST_S
from streamproc.kafka.topics import load_topics
from streamproc.runtime.route import Route
from streamproc.settings import Settings

NOW = 1_770_733_935_000
RULE = {"id": "r", "tenant_id": "*", "name": "R", "type": "pattern", "condition": {"action": "seen"}}


def snapshot(**rates: int) -> Snapshot:
    docs: list[tuple[str, str, dict[str, Any]]] = [("rule", "*", RULE)]
    docs += [
        ("plan", t, {"id": "plan", "tenant_id": t, "plan": "pro", "events_per_second": r}) for t, r in rates.items()
    ]
    records = [
        ConfigRecord(kind, tenant, doc["id"], 1, doc, "2026-01-01T00:00:00.000Z", "test") for kind, tenant, doc in docs
    ]
    return Snapshot.empty().fold(
        ConfigEntry(n, record.key.encode(), encode(record)) for n, record in enumerate(records)
    )


def over(tenant: str) -> float | None:
    return REGISTRY.get_sample_value("streamproc_events_over_limit_total", {"tenant": tenant})


class Frames:
    """A producer that only counts."""

    sent = 0

    async def send(self, records: Any) -> None:
        self.sent += len(records)

    async def bury(self, letters: Any) -> None:
        assert not letters


def record(n: int, tenant: str, at: int, action: str) -> Any:
    doc = {"id": f"e{n}", "tenant_id": tenant, "action": action, "event_time": "2026-02-10T14:32:15.000Z"}
    return SimpleNamespace(value=orjson.dumps(doc), offset=n, timestamp=at, headers=[], key=None)


async def test_what_is_over_is_counted_by_tenant_whether_a_rule_wants_it_or_not() -> None:
    settings = Settings()
    topics = load_topics(settings)
    tailer: Any = SimpleNamespace(snapshot=snapshot(metered_hot=10, metered_calm=10))
    producer: Any = Frames()
    app: Any = SimpleNamespace(lanes={}, settings=settings, fail=None, hold=lambda tp, offset: None)
    route = Route(app, tailer, producer, topics.sources, topics["signals"])
    lane = await route.open_lane("events", 0)
    records = []
    for n in range(1000):
        records.append(record(2 * n, "metered_hot", NOW, "seen" if n % 2 else "unheard of"))
        records.append(record(2 * n + 1, "metered_free", NOW, "seen"))
    records.append(record(2000, "metered_calm", NOW, "seen"))
    await route._slice("events", 0, "events/0", records)
    assert over("metered_hot") == 1000 - 10 * BURST_S
    assert over("metered_calm") == 0, "known, and within its limit"
    assert over("metered_free") is None, "no limit, no series"
    assert producer.sent, "nothing is turned away"

    tailer.snapshot = snapshot(metered_calm=10)
    await route._slice("events", 0, "events/0", [record(3000 + n, "metered_hot", NOW, "seen") for n in range(500)])
    assert over("metered_hot") == 1000 - 10 * BURST_S, "the limit was lifted"
    await lane.stop(1)
