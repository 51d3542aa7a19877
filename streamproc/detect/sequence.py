"""Sequence: an event for each step within a span, in order or in any.

A chain takes a different event for each step; ordered, their times do not fall (equal times count as ordered); from
first to last it is shorter than the span. Whenever an event comes, in whatever order, chains that contain it are
looked for, so that which groups alert does not depend on the order of arrival within the lateness. A chain that
fires is consumed: its events take part in no other. Of several chains the one with the latest events is taken.

Bound: events within 2 W + L of the newest, at most `MAX_ENTRIES` a key; the oldest go first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from streamproc.detect.detector import EventDetector
from streamproc.detect.rolling import MAX_SAMPLE_BYTES
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.times import iso, span

MAX_ENTRIES = 512
MAX_TRIES = 2000
"""Choices among events of the same time that are looked at for one chain."""
SAMPLES = 4
Entry = tuple[int, int, str, bytes]
"""(event time, steps as bits, event id, document or nothing)"""


class Track:
    """The events of a key that wait for their chain, by event time, and the chain that fired last."""

    __slots__ = ("chain", "entries", "newest", "used")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.used: list[tuple[int, str]] = []
        """Time and id of consumed events, which may still be repeated."""
        self.newest = -(1 << 62)
        self.chain: list[Entry] = []


class Sequence(EventDetector):
    """Settings of one rule; see `detector.Detector`. A hit's value says by its bits which steps the event is."""

    __slots__ = ("_tries", "horizon_ms", "keep_ms", "late_ms", "ordered", "steps", "within_ms")

    def __init__(self, steps: int, ordered: bool, within_ms: int, lateness_ms: int) -> None:
        self.steps = steps
        self.ordered = ordered
        self._tries = 0
        self.within_ms = within_ms
        self.late_ms = within_ms + lateness_ms
        self.keep_ms = 2 * within_ms + lateness_ms
        self.horizon_ms = self.keep_ms

    def new(self) -> Track:
        return Track()

    def apply(self, state: Track, t: int, arrival: int, event_id: str, value: int, raw: bytes) -> int:
        if t < state.newest - self.late_ms:
            return LATE
        entries = state.entries
        if any(entry[2] == event_id for entry in entries) or any(used[1] == event_id for used in state.used):
            return DUPLICATE
        at = bisect_right(entries, t, key=_time)
        entries.insert(at, (t, value, event_id, raw if len(raw) <= MAX_SAMPLE_BYTES else b""))
        if t > state.newest:
            state.newest = t
            self._forget(state)
            at = len(entries) - 1
        elif len(entries) > MAX_ENTRIES:
            del entries[0]
            at -= 1
            if at < 0:
                return COUNTED
        chain = self._chain(entries, at)
        if chain is None:
            return COUNTED
        state.chain = [entries[place] for place in chain]
        for place in sorted(chain, reverse=True):
            state.used.append((entries[place][0], entries[place][2]))
            del entries[place]
        state.used = state.used[-MAX_ENTRIES:]
        return self.steps

    def _forget(self, state: Track) -> None:
        oldest = state.newest - self.keep_ms
        gone = max(bisect_right(state.entries, oldest, key=_time), len(state.entries) - MAX_ENTRIES)
        if gone > 0:
            del state.entries[:gone]
        if state.used and min(state.used)[0] <= oldest:
            state.used = [used for used in state.used if used[0] > oldest]

    def _chain(self, entries: list[Entry], at: int) -> list[int] | None:
        """Places of a complete chain with the entry at `at`, in the order of the steps; that with the latest end."""
        t = entries[at][0]
        low = bisect_right(entries, t - self.within_ms, key=_time)
        high = bisect_left(entries, t + self.within_ms, key=_time)
        union = 0
        for entry in entries[low:high]:
            union |= entry[1]
        if union != (1 << self.steps) - 1:
            return None
        for end in range(high - 1, at - 1, -1):
            first = max(low, bisect_right(entries, entries[end][0] - self.within_ms, key=_time))
            places = range(first, end + 1)
            find = self._in_order if self.ordered else self._in_any_order
            for step in range(self.steps):
                if entries[at][1] >> step & 1:
                    chain = find(entries, places, at, step)
                    if chain is not None:
                        return chain
        return None

    def _in_order(self, entries: list[Entry], places: range, at: int, step: int) -> list[int] | None:
        """With the entry at `at` as `step`: backwards from it to the first step, forwards to the last.

        The nearest event leaves most room for the next step, so that others are tried only at its own time, and of
        those with the same steps only one.
        """
        chain = {step: at}
        steps = [*range(step - 1, -1, -1), *range(step + 1, self.steps)]
        self._tries = MAX_TRIES
        return [chain[number] for number in range(self.steps)] if self._extend(entries, places, chain, steps) else None

    def _extend(self, entries: list[Entry], places: range, chain: dict[int, int], steps: list[int]) -> bool:
        """Find events for the remaining steps; each has its neighbour's, on the side of the start, in the chain."""
        if not steps:
            return True
        step, *rest = steps
        back = step + 1 in chain and step - 1 not in chain
        t = entries[chain[step + 1 if back else step - 1]][0]
        if back:
            row = range(bisect_right(entries, t, key=_time) - 1, places.start - 1, -1)
        else:
            row = range(bisect_left(entries, t, key=_time), places.stop)
        taken, nearest, tried = set(chain.values()), None, set()
        for place in row:
            time, bits, _, _ = entries[place]
            if nearest is not None and time != nearest:
                return False
            if place in taken or not bits >> step & 1:
                continue
            if bits in tried or self._tries == 0:
                continue
            nearest = time
            tried.add(bits)
            self._tries -= 1
            chain[step] = place
            if self._extend(entries, places, chain, rest):
                return True
            del chain[step]
        return False

    def _in_any_order(self, entries: list[Entry], places: range, at: int, step: int) -> list[int] | None:
        """A different event for each step: augmenting paths, with the entry at `at` held as `step`."""
        holder: dict[int, int] = {at: step}

        def place_step(wanted: int, tried: set[int]) -> bool:
            for place in reversed(places):
                if place == at or place in tried or not entries[place][1] >> wanted & 1:
                    continue
                tried.add(place)
                if place not in holder or place_step(holder[place], tried):
                    holder[place] = wanted
                    return True
            return False

        for other in range(self.steps):
            if other != step and not place_step(other, set()):
                return None
        by_step = {taken: place for place, taken in holder.items()}
        return [by_step[number] for number in range(self.steps)]

    def context(self, state: Track) -> dict[str, Any]:
        times = [entry[0] for entry in state.chain]
        return {
            "count": len(state.chain),
            "within_seconds": self.within_ms // 1000,
            "steps": [
                {"step": number, "event_id": entry[2], "event_time": iso(entry[0])}
                for number, entry in enumerate(state.chain, 1)
            ],
            "first_event_time": iso(min(times)),
            "last_event_time": iso(max(times)),
            "event_ids": [entry[2] for entry in state.chain],
        }

    def samples(self, state: Track) -> list[bytes]:
        return [entry[3] for entry in state.chain if entry[3]][:SAMPLES]

    def reason(self, state: Track, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        times = [entry[0] for entry in state.chain]
        where = ", ".join(f"{path} {value}" for path, value in group.items())
        order = "in order" if self.ordered else "in any order"
        return f"{self.steps} steps {order} in {span(max(times) - min(times))}" + (f" for {where}" if where else "")

    def encode(self, state: Track) -> Any:
        return [state.newest, state.entries, state.used, state.chain]

    def decode(self, stored: Any) -> Track:
        state = Track()
        state.newest, entries, used, chain = stored
        state.entries = [tuple(entry) for entry in entries]
        state.used = [tuple(one) for one in used]
        state.chain = [tuple(entry) for entry in chain]
        return state


def _time(entry: Entry) -> int:
    return entry[0]
