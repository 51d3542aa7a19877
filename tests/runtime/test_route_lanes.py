"""Lanes of one process share the matcher: what one of them waits for must not mix up what another has matched."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson

from streamproc.engine.frame import Frame, unpack
from streamproc.kafka.topics import load_topics
from streamproc.rules import RuleIndex, compile_rule, parse_rule
from streamproc.runtime.route import Route
from streamproc.settings import Settings

RULES = [
    {"id": "spike", "name": "S", "type": "ingestion_spike", "tenant_id": "acme", "condition": {}},
    {"id": "seen", "name": "P", "type": "pattern", "tenant_id": "acme", "condition": {"action": "a"}},
]


class Producer:
    """Lets go of whoever buries only when told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Frame]] = []
        self.buried = 0
        self.burying = asyncio.Event()
        self.go = asyncio.Event()

    async def bury(self, letters: list[Any]) -> None:
        self.buried += len(letters)
        self.burying.set()
        await self.go.wait()

    async def send(self, out: dict[Any, Any]) -> None:
        for records in out.values():
            for _, value, _ in records:
                frame = unpack(value)
                assert isinstance(frame, Frame)
                self.sent.append((frame.source, frame))


def record(offset: int, value: bytes) -> Any:
    return SimpleNamespace(offset=offset, timestamp=1_770_000_000_000, key=b"acme", value=value, headers=())


def event(offset: int) -> Any:
    return record(offset, orjson.dumps({"id": f"e{offset}", "tenant_id": "acme", "action": "a", "actor": {"id": "u"}}))


def index(revision: int) -> RuleIndex:
    return RuleIndex.empty.with_tenants({"acme": [compile_rule(parse_rule(rule), revision) for rule in RULES]})


def snapshot(revision: int) -> Any:
    """Of these rules, without plans."""
    return SimpleNamespace(rules=index(revision), offset=revision, records=lambda kind: ())


async def test_what_is_counted_and_matched_stays_with_its_partition_while_dead_letters_are_awaited() -> None:
    tailer = SimpleNamespace(snapshot=snapshot(1))
    topics = load_topics(Settings(kafka="127.0.0.1:1"))
    producer = Producer()
    route = Route(
        SimpleNamespace(fail=lambda error: None, settings=Settings(), lanes={}),
        tailer,
        producer,
        topics.sources,
        topics["signals"],  # type: ignore[arg-type]
    )
    lanes = [await route.open_lane("events", partition) for partition in (0, 1)]
    spoiled = [event(0), record(1, b"{"), event(2)]
    first = asyncio.create_task(route._slice("events", 0, "events/0", spoiled))
    await asyncio.wait([first, asyncio.create_task(producer.burying.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert producer.buried == 1
    tailer.snapshot = snapshot(2)  # and the rules change meanwhile
    await route._slice("events", 1, "events/1", [event(7)])
    producer.go.set()
    await first
    found: dict[str, list[tuple[str, int, int]]] = {}
    for source, frame in producer.sent:
        for row in frame.rows:
            ref = frame.refs[row[0]]
            counted = len(row[7]) // 2 if isinstance(row[7], list) else 1
            found.setdefault(source, []).append((ref.rule_id, ref.revision, counted))
    assert sorted(found["events/0"]) == [("seen", 1, 1), ("seen", 1, 1), ("spike", 1, 2)]
    assert sorted(found["events/1"]) == [("seen", 2, 1), ("spike", 2, 1)]
    for lane in lanes:
        await lane.stop(1)
