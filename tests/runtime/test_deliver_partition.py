"""`DeliverPartition` with a table in memory and transports that a test drives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from streamproc import metrics
from streamproc.alerting.outbox_entry import SwitchedOff
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook
from streamproc.kafka.ledger import Output
from streamproc.kafka.topics import load_topics
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.delivery import Delivery, Outcome, OutcomeKind, Reason
from streamproc.model.notification import Notification
from streamproc.runtime.deliver import Deliver, DeliverPartition
from streamproc.settings import Settings
from tests.alerting.making import Config, Record, hook, notification, slack

OK = Outcome(OutcomeKind.DELIVERED, Reason.OK, status=200)
BUSY = Outcome(OutcomeKind.RETRY, Reason.SERVER_ERROR, status=503)
GONE = Outcome(OutcomeKind.DISABLED, Reason.GONE, status=410)
MAIL = Record("channel", "mail", {"type": "email", "host": "m.example.com", "sender": "a@example.com"})
Sent = list[tuple[Notification, ChannelSettings | None]]


@dataclass
class MemoryLedger:
    """What `DeliverPartition` uses of a ledger."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    partition: int = 0

    @property
    def table(self) -> MemoryLedger:
        return self

    def items(self, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        return [(key, value) for key, value in sorted(self.rows.items()) if key.startswith(prefix)]

    def position(self, topic: str) -> int:
        return 0

    async def commit(
        self, puts: Mapping[bytes, bytes | None], _: Any, __: Any, outputs: Iterable[Output], ___: Any
    ) -> None:
        for key, value in puts.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.outputs += outputs

    async def close(self) -> None:
        pass


class Bench:
    def __init__(self, *records: Record, people: tuple[Record, ...] = ()) -> None:
        self.lookup = Config({}, ChannelBook().fold(records), people=PeopleBook().fold(people))
        self.ledger = MemoryLedger()
        self.sent: Sent = []
        self.answers: dict[str, Outcome] = {}
        self.off: list[SwitchedOff] = []
        self.topics = load_topics(Settings())
        self.failures: list[BaseException] = []

    async def send(self, one: Notification, channel: ChannelSettings | None) -> Outcome:
        self.sent.append((one, channel))
        return self.answers.get(one.channel.id, OK)

    async def run(self, *notifications: Notification, until: Callable[[], bool]) -> None:
        transports: Any = SimpleNamespace(send=self.send)
        nothing: Any = None
        deliver = Deliver(nothing, self.lookup, transports, nothing, self.topics, nothing, nothing, self.off.append)
        partition = DeliverPartition(deliver, self.ledger, self.failures.append)  # type: ignore[arg-type]
        records = [SimpleNamespace(offset=n, value=one.encode()) for n, one in enumerate(notifications)]
        try:
            await partition.work([(self.topics["notifications"].topic, records)])
            async with asyncio.timeout(20):
                while not until():
                    await asyncio.sleep(0.01)
        finally:
            await partition.close()
        assert not self.failures
        assert not deliver.partitions

    def of(self, topic: str) -> list[dict[str, Any]]:
        name = self.topics[topic].topic
        return [orjson.loads(out.value) for out in self.ledger.outputs if out.topic == name and out.value]

    @property
    def ends(self) -> list[tuple[str, str | None]]:
        found = [Delivery.decode(orjson.dumps(doc)) for doc in self.of("deliveries")]
        return [(str(one.state), str(one.reason)) for one in found if one.state.final]


def to(recipient: str, alert_id: str = "alt_1") -> Notification:
    one = notification(1, alert_id=alert_id, channel=ChannelRef("channel", "mail"))
    return replace(one, recipient=recipient, delivery_id=f"dlv_{alert_id}_{recipient}")


async def test_addresses_are_looked_up_at_the_attempt() -> None:
    people = (
        Record("user", "alice", {"name": "Alice", "email": "alice@example.com", "language": "zh"}),
        Record("user", "carol", {"name": "Carol", "email": "carol@example.com", "enabled": False}),
    )
    bench = Bench(MAIL, people=people)
    told = [to("user/alice"), to("address/ops@example.com"), to("user/carol"), to("user/dave0")]
    await bench.run(*told, until=lambda: len(bench.ends) == 4)
    addresses = [(channel.recipients, channel.content_language) for _, channel in bench.sent if channel is not None]  # type: ignore[attr-defined]
    assert addresses == [(("alice@example.com",), "zh"), (("ops@example.com",), None)]
    assert sorted(bench.ends) == [("delivered", "ok")] * 2 + [("gave_up", "recipient_gone")] * 2


@pytest.mark.parametrize("kind", ["webhook", "rule_url"])
async def test_what_is_gone_is_off_told_and_never_tried_again(kind: str) -> None:
    rule = Record("rule", "r1", {"name": "R", "webhook_urls": ["https://example.com/x"]}, revision=3)
    bench = Bench(hook(), slack(), rule)
    ref = next(ref for _, ref in bench.lookup.channels.by_ref if ref.config == kind)
    bench.answers[ref.id] = GONE
    await bench.run(notification(1, channel=ref), until=lambda: bool(bench.off))
    [event] = bench.of("events")
    assert event["resource"] == {"type": kind, "id": ref.id}
    [notice] = bench.of("notifications")
    assert notice["channel"] == "channel/slack"
    assert notice["alert"]["title"].endswith("was switched off")
    bench.answers.clear()
    bench.sent.clear()
    await bench.run(notification(1, alert_id="alt_2", channel=ref), until=lambda: len(bench.ends) == 2)
    assert bench.sent == []
    assert bench.ends[-1] == ("gave_up", "disabled")
    assert len(bench.of("events")) == 1
    assert [off.again for off in bench.off] == ([False, True] if kind == "webhook" else [False])
    changed = replace(rule, revision=4)
    bench.lookup.channels = bench.lookup.channels.fold([hook(), slack(), changed])
    if kind == "rule_url":
        await bench.run(notification(1, alert_id="alt_3", channel=ref), until=lambda: len(bench.ends) == 3)
        assert bench.ends[-1] == ("delivered", "ok")


async def test_one_receiver_is_retried_while_its_sibling_is_well() -> None:
    """Alertmanager proves this of receivers, Svix of endpoints."""
    fast = {"retry_config": {"max_attempts": 3, "initial_seconds": 0.1, "backoff_multiplier": 1}}
    bench = Bench(hook(**fast, fallback="other"), hook("sibling"), hook("other"))
    bench.answers["hook"] = BUSY
    both = [notification(1), notification(1, channel=ChannelRef("webhook", "sibling"))]
    await bench.run(*both, until=lambda: ("gave_up", "attempts_exhausted") in bench.ends)
    assert [one.channel.id for one, _ in bench.sent] == ["hook", "sibling", "hook", "hook"]
    assert [(doc["channel"], doc["fallback_for"]) for doc in bench.of("notifications")] == [
        ("webhook/other", "webhook/hook")
    ]


async def test_the_metric_of_open_channels() -> None:
    gauge = metrics.CHANNELS_OPEN.labels("webhook")
    before = gauge._value.get()
    bench = Bench(hook())
    bench.answers["hook"] = BUSY
    seen: list[float] = []

    def opened() -> bool:
        seen.append(gauge._value.get() - before)
        return seen[-1] == 1

    await bench.run(*(notification(1, alert_id=f"alt_{n}") for n in range(5)), until=opened)
    assert gauge._value.get() == before, "whoever has the partition next counts it"
