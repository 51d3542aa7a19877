"""The demonstration: apply the rules, play events with attacks in them, show what fires and what is delivered."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.text import Text

from streamproc.config.changes import check_documents, plan
from streamproc.config.documents import Document, read_documents
from streamproc.config.keyring import load_keyring
from streamproc.config.sealing import open_sealed
from streamproc.config.snapshot import Snapshot
from streamproc.generate import Plan, generate
from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.partition import partition_by
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import Topics
from streamproc.model.times import iso
from streamproc.runtime.demo.sink import DemoSink, Receipt
from streamproc.settings import Settings

RULES = Path(__file__).with_name("rules.yaml")
WEBHOOK = "demo-sink"
TENANTS = ("acme", "globex", "initech")
ATTACKS = ("brute_force", "mass_deletion", "exfiltration")
COUNT, RATE, SEND_RATE = 1500, 2.5, 150.0
"""Ten minutes of event time, played in ten seconds."""
PATIENCE_S = 45.0
_COLOURS = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}


class Demo:
    """One showing. `say` prints a line; everything runs on the broker that `settings` names."""

    def __init__(self, settings: Settings, topics: Topics, console: Console) -> None:
        self._settings = settings
        self._topics = topics
        self._console = console
        self._keyring = load_keyring(settings)
        self._sink: DemoSink | None = None
        self._alerts: dict[str, dict[str, Any]] = {}
        self._receipts: dict[str, Receipt] = {}
        self._complete = asyncio.Event()

    @property
    def _played(self) -> Path:
        return self._settings.data_dir / "demo-played"

    @property
    def is_first(self) -> bool:
        """Whether this data directory has not seen the demonstration yet."""
        return not self._played.exists()

    async def prepare(self) -> None:
        """Start the receiver, and configure it and the rules; the same again changes nothing."""
        tailer = ConfigTailer(self._settings)
        await tailer.start()
        await tailer.stop()
        secret, port = self._known_sink(tailer.snapshot)
        self._sink = DemoSink(secret, self._received)
        try:
            await self._sink.start(port)
        except OSError:  # somebody else has taken it since
            await self._sink.start(0)
        wanted = check_documents(read_documents([RULES]), self._keyring, kind="rule")
        wanted += check_documents(self._webhooks(secret), self._keyring)
        now = iso(time.time_ns() // 1_000_000)
        changes = plan(tailer.snapshot, wanted, self._keyring, now=now, by="streamproc up", prune=False, kinds=set())
        async with ConfigWriter(self._settings) as writer:
            await writer.apply(changes)

    async def close(self) -> None:
        """Stop the receiver."""
        if self._sink is not None:
            await self._sink.stop()

    def _known_sink(self, snapshot: Snapshot) -> tuple[str, int]:
        """The secret and the port of an earlier start, so that a restart configures nothing anew."""
        record = snapshot.record("webhook", TENANTS[0], WEBHOOK)
        if record is not None:
            document = open_sealed(record, self._keyring)
            return str(document["secret"]), int(str(document["url"]).rpartition(":")[2].partition("/")[0])
        return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(), 0

    def _webhooks(self, secret: str) -> Iterable[Document]:
        assert self._sink is not None
        for tenant in TENANTS:
            content = {
                "kind": "webhook",
                "tenant_id": tenant,
                "id": WEBHOOK,
                "name": "Receiver of the demonstration",
                "url": self._sink.url,
                "secret": secret,
            }
            yield Document("streamproc up", 1, content, {})

    # playing

    async def play(self) -> None:
        """Send the events and show what comes of them; returns when all was delivered or patience is at an end."""
        started = time.monotonic()
        now = time.time_ns() // 1_000_000
        span_ms = int(COUNT / RATE * 1000)
        events = list(
            generate(Plan(start_ms=now - span_ms, seed=7, tenants=3, count=COUNT, rate=RATE, attacks=ATTACKS))
        )
        self._line(
            f"Playing {len(events):,} events of {len(TENANTS)} tenants, with {len(ATTACKS)} attacks among them: "
            + ", ".join(name.replace("_", " ") for name in ATTACKS)
        )
        watching = asyncio.create_task(self._watch())
        try:
            await self._send(events)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._complete.wait(), PATIENCE_S)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        self._played.write_text(iso(now))
        told = sum(1 for alert in self._alerts if alert in self._receipts)
        self._line(
            f"In {time.monotonic() - started:.0f} s: {len(events):,} events, {len(self._alerts)} alerts for "
            f"{len(ATTACKS)} attacks, {told} delivered to the webhook, every signature verified",
            style="bold green" if self._complete.is_set() else "bold yellow",
        )

    def _look(self) -> None:
        if len(self._alerts) >= len(ATTACKS) and self._alerts.keys() <= self._receipts.keys():
            self._complete.set()

    async def _send(self, events: list[dict[str, Any]]) -> None:
        spec = self._topics["events"]
        producer = AIOKafkaProducer(**client_options(self._settings), acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for n in range(0, len(events), 15):
                sent = [
                    await producer.send(
                        spec.topic,
                        value=orjson.dumps(event),
                        key=event["tenant_id"].encode(),
                        partition=partition_by(event["tenant_id"], spec.partitions),
                    )
                    for event in events[n : n + 15]
                ]
                await asyncio.gather(*sent)
                await asyncio.sleep(15 / SEND_RATE)
        finally:
            await producer.stop()

    async def _watch(self) -> None:
        """Show new alerts as they come to the topic."""
        spec = self._topics["alerts"]
        partitions = [TopicPartition(spec.topic, p) for p in range(spec.partitions)]
        consumer = AIOKafkaConsumer(**client_options(self._settings), isolation_level="read_committed")
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            while True:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        if record.value is not None:
                            self._alerted(orjson.loads(record.value))
        finally:
            await close_consumer(consumer)

    def _alerted(self, alert: dict[str, Any]) -> None:
        if alert["id"] in self._alerts:
            return
        self._alerts[alert["id"]] = alert
        line = Text("alert     ", style="bold")
        line.append(f"{alert['severity']:<9}", style=_COLOURS.get(alert["severity"], ""))
        line.append(f"{alert['tenant_id']:<9}{alert['title']}: {alert['reason']}")
        self._console.print(line)
        self._look()

    def _received(self, receipt: Receipt) -> None:
        alert: Mapping[str, Any] = receipt.body["data"]
        if receipt.body["type"] != "alert.triggered" or alert["id"] in self._receipts:
            return
        self._receipts[alert["id"]] = receipt
        line = Text("delivered ", style="bold green")
        line.append(f"{'webhook':<9}", style="green")
        line.append(f"{alert['tenant_id']:<9}{alert['title']}: signature verified, {receipt.delivery_id}")
        self._console.print(line)
        self._look()

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))
