"""What time alone makes (absence, schedules, clearing), through detect and its ledger on a real broker.

The clock is driven: ticks come from the test, as route would send them, so that nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import orjson
import pytest

from streamproc.engine.changes import AlertRecord
from streamproc.engine.frame import Signal, Tick, frames, pack_frame, pack_tick, unpack
from streamproc.engine.match import Matcher
from streamproc.engine.state import stored_timer
from streamproc.engine.timers import DAY_MS
from streamproc.kafka.client import client_options
from streamproc.kafka.ledger import Ledger, LedgerSettings, Output
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.runtime.detect import DetectPartition
from streamproc.settings import Settings
from streamproc.sources.decode import Decoder
from tests.cases.runner import A_TENANT, check, events_of, in_order, waits
from tests.cases.test_cases import OURS, THEIRS
from tests.engine.making import DAY, index
from tests.faults.harness import latest, read_topic

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

CASES = [(name, case) for name, case in (*OURS, *THEIRS) if waits(case)]
SOURCE = "events/0"


class Record(NamedTuple):
    """What detect reads of a Kafka record."""

    offset: int
    value: bytes
    timestamp: int


def signals(case: dict[str, Any], rules: Any) -> list[bytes]:
    """What route would have sent: a frame for each event at its time, and a tick after it; then a quiet day."""
    matcher, decoder = Matcher(rules), Decoder("cases")
    now, found = 0, []
    for n, doc in enumerate(events_of(case)):
        for event in decoder.decode(orjson.dumps(doc), 0, n, None):
            now = event.arrival = max(now, event.time)
            hits: list[Any] = []
            found.append(pack_tick({SOURCE: now - 1}))
            matcher.match(event, event.place, hits)
            matcher.tallies(hits)
            found += [pack_frame(frame) for _, frame in frames(SOURCE, 0, hits, matcher.ref, 1)]
    # hour by hour, as a running system has it, so that what is due is told at its time and not days later
    return [*found, *(pack_tick({SOURCE: now + n * DAY // 24}) for n in range(1, 48))]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
async def test_time_alone(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path, case: dict[str, Any]
) -> None:
    settings = new_settings(kafka=broker)
    await apply_topics(settings, load_topics(settings))
    topics = load_topics(settings)
    docs = [{"tenant_id": A_TENANT, **rule} for rule in case["rules"]]
    rules = index(*docs)
    known = [SimpleNamespace(tenant=doc["tenant_id"], id=doc["id"]) for doc in docs]
    snapshot = SimpleNamespace(
        rules=rules, offset=0, records=lambda _kind: known, rule=lambda _owner, _id: None, problems=()
    )

    def output(alert: AlertRecord) -> Output:
        return Output(topics["alerts"].topic, 0, alert.alert_id.encode(), alert.value)

    # a topic that is not there, of one partition, as its records are handed over by us
    driven = SimpleNamespace(topic="driven-signals", partitions=1)
    detect: Any = SimpleNamespace(
        snapshot=snapshot,
        sources=[SOURCE],
        signals=driven,
        output=output,
        alert_retention_ms=90 * DAY_MS,
        standby=SimpleNamespace(take_back=lambda partition: None),
    )
    values = signals(case, rules)
    assert all(isinstance(unpack(value), Signal) for value in values)
    assert isinstance(unpack(values[-1]), Tick)
    changelog = topics["detectors-changelog"].topic
    half = len(values) // 2
    # another owner takes over in the middle, and recovers what the first had
    for owner, part in enumerate((range(half), range(half, len(values)))):
        ledger = Ledger(LedgerSettings(client_options(settings), 20), changelog, 0, tmp_path / str(owner), stored_timer)
        await ledger.open()
        worker = DetectPartition(detect, ledger)
        for offset in part:
            await worker.work([(driven.topic, [Record(offset, values[offset], 0)])])
        await ledger.close()
    alerts = list(latest([r for r in await read_topic(settings, "alerts") if r.value]).values())
    alerts.sort(key=in_order(case))
    check(case, lambda _rules, _events: alerts)
