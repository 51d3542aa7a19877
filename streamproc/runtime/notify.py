"""The `notify` agent: alerts (and what became of earlier notifications) in, notifications out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog

from streamproc import metrics
from streamproc.alerting.fingerprint import partition_of
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.notifier import Notifier, wake_at
from streamproc.engine.frame import pack_command
from streamproc.kafka.dead_letter import DeadLetter
from streamproc.kafka.ledger import Ledger, LedgerSettings, Output
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics
from streamproc.model.command import Command
from streamproc.model.delivery import Delivery
from streamproc.model.notification import Notification
from streamproc.runtime.app import LaneApp
from streamproc.runtime.lane import Lane, Slice

log = structlog.get_logger(__name__)

TICK_S = 0.25
"""How often the table is asked for what is due."""
DUE_LIMIT = 1000
PACE_S = 0.03
"""Batches of a partition begin this far apart, as in detect."""

Item = Notification | Delivery | Command


class Notify:
    """One per process; `open_lane` is called per partition of `alerts`, which `deliveries` shares."""

    def __init__(
        self,
        app: LaneApp,
        lookup: Lookup,
        producer: AwaitedProducer,
        topics: Topics,
        ledgers: LedgerSettings,
        directory: Path,
    ) -> None:
        self._app = app
        self._ledgers = ledgers
        self._directory = directory
        self.lookup = lookup
        self.producer = producer
        self.alerts, self.deliveries = topics["alerts"], topics["deliveries"]
        self.notifications, self.signals = topics["notifications"], topics["signals"]
        self._changelog = topics["notify-state-changelog"]

    async def open_lane(self, partition: int) -> Lane:
        """Take the partition over, recover its table and start."""
        ledger = Ledger(
            self._ledgers,
            self._changelog.topic,
            partition,
            self._directory / "notify" / str(partition),
            wake_at,
        )
        await ledger.open()
        worker = NotifyPartition(self, ledger, self._app.fail)
        return Lane(f"notify {partition}", worker.work, self._app.fail, worker.close, PACE_S)

    def output(self, item: Item) -> Output:
        """A record for the topic of its kind."""
        if isinstance(item, Notification):
            spec = self.notifications
            channel = f"{item.tenant}/{item.channel}"
            return Output(spec.topic, partition_by(channel, spec.partitions), item.delivery_id.encode(), item.encode())
        if isinstance(item, Command):
            spec = self.signals
            return Output(spec.topic, partition_of(item.fingerprint, spec.partitions), None, pack_command(item))
        spec = self.deliveries
        return Output(spec.topic, partition_by(item.tenant, spec.partitions), item.id.encode(), item.encode())


class NotifyPartition:
    """Decides on the alerts of one partition."""

    def __init__(self, notify: Notify, ledger: Ledger, fail: Any) -> None:
        self._notify = notify
        self._ledger = ledger
        self._positions = {spec.topic: ledger.position(spec.topic) for spec in (notify.alerts, notify.deliveries)}
        self._notifier = Notifier(ledger.table, notify.lookup)
        self._writing = asyncio.Lock()
        self._ticking = asyncio.create_task(self._tick_forever(fail))

    async def work(self, slices: list[Slice]) -> None:
        """Decide on some records, in order, and write what was decided in one transaction."""
        async with self._writing:
            letters: list[DeadLetter] = []
            for topic, records in slices:
                for record in records:
                    if record.offset < self._positions[topic]:
                        continue
                    self._positions[topic] = record.offset + 1
                    if record.value is None:
                        continue
                    now = int(time.time() * 1000)
                    try:
                        if topic == self._notify.alerts.topic:
                            self._notifier.on_alert(orjson.loads(record.value), now)
                        else:
                            self._notifier.on_delivery(Delivery.decode(record.value), now)
                    except (ValueError, KeyError, TypeError, AttributeError) as error:
                        letters.append(self._letter(topic, record, error))
            if letters:
                await self._notify.producer.bury(letters)
            await self._write(())

    async def _write(self, fired: Sequence[tuple[int, bytes]]) -> None:
        work = self._notifier.take()
        if not work and not fired:
            return
        started = time.perf_counter()
        for item in work.out:
            if isinstance(item, Notification):
                metrics.NOTIFICATIONS.labels(str(item.purpose)).inc()
            elif isinstance(item, Delivery):
                metrics.SUPPRESSED.labels(str(item.reason)).inc()
        outputs = [self._notify.output(item) for item in work.out]
        await self._ledger.commit(work.puts, work.timers, fired, outputs, self._positions)
        metrics.COMMIT_SECONDS.labels("notify_state").observe(time.perf_counter() - started)

    async def _tick_forever(self, fail: Any) -> None:
        try:
            while True:
                await asyncio.sleep(TICK_S)
                async with self._writing:
                    await self._tick(int(time.time() * 1000))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            fail(error)

    async def _tick(self, now: int) -> None:
        """Escalate, send what was held, forget what nothing needs any more, and look at what is kept quiet."""
        due = self._ledger.table.due(now, DUE_LIMIT)
        for key in dict.fromkeys(key for _, key in due):
            self._notifier.on_wake(key, now)
        self._notifier.on_tick(now)
        await self._write(due)

    async def close(self) -> None:
        """Stop ticking and give the partition up."""
        self._ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticking
        await self._ledger.close()

    def _letter(self, topic: str, record: Any, error: Exception) -> DeadLetter:
        metrics.DEAD_LETTERS.labels("bad_alert").inc()
        return DeadLetter(
            topic,
            self._ledger.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            "bad_alert",
            f"{type(error).__name__}: {error}",
            "notify",
        )
