"""The `deliver` agent: notifications in, attempts out, what became of them to `deliveries`.

A notification is acknowledged once it stands in the `outbox` table; from there it is attempted, again and again if
need be, also after a restart or by another process. Attempts run side by side; their results are written in one
transaction at a time, so that a busy partition writes many at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import structlog
from prometheus_client import Gauge

from streamproc import metrics
from streamproc.alerting.addressing import addressed
from streamproc.alerting.audience import Target
from streamproc.alerting.endpoint_notice import event_of, notices
from streamproc.alerting.fallback import stand_ins
from streamproc.alerting.lanes import LaneKey
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.outbox import Outbox
from streamproc.alerting.outbox_entry import Effects, Entry, SwitchedOff
from streamproc.alerting.terms import Terms, terms_of
from streamproc.channels.registry import Transports
from streamproc.kafka.dead_letter import DeadLetter
from streamproc.kafka.ledger import Ledger, LedgerSettings, Output
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.delivery import Delivery, DeliveryState, Outcome, OutcomeKind, Reason
from streamproc.model.notification import Notification, Purpose
from streamproc.model.time_text import milliseconds
from streamproc.runtime.app import LaneApp
from streamproc.runtime.lane import Lane, Slice

log = structlog.get_logger(__name__)

ENTRY = b"o"
SWEEP_S = 60.0
PACE_S = 0.05
"""Transactions of a partition begin this far apart: nobody waits for them but the next owner after a crash."""
MAX_ATTEMPTS = 512
"""Attempts under way at once per partition, over all channels."""

Disable = Callable[[SwitchedOff], None]


def timer_of(key: bytes, value: bytes) -> int | None:
    """The outbox keeps its own time in memory."""
    return None


class Deliver:
    """One per process; `open_lane` is called per partition of `notifications`."""

    def __init__(
        self,
        app: LaneApp,
        lookup: Lookup,
        transports: Transports,
        producer: AwaitedProducer,
        topics: Topics,
        ledgers: LedgerSettings,
        directory: Path,
        disable: Disable,
    ) -> None:
        self._app = app
        self._ledgers = ledgers
        self._directory = directory
        self.lookup = lookup
        self.transports = transports
        self.producer = producer
        self.disable = disable
        self.notifications, self.deliveries = topics["notifications"], topics["deliveries"]
        self.events = topics["events"]
        self._changelog = topics["outbox-changelog"]
        self.rng = random.Random()
        self.partitions: set[DeliverPartition] = set()

    async def open_lane(self, partition: int) -> Lane:
        """Take the partition over, restore its outbox and go on with it."""
        ledger = Ledger(
            self._ledgers,
            self._changelog.topic,
            partition,
            self._directory / "outbox" / str(partition),
            timer_of,
        )
        await ledger.open()
        try:
            worker = DeliverPartition(self, ledger, self._app.fail)
        except BaseException:
            await ledger.close()
            raise
        return Lane(f"deliver {partition}", worker.work, self._app.fail, worker.close)

    def terms(self, notification: Notification) -> Terms:
        """How a notification's channel is treated, by its settings of now."""
        return terms_of(notification, self.lookup.channels)

    def stand_ins(self, notification: Notification) -> list[Target]:
        """Who is told where the notification's channel gives up, by the settings of now."""
        return stand_ins(notification, self.lookup.channels, self.lookup.people)

    def sick(self, tenant: str, channel: ChannelRef) -> bool:
        """Whether the latest attempt at the channel failed, as far as this process knows."""
        return any(partition.ailing(tenant, channel) for partition in self.partitions)

    def outputs(self, effects: Effects) -> list[Output]:
        """The records that go to other topics."""
        found = [self._delivery(delivery) for delivery in effects.records]
        found += [self._notification(notification) for notification in effects.notifications]
        for off in effects.disabled:
            if off.again:
                continue
            spec, key = self.events, off.tenant.encode()
            partition = partition_by(off.tenant, spec.partitions)
            found.append(Output(spec.topic, partition, key, orjson.dumps(event_of(off))))
            told = notices(off, self.lookup.channels, self.lookup.people, self.sick)
            found += [self._notification(notification) for notification in told]
        return found

    def _delivery(self, delivery: Delivery) -> Output:
        spec = self.deliveries
        return Output(
            spec.topic, partition_by(delivery.tenant, spec.partitions), delivery.id.encode(), delivery.encode()
        )

    def _notification(self, one: Notification) -> Output:
        spec = self.notifications
        partition = partition_by(f"{one.tenant}/{one.channel}", spec.partitions)
        return Output(spec.topic, partition, one.delivery_id.encode(), one.encode())


