"""Anomaly: a key's count in a bucket, an hour or a day of local wall time, leaves its baseline.

The *baseline* of a bucket is what the `baseline_days` before it were like: the counts of those buckets, zero where
there was nothing, and none from before the key was first seen. It needs 7 days of history and 10 buckets with
events; until then a count that could matter is `INSUFFICIENT`. A bucket fires once, when its count reaches the
smallest one that satisfies the method and the floors (`baseline`); what comes later only brings the count up.

A bucket that fired stays out of later baselines, so that an attack does not become normal. Not more than the latest
7 days' worth of such buckets stay out (7 days, or 168 hours), so that a lasting change does become normal.

Events are counted into their own bucket whenever they come, as long as some baseline may need it; older ones are
late. A bucket fires until L after its end by the key's newest event; later ones are history and only counted. What
comes late is in every baseline from then on, and no bucket is judged anew for it. So for events in order it does
not matter how they are split into tallies; of events that overtook one another, those in one tally are in order.

An hour starts when the local clock shows a full one: when clocks are set, two hours of equal name stay two. A day
starts at local midnight, and may have 23 or 25 hours.

Bound: a key keeps the counts of `B + L / bucket + 3` buckets, with B those of `baseline_days` (at most 2,330: of 90
days by the hour with a lateness of 7 days), a mark for each that fired, and four sample events of at most 8 KiB.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from streamproc.detect.baseline import Baseline, baseline_of, stddev_limit, tail_limit
from streamproc.detect.detector import NEVER, Cause, EventDetector
from streamproc.detect.local_time import offset_ms
from streamproc.detect.rolling import KEPT_SAMPLES, MAX_SAMPLE_BYTES
from streamproc.detect.verdict import COUNTED, GREW, INSUFFICIENT, LATE
from streamproc.model.condition import AnomalyCondition
from streamproc.model.event import MAX_TIME_MS
from streamproc.model.times import iso

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LEAST_HISTORY_MS = 7 * DAY_MS
LEAST_ACTIVE = 10
KEPT_OUT_MS = 7 * DAY_MS
"""How many buckets that fired stay out of a baseline: as many as are in this."""
CHARTED = 48
"""Buckets in the `history` of an alert."""
_NONE = -1 << 62


class Told(NamedTuple):
    """What the latest trigger was judged by; `limit` is the smallest count that fires."""

    limit: int
    buckets: int
    active: int
    mean: float
    stddev: float


class History:
    """The buckets of one key, by number: hours since 1970 in UTC, or days since 1970 in local time.

    `counts` has those with events. `first` is the earliest bucket that is known to be zero where it is not in
    `counts`; `top` the latest, `newest` the latest event time. `fired` is the bucket of the latest trigger, `told`
    what it was judged by, and `last` its latest event time.
    """

    __slots__ = ("alerted", "counts", "fired", "first", "judged", "last", "newest", "samples", "told", "top")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.alerted: set[int] = set()
        self.first = NEVER
        self.top = _NONE
        self.newest = _NONE
        self.fired = _NONE
        self.last = 0
        self.told = Told(0, 0, 0, 0.0, 0.0)
        self.samples: list[tuple[int, bytes]] = []
        self.judged: tuple[int, Told] | None = None  # a bucket and what it is judged by, until its past changes


class Anomaly(EventDetector):
    """Settings of one rule; see `detector.Detector`."""

    __slots__ = ("baseline", "bucket_ms", "by_day", "condition", "horizon_ms", "keep", "lateness_ms", "utc", "zone")

    def __init__(self, condition: AnomalyCondition, lateness_ms: int, zone: str = "UTC") -> None:
        self.condition = condition
        self.bucket_ms = condition.bucket_ms
        self.by_day = condition.bucket_ms == DAY_MS
        self.lateness_ms = lateness_ms
        self.zone = zone
        self.utc = zone == "UTC"
        self.baseline = condition.baseline_days * DAY_MS // condition.bucket_ms
        self.keep = self.baseline - (-lateness_ms // condition.bucket_ms) + 1
        self.horizon_ms = (self.baseline + 1) * condition.bucket_ms + lateness_ms

    def new(self) -> History:
        return History()

    def bucket_of(self, t: int) -> int:
        return (t + self._shift(t)) // self.bucket_ms

    def _shift(self, t: int) -> int:
        """What to add to a time so that buckets start at multiples of their length."""
        if self.utc:
            return 0
        offset = offset_ms(self.zone, min(t, MAX_TIME_MS))
        return offset if self.by_day else offset % HOUR_MS

    def start_of(self, bucket: int) -> int:
        """The time in ms, UTC, at which a bucket starts; the earlier one where a clock shows it twice."""
        local = bucket * self.bucket_ms
        before = local - self._shift(local - DAY_MS)
        if self.bucket_of(before) >= bucket > self.bucket_of(before - 1):
            return before
        after = local - self._shift(local + DAY_MS)
        return after if self.bucket_of(after) >= bucket > self.bucket_of(after - 1) else before

    def apply(self, state: History, t: int, arrival: int, event_id: str, value: int, raw: bytes) -> int:
        """Count `value` events of one bucket, of which `t` is the latest."""
        bucket = self.bucket_of(t)
        if bucket > state.top:
            state.top = bucket
            self._prune(state)
        elif bucket < state.top - self.keep:
            return LATE
        if t > state.newest:
            state.newest = t
        if bucket < state.first:
            state.first = bucket
        count = state.counts[bucket] = state.counts.get(bucket, 0) + value
        if state.judged is not None and state.judged[0] != bucket:
            state.judged = None
        if bucket in state.alerted:
            state.samples.clear()
            if bucket != state.fired:
                return COUNTED
            state.last = max(state.last, t)
            return GREW
        if count < self.condition.min_count or not self._open(state, bucket):
            return COUNTED
        told = self._judged(state, bucket)
        if told is None:
            return INSUFFICIENT
        if 2 * count >= told.limit and 0 < len(raw) <= MAX_SAMPLE_BYTES:
            state.samples = [*(s for s in state.samples if s[0] == bucket), (bucket, raw)][-KEPT_SAMPLES:]
        if count < told.limit:
            return COUNTED
        state.alerted.add(bucket)
        state.judged = None
        state.fired, state.told = bucket, told
        state.last = state.newest if self.bucket_of(state.newest) == bucket else t
        return count

    def _prune(self, state: History) -> None:
        """Forget what no bucket that may still fire has in its baseline."""
        oldest = state.top - self.keep
        if state.first < oldest:
            state.first = oldest
            for bucket in [b for b in state.counts if b < oldest]:
                del state.counts[bucket]
            state.alerted = {b for b in state.alerted if b >= oldest}

    def _open(self, state: History, bucket: int) -> bool:
        """Whether a bucket may still fire."""
        return bucket == state.top or self.start_of(bucket + 1) >= state.newest - self.lateness_ms

    def _judged(self, state: History, bucket: int) -> Told | None:
        """What a bucket is judged by; None when too little is known. Kept until an earlier bucket changes."""
        if state.judged is not None:
            return state.judged[1]
        if len(state.counts) <= LEAST_ACTIVE or (bucket - state.first) * self.bucket_ms < LEAST_HISTORY_MS:
            return None
        base = self._baseline_of(state, bucket)
        if base.active < LEAST_ACTIVE:
            return None
        condition = self.condition
        if condition.method == "tail":
            limit = tail_limit(base, condition.ratio, condition.min_count)
        else:
            limit = stddev_limit(base, condition.stddev, condition.ratio, condition.min_count)
        told = Told(limit, base.buckets, base.active, base.mean, base.stddev)
        state.judged = (bucket, told)
        return told

    def _baseline_of(self, state: History, bucket: int) -> Baseline:
        oldest = max(state.first, bucket - self.baseline)
        out = set(sorted(b for b in state.alerted if oldest <= b < bucket)[-(KEPT_OUT_MS // self.bucket_ms) :])
        counts = [count for b, count in state.counts.items() if oldest <= b < bucket and b not in out]
        return baseline_of(counts, bucket - oldest - len(out))

    def clear_at(self, state: History) -> int:
        """When the bucket that fired ends."""
        return NEVER if state.fired == _NONE else self.start_of(state.fired + 1)

    def cause(self, state: History) -> Cause:
        """The start of the bucket that fired."""
        return Cause("bucket", str(self.start_of(state.fired)))

    def context(self, state: History) -> dict[str, Any]:
        told, fired = state.told, state.fired
        charted = range(max(state.first, fired - CHARTED + 1), fired + 1)
        return {
            "count": state.counts.get(fired, 0),
            "bucket_start": iso(self.start_of(fired)),
            "bucket_seconds": self.bucket_ms // 1000,
            "last_event_time": iso(state.last),
            "mean": round(told.mean, 3),
            "stddev": round(told.stddev, 3),
            "threshold": told.limit,
            "baseline_buckets": told.active,
            "method": self.condition.method,
            "history": [[iso(self.start_of(bucket)), state.counts.get(bucket, 0)] for bucket in charted],
        }

    def samples(self, state: History) -> list[bytes]:
        return [raw for bucket, raw in state.samples if bucket == state.fired]

    def reason(self, state: History, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        """`130 events in a day for actor.id u1; 19.3 ± 2.6 are usual`."""
        count, told = state.counts.get(state.fired, 0), state.told
        span = "a day" if self.by_day else "an hour"
        where = ", ".join(f"{path} {value}" for path, value in group.items())
        usual = f"{told.mean:.1f} ± {told.stddev:.1f} are usual"
        return f"{count} events in {span}" + (f" for {where}" if where else "") + f"; {usual}"

    def encode(self, state: History) -> Any:
        """Counts as [bucket, count, buckets to the next, its count, …]."""
        flat: list[int] = []
        before = 0
        for bucket in sorted(state.counts):
            flat += (bucket - before, state.counts[bucket])
            before = bucket
        marks = sorted(state.alerted)
        seen = [state.first, state.top, state.newest]
        return [*seen, state.fired, state.last, list(state.told), flat, marks, state.samples]

    def decode(self, stored: Any) -> History:
        state = History()
        state.first, state.top, state.newest, state.fired, state.last, told, flat, marks, samples = stored
        state.told = Told(*told)
        bucket = 0
        for step, count in zip(flat[::2], flat[1::2], strict=True):
            bucket += step
            state.counts[bucket] = count
        state.alerted = set(marks)
        state.samples = [(b, raw) for b, raw in samples]
        return state

    def merge(self, state: History, seed: History) -> None:
        """The larger count of each bucket, the earlier first seen, the marks of both.

        A mark of the very latest bucket is not taken over: it is still to fire here.
        """
        counts = state.counts
        for bucket, count in seed.counts.items():
            if count > counts.get(bucket, 0):
                counts[bucket] = count
        state.first = min(state.first, seed.first)
        state.top = max(state.top, seed.top)
        state.alerted |= {bucket for bucket in seed.alerted if bucket < state.top}
        state.judged = None
        self._prune(state)
