"""The `detect` agent: signals in, alerts out, all per-key state in the `detectors` table."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import structlog

from streamproc import metrics
from streamproc.alerting.fingerprint import partition_of, rule_hash
from streamproc.alerting.incident import link_key
from streamproc.config.snapshot import Snapshot
from streamproc.engine import state as codec
from streamproc.engine.changes import KEY, AlertRecord
from streamproc.engine.frame import Frame, SignalError, unpack
from streamproc.engine.partition import PartitionEngine
from streamproc.engine.timers import DAY_MS
from streamproc.kafka.dead_letter import DeadLetter
from streamproc.kafka.ledger import Ledger, LedgerSettings, Output
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import Topics
from streamproc.model.command import Command
from streamproc.runtime.app import LaneApp
from streamproc.runtime.census import Census
from streamproc.runtime.lane import Lane, Slice
from streamproc.runtime.standby import Standby

log = structlog.get_logger(__name__)

BATCH_HITS = 25_000
"""A batch is written once it holds this many hits; when traffic is light, whatever has come."""
BATCH_KEYS = 3_000
"""Or once it has changed so many keys: each is in memory several times while it is written."""
PACE_S = 0.03
"""Batches of a partition begin this far apart: a transaction costs 2 ms of CPU here and as much in the broker."""
BEHIND_MS = 2000
CATCH_UP_S = 0.3
"""A partition that is behind gathers for this long between batches: a key that several hits touch is written once."""
SCANNED_PER_BATCH = 20_000


class Detect:
    """One per process; `open_lane` is called per `signals` partition."""

    def __init__(
        self,
        app: LaneApp,
        tailer: ConfigTailer,
        producer: AwaitedProducer,
        topics: Topics,
        ledgers: LedgerSettings,
        directory: Path,
    ) -> None:
        self._app = app
        self._tailer = tailer
        self._producer = producer
        self._topics = topics
        self._ledgers = ledgers
        self._directory = directory
        self.signals = topics["signals"]
        self._changelog = topics["detectors-changelog"]
        self.sources = [f"{spec.topic}/{p}" for spec in topics.sources for p in range(spec.partitions)]
        self.alert_retention_ms = app.settings.alert_retention_days * DAY_MS
        metrics.DEAD_LETTERS.labels("bad_signal")  # from 0 on, or Prometheus would not see the first increase
        self.standby = Standby(self.ledger, self._changelog.partitions)
        self.opening: dict[int, Ledger] = {}
        """Ledgers that are recovering, for the health site."""
        self._open: set[DetectPartition] = set()

    def ledger(self, partition: int) -> Ledger:
        """That of a partition, not open."""
        directory = self._directory / "detectors" / str(partition)
        return Ledger(self._ledgers, self._changelog.topic, partition, directory, codec.stored_timer)

    async def open_lane(self, partition: int) -> Lane:
        """Take the partition over, recover its table and start."""
        ledger = self.ledger(partition)
        self.opening[partition] = ledger
        try:
            await self.standby.hand_over(partition)
            await ledger.open()
        except BaseException:
            self.standby.take_back(partition)
            raise
        finally:
            self.opening.pop(partition, None)
        worker = DetectPartition(self, ledger)
        self._open.add(worker)
        self._share_cache()
        return Lane(f"detect {partition}", worker.work, self._app.fail, worker.close, PACE_S)

    def closed(self, worker: DetectPartition) -> None:
        """A partition was given up."""
        self._open.discard(worker)
        self._share_cache()

    def _share_cache(self) -> None:
        """Equal parts for all; the engine keeps up to twice what it is told."""
        for worker in self._open:
            worker.engine.cache_keys = self._app.settings.cached_keys // (2 * len(self._open)) or 1

    @property
    def snapshot(self) -> Snapshot:
        return self._tailer.snapshot

    async def reach(self, offset: int) -> None:
        """Wait until this process has read the config topic up to `offset`."""
        await self._tailer.wait_for(offset)

    async def bury(self, letters: list[DeadLetter]) -> None:
        await self._producer.bury(letters)

    def output(self, alert: AlertRecord) -> Output:
        """An alert record for its topic."""
        alerts = self._topics["alerts"]
        partition = partition_by(alert.tenant, alerts.partitions)
        return Output(alerts.topic, partition, alert.alert_id.encode(), alert.value)

    def link(self, incident_id: str, alert_id: str, tenant: str, value: bytes | None) -> Output:
        """An alert's part in an incident, for its topic."""
        incidents = self._topics["incidents"]
        partition = partition_by(tenant, incidents.partitions)
        return Output(incidents.topic, partition, link_key(incident_id, alert_id), value)