class DeliverPartition:
    """The outbox of one partition, and the attempts that it asks for."""

    def __init__(self, deliver: Deliver, ledger: Ledger, fail: Callable[[BaseException], None]) -> None:
        self._deliver = deliver
        self._ledger = ledger
        self._fail = fail
        self._topic = deliver.notifications.topic
        self._position = ledger.position(self._topic)
        stored = ((key[1:], value) for key, value in ledger.table.items(ENTRY))
        self._outbox, effects = Outbox.restored(stored, deliver.terms, _now(), deliver.stand_ins)
        self._effects = effects
        self._open: dict[LaneKey, str] = {}
        self._attempts: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._unwritten = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        runs = (self._attempt_due, self._sweep, self._write_forever)
        self._tasks = [asyncio.create_task(self._guarded(run)) for run in runs]
        self._wake.set()
        self._unwritten.set()
        deliver.partitions.add(self)
        for gauge, value in _gauges(self._outbox):
            gauge.labels(str(ledger.partition)).set_function(value)

    def ailing(self, tenant: str, channel: ChannelRef) -> bool:
        """Whether the latest attempt at the channel failed."""
        return self._outbox.ailing(tenant, channel)

    # taking over

    async def work(self, slices: list[Slice]) -> None:
        """Put notifications into the outbox and attempt them; returns when they stand in the changelog.

        The first attempt does not wait for the changelog: should this process end before it is written, whoever
        reads the notification again makes the same attempt with the same id.
        """
        notifications: list[Notification] = []
        letters: list[DeadLetter] = []
        position = self._position
        for _, records in slices:
            for record in records:
                if record.offset < position or record.value is None:
                    continue
                try:
                    notifications.append(Notification.decode(record.value))
                except ValueError as error:
                    letters.append(self._letter(record, error))
            if records:
                position = max(position, records[-1].offset + 1)
        if letters:
            await self._deliver.producer.bury(letters)
        now = _now()
        for notification in notifications:
            self._effects.add(self._outbox.add(notification, now))
        self._position = position
        self._wake.set()
        await self._written_soon()

    # writing

    async def _written_soon(self) -> None:
        """Ask for what there is to be written, and wait until it is."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        self._unwritten.set()
        await written

    async def _write_forever(self) -> None:
        """Write results of attempts and what was taken over, as much as came within `PACE_S`."""
        while True:
            await self._unwritten.wait()
            self._unwritten.clear()
            started = time.perf_counter()
            await self._write()
            await asyncio.sleep(max(0.0, started + PACE_S - time.perf_counter()))

    async def _write(self) -> None:
        effects, self._effects = self._effects, Effects()
        waiting, self._waiting = self._waiting, []
        try:
            if effects.records or effects.puts or effects.deletes:
                await self._commit(effects)
        except BaseException as error:
            for written in waiting:
                if not written.done():
                    written.set_exception(error)
            raise
        for written in waiting:
            if not written.done():
                written.set_result(None)
        for off in effects.disabled:
            self._deliver.disable(off)

    async def _commit(self, effects: Effects) -> None:
        started = time.perf_counter()
        puts: dict[bytes, bytes | None] = {ENTRY + key: value for key, value in effects.puts.items()}
        puts.update((ENTRY + key, None) for key in effects.deletes)
        await self._ledger.commit(puts, (), (), self._deliver.outputs(effects), {self._topic: self._position})
        metrics.COMMIT_SECONDS.labels("outbox").observe(time.perf_counter() - started)

    # attempting

    async def _attempt_due(self) -> None:
        """Start what is due, whenever something may have become due."""
        while True:
            self._wake.clear()
            room = MAX_ATTEMPTS - len(self._attempts)
            for entry in self._outbox.due(_now(), room) if room > 0 else ():
                task = asyncio.create_task(self._guarded(lambda entry=entry: self._attempt(entry)))  # type: ignore[misc]
                self._attempts.add(task)
                task.add_done_callback(self._attempts.discard)
            next_due = self._outbox.next_due()
            pause = None if next_due is None or room <= 0 else max(0.0, (next_due - _now()) / 1000)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _attempt(self, entry: Entry) -> None:
        notification = entry.notification
        channel = self._deliver.lookup.channels.get(notification.tenant, notification.channel)
        outcome = await self._outcome(notification, channel)
        now = _now()
        effects = self._outbox.finished(entry.id, outcome, now, self._deliver.rng)
        kind = notification.channel.config if channel is None else channel.transport
        metrics.ATTEMPTS.labels(kind, str(outcome.kind)).inc()
        metrics.ATTEMPT_SECONDS.labels(kind).observe(outcome.latency_ms / 1000)
        for delivery in effects.records:
            if delivery.id == entry.id and delivery.state is DeliveryState.DELIVERED:
                metrics.END_TO_END_SECONDS.observe(max(0, now - delivery.created_at) / 1000)
                arrived = _arrived(notification)
                if arrived is not None:
                    metrics.ARRIVAL_TO_DELIVERED.observe(max(0, now - arrived) / 1000)
        self._note_open()
        self._effects.add(effects)
        self._unwritten.set()
        self._wake.set()

    async def _outcome(self, notification: Notification, channel: ChannelSettings | None) -> Outcome:
        if self._outbox.off(notification):
            detail = f"{notification.channel} was switched off, and has not been changed since"
            return Outcome(OutcomeKind.PERMANENT, Reason.DISABLED, detail=detail)
        if channel is not None:
            channel = addressed(channel, notification.recipient, self._deliver.lookup.people)
            if channel is None:
                detail = f"{notification.recipient} cannot be reached any more: gone, disabled, or without an address"
                return Outcome(OutcomeKind.PERMANENT, Reason.RECIPIENT_GONE, detail=detail)
        return await self._deliver.transports.send(notification, channel)

    def _note_open(self) -> None:
        """Keep the metric of open channels right."""
        found = self._outbox.open_channels
        if found == self._open.keys():
            return
        for tenant, ref in found - self._open.keys():
            channel = self._deliver.lookup.channels.get(tenant, ref)
            kind = self._open[tenant, ref] = ref.config if channel is None else channel.transport
            metrics.CHANNELS_OPEN.labels(kind).inc()
            log.warning(
                "channel.open", tenant=tenant, channel=str(ref), next="only single attempts, until one succeeds"
            )
        for key in self._open.keys() - found:
            metrics.CHANNELS_OPEN.labels(self._open.pop(key)).dec()
            log.info("channel.closed", tenant=key[0], channel=str(key[1]))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._effects.add(self._outbox.sweep(_now()))
            self._unwritten.set()
            self._wake.set()

    async def _guarded(self, run: Callable[[], Any]) -> None:
        try:
            await run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    async def close(self) -> None:
        """Cancel attempts and wait for their end; whoever has the partition next makes them again, same ids."""
        for gauge, _ in _gauges(self._outbox):
            gauge.remove(str(self._ledger.partition))
        self._deliver.partitions.discard(self)
        for kind in self._open.values():
            metrics.CHANNELS_OPEN.labels(kind).dec()
        self._open.clear()
        running = [*self._tasks, *self._attempts]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        try:
            await self._write()  # results that came in meanwhile
        except Exception as error:
            log.info("outbox.close", partition=self._ledger.partition, error=str(error))
        await self._ledger.close()

    def _letter(self, record: Any, error: ValueError) -> DeadLetter:
        metrics.DEAD_LETTERS.labels("bad_notification").inc()
        return DeadLetter(
            self._topic,
            self._ledger.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            "bad_notification",
            str(error),
            "deliver",
        )


def _now() -> int:
    return int(time.time() * 1000)


def _arrived(notification: Notification) -> int | None:
    """When the event that opened the alert arrived, if this is the first that is told of it."""
    if notification.purpose is not Purpose.TRIGGERED:
        return None
    try:
        return milliseconds(str(orjson.loads(notification.alert).get("created_at")))
    except ValueError:
        return None  # a record that others wrote; it is delivered all the same


def _gauges(outbox: Outbox) -> tuple[tuple[Gauge, Callable[[], float]], ...]:
    """What is looked at when the metrics are read, and only then."""
    return (
        (metrics.OUTSTANDING, lambda: float(len(outbox))),
        (metrics.RETRIES_OUTSTANDING, lambda: float(outbox.retrying)),
    )
