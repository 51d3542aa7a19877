"""The `notify` agent: alerts (and what became of earlier notifications) in, notifications out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import structlog

from streamproc import metrics
from streamproc.alerting.cooldown import on_delivery
from streamproc.alerting.notify import notify
from streamproc.alerting.notify_state import NotifyState
from streamproc.alerting.recipients import Lookup
from streamproc.kafka.dead_letter import DeadLetter
from streamproc.kafka.ledger import Ledger, LedgerSettings, Output
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics
from streamproc.model.delivery import Delivery
from streamproc.model.notification import Notification
from streamproc.runtime.app import LaneApp
from streamproc.runtime.lane import Lane, Slice

log = structlog.get_logger(__name__)

STATE = b"k"
SWEEP_S = 30.0
SWEEP_LIMIT = 1000
PACE_S = 0.03
"""Batches of a partition begin this far apart, as in detect."""


def timer_of(key: bytes, value: bytes) -> int | None:
    """When a stored state may be dropped, for recovery."""
    return NotifyState.decode(value).expires_at if key[:1] == STATE else None


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
        self.notifications = topics["notifications"]
        self._changelog = topics["notify-state-changelog"]

    async def open_lane(self, partition: int) -> Lane:
        """Take the partition over, recover its table and start."""
        ledger = Ledger(
            self._ledgers,
            self._changelog.topic,
            partition,
            self._directory / "notify" / str(partition),
            timer_of,
        )
        await ledger.open()
        worker = NotifyPartition(self, ledger, self._app.fail)
        return Lane(f"notify {partition}", worker.work, self._app.fail, worker.close, PACE_S)

    def output(self, item: Notification | Delivery) -> Output:
        """A record for the topic of its kind."""
        if isinstance(item, Notification):
            spec = self.notifications
            channel = f"{item.tenant}/{item.channel}"
            return Output(spec.topic, partition_by(channel, spec.partitions), item.delivery_id.encode(), item.encode())
        spec = self.deliveries
        return Output(spec.topic, partition_by(item.tenant, spec.partitions), item.id.encode(), item.encode())


class NotifyPartition:
    """Decides on the alerts of one partition."""

    def __init__(self, notify: Notify, ledger: Ledger, fail: Any) -> None:
        self._notify = notify
        self._ledger = ledger
        self._positions = {spec.topic: ledger.position(spec.topic) for spec in (notify.alerts, notify.deliveries)}
        self._dirty: dict[str, NotifyState] = {}
        self._writing = asyncio.Lock()
        self._sweeper = asyncio.create_task(self._sweep_forever(fail))

    async def work(self, slices: list[Slice]) -> None:
        """Decide on some records, in order, and write what was decided in one transaction."""
        async with self._writing:
            outputs: list[Output] = []
            letters: list[DeadLetter] = []
            for topic, records in slices:
                for record in records:
                    if record.offset < self._positions[topic]:
                        continue
                    self._positions[topic] = record.offset + 1
                    if record.value is None:
                        continue
                    try:
                        if topic == self._notify.alerts.topic:
                            outputs += self._alert(orjson.loads(record.value))
                        else:
                            self._delivery(Delivery.decode(record.value))
                    except (ValueError, KeyError, TypeError, AttributeError) as error:
                        letters.append(self._letter(topic, record, error))
            if letters:
                await self._notify.producer.bury(letters)
            await self._write(outputs)

    def _alert(self, alert: dict[str, Any]) -> Iterable[Output]:
        now = int(time.time() * 1000)
        decision = notify(alert, self._state(alert["fingerprint"]), self._notify.lookup, now)
        self._dirty[alert["fingerprint"]] = decision.state
        for notification in decision.notifications:
            metrics.NOTIFICATIONS.labels(str(notification.purpose)).inc()
        for delivery in decision.suppressed:
            metrics.SUPPRESSED.labels(str(delivery.reason)).inc()
        made: tuple[Notification | Delivery, ...] = (*decision.notifications, *decision.suppressed)
        return [self._notify.output(item) for item in made]

    def _delivery(self, delivery: Delivery) -> None:
        before = self._state(delivery.fingerprint)
        after = on_delivery(delivery, before, int(time.time() * 1000))
        if after is not None and after is not before:
            self._dirty[delivery.fingerprint] = after

    def _state(self, fingerprint: str) -> NotifyState | None:
        state = self._dirty.get(fingerprint)
        if state is None:
            stored = self._ledger.table.get(STATE + fingerprint.encode())
            state = None if stored is None else NotifyState.decode(stored)
        return state

    async def _write(self, outputs: list[Output]) -> None:
        if not self._dirty and not outputs:
            return
        started = time.perf_counter()
        puts: dict[bytes, bytes | None] = {}
        timers = []
        for fingerprint, state in self._dirty.items():
            key = STATE + fingerprint.encode()
            puts[key] = state.encode()
            timers.append((state.expires_at, key))
        self._dirty.clear()
        await self._ledger.commit(puts, timers, (), outputs, self._positions)
        metrics.COMMIT_SECONDS.labels("notify_state").observe(time.perf_counter() - started)

    async def _sweep_forever(self, fail: Any) -> None:
        try:
            while True:
                await asyncio.sleep(SWEEP_S)
                async with self._writing:
                    await self._sweep(int(time.time() * 1000))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            fail(error)

    async def _sweep(self, now: int) -> None:
        """Drop states that nothing needs any more. An entry of the index that a later write overtook is stale."""
        due = self._ledger.table.due(now, SWEEP_LIMIT)
        puts: dict[bytes, bytes | None] = {}
        for _, key in due:
            stored = self._ledger.table.get(key)
            if stored is not None and NotifyState.decode(stored).expires_at <= now:
                puts[key] = None
        if due:
            await self._ledger.commit(puts, (), due, (), self._positions)

    async def close(self) -> None:
        """Stop sweeping and give the partition up."""
        self._sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeper
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
