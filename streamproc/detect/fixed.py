"""Threshold over fixed windows, aligned to local wall time: `count` events, or different values, in one of them.

Bound: a window keeps at most `max(2 * count, 1024)` event ids (and values) for telling duplicates and for the
alert; past that it counts on without them. A key keeps the windows that a hit not yet late can fall into:
those within 2 W + L of its newest event; and the one of its latest trigger, which the alert tells of.
"""

from __future__ import annotations

from typing import Any

from streamproc.detect.detector import NEVER, EventDetector
from streamproc.detect.local_time import offset_ms
from streamproc.detect.rolling import KEPT_SAMPLES, MAX_EVENT_IDS, MAX_SAMPLE_BYTES, SET_FROM, counted_reason
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.hit import DistinctValue
from streamproc.model.times import iso

_BACKWARD_MS = 3 * 3600 * 1000
"""No zone has set its clocks back by more at once since 1970; a window may be longer by so much."""


class Bucket:
    """One fixed window of a key. `start` is local wall time in ms; `first` and `last` are event times."""

    __slots__ = ("count", "first", "ids", "last", "seen", "start", "values")

    def __init__(self, start: int, t: int) -> None:
        self.start = start
        self.count = 0
        self.first = t
        self.last = t
        self.ids: list[str] = []
        self.values: list[DistinctValue] = []
        self.seen: set[str] | None = None


class FixedWindows:
    """The windows of one key, oldest first; nearly always one or two."""

    __slots__ = ("buckets", "fired", "newest", "samples")

    def __init__(self) -> None:
        self.buckets: list[Bucket] = []
        self.newest = -(1 << 62)
        self.fired = 0  # start of the window of the latest trigger
        self.samples: list[tuple[int, bytes]] = []


class FixedThreshold(EventDetector):
    """Settings of one rule; see `detector.Detector`."""

    __slots__ = ("cap", "count", "distinct", "horizon_ms", "late_ms", "utc", "window_ms", "zone")

    def __init__(
        self, count: int, window_ms: int, lateness_ms: int, distinct: str | None = None, zone: str = "UTC"
    ) -> None:
        self.count = count
        self.window_ms = window_ms
        self.late_ms = window_ms + lateness_ms
        self.horizon_ms = 2 * window_ms + lateness_ms
        self.distinct = distinct
        self.zone = zone
        self.utc = zone == "UTC"
        self.cap = max(2 * count, 1024)

    def new(self) -> FixedWindows:
        return FixedWindows()

    def apply(self, state: FixedWindows, t: int, arrival: int, event_id: str, value: DistinctValue, raw: bytes) -> int:
        if t > state.newest:
            state.newest = t
        elif t < state.newest - self.late_ms:
            return LATE
        local = t if self.utc else t + offset_ms(self.zone, t)
        bucket = self._bucket(state, local - local % self.window_ms, t)
        seen = bucket.seen
        if seen is None:
            if event_id in bucket.ids:
                return DUPLICATE
            if len(bucket.ids) >= SET_FROM:
                seen = bucket.seen = set(bucket.ids)
        elif event_id in seen:
            return DUPLICATE
        if len(bucket.ids) < self.cap:
            bucket.ids.append(event_id)
            if seen is not None:
                seen.add(event_id)
        if t < bucket.first:
            bucket.first = t
        elif t > bucket.last:
            bucket.last = t
        if self.distinct is None:
            bucket.count += 1
        elif value not in bucket.values and len(bucket.values) < self.cap:
            bucket.values.append(value)
            bucket.count += 1
        count = bucket.count
        if count >= self.count - KEPT_SAMPLES and len(raw) <= MAX_SAMPLE_BYTES:
            state.samples.append((t, raw))
            if len(state.samples) > KEPT_SAMPLES:
                del state.samples[0]
        if count < self.count:
            return COUNTED
        state.fired = bucket.start
        return count

    def _bucket(self, state: FixedWindows, start: int, t: int) -> Bucket:
        buckets = state.buckets
        if buckets:
            last = buckets[-1]
            if last.start == start:
                return last
            for bucket in buckets:
                if bucket.start == start:
                    return bucket
        bucket = Bucket(start, t)
        buckets.append(bucket)
        if len(buckets) > 1:
            # By the time of an event in it, because starts are in local time and clocks are set.
            oldest = state.newest - self.horizon_ms - (0 if self.utc else _BACKWARD_MS)
            buckets[:] = [b for b in buckets if b.first > oldest or b.start == state.fired]
            buckets.sort(key=lambda b: b.start)
            state.samples = [s for s in state.samples if s[0] > oldest]
        return bucket

    def _fired(self, state: FixedWindows) -> Bucket:
        for bucket in state.buckets:
            if bucket.start == state.fired:
                return bucket
        return Bucket(state.fired, state.fired)

    def clear_at(self, state: FixedWindows) -> int:
        """When the bucket that triggered ends."""
        for bucket in state.buckets:
            if bucket.start == state.fired:
                local = bucket.last + (0 if self.utc else offset_ms(self.zone, bucket.last))
                return bucket.last + self.window_ms - local % self.window_ms
        return NEVER

    def context(self, state: FixedWindows) -> dict[str, Any]:
        bucket = self._fired(state)
        return {
            "count": bucket.count,
            "window_seconds": self.window_ms // 1000,
            "first_event_time": iso(bucket.first),
            "last_event_time": iso(bucket.last),
            "event_ids": bucket.ids[-MAX_EVENT_IDS:],
        }

    def samples(self, state: FixedWindows) -> list[bytes]:
        fired = self._fired(state)
        return [raw for t, raw in state.samples if fired.first <= t <= fired.last]

    def reason(self, state: FixedWindows, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        return counted_reason(self._fired(state).count, self.window_ms, self.distinct, group)

    def encode(self, state: FixedWindows) -> Any:
        return [
            state.newest,
            state.fired,
            [[b.start, b.count, b.first, b.last, b.ids, b.values] for b in state.buckets],
            state.samples,
        ]

    def decode(self, stored: Any) -> FixedWindows:
        state = FixedWindows()
        state.newest, state.fired, buckets, samples = stored
        for start, count, first, last, ids, values in buckets:
            bucket = Bucket(start, first)
            bucket.count, bucket.last, bucket.ids, bucket.values = count, last, ids, values
            state.buckets.append(bucket)
        state.samples = [(t, raw) for t, raw in samples]
        return state