class DetectPartition:
    """Drives the engine of one partition: read, step, write, acknowledge (the lane does the last)."""

    def __init__(self, detect: Detect, ledger: Ledger) -> None:
        self._detect = detect
        self._ledger = ledger
        self._snapshot = detect.snapshot
        self.engine = PartitionEngine(
            ledger.table,
            self._snapshot.rules,
            detect.sources,
            alert_retention_ms=detect.alert_retention_ms,
            owns=lambda fp: partition_of(fp, detect.signals.partitions) == ledger.partition,
        )
        self._topic = detect.signals.topic
        self._next = ledger.position(self._topic)
        self._scan_from: bytes | None = KEY
        self._exported = dict.fromkeys(("hits", "late", "duplicate", "replayed", "outdated", "insufficient_history"), 0)
        self._triggers = self._opened = self._expired = 0
        self._census = Census(ledger.table, ledger.partition)
        self._strays: list[Output] = []
        """Commands for other partitions, to be handed on with the next write."""
        self._arrivals: list[int] = []
        """Of each frame since the last write, when its first hit arrived."""

    async def work(self, slices: list[Slice]) -> None:
        """Apply the records of some slices, in order."""
        await self._use(self._detect.snapshot)
        pending, behind = 0, False
        for _, records in slices:
            for record in records:
                if record.offset < self._next:
                    continue  # applied before, in the same transaction that says so
                try:
                    signal = unpack(record.value)
                except SignalError as error:
                    await self._bury(record, error)
                    self._next = record.offset + 1
                    continue
                if isinstance(signal, Frame):
                    if signal.config_offset > self._snapshot.offset:
                        await self._write()
                        await self._detect.reach(signal.config_offset)
                        await self._use(self._detect.snapshot)
                    pending += len(signal.rows)
                    if signal.rows:
                        _, _, _, happened, arrived, *_ = signal.rows[0]
                        metrics.EVENT_DELAY.observe(max(0, arrived - happened) / 1000)
                        self._arrivals.append(arrived)
                if isinstance(signal, Command):
                    owner = partition_of(signal.fingerprint, self._detect.signals.partitions)
                    if owner != self._ledger.partition:  # its sender does not know yet that there are more partitions
                        self._strays.append(Output(self._topic, owner, None, record.value))
                        self._next = record.offset + 1
                        continue
                self.engine.apply(signal)
                self._next = record.offset + 1
                if pending >= BATCH_HITS or len(self.engine.dirty) >= BATCH_KEYS:
                    await self._write()
                    pending = 0
                behind = int(time.time() * 1000) - record.timestamp > BEHIND_MS
        self._scan()
        self._census.look(self._snapshot, time.monotonic())
        await self._write()
        if behind and pending:
            await asyncio.sleep(CATCH_UP_S)
        while self.engine.more_due:
            self.engine.sweep()
            await self._write()

    async def _use(self, snapshot: Snapshot) -> None:
        if snapshot is not self._snapshot:
            await self._write()
            self._snapshot = snapshot
            self.engine.use(snapshot.rules)
            self._scan_from = KEY

    def _scan(self) -> None:
        """Drop the keys of rules that are gone; a stretch at a time, so that it never holds up the stream."""
        if self._scan_from is None:
            return
        there = {rule_hash(record.tenant, record.id) for record in self._snapshot.records("rule")}
        # A rule that cannot be read is inactive, not deleted: its state waits until it is mended.
        there |= {rule_hash(problem.tenant, problem.id) for problem in self._snapshot.problems}
        gone, self._scan_from = self._ledger.table.scan(
            self._scan_from, KEY, SCANNED_PER_BATCH, lambda _, value: codec.rule_hash_in(value) not in there
        )
        for key in gone:
            self.engine.drop(key[1:])

    async def _write(self) -> None:
        changes = self.engine.take()
        self._export()
        strays, self._strays = self._strays, []
        if not changes and not strays:
            return
        started = time.perf_counter()
        outputs = [self._detect.output(alert) for alert in changes.alerts]
        links = [self._detect.link(*link) for link in changes.links]
        position = {self._topic: self._next}
        await self._ledger.commit(changes.puts, changes.timers, changes.fired, outputs + links + strays, position)
        metrics.ALERT_RECORDS.inc(len(outputs))
        metrics.COMMIT_SECONDS.labels("detectors").observe(time.perf_counter() - started)
        now = int(time.time() * 1000)
        for arrived in self._arrivals:
            metrics.DETECT_LATENCY.observe(max(0, now - arrived) / 1000)
        self._arrivals.clear()
        for alert in changes.alerts:
            if alert.arrived is not None:
                metrics.ALERT_LATENCY.observe(max(0, now - alert.arrived) / 1000)

    async def close(self) -> None:
        """Give the partition up."""
        self._detect.closed(self)
        self._census.forget()
        metrics.STREAM_TIME.remove(str(self._ledger.partition))
        await self._ledger.close()
        self._detect.standby.take_back(self._ledger.partition)

    async def _bury(self, record: Any, error: SignalError) -> None:
        metrics.DEAD_LETTERS.labels("bad_signal").inc()
        letter = DeadLetter(
            self._topic,
            self._ledger.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            "bad_signal",
            str(error),
            "detect",
            tuple(record.headers or ()),
        )
        await self._detect.bury([letter])

    def _export(self) -> None:
        counts = self.engine.counts
        for name, seen in self._exported.items():
            value = getattr(counts, name)
            if value != seen:
                metrics.HITS.labels(name).inc(value - seen)
                self._exported[name] = value
        metrics.TRIGGERS.inc(counts.triggers - self._triggers)
        metrics.ALERTS_OPENED.inc(counts.opened - self._opened)
        metrics.EXPIRED.inc(counts.expired - self._expired)
        self._triggers, self._opened, self._expired = counts.triggers, counts.opened, counts.expired
        if self.engine.now > 0:
            metrics.STREAM_TIME.labels(str(self._ledger.partition)).set(self.engine.now / 1000)
