"""Threshold over a rolling window: `count` events, or different values, within `(t - W, t]` for some t.

On insertion every window that contains the new event is looked at, so out-of-order arrivals still fire. An entry
is kept while a hit that is not yet late could share a window with it, that is for 2 W + L of event time.

Bound: at most `max(2 * count, 1024)` entries a key; past it the oldest go first. Counting stays exact for events
that arrive in order; late ones may then miss company that was dropped, and a duplicate of a dropped event counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from streamproc.detect.detector import EventDetector
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.hit import DistinctValue
from streamproc.model.times import iso, span

MAX_EVENT_IDS = 100
KEPT_SAMPLES = 4
MAX_SAMPLE_BYTES = 8 * 1024
SET_FROM = 24
"""From this many entries on a set answers "seen before?" faster than looking through the list."""


class RollingWindow:
    """Entries of one key, in order of event time; the three lists run in parallel."""

    __slots__ = ("best", "ids", "newest", "samples", "seen", "times", "values")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.ids: list[str] = []
        self.values: list[DistinctValue] = []
        self.newest = -(1 << 62)
        self.best: tuple[int, int, int] = (0, 0, 0)  # count, first and last time of the latest trigger's window
        self.samples: list[tuple[int, bytes]] = []
        self.seen: set[str] | None = None


class RollingThreshold(EventDetector):
    """Settings of one rule; see `detector.Detector`."""

    __slots__ = ("cap", "count", "distinct", "horizon_ms", "keep_ms", "late_ms", "window_ms")

    def __init__(self, count: int, window_ms: int, lateness_ms: int, distinct: str | None = None) -> None:
        self.count = count
        self.window_ms = window_ms
        self.late_ms = window_ms + lateness_ms
        self.keep_ms = 2 * window_ms + lateness_ms
        self.horizon_ms = self.keep_ms
        self.distinct = distinct
        self.cap = max(2 * count, 1024)

    def new(self) -> RollingWindow:
        return RollingWindow()

    def apply(self, state: RollingWindow, t: int, arrival: int, event_id: str, value: DistinctValue, raw: bytes) -> int:
        times = state.times
        newest = state.newest
        if t < newest - self.late_ms:
            return LATE
        seen = state.seen
        if seen is None:
            if event_id in state.ids:
                return DUPLICATE
            if len(times) >= SET_FROM:
                seen = state.seen = set(state.ids)
        elif event_id in seen:
            return DUPLICATE
        if t >= newest:
            state.newest = t
            times.append(t)
            state.ids.append(event_id)
            if self.distinct is not None:
                state.values.append(value)
            at = len(times) - 1
            if times[0] <= t - self.keep_ms or at >= self.cap:
                at -= self._drop(state, t)
        else:
            at = bisect_right(times, t)
            times.insert(at, t)
            state.ids.insert(at, event_id)
            if self.distinct is not None:
                state.values.insert(at, value)
            if len(times) > self.cap:
                at -= self._drop(state, newest)
                if at < 0:
                    return COUNTED  # older than everything a full key still holds
        if seen is not None:
            seen.add(event_id)
        count, first, last = self._largest(state, at)
        if count >= self.count - KEPT_SAMPLES and len(raw) <= MAX_SAMPLE_BYTES:
            state.samples.append((t, raw))
            if len(state.samples) > KEPT_SAMPLES:
                del state.samples[0]
        if count < self.count:
            return COUNTED
        state.best = (count, first, last)
        return count

    def _largest(self, state: RollingWindow, at: int) -> tuple[int, int, int]:
        """Count, first and last time of the fullest window that holds the entry at index `at`.

        Windows that end at an entry are enough: any other holds the same entries as one of them.
        """
        times, window = state.times, self.window_ms
        t = times[at]
        best = (0, t, t)
        end = at
        n = len(times)
        while end < n and times[end] < t + window:
            last = times[end]
            while end + 1 < n and times[end + 1] == last:
                end += 1
            low = bisect_right(times, last - window)
            count = end + 1 - low if self.distinct is None else len(set(state.values[low : end + 1]))
            if count > best[0]:
                best = (count, times[low], last)
            end += 1
        return best

    def _drop(self, state: RollingWindow, newest: int) -> int:
        """Forget what no window can need any more, and what is over the cap; answers how many went."""
        gone = max(bisect_right(state.times, newest - self.keep_ms), len(state.times) - self.cap)
        if gone > 0:
            if state.seen is not None:
                state.seen.difference_update(state.ids[:gone])
            del state.times[:gone]
            del state.ids[:gone]
            del state.values[:gone]
            oldest = newest - self.keep_ms
            if state.samples and state.samples[0][0] <= oldest:
                state.samples = [s for s in state.samples if s[0] > oldest]
        return max(gone, 0)

    def clear_at(self, state: RollingWindow) -> int:
        """When the oldest of the last `count` entries leaves the window; of different values, of the last ones."""
        times = state.times
        if self.distinct is None:
            return times[-self.count] + self.window_ms if len(times) >= self.count else state.newest
        latest: dict[DistinctValue, int] = dict(zip(state.values, times, strict=True))
        return sorted(latest.values())[-self.count] + self.window_ms if len(latest) >= self.count else state.newest

    def context(self, state: RollingWindow) -> dict[str, Any]:
        count, first, last = state.best
        low, high = bisect_left(state.times, first), bisect_right(state.times, last)
        return {
            "count": count,
            "window_seconds": self.window_ms / 1000 if self.window_ms % 1000 else self.window_ms // 1000,
            "first_event_time": iso(first),
            "last_event_time": iso(last),
            "event_ids": state.ids[max(low, high - MAX_EVENT_IDS) : high],
        }

    def samples(self, state: RollingWindow) -> list[bytes]:
        _, first, last = state.best
        return [raw for t, raw in state.samples if first <= t <= last]

    def reason(self, state: RollingWindow, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        return counted_reason(state.best[0], self.window_ms, self.distinct, group)

    def encode(self, state: RollingWindow) -> Any:
        return [state.newest, state.times, state.ids, state.values, state.best, state.samples]

    def decode(self, stored: Any) -> RollingWindow:
        state = RollingWindow()
        state.newest, state.times, state.ids, state.values, best, samples = stored
        state.best = tuple(best)
        state.samples = [(t, raw) for t, raw in samples]
        return state


def counted_reason(count: int, window_ms: int, distinct: str | None, group: dict[str, Any]) -> str:
    """`5 events in 300 s for actor.ip 203.0.113.7`."""
    what = "events" if distinct is None else f"different values of {distinct}"
    where = ", ".join(f"{path} {value}" for path, value in group.items())
    return f"{count} {what} in {span(window_ms)}" + (f" for {where}" if where else "")
