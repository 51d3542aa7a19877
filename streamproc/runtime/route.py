"""The `route` agent: source records in, frames of hits out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import structlog
from faust.types import TP

from streamproc import metrics
from streamproc.config.quota import event_rates
from streamproc.config.snapshot import Snapshot
from streamproc.engine.frame import frames, pack_frame, pack_tick
from streamproc.engine.match import Matcher
from streamproc.engine.meter import Meter
from streamproc.kafka.dead_letter import DeadLetter
from streamproc.kafka.ledger import Record
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topic_file import TopicSpec
from streamproc.model.event import MAX_TIME_MS, Reason
from streamproc.model.hit import Hit
from streamproc.runtime.app import LaneApp
from streamproc.runtime.deferred import Leisure, SecondReading
from streamproc.runtime.lane import Lane, Slice
from streamproc.sources.decode import Decoder, Wanted
from streamproc.sources.enrich import Enrich
from streamproc.sources.redact import Redactor

log = structlog.get_logger(__name__)

TICK_S = 1.0
STRETCH = 128
"""Events decoded before they are matched: few enough to stay in the processor's cache (2,000 cost a third more)."""
MOST_RECORDS = 8192
"""That wait in a lane: two slices of a backlog. Eight took 120 MB more, and were no faster."""
CAUGHT_UP_MARGIN_MS = 1000
"""A caught-up partition's time lags the wall clock by this, for records the broker has and we have not seen."""
BEHIND_MS = 1000
"""A worker that is further behind, in reading or in counting, defers tenants that are over their limit."""
AT_LEISURE_MS = 200
"""Second readings give way to the counting of what they bring once that is further behind: others wait for it too."""

Wrong = list[tuple[Sequence[Any], Sequence[tuple[int, Any]]]]
"""Records that are no events: a stretch, and the index in it and the error of each."""


class Route:
    """Everything stateless: decode, match, send. One per process; `open_lane` is called per source partition."""

    def __init__(
        self,
        app: LaneApp,
        tailer: ConfigTailer,
        producer: AwaitedProducer,
        sources: Sequence[TopicSpec],
        signals: TopicSpec,
        enrich: Enrich | None = None,
        redactor: Redactor | None = None,
        bury_values: bool = True,
    ) -> None:
        self._app = app
        self._tailer = tailer
        self._producer = producer
        self._signals = signals
        self._enrich = enrich
        self._sources = {spec.topic: spec for spec in sources}
        self._decoders = {topic: self._decoder(topic) for topic in self._sources}
        self._matcher = Matcher(tailer.snapshot.rules, redactor)
        self._bury_values = bury_values
        for reason in Reason:
            metrics.DEAD_LETTERS.labels(str(reason))  # from 0 on, or Prometheus would not see the first increase
        self._rates: dict[str, int] = {}
        self._rated: Snapshot | None = None
        self._meters: dict[str, Meter] = {}
        self._times: dict[str, int] = {}
        self._readings: dict[str, SecondReading] = {}
        self._leisure = Leisure(self._busy)
        self._exported: set[tuple[str, str]] = set()
        self.records = 0
        """Records read since the start."""

    async def open_lane(self, topic: str, partition: int) -> Lane:
        """A lane for one source partition."""
        source = f"{topic}/{partition}"
        self._times.pop(source, None)
        self._meters.pop(source, None)
        again = self._readings[source] = self._second_reading(topic, partition, source)

        async def work(slices: list[Slice]) -> None:
            for _, records in slices:
                await self._slice(topic, partition, source, records)

        async def close() -> None:
            del self._readings[source]
            await again.close()

        return Lane(f"route {source}", work, self._app.fail, close, most_records=MOST_RECORDS)

    def _second_reading(self, topic: str, partition: int, source: str) -> SecondReading:
        tp = TP(topic, partition)
        decoder = self._decoder(topic)  # of its own: what it skips was counted before

        async def work(records: Sequence[Any], tenants: Collection[str]) -> None:
            candidates = self._tailer.snapshot.rules.candidates

            def wanted(tenant: str, doc: dict[str, Any]) -> object:
                return tenant in tenants and candidates(tenant, doc)

            out, _ = self._frames(partition, source, records, decoder, wanted)
            if out:
                await self._producer.send(out)
            self._times[source] = records[-1].timestamp

        def hold(offset: int | None) -> None:
            self._app.hold(tp, offset)

        return SecondReading(self._app.settings, topic, partition, work, hold, self._leisure, self._app.fail)

    def _decoder(self, topic: str) -> Decoder:
        spec = self._sources[topic]
        return Decoder(topic, spec.format or "event", spec.tenant, self._enrich)

    async def _slice(self, topic: str, partition: int, source: str, records: Sequence[Any]) -> None:
        started = time.perf_counter()
        snapshot, decoder, again = self._tailer.snapshot, self._decoders[topic], self._readings[source]
        candidates, rates, deferred = snapshot.rules.candidates, self._limits(snapshot), again.deferral.since
        sent: dict[str, int] = {}

        def counted(tenant: str, doc: dict[str, Any]) -> object:
            if tenant in rates:
                sent[tenant] = sent.get(tenant, 0) + 1
            return tenant not in deferred and candidates(tenant, doc)

        over: set[str] = set()

        def meter(at: int) -> None:
            if sent:
                over.update(self._meter(source, sent, at))
                sent.clear()

        out, wrong = self._frames(
            partition, source, records, decoder, counted if rates or deferred else candidates, meter
        )
        again.deferral.read = records[-1].offset + 1
        skipped, decoder.skipped = decoder.skipped, 0
        for spoiled, found in wrong:
            await self._bury(topic, partition, spoiled, found)
        if out:
            await self._producer.send(out)
        if not deferred:
            self._times[source] = records[-1].timestamp
        if over and self._behind(records[-1].timestamp) > BEHIND_MS:
            again.defer(over)
        self.records += len(records)
        metrics.RECORDS.labels(topic).inc(len(records))
        metrics.SKIPPED.labels(topic).inc(skipped)
        metrics.ROUTE_SECONDS.observe(time.perf_counter() - started)

    def _frames(
        self,
        partition: int,
        source: str,
        records: Sequence[Any],
        decoder: Decoder,
        wanted: Wanted,
        meter: Callable[[int], None] | None = None,
    ) -> tuple[dict[tuple[str, int], list[Record]], Wrong]:
        """What to send for some records, and what is wrong with others.

        Nothing is awaited here: the lanes share the matcher and what it counts. `meter` is told when the records of a
        stretch arrived, once `wanted` was asked about them.
        """
        snapshot, matcher = self._tailer.snapshot, self._matcher
        matcher.use(snapshot.rules)
        match, decode = matcher.match, decoder.decode_batch
        hits: list[Hit] = []
        wrong: Wrong = []
        for start in range(0, len(records), STRETCH):
            stretch = records[start : start + STRETCH]
            # All are validated; only those that some rule might match are made.
            events, errors = decode(stretch, partition, wanted)
            for event in events:
                match(event, event.place, hits)
            if errors:
                wrong.append((stretch, errors))
            if meter is not None:
                meter(stretch[-1].timestamp)
        matcher.tallies(hits)
        out: dict[tuple[str, int], list[Record]] = {}
        if hits:
            for target, frame in frames(source, snapshot.offset, hits, matcher.ref, self._signals.partitions):
                out.setdefault((self._signals.topic, target), []).append((None, pack_frame(frame), []))
        metrics.MATCHED.inc(len(hits))
        metrics.NO_GROUP.inc(matcher.no_group)
        matcher.no_group = 0
        return out, wrong

    def _behind(self, arrival: int = MAX_TIME_MS) -> int:
        """How old (ms) an event is that arrived then, or what is being counted here if that is older."""
        counting = [lane.oldest for tp, lane in self._app.lanes.items() if tp.topic == self._signals.topic]
        return int(time.time() * 1000) - min(arrival, *(oldest or MAX_TIME_MS for oldest in counting), MAX_TIME_MS)

    def _busy(self) -> bool:
        """Whether there is anything more urgent than a second reading."""
        reading = any(not lane.idle for tp, lane in self._app.lanes.items() if tp.topic in self._decoders)
        return reading or self._behind() > AT_LEISURE_MS

    def _limits(self, snapshot: Snapshot) -> dict[str, int]:
        """Events a second by tenant, as far as plans limit them."""
        if snapshot is not self._rated:
            self._rates, self._rated = event_rates(snapshot), snapshot
            for tenant in self._rates:
                metrics.OVER_LIMIT.labels(tenant)  # from 0 on, or Prometheus would not see the first increase
        return self._rates

    def _meter(self, source: str, sent: dict[str, int], at: int) -> Collection[str]:
        """Count what was sent by then; answers who sent too much."""
        meter = self._meters.setdefault(source, Meter())
        meter.rates = self._rates
        over = meter.count(sent, at)
        for tenant, number in over.items():
            metrics.OVER_LIMIT.labels(tenant).inc(number)
        return over

    async def _bury(
        self, topic: str, partition: int, records: Sequence[Any], errors: Sequence[tuple[int, Any]]
    ) -> None:
        letters = []
        for index, error in errors:
            record = records[index]
            metrics.DEAD_LETTERS.labels(str(error.reason)).inc()
            letters.append(
                DeadLetter(
                    topic,
                    partition,
                    record.offset,
                    record.timestamp,
                    record.key,
                    record.value if self._bury_values else None,
                    str(error.reason),
                    error.message if self._bury_values else str(error.reason),
                    "route",
                    tuple(record.headers or ()),
                )
            )
        await self._producer.bury(letters)

    async def tick_forever(self) -> None:
        """Write stream time to every `signals` partition, behind the frames it speaks of, once a second."""
        while True:
            await asyncio.sleep(TICK_S)
            times = self._stream_times()
            self._export(times)
            if times:
                value = pack_tick(times)
                signals = self._signals
                await self._producer.send({(signals.topic, p): [(None, value, [])] for p in range(signals.partitions)})

    def _export(self, times: dict[str, int]) -> None:
        current = {(source.rpartition("/")[0], source.rpartition("/")[2]): t / 1000 for source, t in times.items()}
        for gone in self._exported - current.keys():
            metrics.SOURCE_TIME.remove(*gone)
        for labels, seconds in current.items():
            metrics.SOURCE_TIME.labels(*labels).set(seconds)
        self._exported = {*current}

    def _stream_times(self) -> dict[str, int]:
        """For each source partition we own: how far in arrival time it has been routed."""
        wall = int(time.time() * 1000) - CAUGHT_UP_MARGIN_MS
        times: dict[str, int] = {}
        for tp, lane in self._app.lanes.items():
            if tp.topic not in self._decoders:
                continue
            source = f"{tp.topic}/{tp.partition}"
            if self._caught_up(tp, lane):
                times[source] = max(wall, self._times.get(source, 0))
            elif source in self._times:
                times[source] = self._times[source]
        return times

    def _caught_up(self, tp: Any, lane: Lane) -> bool:
        if self._readings[f"{tp.topic}/{tp.partition}"].deferral.since:
            return False
        highwater = self._app.consumer.highwater(tp)
        if highwater is None or not lane.idle:
            return False
        if highwater == 0:
            return True
        reached = lane.next_offsets.get(tp.topic)
        if reached is None:  # nothing read since the assignment: as far as was committed before
            reached = self._app.consumer._committed_offset.get(tp)
        return reached is not None and reached >= highwater
